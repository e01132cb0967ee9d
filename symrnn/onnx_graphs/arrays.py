"""Arrays whose numbers are not known yet: whatever is done to one is noted as a node of a graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Size: TypeAlias = Any
"""A length: a whole number, or an array of int64 without axes where only a call tells it."""

Known: TypeAlias = NDArray[Any] | np.generic | float
"""Numbers that are known while the graph is made."""


FEW = 64
"""Constants of so few numbers are compared by these, larger ones by where they lie."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation: what goes in (None: left out), what comes out, and the bodies of a loop."""

    operator: str
    inputs: "tuple[Array | None, ...]"
    outputs: "tuple[Array, ...]"
    attributes: Mapping[str, Any]
    bodies: "Mapping[str, Block]"


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Nodes in their order, what comes in and what goes out; `known` finds those that are noted already."""

    inputs: "list[Array]" = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: "list[Array]" = field(default_factory=list)
    known: "dict[Any, tuple[Array, ...]]" = field(default_factory=dict)


class Recorder:
    """Notes the nodes of a graph. What does not change in a loop is noted before it, and nothing twice."""

    def __init__(self, dtype: Any) -> None:
        """Start a graph whose numbers are of one type of floats."""
        self.dtype = np.dtype(dtype)
        self.blocks = [Block()]
        self.constants: dict[Any, Array] = {}
        self.prefix = ""  # of the names of what is noted

    def new(self, dtype: Any, shape: Sequence[Size], depth: int, name: str = "") -> "Array":
        """An array in the block at a depth."""
        return Array(self, np.dtype(dtype), tuple(shape), depth, name)

    def input(self, dtype: Any, shape: Sequence[Size], name: str = "") -> "Array":
        """An array that comes into the block at hand."""
        made = self.new(dtype, shape, len(self.blocks) - 1, name)
        self.blocks[-1].inputs.append(made)
        return made

    def constant(self, value: Known, dtype: Any = None, name: str = "") -> "Array":
        """Known numbers as an array of the graph."""
        known = (
            value if isinstance(value, np.ndarray | np.generic) else np.asarray(value, dtype or self.dtype)
        )
        known = np.asarray(known if dtype is None else known.astype(dtype, copy=False))
        place = known.tobytes() if known.size <= FEW else (known.ctypes.data, known.strides)
        key = (known.dtype, known.shape, place)
        if key not in self.constants:
            self.constants[key] = made = self.new(known.dtype, known.shape, 0, name)
            made.known = known
        return self.constants[key]

    def nodes(
        self,
        operator: str,
        inputs: Sequence["Array | None"],
        results: Sequence[tuple[Any, Sequence[Size]]],
        *,
        bodies: Mapping[str, Block] | None = None,
        here: bool = False,
        **attributes: Any,
    ) -> "tuple[Array, ...]":
        """The results of an operation, each of a type and a shape; `here` keeps it in the block at hand."""
        depth = max((array.depth for array in inputs if array is not None), default=0)
        depth = len(self.blocks) - 1 if here or bodies else depth
        block = self.blocks[depth]
        key = (operator, tuple(map(id, inputs)), repr(sorted(attributes.items())))
        if key not in block.known or bodies or here:
            made = tuple(self.new(dtype, shape, depth) for dtype, shape in results)
            block.nodes.append(Node(operator, tuple(inputs), made, attributes, bodies or {}))
            block.known[key] = made
        return block.known[key]

    def node(
        self, operator: str, inputs: Sequence["Array | None"], dtype: Any, shape: Sequence[Size], **more: Any
    ) -> "Array":
        """The result of an operation that has one."""
        return self.nodes(operator, inputs, [(dtype, shape)], **more)[0]

    @contextmanager
    def block(self) -> Iterator[Block]:
        """A block inside of the one at hand."""
        made = Block()
        self.blocks.append(made)
        try:
            yield made
        finally:
            self.blocks.pop()

    def give(self, block: Block, arrays: Sequence["Array"]) -> None:
        """Let a block, the one at hand, give arrays: each made in it, and once."""
        made = {id(array) for node in block.nodes for array in node.outputs}
        for array in arrays:
            own = id(array) in made and not any(array is given for given in block.outputs)
            block.outputs.append(
                array if own else self.node("Identity", [array], array.dtype, array.shape, here=True)
            )

    def sized(self, sizes: Sequence[Size]) -> "Array":
        """Sizes as an array (rank,) of int64."""
        if all(isinstance(size, int) for size in sizes):
            return self.constant(np.array(sizes, np.int64))
        parts = [
            self.constant(np.array([size], np.int64)) if isinstance(size, int) else size.unsqueeze(0)
            for size in sizes
        ]
        return self.node("Concat", parts, np.int64, (len(parts),), axis=0) if len(parts) > 1 else parts[0]

    def array(self, value: Any, dtype: Any = None) -> "Array":
        """Anything as an array; numbers become those of a type, known arrays keep theirs."""
        if isinstance(value, Array):
            return value
        return self.constant(value, None if isinstance(value, np.ndarray | np.generic) else dtype)


def broadcast(*shapes: Sequence[Size]) -> tuple[Size, ...]:
    """The shape of what is made of arrays element by element."""
    rank = max(map(len, shapes))
    wide = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(
        next((size for size in sizes if not (isinstance(size, int) and size == 1)), 1)
        for sizes in zip(*wide, strict=True)
    )


def _length(size: Size, start: Size, stop: Size) -> Size:
    """How long a range of an axis is."""
    end = size if stop is None else stop
    return end if isinstance(start, int) and start == 0 else end - start


def _operator(operator: str, dtype: Any = None, *, turned: bool = False) -> "Callable[[Array, Any], Array]":
    def method(self: "Array", other: Any) -> "Array":
        return self.applied(operator, other, dtype, turned=turned)

    return method


class Array:
    """An array of the graph. `depth` is the number of loops that it lies in."""

    __array_ufunc__ = None  # NumPy leaves operators to this class
    __slots__ = ("depth", "dtype", "known", "name", "recorder", "shape")

    def __init__(
        self, recorder: Recorder, dtype: np.dtype[Any], shape: tuple[Size, ...], depth: int, name: str
    ) -> None:
        """Make an array of a recorder."""
        self.recorder, self.dtype, self.shape, self.depth, self.name = recorder, dtype, shape, depth, name
        self.known: NDArray[Any] | None = None

    __hash__ = object.__hash__
    __add__, __radd__ = _operator("Add"), _operator("Add", turned=True)
    __sub__, __rsub__ = _operator("Sub"), _operator("Sub", turned=True)
    __mul__, __rmul__ = _operator("Mul"), _operator("Mul", turned=True)
    __truediv__, __rtruediv__ = _operator("Div"), _operator("Div", turned=True)
    __pow__, __rpow__ = _operator("Pow"), _operator("Pow", turned=True)
    __and__, __or__ = _operator("And"), _operator("Or")
    __lt__, __le__ = _operator("Less", bool), _operator("LessOrEqual", bool)
    __gt__, __ge__ = _operator("Greater", bool), _operator("GreaterOrEqual", bool)
    __eq__ = _operator("Equal", bool)  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("Only a call of the graph tells whether this holds.")

    def __len__(self) -> int:
        raise TypeError("Only a call of the graph tells how long this is.")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def T(self) -> "Array":
        """The transpose of a matrix."""
        if self.known is not None:
            return self.recorder.constant(self.known.T, name=f"{self.name}_T" if self.name else "")
        return self.recorder.node("Transpose", [self], self.dtype, self.shape[::-1], perm=[1, 0])

    def astype(self, dtype: Any) -> "Array":
        """The array as numbers of another type."""
        if np.dtype(dtype) == self.dtype:
            return self
        if self.known is not None:
            return self.recorder.constant(self.known, dtype)
        return self.recorder.node("Cast", [self], dtype, self.shape, to=np.dtype(dtype))

    def applied(self, operator: str, other: Any, dtype: Any = None, *, turned: bool = False) -> "Array":
        """An operator of this array and another one, or a number; `turned` if the other comes first.

        What is of integers becomes floats beside floats, and where it is divided.
        """
        one, two = self, self.recorder.array(other, float if isinstance(other, float) else self.dtype)
        if operator == "Div" or {one.dtype.kind, two.dtype.kind} == {"f", "i"}:
            one, two = one.astype(self.recorder.dtype), two.astype(self.recorder.dtype)
        elif two.known is not None:
            two = two.astype(one.dtype)
        one, two = (two, one) if turned else (one, two)
        shape = broadcast(one.shape, two.shape)
        return self.recorder.node(operator, [one, two], dtype or one.dtype, shape)

    def reshape(self, *sizes: Size) -> "Array":
        """The array with more axes of one element after its own."""
        return self.unsqueeze(*range(self.ndim, len(sizes)))

    def sum(self, axis: int | None = None) -> "Array":
        """The sum along an axis, or of all elements."""
        return self.reduced("ReduceSum", range(self.ndim) if axis is None else [axis])

    def reduced(self, operator: str, axes: Sequence[int]) -> "Array":
        """The array without some axes, along which an operation puts it together."""
        chosen = [axis % self.ndim for axis in axes]
        shape = [size for axis, size in enumerate(self.shape) if axis not in chosen]
        which = self.recorder.constant(np.array(chosen, np.int64))
        return self.recorder.node(operator, [self, which], self.dtype, shape, keepdims=0)

    def squeeze(self, *axes: int) -> "Array":
        """The array without axes that have one element."""
        if not axes:
            return self
        shape = [size for axis, size in enumerate(self.shape) if axis not in axes]
        which = self.recorder.constant(np.array(axes, np.int64))
        return self.recorder.node("Squeeze", [self, which], self.dtype, shape)

    def unsqueeze(self, *axes: int) -> "Array":
        """The array with new axes of one element, at these places of the result."""
        if not axes:
            return self
        sizes = iter(self.shape)
        shape = [1 if axis in axes else next(sizes) for axis in range(self.ndim + len(axes))]
        which = self.recorder.constant(np.array(axes, np.int64))
        return self.recorder.node("Unsqueeze", [self, which], self.dtype, shape)

    def rows(self, index: Any, axis: int = 0) -> "Array":
        """What indices pick along an axis; their own axes stand in its place."""
        index = self.recorder.array(index, np.int64)
        shape = (*self.shape[:axis], *index.shape, *self.shape[axis + 1 :])
        return self.recorder.node("Gather", [self, index], self.dtype, shape, axis=axis)

    def cut(self, axis: int, start: Size, stop: Size = None) -> "Array":
        """A range along an axis; without a stop, up to its end."""
        shape = (*self.shape[:axis], _length(self.shape[axis], start, stop), *self.shape[axis + 1 :])
        end = np.iinfo(np.int64).max if stop is None else stop
        numbers = [self.recorder.sized([number]) for number in (start, end, axis)]
        return self.recorder.node("Slice", [self, *numbers], self.dtype, shape)

    def __getitem__(self, key: Any) -> "Array":
        keys = key if isinstance(key, tuple) else (key,)
        taken = sum(one is not None and one is not Ellipsis for one in keys)
        for place in [i for i, one in enumerate(keys) if one is Ellipsis]:
            keys = (*keys[:place], *[slice(None)] * (self.ndim - taken), *keys[place + 1 :])
        made, axis, new = self, 0, list[int]()
        for one in keys:
            if one is None:
                new.append(axis + len(new))
                continue
            if isinstance(one, slice):
                whole = one.start in (None, 0) and one.stop is None
                made = made if whole else made.cut(axis, one.start or 0, one.stop)
                axis += 1
            else:
                made = made.rows(one, axis)
                axis += one.ndim if isinstance(one, Array) else 0
        return made.unsqueeze(*new)

    def __matmul__(self, other: Any) -> "Array":
        return _product(self, self.recorder.array(other))

    def __rmatmul__(self, other: Any) -> "Array":
        return _product(self.recorder.array(other), self)

    def __neg__(self) -> "Array":
        return self.recorder.node("Neg", [self], self.dtype, self.shape)

    def __invert__(self) -> "Array":
        return self.recorder.node("Not", [self], self.dtype, self.shape)

    def __ne__(self, other: object) -> "Array":  # type: ignore[override]
        return ~(self == other)


def _product(one: Array, two: Array) -> Array:
    """The product of matrices in the last two axes; a vector is a row on the left, a column on the right."""
    rows, columns = one.shape[:-1][-1:], two.shape[1:][-1:]
    lead = broadcast(one.shape[:-2], two.shape[:-2])
    return one.recorder.node("MatMul", [one, two], one.dtype, (*lead, *rows, *columns))
