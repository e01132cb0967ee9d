"""Weights in and out of other frameworks: which rows of whose arrays are the parameters of a shipped cell.

`records` says what a layout is, `frameworks` lists them all; `packing` is how arrays are named and put
together, `reading` the one way by which they are read and written, `wording` what is said of it; `tensors` is
the door to safetensors.
"""

from symrnn.layouts.frameworks import LAYOUTS
from symrnn.layouts.reading import read, write
from symrnn.layouts.records import Weights
from symrnn.layouts.storing import load, save

__all__ = ["LAYOUTS", "Weights", "load", "read", "save", "write"]
