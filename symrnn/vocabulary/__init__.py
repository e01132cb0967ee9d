"""What may stand in a cell's equations: one record per function, by family, and the structural operations."""
