"""The whole story: a cell's equations become a derivation, a plan, a kernel and a paper.

    Cell --derive--> Derivation --plan--> Plan --emit--> source of a kernel
                         |
                         +--latex--> a LaTeX document, with the plan's figures

    Cell, Cell --diff--> Comparison --latex--> a LaTeX document

Each verb takes its predecessor's result, or a `Cell`. A `Model` is emitted whole: the kernels of its cells
and what joins them.

What was made and proved is remembered: equal sources get the same derivation, plan and text.
"""

from collections.abc import Iterator
from functools import lru_cache

import symrnn.comparison.printout
import symrnn.planning.printout  # noqa: F401  (these two say how comparisons and plans print)
from symrnn.comparison.comparison import Comparison, compare
from symrnn.declaration.cell import Cell
from symrnn.derivation.cost import StepCost
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.model_reverse import derive_model
from symrnn.derivation.reverse import derive, derived
from symrnn.errors import RequestError, shown
from symrnn.kernels.models.module import emit_model
from symrnn.kernels.numpy.minimal import MINIMAL_TARGET, emit_minimal
from symrnn.kernels.targets import emit_module, require_contract, require_target
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.models.model import Model
from symrnn.papers.difference import latex_difference
from symrnn.papers.document import latex_document
from symrnn.papers.model import latex_model
from symrnn.planning.checker import check as check_plan
from symrnn.planning.cost import step_cost
from symrnn.planning.lowering import lower
from symrnn.planning.passes import AS_WRITTEN, PASSES, PlanPass, require_save
from symrnn.planning.plan import Plan
from symrnn.validation.models import prove_model
from symrnn.validation.plans import prove_plan
from symrnn.validation.reproducer import told_of
from symrnn.validation.texts import prove_text
from symrnn.version import __version__

__all__ = ["cost", "derive", "diff", "emit", "latex", "plan"]

REMEMBERED = 64
"""So many plans, and so many texts, are remembered."""


def _derivation(source: object, verb: str) -> Derivation:
    """The derivation that `source` is or leads to."""
    if isinstance(source, Cell):
        return derive(source)
    if isinstance(source, Derivation):
        return source
    if isinstance(source, Model):
        raise RequestError(
            f"{verb}() got the model {source.name!r}, and takes one cell at a time. Write {verb}(layer.cell)."
        )
    raise RequestError(
        f"{verb}() got {shown(source)}, which is neither a Cell nor a Derivation. "
        "A shipped cell is symrnn.zoo.cell('gru')."
    )


def plan(source: Derivation | Cell, save: str = "all") -> Plan:
    """The plan of a derivation or a cell, after all passes, checked after each and proved.

    With `save="all"` the forward pass keeps whatever the backward pass reads. With `save="states"` it keeps
    the states over time and the output, and the backward pass recomputes the rest from them.

    Raises:
        DerivationError: an operation has no vector-Jacobian rule.
        RequestError: `save` is something else.
        ValidationError: symrnn is at fault: the plan is not what the equations say.
    """
    return _planned(source, save, "plan")


def _planned(source: object, save: str, verb: str) -> Plan:
    """The plan of what `verb` was called with."""
    require_save(save)
    derivation = _derivation(source, verb)
    with told_of(derivation, f'symrnn.plan(source, save="{save}")'):
        return _proved_plan(derivation, PASSES[save])


@lru_cache(maxsize=REMEMBERED)
def _proved_plan(derivation: Derivation, passes: tuple[PlanPass, ...]) -> Plan:
    """What passes make of the lowered plan, proved."""
    for made in _plans(derivation, passes):
        planned = made
    prove_plan(planned, derivation, lambda: _plans(derivation, passes))
    return planned


def _plans(derivation: Derivation, passes: tuple[PlanPass, ...]) -> Iterator[Plan]:
    """The lowered plan and what each pass makes of it, checked."""
    planned = check_plan(lower(derivation))
    yield planned
    for improve in passes:
        planned = check_plan(improve(planned))
        yield planned


def emit(
    source: Plan | Derivation | Cell | Model,
    target: str = "numba",
    save: str = "all",
    *,
    contract: str = "full",
) -> str:
    """The source of a standalone module of a kernel or a whole model, for the target "numpy" or "numba".

    `save` is what `plan` takes; a plan that is made already keeps its own. With `contract="minimal"` a
    NumPy kernel of a cell has `forward`, `backward` and `step` alone, unchecked: to read, teach and paste.

    Raises:
        RequestError: there is no such target, contract or `save`, the minimal contract is asked of a model, a
            plan or Numba, or a plan that saves all is to save states.
        ValidationError: symrnn is at fault: the text does not compute what the plan says.
    """
    require_save(save)
    require_contract(contract)
    require_target(target)
    if contract == "minimal":
        return _minimal(source, target, save)
    call = f'symrnn.emit(source, target="{target}", save="{save}")'
    if isinstance(source, Model):
        return _proved_model(source, target, save, call)
    planned = source if isinstance(source, Plan) else _planned(source, save, "emit")
    if save not in ("all", planned.save):
        raise RequestError(
            f"This plan of {planned.name} is made with save='all'. Plan it with save='{save}'."
        )
    with told_of(source, call):
        return _proved_text(planned, target)


def _minimal(source: object, target: str, save: str) -> str:
    """The minimal module of a cell, or of its derivation."""
    if target != MINIMAL_TARGET or save != "all" or isinstance(source, Plan | Model):
        raise RequestError(
            "The minimal contract is written for cells, in NumPy, with save='all'. "
            "Write emit(cell, 'numpy', contract='minimal'), or leave the contract out."
        )
    derivation = _derivation(source, "emit")
    with told_of(derivation, 'symrnn.emit(source, target="numpy", contract="minimal")'):
        return _proved_minimal(derivation)


@lru_cache(maxsize=REMEMBERED)
def _proved_minimal(derivation: Derivation) -> str:
    """The minimal module of a derivation, proved."""
    planned = _proved_plan(derivation, AS_WRITTEN)
    text = emit_minimal(planned, __version__)
    prove_text(text, planned, MINIMAL_TARGET, "minimal")
    return text


@lru_cache(maxsize=REMEMBERED)
def _proved_text(planned: Plan, target: str) -> str:
    """The module of a plan, proved."""
    text = emit_module(planned, target, __version__)
    prove_text(text, planned, target)
    return text


@lru_cache(maxsize=REMEMBERED)
def _proved_model(model: Model, target: str, save: str, call: str) -> str:
    """The module of a model, with the kernels of its cells, proved; `call` is what asks for it."""
    cells = {run.layer.cell.name: run.layer.cell for run in model.runs}
    kernels = {name: emit(cell, target, save) for name, cell in cells.items()}
    text = emit_model(model, kernels, target, __version__)
    with told_of(model, call):
        prove_model(text, model, target)
    return text


def forget() -> None:
    """Make everything anew when it is asked for: what makes it was changed, as tests do."""
    for remembered in (derived, _proved_plan, _proved_text, _proved_minimal, _proved_model):
        remembered.cache_clear()


def diff(left: Cell, right: Cell) -> Comparison:
    """How two cells differ: what corresponds, the terms that differ, and whether one is a case of the other.

    What is said of equality is proved in the symbols; where nothing is proved, there are numbers, and the
    verdict says that they are numbers.

    Raises:
        RequestError: one of them is no cell.
    """
    return compare(left, right)


def cost(source: Derivation | Cell) -> StepCost:
    """What a step costs per sample: operations, and numbers saved, as polynomials in the axes."""
    derivation = _derivation(source, "cost")
    return step_cost(plan(derivation), plan(derivation, "states"))


def latex(
    source: Derivation | Cell | Model | Comparison,
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
    if isinstance(source, Model | Comparison) and (fragment or only != "all"):
        raise RequestError(
            "Differences and models are written as whole documents. "
            "Leave fragment= and only= out, or take a cell: latex(layer.cell, ...)."
        )
    if isinstance(source, Comparison):
        return latex_difference(source)
    if isinstance(source, Model):
        costs = {run.layer.cell: cost(run.layer.cell) for run in source.runs}
        return latex_model(derive_model(source), style, costs)
    derivation = _derivation(source, "latex")
    return latex_document(derivation, style, cost(derivation), fragment=fragment, only=only)
