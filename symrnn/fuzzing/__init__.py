"""A fuzzer: random cells and models of the whole vocabulary, from declaration to compared gradients."""
