"""The names of the targets, for who lists them without loading what writes them."""

ARRAY_TARGET_NAMES = ("numpy", "numba")
"""Those whose kernels compute with arrays."""

TARGET_NAMES = ARRAY_TARGET_NAMES
