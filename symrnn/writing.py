"""The verbs whose results are read: how two cells differ, and everything as LaTeX.

They stand apart from `pipeline`, so that a kernel is emitted without what writes papers.
"""

from symrnn.comparison.comparison import Comparison, compare
from symrnn.declaration.cell import Cell
from symrnn.derivation.model_derivation import ModelDerivation
from symrnn.errors import RequestError, shown
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.models.model import Model
from symrnn.papers.difference import latex_difference
from symrnn.papers.document import latex_document
from symrnn.papers.model import latex_model
from symrnn.pipeline import Declared, Derived, cost, derivation_of

__all__ = ["diff", "latex"]


def diff(left: Cell, right: Cell) -> Comparison:
    """How two cells differ: what corresponds, the terms that differ, and whether one is a case of the other.

    What is said of equality is proved in the symbols; where nothing is proved, there are numbers, and the
    verdict says that they are numbers.

    Raises:
        RequestError: one of them is no cell.
    """
    return compare(left, right)


def latex(
    source: Declared | Derived | Comparison,
    style: Style = DEFAULT,
    *,
    fragment: bool = False,
    only: str = "all",
) -> str:
    r"""The LaTeX of a derivation, a comparison, or a model: its loss, what joins its layers, and its cells.

    It is a document, or with `fragment` text for \input into a paper that loads amsmath. With
    `only="results"` it has the equations of a step and all gradients, without the way that leads there.

    Raises:
        RequestError: `only` is something else, or is asked of a model or a comparison, as is `fragment`; or
            `style` is no Style.
    """
    if not isinstance(style, Style):
        raise RequestError(
            f"latex() got the style {shown(style)}. Write symrnn.Style(time='subscript', vectors='row')."
        )
    if isinstance(source, Model | ModelDerivation | Comparison) and (fragment or only != "all"):
        raise RequestError(
            "Differences and models are written as whole documents. "
            "Leave fragment= and only= out, or take a cell: latex(layer.cell, ...)."
        )
    if isinstance(source, Comparison):
        return latex_difference(source)
    derivation = derivation_of(source, "latex")
    if isinstance(derivation, ModelDerivation):
        return latex_model(derivation, style, cost(derivation))
    return latex_document(derivation, style, cost(derivation), fragment=fragment, only=only)
