"""Kernels in Numba."""

PLACE = 2
ARRAYS = True
