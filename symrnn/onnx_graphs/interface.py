"""What comes into a graph and what goes out, by name, and the sizes that a call tells."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symrnn.declaration.axes import Shape, size_text
from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.quantities import Constant, Index, Quantity
from symrnn.errors import RequestError
from symrnn.layouts.fitting import fit
from symrnn.layouts.reading import placed
from symrnn.layouts.records import FIRST, Sizes
from symrnn.onnx_graphs.arrays import Array, Recorder, Size

GIVE = "Give them all, by the names of the equations, float32 or float64."
HALF = "Half precision is what a finished graph may be converted to."


class Origin(NamedTuple):
    """What a graph is made from: a cell or a model, and its declaration as text."""

    kind: str
    name: str
    title: str
    source: str
    digest: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """Parameters and constants by name, of one type of floats, and the sizes that their shapes tell."""

    arrays: Mapping[str, NDArray[Any]]
    dtype: np.dtype[Any]
    sizes: Sizes


def parameters_of(name: str, wanted: Sequence[tuple[str, Quantity, Shape]], given: object) -> Parameters:
    """What a caller gave for the cell or the model `name`; constants may be left out, they have their values.

    Raises:
        RequestError: they do not fit.

    """
    nothing = given is None or (isinstance(given, Sized) and len(given) == 0)
    needed = any(not isinstance(quantity, Constant) for _, quantity, _ in wanted)
    arrays = _of_one_layer(given) if needed or not nothing else {}
    valued = {
        key: quantity for key, quantity, _ in wanted if isinstance(quantity, Constant) and key not in arrays
    }
    found = fit({key: shape for key, _, shape in wanted if key not in valued}, arrays)
    if found.faults:
        half = any(array.dtype.itemsize == 2 for array in arrays.values())
        raise RequestError(
            f"These are no parameters of {name}. {' '.join(found.faults)} {HALF if half else GIVE}"
        )
    dtype = next((array.dtype for array in arrays.values()), np.dtype(np.float32))
    for key, _, shape in wanted:
        if key in valued:
            numbers = [int(size.xreplace(dict(found.sizes))) for size in shape]
            arrays[key] = np.full(numbers, valued[key].value, dtype)
    return Parameters({key: arrays[key] for key, _, _ in wanted}, dtype, found.sizes)


def _of_one_layer(given: object) -> dict[str, NDArray[Any]]:
    """The arrays by name that a caller gave: a mapping, a kernel's `Parameters`, or weights of one layer."""
    places = placed(given)
    if [*places] != [FIRST]:
        raise RequestError(
            f"These are parameters of {', '.join(map(str, places))}, and the graph of a cell is one layer. "
            "Give those of one, or a Model with a layer for each."
        )
    return dict(places[FIRST])


class Interface:
    """What comes into and goes out of the graph of a recorder."""

    def __init__(self, recorder: Recorder, sizes: Sizes) -> None:
        """Describe a graph whose parameters tell these sizes."""
        self.recorder, self.sizes = recorder, sizes
        self.told: dict[str, Array] = {}  # by a call, of inputs

    def taken(self) -> list[str]:
        """All names that inputs and outputs have so far."""
        block = self.recorder.blocks[0]
        return [array.name for array in (*block.inputs, *block.outputs)]

    def input(self, name: str, dtype: Any, lead: Sequence[str], shape: Shape = ()) -> Array:
        """An input with leading axes, such as T and B, before a shape; it tells sizes that nothing told."""
        made = self.recorder.input(dtype, (), unique_name(name, self.taken()))
        numbers = [size.xreplace(dict(self.sizes)) for size in shape]
        texts = [*lead, *(int(size) if size.is_Integer else size_text(size) for size in numbers)]
        made.shape = tuple(1 if isinstance(text, str) else text for text in texts)
        made.shape = tuple(self._size(made, axis, text) for axis, text in enumerate(texts))
        return made

    def _size(self, array: Array, axis: int, text: str | int) -> Size:
        """The length of an axis of an input."""
        if isinstance(text, int):
            return text
        if text not in self.told:
            shape = self.recorder.node("Shape", [array], np.int64, (array.ndim,))
            self.told[text] = made = shape.rows(np.int64(axis))
            made.name = text
        return self.told[text]

    def quantity(self, name: str, quantity: Quantity, lead: Sequence[str], shape: Shape) -> Array:
        """What arrives over time, or the state before it."""
        return self.input(name, np.int64 if isinstance(quantity, Index) else self.recorder.dtype, lead, shape)

    def give(self, name: str, outputs: Array, states: Mapping[str, Array], suffix: str) -> None:
        """Let outputs go out under a name, and states under theirs with a suffix."""
        for wanted, array in {
            name: outputs,
            **{f"{key}{suffix}": array for key, array in states.items()},
        }.items():
            self.output(wanted, array)

    def output(self, name: str, array: Array) -> None:
        """Let an array go out under a name."""
        name = unique_name(name, self.taken())
        self.recorder.give(self.recorder.blocks[0], [array])
        self.recorder.blocks[0].outputs[-1].name = name
