"""The whole story: the equations of a cell or a model become a derivation, a plan, a kernel and a paper.

    Cell --derive--> Derivation --plan--> Plan --emit--> source of a kernel
                         |
                         +--latex--> a LaTeX document, with the plan's figures

    Model --derive--> ModelDerivation --plan--> ModelPlan --emit--> source of a module with its cells' kernels
                         |
                         +--latex--> a LaTeX document, with the derivations of its cells

    Cell, Cell --diff--> Comparison --latex--> a LaTeX document

Each verb takes its predecessor's result, or the `Cell` or `Model` that it is made from. `latex` and `diff`
are in `writing`: a kernel is emitted without what writes papers.

What was made and proved is remembered: equal sources get the same derivation, plan and text.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias, overload

from symrnn.declaration.cell import Cell
from symrnn.derivation.cost import StepCost
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.model_derivation import ModelDerivation
from symrnn.derivation.model_reverse import derive_model
from symrnn.derivation.reverse import REMEMBERED, derived
from symrnn.derivation.reverse import derive as derive_cell
from symrnn.errors import RequestError, shown
from symrnn.kernels.models.module import emit_model
from symrnn.kernels.targets import TARGETS, require_offer
from symrnn.models.model import Model
from symrnn.planning.checker import check as check_plan
from symrnn.planning.cost import step_cost
from symrnn.planning.lowering import lower
from symrnn.planning.model_lowering import lower_model
from symrnn.planning.model_plan import ModelPlan
from symrnn.planning.passes import PASSES, PlanPass, require_save
from symrnn.planning.plan import Plan
from symrnn.validation.models import prove_model
from symrnn.validation.plans import prove_plan
from symrnn.validation.reproducer import told_of
from symrnn.validation.texts import prove_text
from symrnn.validation.wiring import prove_calls, prove_wiring
from symrnn.version import __version__

__all__ = ["cost", "derive", "emit", "plan"]

Declared: TypeAlias = Cell | Model
Derived: TypeAlias = Derivation | ModelDerivation
OfModel: TypeAlias = ModelPlan | ModelDerivation | Model
Source: TypeAlias = Plan | Derivation | Cell | OfModel
"""What verbs take, by how far it has come; a kernel or the module of a model is emitted of any."""


@overload
def derive(source: Cell) -> Derivation: ...
@overload
def derive(source: Model) -> ModelDerivation: ...
def derive(source: Declared) -> Derived:
    """Backpropagation through time of a cell, or through a model: the adjoint of everything, with its origin.

    Raises:
        DerivationError: an operation has no vector-Jacobian rule.
        RequestError: `source` is something else.
    """
    return _joined(source) if isinstance(source, Model) else derive_cell(source)


@lru_cache(maxsize=REMEMBERED)
def _joined(model: Model) -> ModelDerivation:
    """The derivation of a model, what joins its layers proved."""
    derivation = derive_model(model)
    with told_of(model, "symrnn.derive(source)"):
        prove_wiring(derivation)
    return derivation


def derivation_of(source: object, verb: str) -> Derived:
    """The derivation that `source` is or leads to."""
    if isinstance(source, Derived):
        return source
    if isinstance(source, Declared):
        return derive(source)
    raise RequestError(
        f"{verb}() got {shown(source)}, which is neither a Cell or Model nor derived from one. "
        "A shipped cell is symrnn.zoo.cell('gru')."
    )


@overload
def plan(source: Derivation | Cell, save: str = "all") -> Plan: ...
@overload
def plan(source: ModelDerivation | Model, save: str = "all") -> ModelPlan: ...
def plan(source: Declared | Derived, save: str = "all") -> Plan | ModelPlan:
    """The plan of a cell, after all passes, checked after each and proved; or of a model and all its cells.

    With `save="all"` the forward pass keeps whatever the backward pass reads. With `save="states"` it keeps
    the states over time and the output, and the backward pass recomputes the rest from them.

    Raises:
        DerivationError: an operation has no vector-Jacobian rule.
        RequestError: `save` is something else.
        ValidationError: symrnn is at fault: the plan is not what the equations say.
    """
    return _planned(source, save, "plan")


def _planned(source: object, save: str, verb: str) -> Plan | ModelPlan:
    """The plan of what `verb` was called with."""
    require_save(save)
    derivation, call = derivation_of(source, verb), f'symrnn.plan(source, save="{save}")'
    if isinstance(derivation, ModelDerivation):
        cells = tuple(plan(of_cell, save) for of_cell in derivation.of_cells)
        with told_of(derivation, call):
            return _proved_calls(derivation, cells, save)
    with told_of(derivation, call):
        return _proved_plan(derivation, PASSES[save])


@lru_cache(maxsize=REMEMBERED)
def _proved_plan(derivation: Derivation, passes: tuple[PlanPass, ...]) -> Plan:
    """What passes make of the lowered plan, proved."""
    for made in _plans(derivation, passes):
        planned = made
    prove_plan(planned, derivation, lambda: _plans(derivation, passes))
    return planned


@lru_cache(maxsize=REMEMBERED)
def _proved_calls(derivation: ModelDerivation, cells: tuple[Plan, ...], save: str) -> ModelPlan:
    """The plan of a model, whose cells have these plans, proved."""
    planned = lower_model(derivation, cells, save)
    prove_calls(planned)
    return planned


def _plans(derivation: Derivation, passes: tuple[PlanPass, ...]) -> Iterator[Plan]:
    """The lowered plan and what each pass makes of it, checked."""
    planned = check_plan(lower(derivation))
    yield planned
    for improve in passes:
        planned = check_plan(improve(planned))
        yield planned


def emit(
    source: Source,
    target: str = "numba",
    save: str = "all",
    *,
    contract: str = "full",
) -> str:
    """The source of a standalone module of a kernel or a whole model, for the target "numpy" or "numba".

    `save` is what `plan` takes; a plan that is made already keeps its own. With `contract="minimal"` a
    NumPy kernel of a cell has `forward`, `backward` and `step` alone, unchecked: to read, teach and paste.
    With `contract="functional"` a kernel of a cell hands what it saves to its caller, as arrays: for hosts
    that differentiate by themselves.
    The target "python" writes kernels of cells on nested lists, for an interpreter without NumPy; "torch"
    and "jax" write the forward pass of cells, which the framework differentiates.

    Raises:
        RequestError: there is no such target, contract or `save`, the target cannot meet what is asked of it
            (see `require_offer`), or a plan that saves all is to save states.
        ValidationError: symrnn is at fault: the text does not compute what the plan says.
    """
    require_save(save)
    planned = source if isinstance(source, Plan | ModelPlan) else None
    offer = require_offer(
        target, contract, save, model=isinstance(source, OfModel), planned=planned is not None
    )
    call = f'symrnn.emit(source, target="{target}", save="{save}", contract="{contract}")'
    if offer.passes:
        derivation = derivation_of(source, "emit")
        assert isinstance(derivation, Derivation)
        with told_of(derivation, call):
            return _proved_text(_proved_plan(derivation, offer.passes), target, contract)
    planned = planned or _planned(source, save, "emit")
    if save not in ("all", planned.save):
        raise RequestError(
            f"This plan of {planned.name} is made with save='all'. Plan it with save='{save}'."
        )
    if isinstance(planned, ModelPlan):
        for of_cell in planned.cells:
            emit(of_cell, target)  # a kernel that is wrong is told of alone
        with told_of(planned, call):
            return _proved_model(planned, target)
    with told_of(source, call):
        return _proved_text(planned, target, contract)


@lru_cache(maxsize=REMEMBERED)
def _proved_text(planned: Plan, target: str, contract: str) -> str:
    """The module of a plan under a contract, proved."""
    text = require_offer(target, contract).text(planned, __version__)
    prove_text(text, planned, target, contract)
    return text


@lru_cache(maxsize=REMEMBERED)
def _proved_model(planned: ModelPlan, target: str) -> str:
    """The module of a model, with the kernels of its cells, proved."""
    text = emit_model(planned, TARGETS[target], __version__)
    prove_model(text, planned.model, target)
    return text


def forget() -> None:
    """Make everything anew when it is asked for: what makes it was changed, as tests do."""
    for remembered in (derived, _joined, _proved_plan, _proved_calls, _proved_text, _proved_model):
        remembered.cache_clear()


@overload
def cost(source: Derivation | Cell) -> StepCost: ...
@overload
def cost(source: ModelDerivation | Model) -> dict[Cell, StepCost]: ...
def cost(source: Declared | Derived) -> StepCost | dict[Cell, StepCost]:
    """What a step costs per sample, for a model by cell: operations and numbers saved, by the axes."""
    derivation = derivation_of(source, "cost")
    if isinstance(derivation, ModelDerivation):
        return {of_cell.cell: cost(of_cell) for of_cell in derivation.of_cells}
    return step_cost(plan(derivation), plan(derivation, "states"))
