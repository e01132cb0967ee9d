"""Kernels in NumPy."""

PLACE = 1
ARRAYS = True
