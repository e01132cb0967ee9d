"""The names of the targets, for who lists them without loading what writes them."""

from pathlib import Path

ARRAY_TARGET_NAMES = ("numpy", "numba")
"""Those whose kernels compute with arrays."""

_FOLDERS = sorted(file.parent.name for file in Path(__file__).parent.glob("*/target.py"))

TARGET_NAMES = (*ARRAY_TARGET_NAMES, *(name for name in _FOLDERS if name not in ARRAY_TARGET_NAMES))
"""All: every folder beside this file that has a target is one."""
