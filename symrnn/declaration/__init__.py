"""Declaring a cell: quantities, the vocabulary of operations, and `Cell` with all its validation."""
