"""Deriving backpropagation through time: a table of rules, the reverse sweep, tangents and Jacobians."""
