"""Rows and elements that a class index picks."""

from typing import Any

from sympy import Expr

from symrnn.declaration.axes import Shape, shape_text
from symrnn.declaration.quantities import Index
from symrnn.errors import DeclarationError
from symrnn.vocabulary.structure import Leaf, Operation, as_operand


def _checked(index: object, call: str) -> Index:
    if not isinstance(index, Index):
        raise DeclarationError(
            f"{call} picks by a class index, not by {index!r}. "
            "Declare one: k = Index('k', v), with v classes."
        )
    return index


class take(Operation):  # noqa: N801  (reads like the publication)
    """`take(E, k)`: row k of a matrix, or element k of a vector, for an `Index` k."""

    __slots__ = ()
    name = "take"

    def __new__(cls, array: Any, index: Any) -> "take":
        """Pick along the first axis of `array`, whose size is the number of the index's classes."""
        return Expr.__new__(cls, as_operand(array, "take"), _checked(index, "take(array, index)"))


class one_hot(Leaf):  # noqa: N801
    """`one_hot(k)`: a vector that is 1 at position k, counted from 0, and 0 elsewhere."""

    __slots__ = ()
    name = "one_hot"

    def __new__(cls, index: Any) -> "one_hot":
        """Make the vector, as long as the index has classes."""
        return Expr.__new__(cls, _checked(index, "one_hot(index)"))

    @property
    def index(self) -> Index:
        """What tells the position."""
        found = self.args[0]
        assert isinstance(found, Index)
        return found


def check_picked(call: take, array: Expr, shape: Shape) -> None:
    """Raise unless the index of `call` has as many classes as `array`, of the given shape, has rows."""
    index = call.args[1]
    if shape[:1] != (index.classes,):
        raise DeclarationError(
            f"in {call} the index {index} tells one of {index.classes} classes, but {array} has shape "
            f"{shape_text(shape)}; take() picks along the first axis, whose size is that number"
        )


def index_as_number(index: Index) -> DeclarationError:
    """The error for a class index where a number should stand."""
    return DeclarationError(
        f"the class index {index} is used like a number. Write take(array, {index}) for the row or element "
        f"that it picks, or one_hot({index}) for a vector"
    )
