"""`Model`: layers joined into a network, with their shapes and parameters worked out.

Every layer has axes of its own; what is handed from layer to layer, and parameters that are shared, tell
which of them are equal.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from sympy import Expr, Symbol

from symrnn.declaration.axes import Axis, Shape, shape_text
from symrnn.declaration.cell import Cell
from symrnn.declaration.cell_names import check_cell_name
from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.quantities import Constant, Index, Input, Parameter, Quantity, State
from symrnn.declaration.words import check_words
from symrnn.errors import DeclarationError
from symrnn.field_names import METHODS
from symrnn.models.equal_sizes import EqualSizes, own_axis
from symrnn.models.joint_axes import Bearer, axis_for_each
from symrnn.models.layers import TIME, Feed, Layer, Reading, Sequence, called
from symrnn.models.stepping import chosen_feedback, layer_of, layers_below
from symrnn.printing import Printed

Shared: TypeAlias = Parameter | Constant


@dataclass(frozen=True, slots=True)
class Run:
    """A layer in its model: what its axes are there, and under which names its parameters and states go.

    `carried` names the states that come from and go to the caller; the others start from a reading, or run
    in reverse and start from zero.
    """

    label: str
    layer: Layer
    sizes: tuple[tuple[Axis, Expr], ...]
    parameters: tuple[tuple[Shared, str], ...]
    carried: tuple[tuple[State, str], ...]

    def shape(self, quantity: Quantity) -> Shape:
        """The shape per sample of a quantity of the layer's cell, in the model's axes."""
        return tuple(size.xreplace(dict(self.sizes)) for size in self.layer.cell.shape_of(quantity))


@dataclass(frozen=True, slots=True, init=False)
class Model(Printed):
    """A network of cells, worked out from its layers.

    `runs` are the layers in an order in which they can be computed. `feeds` are what a batch brings, with
    shapes per sample, `index_feeds` those of classes, with their number; `parameters` are in the order of the
    layers, with the quantity that tells how fresh ones are drawn; `states` are carried from call to call.
    """

    name: str
    title: str
    source: str
    runs: tuple[Run, ...]
    axes: tuple[Axis, ...]
    feeds: tuple[tuple[Feed, Input, Shape], ...]
    index_feeds: tuple[tuple[Feed, Expr], ...]
    parameters: tuple[tuple[str, Shared, Shape], ...]
    states: tuple[tuple[str, Shape], ...]
    loss: Layer
    output: Layer
    feedback: Feed | None

    def __init__(
        self,
        name: str,
        loss: Layer,
        *,
        output: Layer | None = None,
        feedback: Feed | None = None,
        title: str = "",
        source: str = "",
    ) -> None:
        """Declare the model `name` by the layer whose outputs, one number per step, are its loss.

        The loss of a batch is their mean over all steps of all samples. `output` is what `predict` gives;
        without it, what the loss layer takes first. `feedback` is the feed to which the output goes back in
        `generate`; it may be left out if one feed of class numbers is all that the layers up to the output
        take. `title` and `source` are words for the documents, a line each.

        Raises:
            DeclarationError: shapes or names of the layers do not go together; the message says which.
        """
        check_cell_name(name, "model", "Model('tagger', loss)")
        if not isinstance(loss, Layer):
            raise DeclarationError(
                f"The loss of model {name!r} is {called(loss)}. Give a Layer of a loss cell."
            )
        if loss.cell.output_shape != ():
            raise DeclarationError(
                f"The loss of model {name!r} is {loss}, whose output has shape "
                f"{shape_text(loss.cell.output_shape)}. A loss is one number per step and sample."
            )
        output = output if output is not None else _first_layer(name, loss)
        if not isinstance(output, Layer):
            raise DeclarationError(
                f"The output of model {name!r} is {called(output)}. Give one of its layers."
            )
        asked, feedback = feedback, chosen_feedback(name, output, feedback)
        layers = layers_below(loss, output)
        joined = _Joined(name, layers)
        joined.close(output, asked)
        fields = {
            "name": name,
            "title": check_words(title, f"title of {name!r}") or name,
            "source": check_words(source, f"source of {name!r}"),
            "runs": joined.runs(),
            "axes": tuple(joined.axes.values()),
            "feeds": joined.feeds(),
            "parameters": joined.parameters(),
            "index_feeds": joined.index_feeds(),
            "states": joined.states(),
            "loss": loss,
            "output": output,
            "feedback": feedback,
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    @property
    def classes(self) -> dict[Feed, Expr]:
        """The number of classes of every feed that brings class numbers."""
        return dict(self.index_feeds)

    def run_of(self, layer: Layer) -> Run:
        """The run of a layer."""
        return next(run for run in self.runs if run.layer == layer)

    @property
    def times(self) -> tuple[str, ...]:
        """The names of the time axes of the feeds, the usual one first."""
        found = dict.fromkeys(feed.over for feed, _, _ in self.feeds)
        return tuple(sorted(found, key=lambda name: name != TIME))

    def __str__(self) -> str:
        lines = [f"model {self.name}"]
        for run in self.runs:
            takes = ", ".join(f"{q} = {source}" for q, source in run.layer.inputs)
            direction = ", from last to first" if run.layer.reverse else ""
            lines.append(f"  {run.label}: {run.layer.cell.name} of {takes}{direction}")
        shapes = ", ".join(f"{name} {shape_text(shape)}" for name, _, shape in self.parameters)
        return "\n".join([*lines, f"  parameters {shapes}", f"  loss {self.loss}, output {self.output}"])


def model_digest(model: Model) -> str:
    """Twelve hexadecimal digits that change with the model."""
    lines = [str(model), *(str(run.layer.cell) for run in model.runs)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _first_layer(name: str, loss: Layer) -> Layer:
    for _, source in loss.inputs:
        if isinstance(source, Layer):
            return source
    raise DeclarationError(f"The loss of model {name!r} takes no layer's outputs. Name its output=.")


def shared_by(layer: Layer) -> tuple[Shared, ...]:
    """What all samples and steps of a layer share: the parameters and constants of its cell."""
    return (*layer.cell.parameters, *layer.cell.constants)


class _Joined:
    """Works out which axes of the layers are equal, and what everything is called."""

    def __init__(self, name: str, layers: Iterable[Layer]) -> None:
        self.name = name
        self.layers = tuple(layers)
        self.sizes = EqualSizes()
        self.labels = _labels(self.layers)
        self.symbols = {
            (layer, axis): own_axis(label, axis)
            for layer, label in self.labels.items()
            for axis in layer.cell.axes
        }
        self.check_cells()
        self.fed: dict[Feed, tuple[Layer, Input]] = {}
        self.owners: dict[str, tuple[Layer, Shared]] = {}
        for layer in self.layers:
            self.join_inputs(layer)
            self.join_parameters(layer)

    def check_cells(self) -> None:
        """One name, one cell: kernels go by it."""
        known: dict[str, Cell] = {}
        for layer in self.layers:
            if known.setdefault(layer.cell.name, layer.cell) != layer.cell:
                raise DeclarationError(
                    f"In model {self.name!r}, two different cells are named {layer.cell.name!r}. Rename one."
                )

    # -- which axes are equal -----------------------------------------------------------------

    def local(self, layer: Layer, shape: Shape) -> Shape:
        """A shape of the layer's cell in axes that belong to this layer alone."""
        own = {axis: self.symbols[layer, axis] for axis in layer.cell.axes}
        return tuple(size.xreplace(own) for size in shape)

    def source_shape(self, source: Sequence) -> Shape:
        """The shape per sample of what a source gives."""
        if isinstance(source, Feed):
            taker, quantity = self.fed[source]
            return self.local(taker, quantity.shape)
        layer = layer_of(source)
        assert layer is not None
        shape = (
            source.state.shape if isinstance(source, Reading) and source.state else layer.cell.output_shape
        )
        return self.local(layer, shape)

    def unify(self, what: str, given: Shape, wanted: Shape) -> None:
        """Make two shapes equal, or say why they cannot be."""
        self.sizes.unify(f"In model {self.name!r}, {what}", given, wanted)

    def join_inputs(self, layer: Layer) -> None:
        for quantity, source in layer.inputs:
            self.check_classes(layer, quantity, source)
            if isinstance(source, Feed) and source not in self.fed:
                if any(source.name == feed.name for feed in self.fed):
                    raise DeclarationError(
                        f"In model {self.name!r}, two feeds over different time axes are named "
                        f"{source.name!r}. Rename one."
                    )
                self.fed[source] = (layer, quantity)
                continue
            what = f"{self.labels[layer]} takes {source} as {quantity}"
            self.unify(what, self.source_shape(source), self.local(layer, quantity.shape))
        for state, reading in layer.initial:
            what = f"{self.labels[layer]} starts its {state} from {reading}"
            self.unify(what, self.source_shape(reading), self.local(layer, state.shape))

    def check_classes(self, layer: Layer, quantity: Input, source: Sequence) -> None:
        """Class numbers come from a batch alone, and a feed of them is taken as such by all."""
        fed = isinstance(source, Feed)
        owner, first = (
            self.fed.get(source, (layer, quantity)) if isinstance(source, Feed) else (layer, quantity)
        )
        what = f"{self.labels[layer]} takes {source} as {quantity}"
        if fed and isinstance(first, Index) and isinstance(quantity, Index):
            mine = self.local(layer, (quantity.classes,))
            self.unify(f"{what}, a class", self.local(owner, (first.classes,)), mine)
        elif isinstance(first, Index) or isinstance(quantity, Index):
            raise DeclarationError(
                f"In model {self.name!r}, {what}: class numbers come from a Feed that nothing takes as an "
                "array. Give each its own Feed."
            )

    def join_parameters(self, layer: Layer) -> None:
        for quantity in shared_by(layer):
            name = self.parameter_name(layer, quantity)
            first, owner = self.owners.setdefault(name, (layer, quantity))
            if first == layer:
                continue
            if layer.cell == first.cell and not layer.name:
                raise DeclarationError(
                    f"In model {self.name!r}, two layers of the cell {layer.cell.name!r} have no name. Give "
                    "each a name=, so that each has parameters of its own, or both the same to share them."
                )
            told = f"{self.labels[first]} and {self.labels[layer]} both have a parameter {name}"
            alike = (first.name, owner.name, owner.role) == (layer.name, quantity.name, quantity.role)
            if not alike or len(owner.shape) != len(quantity.shape):
                raise DeclarationError(
                    f"In model {self.name!r}, {told}, but they are not alike. Rename one, or name the layers."
                )
            self.unify(
                f"{told}, which is one", self.local(first, owner.shape), self.local(layer, quantity.shape)
            )

    @staticmethod
    def parameter_name(layer: Layer, quantity: Quantity) -> str:
        return f"{layer.name}_{quantity.name}" if layer.name else quantity.name

    def close(self, output: Layer, asked: Feed | None) -> None:
        """What an author feeds back fits: arrays have the shape of the feed, classes one score each."""
        if asked is None:
            return
        taker, quantity = self.fed[asked]
        scored = isinstance(quantity, Index)
        given = self.local(output, output.cell.output_shape)
        wanted = self.local(taker, (quantity.classes,) if isinstance(quantity, Index) else quantity.shape)
        self.unify(f"the output {output} goes back to {asked}{', a class' * scored}", given, wanted)

    # -- names --------------------------------------------------------------------------------

    @cached_property
    def axes(self) -> dict[Expr, Axis]:
        """An axis of the model for every group of equal axes."""
        groups: dict[Expr, list[Bearer]] = {}
        for (layer, axis), symbol in self.symbols.items():
            bearer = Bearer(axis.name, layer.name, self.labels[layer])
            groups.setdefault(self.sizes.known(symbol), []).append(bearer)
        feeds: dict[Expr, str] = {}
        for feed, (layer, quantity) in self.fed.items():
            for size in (*quantity.shape, *([quantity.classes] if isinstance(quantity, Index) else [])):
                feeds.setdefault(self.sizes.known(*self.local(layer, (size,))), f"{feed.name}_{size}")
        groups = {root: bearers for root, bearers in groups.items() if isinstance(root, Symbol)}
        return axis_for_each(groups, feeds, {feed.over for feed in self.fed})

    def in_model(self, shape: Shape) -> Shape:
        return tuple(self.sizes.known(size).xreplace(self.axes) for size in shape)

    def runs(self) -> tuple[Run, ...]:
        carried = self.carried()
        return tuple(
            Run(
                self.labels[layer],
                layer,
                tuple(zip(layer.cell.axes, self.in_model(self.local(layer, layer.cell.axes)), strict=True)),
                tuple(
                    (q, self.parameter_name(layer, q))
                    for q in (*layer.cell.parameters, *layer.cell.constants)
                ),
                tuple((state, name) for name, (owner, state) in carried.items() if owner == layer),
            )
            for layer in self.layers
        )

    def carried(self) -> dict[str, tuple[Layer, State]]:
        """The states that come from and go to the caller, by name."""
        found: dict[str, tuple[Layer, State]] = {}
        pairs = [
            (layer, state)
            for layer in self.layers
            for state in layer.cell.states
            if not layer.reverse and not any(state == started for started, _ in layer.initial)
        ]
        plain = [state.name for _, state in pairs]
        for layer, state in pairs:
            alone = plain.count(state.name) == 1 and not layer.name
            wanted = state.name if alone else f"{self.labels[layer]}_{state.name}"
            found[unique_name(wanted, found)] = (layer, state)
        return found

    def states(self) -> tuple[tuple[str, Shape], ...]:
        return tuple(
            (name, self.in_model(self.local(layer, state.shape)))
            for name, (layer, state) in self.carried().items()
        )

    def feeds(self) -> tuple[tuple[Feed, Input, Shape], ...]:
        return tuple(
            (feed, quantity, self.in_model(self.local(layer, quantity.shape)))
            for feed, (layer, quantity) in self.fed.items()
        )

    def index_feeds(self) -> tuple[tuple[Feed, Expr], ...]:
        taken = [(feed, layer, q) for feed, (layer, q) in self.fed.items() if isinstance(q, Index)]
        return tuple((feed, *self.in_model(self.local(layer, (q.classes,)))) for feed, layer, q in taken)

    def parameters(self) -> tuple[tuple[str, Shared, Shape], ...]:
        return tuple(
            (name, quantity, self.in_model(self.local(layer, quantity.shape)))
            for name, (layer, quantity) in self.owners.items()
        )


def _labels(layers: Iterable[Layer]) -> dict[Layer, str]:
    """A name for every layer: its own, else that of its cell, numbered where several share it."""
    made: dict[Layer, str] = {}
    for layer in layers:
        made[layer] = unique_name(str(layer).lstrip("_") or "layer", [*METHODS, *made.values()])
    return made
