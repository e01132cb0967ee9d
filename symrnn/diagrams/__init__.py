"""Drawing what flows where in one step of a cell."""
