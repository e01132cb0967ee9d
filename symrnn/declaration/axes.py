"""Axes, and the sizes and shapes made of them.

An axis is a SymPy symbol that stands for a positive whole number, the length of one array dimension.
A size is an axis, a positive integer, or a sum of these; a shape is a tuple of sizes, `()` a scalar.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate, pairwise
from math import prod
from operator import attrgetter
from typing import Any, TypeAlias

from sympy import Add, Expr, Integer, Mul, Symbol, expand

from symrnn.errors import DeclarationError, shown
from symrnn.field_names import KEYWORDS, LEADING, TAKEN_BY_INIT

Size: TypeAlias = Expr
Shape: TypeAlias = tuple[Size, ...]

LARGEST_SIZE = 2**31 - 1


class Axis(Symbol):
    """The length of an array dimension, to be given a number only when a kernel runs."""

    __slots__ = ()

    def __new__(cls, name: str) -> "Axis":
        """Make the axis `name`; axes with equal names are equal."""
        if not name.isidentifier() or not name.isascii() or name in KEYWORDS:
            raise DeclarationError(
                f"The axis name {name!r} is not an ASCII Python identifier or is a keyword, and emitted "
                "kernels use it as a variable. Choose a name such as 'n' or 'hidden'."
            )
        if name in LEADING:
            raise DeclarationError(
                f"The axis name {name!r} is taken: T is time and B is the batch, "
                "and both are implicit. Choose another name."
            )
        if name in TAKEN_BY_INIT:
            raise DeclarationError(
                f"The axis name {name!r} is taken: init() of a kernel has one keyword per axis and uses this "
                "name itself. Choose another name."
            )
        axis: Axis = Symbol.__xnew__(cls, name, integer=True, positive=True)
        return axis

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.name,), {}

    def _hashable_content(self) -> tuple[str, ...]:
        return ("axis", self.name)


def axes(names: str) -> Any:
    """Axes for a string of names: one axis for one name, a tuple for several.

    >>> n, m = axes("n m")
    """
    if not isinstance(names, str):
        raise DeclarationError(f"axes() takes a string of names, not {names!r}. Write axes('n m').")
    made = tuple(Axis(name) for name in names.replace(",", " ").split())
    if not made:
        raise DeclarationError("axes() needs at least one name, for example axes('n m').")
    return made[0] if len(made) == 1 else made


def as_size(value: object, owner: str) -> Size:
    """`value` as a size, or an error that names `owner`."""
    if isinstance(value, bool) or not isinstance(value, int | Expr):
        raise DeclarationError(
            f"The shape of {owner} contains {value!r}. "
            "A shape is made of axes, positive integers and sums of them, such as m + n."
        )
    size = expand(Integer(value)) if isinstance(value, int) else expand(value)
    if size.is_Integer and size > LARGEST_SIZE:
        raise DeclarationError(
            f"The shape of {owner} contains {shown(value)}, and arrays cannot be longer than {LARGEST_SIZE}. "
            "Make an axis with axes('n'): it is given a length when a kernel runs."
        )
    for term in Add.make_args(size):
        for factor in Mul.make_args(term):
            if not (isinstance(factor, Axis) or (factor.is_Integer and factor.is_positive)):
                raise DeclarationError(
                    f"The shape of {owner} contains {value}, and {factor} in it is not an axis or "
                    "a positive integer. Make axes with axes('n m')."
                )
    return size


by_name = attrgetter("name")
"""The order of axes: SymPy takes its time to print a symbol, whose text is its name."""


def axes_of(shape: Shape) -> tuple[Axis, ...]:
    """The axes in `shape`, in order of appearance and then by name."""
    found: dict[Axis, None] = {}
    for size in shape:
        for axis in sorted((a for a in size.free_symbols if isinstance(a, Axis)), key=by_name):
            found[axis] = None
    return tuple(found)


def ranges(sizes: Iterable[Size]) -> list[tuple[Size, Size]]:
    """Start and stop of parts of the given sizes that lie one after the other."""
    return list(pairwise(accumulate(sizes, initial=Integer(0))))


def size_number(text: str, sizes: Mapping[str, int]) -> int:
    """The number that a size is, given as `size_text` writes it: `2*m + n`."""
    terms = (term.split("*") for term in text.split(" + "))
    return sum(prod(sizes[factor] if factor in sizes else int(factor) for factor in term) for term in terms)


@lru_cache(maxsize=1 << 12)
def size_text(size: Size) -> str:
    """`size` as Python text, larger-named sums in the order they were built by SymPy's name order."""
    terms = sorted(Add.make_args(size), key=lambda term: (term.is_Integer, str(term)))
    return " + ".join(str(term) for term in terms)


def shape_text(shape: Shape) -> str:
    """`shape` as a Python tuple, for messages."""
    inside = ", ".join(size_text(size) for size in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def told_axes(sizes: Iterable[Size]) -> set[Axis]:
    """The axes that follow from lengths of the given sizes, each from one that leaves it alone open."""
    told: set[Axis] = set()
    left = list(sizes)
    while True:
        opened = [
            (axes[0], size)
            for size in left
            if len(axes := [a for a in axes_of((size,)) if a not in told]) == 1
        ]
        found = {axis for axis, size in opened if size.coeff(axis) == 1}
        if not found:
            return told
        told |= found


def require_vector(name: str, call: object, shape: Shape) -> None:
    """Raise unless `shape`, that of the argument of `call`, is a vector's."""
    if len(shape) != 1:
        what = f"has shape {shape_text(shape)}" if shape else "is a number"
        raise DeclarationError(
            f"{name} takes a vector, but in {call} its argument {what}; reduce a matrix to a vector "
            "first, with einsum, and make vectors of numbers with ones"
        )
