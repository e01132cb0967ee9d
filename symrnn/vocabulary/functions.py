"""What a function is, and all that is known of it: a record, of which every table is a view."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar, TypeAlias

from sympy import Expr

from symrnn.errors import DeclarationError
from symrnn.vocabulary.structure import Operation, as_operand

Rule: TypeAlias = Callable[..., Expr]
"""What y = f(a, ...) hands to an argument: rule(d, y, a, ...), where d is the adjoint of y."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    r"""What the paper says of a function, with marks `<a>`, `<y>`, `<i>`, `<j>` for free letters.

    `definition` explains it among the conventions, `derivative` goes on after a derived equation, `bound`
    says how large its derivative may be.
    """

    definition: str = ""
    derivative: str = ""
    bound: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a function is written in each target: a name, or a form with `{}` for every argument.

    A target in which it has no spelling has "": there, `formula` of its facts is written.

    `onnx` is the name of an operator; without one, `reference` is the formula there. `number` is Python's,
    for what is made of numbers and axes alone. `numpy_once` stands where parameters alone are computed,
    whatever the target: NumPy without the functions that a kernel defines. `sign` marks it in diagrams;
    without `latex` it has a notation of its own there.
    """

    numpy: str = ""
    numba: str = ""
    torch: str = ""
    jax: str = ""
    onnx: str = ""
    number: str = ""
    numpy_once: str = ""
    latex: str = ""
    sign: str = ""


def in_libraries(name: str, *, numba: str = "", onnx: str = "") -> Spelling:
    """The spelling of what all array libraries call by one name; of Numba's, that with an underscore."""
    return Spelling(
        numpy=f"np.{name}",
        numba=numba or f"_{name}",
        torch=f"torch.{name}",
        jax=f"jnp.{name}",
        onnx=onnx,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a function, once.

    Attributes:
        rules: one per argument, in terms of y where that is possible; None: no gradient goes back. That of a
            function of a vector gets the vector's size after the arguments.
        value: its value, of NumPy's arrays; of a vector along the last axis.
        reference: its value as autodiff may differentiate it, `reference(xp, *arrays)`, with the slopes at
            ties that the vocabulary promises; None where the array library has a function of its own.
        number: its value in SymPy's terms, where it is applied to numbers and axes.
        formula: what it is in terms of other functions, for targets that have no spelling of it; autodiff may
            differentiate it.
        equivalent: SymPy's own function that means the same; a declaration may use either.
        support: the text of the function that `spelling.numpy` names, where NumPy has none.
        derivative: the function of the same arguments that is its derivative, if the vocabulary has it.
        range: between which numbers it lies, whatever its arguments.
        turns: where it stops to grow or to fall; None: it does so everywhere, and `range` bounds it.
        at_zero: its value at 0, where comparisons look for one.
        limits: what it approaches as its argument grows and falls.
        exponential: `exponential(xp, *arrays, y)` is what a rule takes the exponential of, and what that is.
        at_zero_singular: what is infinite at 0, and what to write instead.
    """

    rules: tuple[Rule | None, ...]
    value: Callable[..., Any]
    reference: Callable[..., Any] | None
    spelling: Spelling = Spelling()
    words: Words = Words()
    number: Callable[..., Expr] | None = None
    formula: Callable[..., Expr] | None = None
    equivalent: type | None = None
    support: str = ""
    derivative: type[Operation] | None = None
    exponential: Callable[..., tuple[Any, Any]] | None = None
    range: tuple[float, float] = (-inf, inf)
    turns: tuple[float, ...] | None = ()
    at_zero: Expr | None = None
    limits: tuple[Expr, ...] = ()
    at_zero_singular: tuple[str, str] | None = None


class NamedFunction(Operation):
    """What a record tells all about: a function of arguments element by element, or of a vector."""

    __slots__ = ()
    facts: ClassVar[Facts]


class PointwiseFunction(NamedFunction):
    """A function of its arguments, element by element; the last of them may have `defaults`."""

    __slots__ = ()
    is_elementwise = True
    arity: ClassVar[int] = 1
    defaults: ClassVar[tuple[Any, ...]] = ()

    def __new__(cls, *args: Any) -> "PointwiseFunction":
        """Apply the function to expressions of equal shape (scalars go with any)."""
        args += cls.defaults[len(args) + len(cls.defaults) - cls.arity :] if args else ()
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
        return Expr.__new__(cls, *(as_operand(arg, cls.name) for arg in args))


class VectorFunction(NamedFunction):
    """A function of the vector of a sample; its value is a vector of the same size, or a number."""

    __slots__ = ()
    gives_vector: ClassVar[bool] = False

    def __new__(cls, vector: Any) -> "VectorFunction":
        """Apply the function to an expression of rank 1; a list stacks."""
        return Expr.__new__(cls, as_operand(vector, cls.name))
