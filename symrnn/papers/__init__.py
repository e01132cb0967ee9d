"""Documents about derivations and comparisons: LaTeX, notebooks, terminals."""
