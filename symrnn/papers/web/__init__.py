"""Web pages about cells and about how they differ."""
