"""The named things of a cell: inputs, states, parameters, constants and computed values.

A quantity is a SymPy symbol that also knows its role, its shape per sample (batch and time are
implicit) and its LaTeX name. Two quantities are equal if and only if class, name, shape and LaTeX name
are equal. They are made with SymPy's uncached constructor: the cached one hands out the same object
for the same name, so that one cell's shape could overwrite another's.
"""

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, ClassVar

from sympy import Eq, Expr, Symbol

from symrnn.declaration.axes import Shape, Size, as_size, shape_text, size_text
from symrnn.declaration.nodes import depth_of
from symrnn.errors import DeclarationError, shown
from symrnn.field_names import KEYWORDS, LEADING, METHODS
from symrnn.notation.parsing import check_latex
from symrnn.vocabulary.structure import Tensorial

LEVELS = 20
"""How many levels SymPy looks through whether two sides can be equal; in deeper ones it may lose its way."""

INITIALIZERS = ("zeros", "ones", "glorot", "orthogonal", "normal")


def check_identifier(name: object, role: str, repair: str) -> str:
    """`name` if it is an ASCII identifier and no keyword, else an error that ends with `repair`."""
    if not isinstance(name, str):
        raise DeclarationError(
            f"The name of {_article(role)} is a string, not {shown(name)}. Write it first, in quotes."
        )
    if name in KEYWORDS:
        raise DeclarationError(
            f"The {role} name {name!r} is a Python keyword, and emitted kernels use it as a "
            f"variable. {repair}"
        )
    if not name.isidentifier() or not name.isascii():
        raise DeclarationError(
            f"The {role} name {name!r} is not an ASCII Python identifier, and emitted kernels use it as a "
            f"variable. {repair}"
        )
    return name


def check_name(name: object, role: str) -> str:
    """`name` if emitted code can use it as a variable and as a field, else an error."""
    name = check_identifier(
        name, role, "Choose another name, such as 'lambda_' or 'W_r', and give the printed one with latex=."
    )
    if name.startswith("_") or name in METHODS:
        raise DeclarationError(
            f"The {role} name {name!r} cannot be a field of a NamedTuple, and kernels take parameters "
            "and states as NamedTuples. Choose a name without a leading underscore, not 'count' or 'index'."
        )
    if name in LEADING:
        raise DeclarationError(
            f"The {role} name {name!r} is taken: kernels call time T and the batch B. Choose another name, "
            f"and give the printed one with latex={name!r}."
        )
    return name


def _article(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"


def _is_number(value: object) -> bool:
    """Whether `value` is a real number of Python, NumPy or SymPy that a float can hold."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:  # a whole number, of any size
        return False


class Quantity(Tensorial, Symbol):
    """Base of all named things; use one of its subclasses."""

    __slots__ = ("_content", "latex_name", "shape")
    role: ClassVar[str] = "quantity"
    shape: Shape
    latex_name: str | None
    _content: tuple[str, ...]

    def __new__(cls, name: str, *shape: Any, latex: str | None = None) -> "Quantity":
        """Make the quantity `name` with the given shape per sample."""
        return cls._make(check_name(name, cls.role), shape, latex)

    @classmethod
    def _make(cls, name: str, shape: tuple[Any, ...], latex: str | None) -> Any:
        made = Symbol.__xnew__(cls, name, commutative=True, real=True)
        made.shape = tuple(as_size(size, f"{cls.role} {name}") for size in shape)
        made.latex_name = check_latex(latex, name)
        made._identify()
        return made

    def _identify(self, *more: str) -> None:
        """Set what distinguishes quantities. Strings only: SymPy orders symbols by comparing these."""
        self._content = (self.role, self.name, shape_text(self.shape), self.latex_name or "", *more)

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, *self.shape), {"latex": self.latex_name}

    def _hashable_content(self) -> tuple[str, ...]:
        return self._content

    def renamed(self, name: str, latex: str | None, axes: Mapping[Expr, Expr]) -> Any:
        """The same with another name and other axes."""
        (_, *shape), more = self.__getnewargs_ex__()
        return type(self)(name, *(size.xreplace(dict(axes)) for size in shape), **{**more, "latex": latex})

    def _eval_Eq(self, other: Any) -> Any:
        # SymPy asks this first. None lets it try to prove or refute, which takes it exponentially long or
        # beyond Python's recursion limit where the other side is deep.
        return Eq(self, other, evaluate=False) if depth_of(other) > LEVELS else None


class Input(Quantity):
    """What arrives at every time step; per sample of the given shape, (T, B, *shape) in a kernel."""

    __slots__ = ()
    role = "input"


class Index(Input):
    """A class that arrives at every time step: one of the whole numbers 0, 1, ..., `classes` - 1 per sample.

    A kernel takes an integer array (T, B). It stands in `take(array, index)` and `one_hot(index)`, nowhere
    else, and has no gradient.
    """

    __slots__ = ("classes",)
    role = "index"
    classes: Size

    def __new__(cls, name: str, classes: Any, *, latex: str | None = None) -> "Index":
        """Make the index `name` of one of `classes` classes, an axis or a number."""
        made: Index = cls._make(check_name(name, cls.role), (), latex)
        made.classes = as_size(classes, f"{cls.role} {name}")
        made._identify(size_text(made.classes))
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, self.classes), {"latex": self.latex_name}


class State(Quantity):
    """What a cell carries over time. The bare symbol is its value at t-1, `.next` its value at t."""

    __slots__ = ()
    role = "state"

    @property
    def next(self) -> "NextState":
        """The state's value at time t, which its equation defines."""
        return NextState(self)


class NextState(Quantity):
    """The value at time t of a state; made by `State.next`."""

    __slots__ = ("state",)
    role = "next state"
    state: State

    def __new__(cls, state: State) -> "NextState":
        """Make the value at time t of `state`."""
        made: NextState = cls._make(f"{state.name}.next", state.shape, state.latex_name)
        made.state = state
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.state,), {}

    def renamed(self, name: str, latex: str | None, axes: Mapping[Expr, Expr]) -> "NextState":
        """The value at time t of the renamed state."""
        state: State = self.state.renamed(name, latex, axes)
        return state.next


class Parameter(Quantity):
    """What is trained; the same for all samples and times.

    `init` says how `init()` of a kernel draws a fresh one: "glorot" (uniform within
    sqrt(6 / (rows + columns)), the default for matrices), "orthogonal", "normal" (standard deviation
    1 / sqrt(columns)), "zeros" (the default for vectors and scalars), "ones", or a number.
    """

    __slots__ = ("init",)
    role = "parameter"
    init: str | float

    def __new__(
        cls, name: str, *shape: Any, latex: str | None = None, init: str | float | None = None
    ) -> "Parameter":
        """Make the parameter `name` with the given shape."""
        made: Parameter = cls._make(check_name(name, cls.role), shape, latex)
        if init is None:
            init = "glorot" if len(made.shape) >= 2 else "zeros"
        if not (_is_number(init) or (isinstance(init, str) and init in INITIALIZERS)):
            raise DeclarationError(
                f"Parameter {name} has init={init!r}. "
                f"Choose a finite number or one of {', '.join(INITIALIZERS)}."
            )
        if init == "orthogonal" and len(made.shape) != 2:
            raise DeclarationError(
                f"Parameter {name} of shape {shape_text(made.shape)} cannot be orthogonal: only matrices "
                "can. Choose another init=."
            )
        made.init = init if isinstance(init, str) else float(init)
        made._identify(str(made.init))
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, *self.shape), {"latex": self.latex_name, "init": self.init}


class Constant(Quantity):
    """What is given and never trained: it travels with the parameters, and its gradient is zero.

    `value` is the number that `init()` of a kernel fills it with; a caller may replace it with any
    array of its shape.
    """

    __slots__ = ("value",)
    role = "constant"
    value: float

    def __new__(cls, name: str, *shape: Any, value: float, latex: str | None = None) -> "Constant":
        """Make the constant `name` with the given shape."""
        made: Constant = cls._make(check_name(name, cls.role), shape, latex)
        if not _is_number(value):
            raise DeclarationError(f"Constant {name} has value={value!r}. Give a finite number.")
        made.value = float(value)
        made._identify(str(made.value))
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, *self.shape), {"latex": self.latex_name, "value": self.value}


class Value(Quantity):
    """Anything computed: a gate, a candidate, a derived parameter, an output. Its shape is inferred."""

    __slots__ = ()
    role = "value"

    def __new__(cls, name: str, *shape: Any, latex: str | None = None) -> "Value":
        """Make the value `name`; the cell works out its shape, so that none is given."""
        if shape:
            raise DeclarationError(
                f"The value {name} is given a shape, but the shape of a value follows from its equation. "
                f"Write Value({name!r})."
            )
        return cls._make(check_name(name, cls.role), (), latex)

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name,), {"latex": self.latex_name}


class Part(Quantity):
    """A named part of a cell's equations that the author left unnamed: a product, a pre-activation.

    Only the cell's own normal form makes these, so the name is not checked.
    """

    __slots__ = ()
    role = "part"

    def __new__(cls, name: str, *shape: Any, latex: str | None = None) -> "Part":
        """Make the part `name`."""
        return cls._make(name, shape, latex)


GIVEN = (Input, Parameter, Constant)
"""What comes from outside a step, besides the states."""

COMPUTED = (Value, NextState)
"""What equations define."""


FACTS: Mapping[type, Callable[[Any], str]] = {
    Index: lambda index: f"{index.classes} classes",
    Parameter: lambda parameter: f"init {parameter.init!r}",
    Constant: lambda constant: f"value {constant.value!r}",
}
"""What distinguishes quantities besides their shapes and LaTeX names."""


def described(quantity: Quantity) -> str:
    """A quantity with all that distinguishes it from another of its name."""
    facts = [] if isinstance(quantity, Value | Index) else [f"shape {shape_text(quantity.shape)}"]
    facts += [f"latex {quantity.latex_name!r}"] if quantity.latex_name is not None else []
    facts += [FACTS[type(quantity)](quantity)] if type(quantity) in FACTS else []
    return f"{_article(quantity.role)}{' with ' * bool(facts)}{', '.join(facts)}"
