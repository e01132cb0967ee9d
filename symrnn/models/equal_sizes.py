"""Which sizes of joined cells are equal, worked out one pair of shapes at a time."""

from sympy import Add, Expr, Symbol, expand

from symrnn.declaration.axes import Axis, Shape, shape_text
from symrnn.errors import DeclarationError


class EqualSizes:
    """Axes that turned out to be equal to other sizes."""

    def __init__(self) -> None:
        self.found: dict[Expr, Expr] = {}

    def known(self, size: Expr) -> Expr:
        """A size with every axis replaced by what it equals."""
        while True:
            after = size.xreplace(self.found)
            if after == size:
                return size
            size = after

    def text(self, shape: Shape) -> str:
        """A shape as far as it is known, for messages."""
        return shape_text(tuple(map(self.known, shape)))

    def unify(self, what: str, given: Shape, wanted: Shape) -> None:
        """Make two shapes equal; `what` begins the message if they cannot be.

        Raises:
            DeclarationError: the ranks differ, or two sizes that no axis can make equal.
        """
        fact = f"{what}: {self.text(given)} where {self.text(wanted)} is wanted."
        if len(given) != len(wanted):
            raise DeclarationError(f"{fact} The ranks differ.")
        for pair in zip(given, wanted, strict=True):
            one, other = map(self.known, pair)
            if one == other:
                continue
            solved = _solved(other - one)
            if solved is None:
                raise DeclarationError(f"{fact} The sizes {one} and {other} differ.")
            self.found |= solved


def own_axis(owner: str, axis: Axis) -> Symbol:
    """An axis that belongs to its owner alone, apart from those of the same name elsewhere."""
    return Symbol(f"{owner}.{axis.name}", integer=True, positive=True)


def _solved(difference: Expr) -> dict[Expr, Expr] | None:
    """An axis and the size that makes a difference of sizes vanish; None if no axis can."""
    for axis in sorted(difference.free_symbols, key=str):
        factor = difference.coeff(axis)
        size = expand(axis - difference / factor)
        if abs(factor) == 1 and size != 0 and all(term.is_positive for term in Add.make_args(size)):
            return {axis: size}
    return None
