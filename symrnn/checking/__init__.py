"""The proof against autodiff: an emitted kernel, or a model, and the reference."""
