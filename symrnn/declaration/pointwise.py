"""Pointwise functions of the vocabulary: they work element by element."""

from collections.abc import Callable
from typing import Any, ClassVar

from sympy import (
    Abs,
    Expr,
    Max,
    Min,
)
from sympy import exp as sympy_exp
from sympy import log as sympy_log
from sympy import sqrt as sympy_sqrt
from sympy import tanh as sympy_tanh

from symrnn.declaration.structural import Operation, as_operand
from symrnn.errors import DeclarationError


class PointwiseFunction(Operation):
    """A function of its arguments, element by element."""

    __slots__ = ()
    arity: ClassVar[int] = 1

    def __new__(cls, *args: Any) -> "PointwiseFunction":
        """Apply the function to expressions of equal shape (scalars go with any)."""
        if len(args) != cls.arity:
            raise DeclarationError(
                f"{cls.name} takes {cls.arity} argument{'s' * (cls.arity > 1)}, not {len(args)}. "
                f"Write {cls.name}({', '.join('ab'[: cls.arity])})."
            )
        for arg in args:
            if isinstance(arg, list | tuple):
                raise DeclarationError(
                    f"{cls.name} got the list {arg!r}. Right of @ a list stacks; "
                    "anywhere else write concatenate(a, b)."
                )
        made: PointwiseFunction = Expr.__new__(cls, *(as_operand(arg, cls.name) for arg in args))
        return made


class sigmoid(PointwiseFunction):  # noqa: N801  (reads like the publication)
    """The logistic function 1 / (1 + exp(-x))."""

    __slots__ = ()
    name = "sigmoid"


class tanh(PointwiseFunction):  # noqa: N801
    """The hyperbolic tangent."""

    __slots__ = ()
    name = "tanh"


class relu(PointwiseFunction):  # noqa: N801
    """max(x, 0), with derivative 0 at 0; propagates NaN."""

    __slots__ = ()
    name = "relu"


class exp(PointwiseFunction):  # noqa: N801
    """The exponential function."""

    __slots__ = ()
    name = "exp"


class log(PointwiseFunction):  # noqa: N801
    """The natural logarithm."""

    __slots__ = ()
    name = "log"


class softplus(PointwiseFunction):  # noqa: N801
    """log(1 + exp(x)), computed without overflow."""

    __slots__ = ()
    name = "softplus"


class sqrt(PointwiseFunction):  # noqa: N801
    """The square root."""

    __slots__ = ()
    name = "sqrt"


class absolute(PointwiseFunction):  # noqa: N801
    """The absolute value, with derivative 0 at 0; Python's abs() gives it too."""

    __slots__ = ()
    name = "abs"


class reciprocal(PointwiseFunction):  # noqa: N801
    """1 / x; a quotient and a negative power become it."""

    __slots__ = ()
    name = "reciprocal"


class power(PointwiseFunction):  # noqa: N801
    """x ** p, for any p but whole numbers and -1/2, 1/2, -3/2, -5/2, ..., which have forms of their own.

    Where x is negative it is NaN unless p is whole. Where x is 0, so is its derivative by p >= 0.
    """

    __slots__ = ()
    name = "power"
    arity = 2


class maximum(PointwiseFunction):  # noqa: N801
    """The larger of two; at a tie the gradient is shared equally; propagates NaN."""

    __slots__ = ()
    name = "maximum"
    arity = 2


class minimum(PointwiseFunction):  # noqa: N801
    """The smaller of two; at a tie the gradient is shared equally; propagates NaN."""

    __slots__ = ()
    name = "minimum"
    arity = 2


class stop_gradient(PointwiseFunction):  # noqa: N801
    """Its argument, with a gradient of zero."""

    __slots__ = ()
    name = "stop_gradient"


class sign(PointwiseFunction):  # noqa: N801
    """-1, 0 or 1; internal: the derivative of the absolute value."""

    __slots__ = ()
    name = "sign"


class expm1(PointwiseFunction):  # noqa: N801
    """exp(x) - 1 without cancellation; internal: the derivative of softplus by its output."""

    __slots__ = ()
    name = "expm1"


POINTWISE: tuple[type[PointwiseFunction], ...] = (
    sigmoid,
    tanh,
    relu,
    exp,
    log,
    softplus,
    sqrt,
    absolute,
    reciprocal,
    power,
    maximum,
    minimum,
    stop_gradient,
    sign,
    expm1,
)
"""Every pointwise function that a printer must know; the printers' coverage test walks it."""

SYMPY_EQUIVALENTS: dict[type, type[PointwiseFunction]] = {
    sympy_tanh: tanh,
    sympy_exp: exp,
    sympy_log: log,
    Abs: absolute,
    Max: maximum,
    Min: minimum,
}
"""SymPy's own functions that mean the same; a declaration may use either."""


NUMBER_FORMS: dict[type[PointwiseFunction], Callable[..., Expr]] = {
    sigmoid: lambda x: 1 / (1 + sympy_exp(-x)),
    tanh: sympy_tanh,
    relu: lambda x: Max(x, 0),
    exp: sympy_exp,
    log: sympy_log,
    softplus: lambda x: sympy_log(1 + sympy_exp(x)),
    sqrt: sympy_sqrt,
    absolute: Abs,
    reciprocal: lambda x: 1 / x,
    power: lambda x, p: x**p,
    maximum: Max,
    minimum: Min,
    stop_gradient: lambda x: x,
}
"""The functions applied to numbers and axes, in SymPy's terms: 1/sqrt(m) is one number."""
