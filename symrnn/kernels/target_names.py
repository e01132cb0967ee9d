"""The names of the targets, for who lists them without loading what writes them."""

TARGET_NAMES = ("numpy", "numba")
