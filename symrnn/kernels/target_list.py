"""The names of the targets, for who lists them without loading what writes them.

A target is a folder of this package with a module `target`. What lists need to know stands in the folder's
`__init__`: `PLACE` orders them, and `ARRAYS` tells whether callers give and get NumPy arrays.
"""

from importlib import import_module
from pathlib import Path

_FOLDERS = {path.parent.name for path in Path(__file__).parent.glob("*/target.py")}
_FACTS = {name: import_module(f"{__package__}.{name}") for name in sorted(_FOLDERS)}

TARGET_NAMES: tuple[str, ...] = tuple(sorted(_FACTS, key=lambda name: _FACTS[name].PLACE))

ARRAY_TARGET_NAMES = tuple(name for name in TARGET_NAMES if _FACTS[name].ARRAYS)
"""Those whose kernels compute with arrays."""

WITH_WEIGHTS = {
    "onnx": "An ONNX graph carries weights. Write symrnn.onnx(cell, parameters), or symrnn emit CELL "
    "--target onnx --weights FILE -o f.onnx"
}
"""What is no kernel, as it carries weights, and how one asks for it."""
