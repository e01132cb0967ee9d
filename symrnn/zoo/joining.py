"""Cells without state that stand between layers: two sequences side by side, and dropout."""

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import concatenate
from symrnn.declaration.quantities import Input, Value

p, q, m = axes("p q m")
first, second, both = Input("first", p), Input("second", q), Value("both")
a, mask, kept = Input("a", m), Input("mask", m), Value("kept")

joined = Cell(
    "joined",
    Eq(both, concatenate(first, second)),
    output=both,
    title="Two sequences side by side",
    variant="as in a bidirectional layer",
    source="Schuster and Paliwal 1997, Bidirectional Recurrent Neural Networks, doi:10.1109/78.650093",
)

dropout = Cell(
    "dropout",
    Eq(kept, mask * a),
    output=kept,
    title="Dropout",
    variant="by a mask from the batch: 0, or 1 / (1 - rate)",
    source="Srivastava et al. 2014, Dropout, JMLR 15",
)
