"""A whole model with its loss as a module: its cells' kernels, joined by PyTorch."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from symrnn.declaration.axes import size_number, size_text
from symrnn.declaration.quantities import Constant
from symrnn.errors import RequestError, shown
from symrnn.models.layers import ONCE
from symrnn.models.model import Model
from symrnn.pipeline import plan
from symrnn.planning.model_plan import Array, Evaluation, How, Kind, LayerCall, ModelPlan
from symrnn.running.loading import load
from symrnn.torch.runners import Runner, drawn
from symrnn.torch.sequences import steps_of, turned
from symrnn.torch.weights import chosen_sizes, registered, state_options


def module(
    model: Model,
    *sizes: int,
    save: str = "all",
    backend: str = "auto",
    device: Any = None,
    dtype: Any = None,
    **named: int,
) -> "Network":
    """A model as a PyTorch module, which gives its loss: `loss, state = made({"k": ..., "following": ...})`.

    `sizes` are the lengths of the model's axes, in their order or by name. Parameters have the model's names
    for them and are drawn as `init` does, from PyTorch's seed. `save` and `backend` are those of `layer`.

    Raises:
        RequestError: `model` is none, sizes are missing or too many, or kernels do not compute in `dtype`.
    """
    if not isinstance(model, Model):
        raise RequestError(
            f"module() takes a Model, and got {shown(model)}. A shipped one is symrnn.zoo.MODELS[name]."
        )
    given = chosen_sizes(model, sizes, named, "module")
    return Network(model, given, save, backend, dtype, device)


@dataclass(frozen=True, slots=True)
class Pass:
    """What has been computed in one call: what the caller gave, and by layer outputs and final states."""

    inputs: dict[str, Tensor]
    state: dict[str, Tensor]
    lengths: dict[str, Tensor | None]
    outputs: dict[str, Tensor] = field(default_factory=dict)
    finals: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def array(self, wanted: Array) -> Tensor:
        """An array of the plan."""
        found = {
            Kind.INPUT: lambda: self.inputs[wanted.name],
            Kind.STATE: lambda: self.state[wanted.name],
            Kind.OUTPUTS: lambda: self.outputs[wanted.owner],
            Kind.FINAL: lambda: self.finals[wanted.owner][wanted.name],
        }[wanted.kind]()
        for change in wanted.changes:
            found = self.changed(found, change.how, self.lengths.get(change.over))
        return found

    def changed(self, tensor: Tensor, how: How, lengths: Tensor | None) -> Tensor:
        """A tensor after what is done to it on its way from layer to layer."""
        if how is How.TURNED:
            return turned(tensor, lengths)
        if how is How.ALONE:
            return tensor[None]
        if how is How.LAST and lengths is not None:
            lengths = lengths.to(tensor.device)
            last = tensor[(lengths - 1).clamp(min=0), torch.arange(tensor.shape[1], device=tensor.device)]
            return torch.where((lengths > 0).reshape(-1, *[1] * (tensor.dim() - 2)), last, 0)
        return tensor[-1] if how is How.LAST else tensor[0]


class Network(nn.Module):
    """A model with its loss (see `module`)."""

    def __init__(
        self, model: Model, sizes: dict[str, int], save: str, backend: str, dtype: Any, device: Any
    ) -> None:
        """Load what runs the model's cells, and make fresh parameters."""
        super().__init__()
        self.sizes = dict(sizes)
        self._model, self._save = model, save
        self._dtype = torch.get_default_dtype() if dtype is None else dtype
        device = torch.get_default_device() if device is None else torch.device(device)
        self._runners = {run.label: Runner(run.layer.cell, save, backend) for run in model.runs}
        for runner in self._runners.values():
            runner.require_dtype(self._dtype, device)
        self._states = {
            run.label: {
                q.name: tuple(size_number(size_text(size), self.sizes) for size in run.shape(q))
                for q in run.layer.cell.states
            }
            for run in model.runs
        }
        fresh = drawn(load(model, "numpy"), sizes, self._dtype, device)
        self._attributes = {
            name: registered(self, name, fresh[name], trained=not isinstance(quantity, Constant))
            for name, quantity, _ in model.parameters
        }
        self._parameters_of = {
            run.label: [self._attributes[name] for _, name in run.parameters] for run in model.runs
        }
        self._prepare()

    def _prepare(self) -> None:
        """Plan the model."""
        planned = plan(self._model, self._save)
        assert isinstance(planned, ModelPlan)
        self._plan = planned

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_plan"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._prepare()

    @property
    def model(self) -> Model:
        """The model that this runs."""
        return self._model

    def named(self, name: str) -> Tensor:
        """The parameter, or the constant, that the model calls so."""
        return getattr(self, self._attributes[name])

    def forward(self, inputs: Any, state: Any = None, *, lengths: Any = None) -> tuple[Tensor, Any]:
        """The loss, the mean over all steps of all samples, and the state that the next call goes on from.

        `inputs` are tensors (T, B, ...) by the names of the model's feeds, `state` those that it carries from
        call to call, zeros without it; `lengths` (B,) the samples' numbers of steps, by time axis if the
        model has several.
        """
        made = self._evaluate(self._plan.loss, inputs, state, lengths)
        losses, steps = made.outputs[self._plan.loss.layer], made.lengths.get(self._plan.loss.over)
        count = torch.tensor(losses.numel()) if steps is None else steps.sum()
        loss = losses.sum() / count.clamp(min=1).to(losses.device)
        return loss, self._state(self._plan.loss, made)

    def predict(self, inputs: Any, state: Any = None, *, lengths: Any = None) -> tuple[Tensor, Any]:
        """The outputs of the model, and the state that the next call goes on from; arguments as in `forward`.

        Inputs that the output does not need may be left out.
        """
        made = self._evaluate(self._plan.output, inputs, state, lengths)
        outputs = made.outputs[self._plan.output.layer]
        return outputs[0] if self._plan.output.over == ONCE else outputs, self._state(self._plan.output, made)

    def _evaluate(self, evaluation: Evaluation, inputs: Any, state: Any, lengths: Any) -> Pass:
        """Run the layers that an evaluation needs."""
        carried = [
            array.name for call in evaluation.calls for _, array in call.start if array.kind is Kind.STATE
        ]
        _require_tensors("inputs", inputs, evaluation.reads)
        if state is not None and state != {}:
            _require_tensors("state", state, carried)
        for feed, _, shape in self._model.feeds:
            lead = ("B",) if feed.over == ONCE else (feed.over, "B")
            if feed.name in evaluation.reads and inputs[feed.name].dim() != len((*lead, *shape)):
                raise RequestError(
                    f"inputs {feed.name} has shape {tuple(inputs[feed.name].shape)}; it should have "
                    f"({', '.join(map(str, (*lead, *shape)))})."
                )
        made = Pass(dict(inputs), dict(state or {}), self._lengths(lengths))
        for call in evaluation.calls:
            self._run(call, made)
        return made

    def _lengths(self, lengths: Any) -> dict[str, Tensor | None]:
        """The samples' numbers of steps by time axis."""
        times = self._model.times
        given = lengths if isinstance(lengths, dict) else dict.fromkeys(times[:1], lengths)
        if set(given) - set(times):
            raise RequestError(
                f"lengths are given over {', '.join(given)}; the model's time axes: {', '.join(times)}."
            )
        return {time: steps_of(steps) for time, steps in given.items()}

    def _run(self, call: LayerCall, made: Pass) -> None:
        """Run one layer."""
        parameters = [getattr(self, name) for name in self._parameters_of[call.layer]]
        inputs = [made.array(array) for _, array in call.inputs]
        starts = {} if call.given and not made.state else dict(call.start)
        B, shapes = inputs[0].shape[1], self._states[call.layer]
        options = state_options(inputs, parameters, self._dtype)
        state = [
            made.array(starts[name]) if name in starts else torch.zeros(B, *shape, **options)
            for name, shape in shapes.items()
        ]
        steps = made.lengths.get(call.over)
        outputs, final = self._runners[call.layer].run(parameters, inputs, state, steps)
        made.outputs[call.layer] = turned(outputs, steps) if call.reverse else outputs
        made.finals[call.layer] = dict(zip(shapes, final, strict=True))

    def _state(self, evaluation: Evaluation, made: Pass) -> dict[str, Tensor]:
        """The states that the next call goes on from, by name."""
        return {
            name: made.array(array)
            for name, array in evaluation.states
            if array.kind != Kind.STATE or made.state
        }

    def extra_repr(self) -> str:
        """The model and the sizes of its axes."""
        return ", ".join([self._model.name, *(f"{axis}={size}" for axis, size in self.sizes.items())])


def _require_tensors(what: str, given: Any, names: Iterable[str]) -> None:
    """Raise unless `given` is a dict with a tensor of each name; it may have more."""
    if not isinstance(given, dict) or not all(isinstance(given.get(name), Tensor) for name in names):
        raise RequestError(f"{what} is {shown(given)}; give a dict of tensors: {', '.join(names)}.")
