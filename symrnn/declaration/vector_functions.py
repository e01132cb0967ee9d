"""Functions of a whole vector: every element of the result depends on all elements of the argument."""

from typing import Any, ClassVar

from sympy import Expr

from symrnn.declaration.axes import Shape, shape_text
from symrnn.declaration.structural import Operation, as_operand
from symrnn.errors import DeclarationError


class VectorFunction(Operation):
    """A function of the vector of a sample; its value is a vector of the same size, or a number."""

    __slots__ = ()
    gives_vector: ClassVar[bool] = False

    def __new__(cls, vector: Any) -> "VectorFunction":
        """Apply the function to an expression of rank 1; a list stacks."""
        made: VectorFunction = Expr.__new__(cls, as_operand(vector, cls.name))
        return made


def check_vector(call: VectorFunction, shape: Shape) -> None:
    """Raise unless `shape`, that of the argument of `call`, is a vector's."""
    if len(shape) != 1:
        what = f"has shape {shape_text(shape)}" if shape else "is a number"
        raise DeclarationError(
            f"{call.name} takes a vector, but in {call} its argument {what}; reduce a matrix to a vector "
            "first, with einsum, and make vectors of numbers with ones"
        )


class logsumexp(VectorFunction):  # noqa: N801  (reads like the publication)
    """log(sum_i exp(a_i)), without overflow; -inf where all elements are."""

    __slots__ = ()
    name = "logsumexp"


class largest(VectorFunction):  # noqa: N801
    """The largest element; at a tie the gradient is shared equally; propagates NaN."""

    __slots__ = ()
    name = "largest"


class softmax(VectorFunction):  # noqa: N801
    """exp(a_i) / sum_j exp(a_j), without overflow: positive numbers whose sum is 1."""

    __slots__ = ()
    name = "softmax"
    gives_vector = True


def log_softmax(vector: Any) -> Expr:
    """The logarithm of the softmax, a - logsumexp(a): finite also where a float cannot hold the softmax."""
    a = as_operand(vector, "log_softmax")
    return a - logsumexp(a)


VECTOR_FUNCTIONS: tuple[type[VectorFunction], ...] = (logsumexp, largest, softmax)
"""Every function of a vector; the tests of rules and of formulas walk it."""
