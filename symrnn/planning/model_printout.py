"""A model's plan as a table, for a person: the calls forwards and backwards, with what, and what they cost.

An array stands by its layer's name: `words` are the outputs of the layer `words`, `d_right.x` is what comes
back from its kernel for the input x.
"""

from collections.abc import Collection, Iterable

from sympy import Add

from symrnn.models.layers import ONCE
from symrnn.planning.model_cost import LayerCost, layer_costs
from symrnn.planning.model_plan import (
    Array,
    BackwardCall,
    How,
    Kind,
    LayerCall,
    ModelPlan,
)
from symrnn.planning.printout import columns, cost_text, listed, wrapped

ARRAYS = {
    Kind.INPUT: "inputs.{name}",
    Kind.STATE: "state.{name}",
    Kind.OUTPUTS: "{owner}",
    Kind.FINAL: "{owner}.final({name})",
    Kind.LOSS_ADJOINT: "1/N",
    Kind.INPUT_ADJOINT: "d_{owner}.{name}",
    Kind.STATE_ADJOINT: "d_{owner}.{name} at the start",
    Kind.PARAMETER_ADJOINT: "d_{owner}.{name}",
    Kind.STEP_INPUT: "inputs.{name}",
    Kind.STEP_OUTPUT: "{owner}",
    Kind.NEXT: "{owner}.{name}",
}
CHANGES = {
    How.TURNED: "turned({array})",
    How.ALONE: "{array}",
    How.ONLY: "{array}",
    How.LAST: "{array}.last",
    How.FIRST: "{array}.last",
    How.AT_LAST: "{array} at its end",
    How.AT_FIRST: "{array} at its end",
}


def model_plan_text(planned: ModelPlan) -> str:
    """The plan as text of at most 80 columns where names allow; those of its cells are texts of their own."""
    costs = {cost.layer: cost for cost in layer_costs(planned)}
    lines = [*_summary(planned, costs.values()), ""]
    lines += columns("forward, in this order", "operations per sample and step")
    lines += [line for call in planned.layers for line in _forward(call, costs.get(call.layer))]
    lines += ["", *columns("backward, in this order", "operations per sample and step")]
    lines += [line for call in planned.backward for line in _backward(call, costs[call.layer])]
    lines += ["", "gradients, each in the place of its first summand", *_gradients(planned)]
    lines += ["", *columns("saved for the backward pass", "numbers per sample and step")]
    for cost in costs.values():
        lines += columns(f"  the tape of {cost.layer}", f"{cost_text(cost.saved)}{_per(cost)}")
    return "\n".join(line.rstrip() for line in [*lines, "", *_step(planned)])


def _summary(planned: ModelPlan, costs: Collection[LayerCost]) -> list[str]:
    model = planned.model
    lines = wrapped(f"plan of the model {model.name}: {model.title}", 8)
    cells = ", ".join(of_cell.name for of_cell in planned.cells)
    lines += wrapped(f"  cells       {cells}, each with a plan of its own that saves {planned.save}", 14)
    for over in dict.fromkeys(cost.over for cost in costs):
        here = [cost for cost in costs if cost.over == over]
        per = "per sample" if over == ONCE else f"per sample and step of {over}"
        forward, backward, saved = (
            cost_text(Add(*(getattr(cost, part) for cost in here)))
            for part in ("forward", "backward", "saved")
        )
        lines += wrapped(f"  operations  {per}: forward {forward},", 14)
        lines += wrapped(f"              backward {backward}", 14)
        lines += wrapped(f"  saved       {per}: {saved} numbers", 14)
    lines += wrapped(f"  loss        the mean of {planned.loss.layer} over all N steps of all samples", 14)
    reads = ", ".join(planned.output.reads)
    return [*lines, *wrapped(f"  output      {planned.output.layer}, which reads {reads}", 14)]


def _per(cost: LayerCost) -> str:
    """What tells that a layer's steps are not those of the usual time axis."""
    return "" if cost.over == "T" else " (once)" if cost.over == ONCE else f" (of {cost.over})"


def _forward(call: LayerCall, cost: LayerCost | None) -> list[str]:
    figure = "not for the loss" if cost is None else f"{cost_text(cost.forward)}{_per(cost)}"
    of_cell = f": {call.cell}" if call.cell != call.layer else ""
    lines = columns(f"  {call.layer}{of_cell}", figure)
    for name, array in call.inputs:
        lines += wrapped(f"    {name} = {array_text(array)}", 8)
    for name, array in call.start:
        otherwise = ", or zero" if call.given else ""
        lines += wrapped(f"    {name} starts from {array_text(array)}{otherwise}", 8)
    return lines


def _backward(call: BackwardCall, cost: LayerCost) -> list[str]:
    lines = columns(f"  {call.layer}", f"{cost_text(cost.backward)}{_per(cost)}")
    arrives = sum_text(call.arrives)
    lines += wrapped(f"    d_outputs = {f'turned({arrives})' if call.reverse else arrives}", 8)
    for name, arrays in call.ends:
        lines += wrapped(f"    d_{name} at the end = {sum_text(arrays)}", 8)
    return [*lines, *([] if call.hands_back else ["    no gradient of the inputs"])]


def _gradients(planned: ModelPlan) -> list[str]:
    """The gradients that are sums or zero, and by layer the others."""
    lines: list[str] = []
    alone: dict[str, list[str]] = {}
    for name, arrays in planned.gradients:
        if len(arrays) == 1:
            alone.setdefault(arrays[0].owner, []).append(arrays[0].name)
        else:
            lines += wrapped(f"  {name}: {sum_text(arrays)}", 8)
    told = [f"{layer}: {listed(names)}" for layer, names in alone.items()]
    return [*lines, *(line for text in told for line in wrapped(f"  of {text}", 8))]


def _step(planned: ModelPlan) -> list[str]:
    step = planned.step
    if step is None:
        return wrapped(f"step by step: no, because {planned.no_step}", 8)
    lines = wrapped(f"step by step: {', '.join(call.layer for call in step.calls)}", 8)
    if step.memory:
        lines += wrapped(f"  from step to step go {', '.join(m.name for m in step.memory)}", 8)
    if step.begin is not None:
        lines += wrapped(f"  before the first step: {', '.join(c.layer for c in step.begin.calls)}", 8)
    for name, array in step.starts:
        lines += wrapped(f"    {name} starts from {array_text(array)}", 8)
    return [*lines, *([f"  the output goes back to {step.feedback}"] if step.feedback else [])]


def sum_text(arrays: Iterable[Array]) -> str:
    """A sum of arrays as a person names them."""
    return " + ".join(map(array_text, arrays)) or "0"


def array_text(array: Array) -> str:
    """An array as a person names it."""
    text = ARRAYS[array.kind].format(owner=array.owner, name=array.name)
    for change in array.changes:
        text = CHANGES[change.how].format(array=text)
    return text
