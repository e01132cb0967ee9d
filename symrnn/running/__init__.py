"""Using what was emitted: finding cells and models, loading kernels as modules."""
