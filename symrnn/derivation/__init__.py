"""Backpropagation through time: adjoints of a `Cell` or a `Model` by a table of rules; Jacobians."""
