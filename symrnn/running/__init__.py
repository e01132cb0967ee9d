"""Using what was emitted: finding cells, loading kernels."""
