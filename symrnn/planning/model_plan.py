"""`ModelPlan`: which kernels a model calls, with which arrays, forwards, backwards and step by step."""

from dataclasses import dataclass, replace
from enum import Enum

from symrnn.declaration.axes import Shape
from symrnn.models.layers import ONCE
from symrnn.models.model import Model
from symrnn.planning.plan import Plan
from symrnn.printing import Printed


class Kind(Enum):
    """What an array is: given by the caller, made by a layer, of one step, or an adjoint on the way back.

    Outputs go as the sample's steps do; the caller's state without a name is all of it.
    """

    INPUT = "input"
    STATE = "state"
    OUTPUTS = "outputs"
    FINAL = "final state"
    STEP_INPUT = "input of a step"
    STEP_OUTPUT = "output of a step"
    NEXT = "next state"
    LOSS_ADJOINT = "adjoint of the losses"
    INPUT_ADJOINT = "adjoint of an input"
    STATE_ADJOINT = "adjoint of a state before the first step"
    PARAMETER_ADJOINT = "adjoint of a parameter"


class How(Enum):
    """What is done to an array on its way; what is placed at an end is zero elsewhere."""

    TURNED = "the order of each sample's steps is turned round"
    ALONE = "it becomes a sequence of one step"
    ONLY = "the one step of a sequence is taken"
    LAST = "the last step of each sample is taken"
    FIRST = "the first step is taken"
    AT_LAST = "it is placed at the last step of each sample"
    AT_FIRST = "it is placed at the first step"


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to an array on its way; `over` is the time axis, `like` whose outputs give the shape."""

    how: How
    over: str = ONCE
    like: str = ""


@dataclass(frozen=True, slots=True)
class Array:
    """An array that goes from one call to another: its kind, who gives it (a layer's label), its name."""

    kind: Kind
    owner: str = ""
    name: str = ""
    changes: tuple[Change, ...] = ()

    def changed(self, how: How, over: str = ONCE, like: str = "") -> "Array":
        """The array after one more change."""
        return replace(self, changes=(*self.changes, Change(how, over, like)))


@dataclass(frozen=True, slots=True)
class LayerCall:
    """The run of a layer's kernel, over its sequences or for a step.

    `inputs` pairs the kernel's inputs with what they are, `start` its states with what they start from: zero
    without a pair, or where `given`, the caller's state, is not there. With `reverse` the outputs, which the
    kernel gives as it runs, are turned round afterwards.
    """

    layer: str
    cell: str
    words: str
    over: str
    reverse: bool
    inputs: tuple[tuple[str, Array], ...]
    start: tuple[tuple[str, Array], ...]
    given: Array | None = None


@dataclass(frozen=True, slots=True)
class BackwardCall:
    """The way back through a layer's kernel.

    `arrives` are the summands of the adjoint of its outputs, `ends` those of its final states' adjoints; with
    `reverse` the sum is turned round before the kernel takes it. `hands_back` says whether anything takes the
    adjoints of its inputs, and `places` pairs the kernel's parameters with the gradients in whose place its
    own are written; the others are added up later, or are zero.
    """

    layer: str
    cell: str
    over: str
    reverse: bool
    arrives: tuple[Array, ...]
    ends: tuple[tuple[str, tuple[Array, ...]], ...]
    hands_back: bool
    places: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What computes the outputs of `layer`: calls, what they read of the batch, the states afterwards."""

    layer: str
    over: str
    calls: tuple[LayerCall, ...]
    reads: tuple[str, ...]
    states: tuple[tuple[str, Array], ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """A state that goes from step to step: its name in the model, whose it is, its shape per sample."""

    name: str
    layer: str
    state: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What a model does in one step.

    Where states start from what other layers have at the end, `begin` computes these before the first step,
    and `starts` are the states then. `feedback` is the input to which the output goes back, "" if none does;
    the output may then be `scores` of classes, or their `probabilities`, of which the number of one is fed
    back with `feeds_classes`, and otherwise what stands for it.
    """

    calls: tuple[LayerCall, ...]
    reads: tuple[str, ...]
    memory: tuple[Memory, ...]
    states: tuple[tuple[str, Array], ...]
    begin: Evaluation | None = None
    starts: tuple[tuple[str, Array], ...] = ()
    feedback: str = ""
    scores: bool = False
    probabilities: bool = False
    feeds_classes: bool = False


@dataclass(frozen=True, slots=True)
class ModelPlan(Printed):
    """What the module of a model computes and in which order.

    `cells` are the plans of its cells, made with `save`; `layers` the runs of all layers, `loss` and
    `output` what is needed for each. Training keeps the tape of every run that the loss needs and goes
    `backward`; then `gradients` adds up what several layers have for one parameter: the first is in its
    place, and without any it is zero. Without `step`, `no_step` says why.
    """

    model: Model
    save: str
    cells: tuple[Plan, ...]
    layers: tuple[LayerCall, ...]
    loss: Evaluation
    backward: tuple[BackwardCall, ...]
    gradients: tuple[tuple[str, tuple[Array, ...]], ...]
    output: Evaluation
    step: StepPlan | None
    no_step: str

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.name
