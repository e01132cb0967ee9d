"""Declaring a cell: SymPy equations become a `Cell`, with shapes and an order, and all that is refused."""
