"""Random cells of the whole vocabulary, numerically tame, for tests of every stage.

They are those of the fuzzer. `cells()` is a hypothesis strategy, `random_cell(seed)` the same generator on a
plain random number generator.
"""

from hypothesis import strategies as st

from symrnn import Cell
from symrnn.fuzzing.cells import build_cell, random_cell, sizes_for
from symrnn.fuzzing.quantities import SIZES

__all__ = ["SIZES", "build_cell", "cells", "random_cell", "sizes_for"]


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Random cells."""
    return build_cell(lambda count: draw(st.integers(0, count - 1)))
