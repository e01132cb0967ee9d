"""What the layers of a model cost: the figures of their cells' plans, in the axes of the model."""

from collections.abc import Iterator
from dataclasses import dataclass

from sympy import Expr

from symrnn.models.model import Run
from symrnn.planning.cost import moving_operations, saved_elements
from symrnn.planning.ir import Pass
from symrnn.planning.model_plan import ModelPlan
from symrnn.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Operations of a layer per sample and step of its time axis, and how many numbers its tape keeps."""

    layer: str
    over: str
    forward: Expr
    backward: Expr
    saved: Expr


def layer_costs(planned: ModelPlan) -> Iterator[LayerCost]:
    """The costs of the layers that the loss needs, in the order of computation."""
    plans = {of_cell.name: of_cell for of_cell in planned.cells}
    for run in planned.model.runs:
        if any(call.layer == run.label for call in planned.loss.calls):
            yield _cost(run, plans[run.layer.cell.name])


def _cost(run: Run, of_cell: Plan) -> LayerCost:
    def operations(part: Pass) -> Expr:
        return moving_operations(part.statements, of_cell.table())

    figures = (operations(of_cell.forward), operations(of_cell.backward), saved_elements(of_cell))
    return LayerCost(
        run.label, run.layer.time, *(number.xreplace(dict(run.sizes)).expand() for number in figures)
    )
