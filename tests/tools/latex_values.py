r"""Numbers for the trees of `latex_mathematics`, in NumPy: one sample, one moment. Nothing of symrnn is used.

A value knows its array, the letters of the indices that are free in it (leading axes, one per letter) and,
if it is a vector, whether it is a row or a column. Matrix products, transposes and stacks are those of rows,
columns and matrices: a product that does not fit, an elementwise product of a row with a column or of a
number, an index that nothing binds: all are `UnreadableError`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from latex_mathematics import Node, UnreadableError

from symrnn.declaration.operations import POINTWISE as OURS

Array = np.ndarray

RELATIONS: dict[str, Callable[..., Array]] = {
    "<": np.less,
    ">": np.greater,
    "=": np.equal,
    r"\le": np.less_equal,
    r"\ge": np.greater_equal,
    r"\ne": np.not_equal,
}
POINTWISE: dict[str, Callable[..., Array]] = {
    **{f.facts.spelling.latex.removeprefix(r"\operatorname{").removesuffix("}"): f.facts.value for f in OURS},
    r"\tanh": np.tanh,
    r"\exp": np.exp,
    r"\log": np.log,
    r"\max": np.maximum,
    r"\min": np.minimum,
    "sign": np.sign,
}
OF_VECTORS: dict[str, Callable[[Array], Array]] = {
    "softmax": lambda a: np.exp(a) / np.sum(np.exp(a)),
    "logsumexp": lambda a: np.log(np.sum(np.exp(a))),
    r"\max": np.max,
    "norm": np.linalg.norm,
}
NORMALISING: dict[str, Callable[[Array], Array]] = {
    "rmsnorm": lambda a: a,
    "layernorm": lambda a: a - np.mean(a),
}
"""What is divided by the root of a number and the mean of its squares."""


class UnknownError(UnreadableError):
    """A symbol without a value yet."""


@dataclass(frozen=True)
class Value:
    """An array whose leading axes are the free letters; `row` tells a row from a column among vectors."""

    array: Array
    letters: tuple[str, ...] = ()
    row: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape without the free letters."""
        return self.array.shape[len(self.letters) :]

    @property
    def rank(self) -> int:
        """The number of axes without the free letters."""
        return len(self.shape)


Values = Mapping[str, Value]


@dataclass(frozen=True)
class Meaning:
    """What an evaluation must know: what symbols are worth, and what the document says of its signs.

    `rows` says that vectors are rows, `functions` are those that the text defines (the name of the argument
    and what it becomes), `classes` the number of classes of a symbol that is a class, `moments` what
    symbols are worth at every time step, for sums over time.
    """

    values: Values
    rows: bool = False
    functions: Mapping[str, tuple[str, Node]] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    moments: Sequence[Values] = ()

    def of(self, node: Node) -> Value:
        """The value of a tree."""
        if node.kind not in RULES:
            raise UnreadableError(f"a {node.kind} has no value here")
        return RULES[node.kind](self, node)

    def parts(self, node: Node) -> list[Value]:
        return [self.of(part) for part in node.parts]

    def number(self, node: Node) -> int:
        """A size, a whole number."""
        found = scalar(self.of(node))
        if found != int(found):
            raise UnreadableError(f"a size is the whole number {found}")
        return int(found)

    def vector(self, array: Array) -> Value:
        """A vector as the document writes vectors, or an array of another rank."""
        return Value(array, row=self.rows and array.ndim == 1)

    # one rule per kind of node

    def symbol(self, node: Node) -> Value:
        if node.word not in self.values:
            raise UnknownError(node.word)
        return self.values[node.word]

    def sum(self, node: Node) -> Value:
        signs = [1.0 if sign == "+" else -1.0 for sign in node.words]

        def added(*terms: Array) -> Array:
            return sum(sign * term for sign, term in zip(signs, terms, strict=True))

        return pointwise(added, *self.parts(node))

    def product(self, node: Node) -> Value:
        made, *rest = self.parts(node)
        for factor in rest:
            made = product(made, factor)
        return made

    def elementwise(self, node: Node) -> Value:
        for part in node.parts:
            if part.kind == "product" and sum(self.of(factor).rank > 0 for factor in part.parts) > 1:
                raise UnreadableError(r"a matrix product stands beside \odot without brackets")
        parts = self.parts(node)
        if any(part.rank == 0 for part in parts):
            raise UnreadableError(r"\odot multiplies arrays, not numbers")
        return pointwise(lambda *factors: np.prod(np.broadcast_arrays(*factors), axis=0), *parts)

    def power(self, node: Node) -> Value:
        """Element by element, as the document says of powers; the exponent may be an array, too."""
        return pointwise(np.power, *self.parts(node))

    def transpose(self, node: Node) -> Value:
        of = self.of(node.parts[0])
        if of.letters or of.rank not in (1, 2):
            raise UnreadableError(f"an array of rank {of.rank} has no transpose")
        return replace(of, row=not of.row) if of.rank == 1 else Value(of.array.T)

    def call(self, node: Node) -> Value:
        arguments = self.parts(node)
        if node.word in self.functions:
            name, body = self.functions[node.word]
            return replace(self, values={name: arguments[0]}).of(body)
        if node.word in OF_VECTORS and len(arguments) == 1:
            (of,) = arguments
            if of.rank != 1 or of.letters:
                raise UnreadableError(f"{node.word} takes one vector")
            made = OF_VECTORS[node.word](of.array)
            return Value(np.asarray(made), row=of.row and np.ndim(made) == 1)
        if node.word in NORMALISING:
            of, added = arguments
            left = NORMALISING[node.word](of.array)
            return replace(of, array=left / np.sqrt(np.mean(left**2) + added.array))
        if node.word not in POINTWISE:
            raise UnreadableError(f"the document does not define {node.word}")
        return pointwise(POINTWISE[node.word], *arguments)

    def element(self, node: Node) -> Value:
        of = self.of(node.parts[0])
        if of.letters or len(set(node.words)) != len(node.words) or of.rank != len(node.words):
            raise UnreadableError(f"{node.words} are no indices of an array of rank {of.rank}")
        return Value(of.array, node.words)

    def slice(self, node: Node) -> Value:
        of, first, last = self.of(node.parts[0]), *map(self.number, node.parts[1:])
        if of.letters or not of.rank or not 1 <= first <= last <= of.shape[0]:
            raise UnreadableError(f"there is no part {first}:{last} of an array of shape {of.shape}")
        return replace(of, array=of.array[first - 1 : last])

    def over(self, node: Node) -> Value:
        of = self.of(node.parts[0])
        if not set(node.words) <= set(of.letters):
            raise UnreadableError(f"a sum over {node.words} of what has the indices {of.letters}")
        axes = tuple(of.letters.index(letter) for letter in node.words)
        left = tuple(letter for letter in of.letters if letter not in node.words)
        return Value(of.array.sum(axis=axes), left, of.row)

    def whole(self, node: Node) -> Value:
        """The array whose elements are given."""
        of = self.of(node.parts[0])
        if of.rank or sorted(of.letters) != sorted(node.words):
            raise UnreadableError(f"an array with the indices {node.words} of what has {of.letters}")
        return self.vector(of.array.transpose([of.letters.index(letter) for letter in node.words]))

    def over_time(self, node: Node) -> Value:
        if not self.moments:
            raise UnreadableError("a sum over time stands in an equation of one step")
        terms = [
            replace(self, values={**self.values, **values}, moments=()).of(node.parts[0])
            for values in self.moments
        ]
        return pointwise(lambda *arrays: np.sum(arrays, axis=0), *terms)

    def stack(self, node: Node) -> Value:
        rows = [[self.of(part) for part in row.parts] for row in node.parts]
        parts = [part for row in rows for part in row]
        if any(part.letters or not part.rank for part in parts):
            raise UnreadableError("only arrays are stacked")
        if all(part.rank > 2 for part in parts) and all(len(row) == 1 for row in rows):
            return Value(np.concatenate([part.array for part in parts]))
        return matrix(np.block([[two_dimensional(part) for part in row] for row in rows]), (), parts)

    def unit(self, node: Node) -> Value:
        (of,) = node.parts
        if of.word not in self.classes:
            raise UnreadableError(f"a unit vector needs a class, not {of.word or of.kind}")
        return self.vector(np.eye(self.classes[of.word])[self.number(of)])

    def cases(self, node: Node) -> Value:
        *branches, otherwise = node.parts
        made = self.of(otherwise)
        for chosen, condition in reversed(list(zip(branches[::2], branches[1::2], strict=True))):
            made = pointwise(np.where, self.of(condition), self.of(chosen), made)
        return made

    def junction(self, node: Node) -> Value:
        joined = np.logical_and if node.kind == "and" else np.logical_or
        return pointwise(lambda *sides: joined.reduce(np.broadcast_arrays(*sides)), *self.parts(node))

    def diagonal(self, node: Node) -> Value:
        of = self.of(node.parts[0])
        if of.rank != 1 or of.letters:
            raise UnreadableError(f"an array of shape {of.shape} is no diagonal")
        return Value(np.diag(of.array))

    def trace(self, node: Node) -> Value:
        of = self.of(node.parts[0])
        if of.rank != 2 or of.letters or of.shape[0] != of.shape[1]:
            raise UnreadableError(f"an array of shape {of.shape} has no trace")
        return Value(np.trace(of.array))


RULES: dict[str, Callable[[Meaning, Node], Value]] = {
    "number": lambda m, node: Value(np.asarray(node.number)),
    "symbol": Meaning.symbol,
    "sum": Meaning.sum,
    "product": Meaning.product,
    "elementwise": Meaning.elementwise,
    "bracket": lambda m, node: m.of(node.parts[0]),
    "quotient": lambda m, node: pointwise(np.divide, *m.parts(node)),
    "power": Meaning.power,
    "root": lambda m, node: pointwise(np.sqrt, *m.parts(node)),
    "absolute": lambda m, node: pointwise(np.abs, *m.parts(node)),
    "transpose": Meaning.transpose,
    "call": Meaning.call,
    "element": Meaning.element,
    "slice": Meaning.slice,
    "over": Meaning.over,
    "array": Meaning.whole,
    "over time": Meaning.over_time,
    "stack": Meaning.stack,
    "ones": lambda m, node: m.vector(np.ones([m.number(size) for size in node.parts])),
    "unit": Meaning.unit,
    "identity": lambda m, node: Value(np.eye(m.number(node.parts[0]))),
    "trace": Meaning.trace,
    "diagonal": Meaning.diagonal,
    "cases": Meaning.cases,
    "truth": lambda m, node: pointwise(lambda holds: holds * 1.0, *m.parts(node)),
    "relation": lambda m, node: pointwise(RELATIONS[node.word], *m.parts(node)),
    "not": lambda m, node: pointwise(np.logical_not, *m.parts(node)),
    "and": Meaning.junction,
    "or": Meaning.junction,
}


def scalar(value: Value) -> float:
    """A number that is no array."""
    if value.rank or value.letters:
        raise UnreadableError(f"an array of shape {value.array.shape} stands where a number should")
    return float(value.array)


def aligned(values: Sequence[Value], trailing: int) -> tuple[tuple[str, ...], list[Array]]:
    """The letters of all, and the arrays with an axis for each and `trailing` axes after them."""
    letters = tuple(sorted({letter for value in values for letter in value.letters}))
    made = []
    for value in values:
        order = sorted(range(len(value.letters)), key=lambda axis: value.letters[axis])
        array = value.array.transpose([*order, *range(len(order), value.array.ndim)])
        sizes = iter(array.shape[: len(order)])
        leading = [next(sizes) if letter in value.letters else 1 for letter in letters]
        made.append(array.reshape((*leading, *[1] * (trailing - value.rank), *value.shape)))
    return letters, made


def pointwise(function: Callable[..., Array], *values: Value) -> Value:
    """A function of elements: the arrays among its arguments have one shape; numbers go with any."""
    arrays = [value for value in values if value.rank]
    if len({(value.shape, value.row) for value in arrays}) > 1:
        shapes = [(value.shape, "row" if value.row else "") for value in arrays]
        raise UnreadableError(f"the shapes {shapes} do not go together element by element")
    letters, aligned_arrays = aligned(values, max(value.rank for value in values))
    try:
        made = function(*aligned_arrays)
    except ValueError as error:
        raise UnreadableError(f"an index runs over different ranges: {error}") from None
    return Value(np.asarray(made), letters, any(value.row for value in arrays))


def two_dimensional(value: Value) -> Array:
    """A vector as a matrix of one row or one column."""
    if value.rank != 1:
        return value.array
    return value.array[..., None, :] if value.row else value.array[..., :, None]


def product(left: Value, right: Value) -> Value:
    """Two factors side by side: a matrix product, or anything times a number."""
    if not (left.rank and right.rank):
        return pointwise(np.multiply, left, right)
    if max(left.rank, right.rank) > 2:
        raise UnreadableError(f"arrays of ranks {left.rank} and {right.rank} have no matrix product")
    letters, (a, b) = aligned(
        [Value(two_dimensional(value), value.letters) for value in (left, right)], trailing=2
    )
    if a.shape[-1] != b.shape[-2]:
        raise UnreadableError(f"the matrix product of {a.shape} and {b.shape} does not fit")
    return matrix(np.matmul(a, b), letters, [left, right])


def matrix(array: Array, letters: tuple[str, ...], of: Sequence[Value]) -> Value:
    """A matrix; what vectors have made a single row, column or number is a vector or a number."""
    if all(value.rank == 2 for value in of):
        return Value(array, letters)
    rows, columns = array.shape[-2:]
    if rows == columns == 1:
        return Value(array[..., 0, 0], letters)
    if rows == 1:
        return Value(array[..., 0, :], letters, row=True)
    return Value(array[..., 0] if columns == 1 else array, letters)
