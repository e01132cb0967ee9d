"""Kernels in Numba."""
