"""`Cell`: the equations of a recurrent cell, validated, resolved and in order."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

from sympy import Eq, Expr, I, MatrixSymbol, Symbol
from sympy.logic.boolalg import Boolean, BooleanAtom

from symrnn.declaration.axes import Axis, Shape, axes_of, by_name, shape_text, size_text, told_axes
from symrnn.declaration.cell_names import check_cell_name
from symrnn.declaration.dependence import dependency_order, pieces_of, place_of
from symrnn.declaration.depth import Piece
from symrnn.declaration.nodes import atoms_of
from symrnn.declaration.normal_form import Definition, Equation, normalize
from symrnn.declaration.plain_text import plain_text
from symrnn.declaration.quantities import (
    COMPUTED,
    GIVEN,
    Constant,
    Input,
    NextState,
    Parameter,
    Quantity,
    State,
    Value,
    described,
)
from symrnn.declaration.reading_order import Roles, reading_roles
from symrnn.declaration.resolution import Resolved, Resolver
from symrnn.declaration.stable_forms import StableForms
from symrnn.declaration.words import check_words
from symrnn.declaration.zero_state import zero_state_facts
from symrnn.errors import DeclarationError, SymrnnWarning
from symrnn.printing import Printed


@dataclass(frozen=True, slots=True, init=False)
class Cell(Printed):
    """A recurrent cell, worked out from its equations.

    `equations` are resolved and in the author's order; `definitions` are the same in normal form and in
    dependency order. `inputs`, `parameters` and `constants` are in the order of the first equation that
    uses them (matrices before vectors before scalars, then by name), `states` and `values` in the order
    of their equations. `shapes` holds (value, shape) pairs; `roles` what reading order goes by.
    """

    name: str
    title: str
    variant: str
    source: str
    inputs: tuple[Input, ...]
    states: tuple[State, ...]
    parameters: tuple[Parameter, ...]
    constants: tuple[Constant, ...]
    values: tuple[Value, ...]
    output: Value | State | NextState
    equations: tuple[Equation, ...]
    definitions: tuple[Definition, ...]
    shapes: tuple[tuple[Value, Shape], ...]
    roles: Roles = field(compare=False, repr=False)
    _shape_of: dict[Value, Shape] = field(compare=False, repr=False)

    def __init__(
        self,
        name: str,
        *equations: Eq,
        output: Value | State | NextState | None = None,
        title: str = "",
        variant: str = "",
        source: str = "",
    ) -> None:
        """Declare the cell `name` by its equations.

        Each equation is `Eq(value, expression)` or `Eq(state.next, expression)`; their order is the
        order of presentation, not of evaluation. `output` is what the cell hands to the layer above: a
        value, a state or a state's next value; a cell with exactly one state may leave it out.
        `title`, `variant` and `source` are words for the documents, a line each: line ends become spaces.

        Warns:
            SymrnnWarning: a root, a logarithm or a quotient is taken at 0 while all states are 0.

        Raises:
            DeclarationError: the equations do not make a cell; the message says where and how to mend it.

        """
        self._fill(name, equations, output, (title, variant, source))
        self._warn()

    @classmethod
    def derived(
        cls,
        name: str,
        *equations: Eq,
        output: Value | State | NextState,
        title: str,
        variant: str,
        source: str,
    ) -> "Cell":
        """A cell made from one that is declared: of what is in that, its author has been warned."""
        made = object.__new__(cls)
        made._fill(name, equations, output, (title, variant, source))
        return made

    def _fill(
        self,
        name: str,
        equations: tuple[Eq, ...],
        output: Value | State | NextState | None,
        words: tuple[str, str, str],
    ) -> None:
        """Work out all fields; `words` are title, variant and source."""
        title, variant, source = words
        check_cell_name(name)
        pairs = [_target_and_rhs(name, number, eq) for number, eq in enumerate(equations, 1)]
        if not pairs:
            raise DeclarationError(f"The cell {name!r} has no equations. Give at least one Eq(...).")
        _check_names(name, pairs)
        _check_targets(name, pairs)
        pieces, ordered = pieces_of(name, pairs, dependency_order(name, pairs))
        resolved, shapes = _resolve(name, pieces, ordered)
        inputs, parameters, constants = _used_quantities(resolved)
        states = tuple(eq.target.state for eq in resolved if isinstance(eq.target, NextState))
        _check_inputs(name, inputs)
        taken = _author_names(resolved) | {f"{state.name}_next" for state in states}
        fields = {
            "name": name,
            "title": check_words(title, f"title of {name!r}") or name,
            "variant": check_words(variant, f"variant of {name!r}"),
            "source": check_words(source, f"source of {name!r}"),
            "inputs": inputs,
            "states": states,
            "parameters": parameters,
            "constants": constants,
            "values": tuple(eq.target for eq in resolved if isinstance(eq.target, Value)),
            "output": _chosen_output(name, output, states, resolved),
            "equations": resolved,
            "definitions": normalize((resolved[i] for i in ordered), taken),
            "shapes": tuple(shapes.items()),
            "_shape_of": shapes,
        }
        for key, value in fields.items():
            object.__setattr__(self, key, value)
        object.__setattr__(self, "roles", reading_roles(self.given, self.definitions))
        _check_sizes(self)

    def _warn(self) -> None:
        """Warn of functions that are taken at 0 at the first step, where they have no derivative."""
        for equation, fact in zero_state_facts(self.equations, self.roles):
            context = place_of(self.name, equation.number, equation.target)
            warnings.warn(f"{context}{fact}", SymrnnWarning, stacklevel=3)

    @property
    def given(self) -> tuple[Quantity, ...]:
        """What is given from outside a step."""
        return (*self.inputs, *self.states, *self.parameters, *self.constants)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of all shapes, inputs' first, then in order of appearance."""
        found: dict[Axis, None] = {}
        for quantity in self.given:
            found.update(dict.fromkeys(axes_of(quantity.shape)))
        for definition in self.definitions:
            found.update(dict.fromkeys(axes_of(definition.shape)))
            found.update(dict.fromkeys(sorted(definition.expr.atoms(Axis), key=by_name)))
        return tuple(found)

    def shape_of(self, quantity: Quantity) -> Shape:
        """The shape per sample of any quantity or part of the cell."""
        return self._shape_of[quantity] if isinstance(quantity, Value) else quantity.shape

    @property
    def output_shape(self) -> Shape:
        """The shape per sample of the output."""
        return self.shape_of(self.output)

    def text(self, line: Equation | Definition) -> str:
        """An equation or a definition as a line of text, its terms in reading order.

        An equation that is computed in a stable form says so.
        """
        if isinstance(line, Definition):
            return f"{line.symbol} = {plain_text(line.expr, self.roles)}"
        text = f"{line.target} = {plain_text(line.rhs, self.roles)}"
        return f"{text}, computed as {plain_text(line.computed, self.roles)}" if line.is_rewritten else text

    def __str__(self) -> str:
        lines = [f"cell {self.name}", *(f"  {self.text(equation)}" for equation in self.equations)]
        return "\n".join([*lines, f"  output {self.output}"])


def _target_and_rhs(cell: str, number: int, equation: object) -> tuple[Quantity, Expr]:
    context = place_of(cell, number)
    if isinstance(equation, bool | BooleanAtom):
        raise DeclarationError(
            f"{context}SymPy collapsed it to {bool(equation)}, because both sides are the same or can never "
            "be equal (for example Eq(q, q + 1), or a right side that is nan, infinite or no number). "
            "A state at time t is written state.next."
        )
    if not isinstance(equation, Eq):
        raise DeclarationError(
            f"{context}{equation!r} is no equation. Write Eq(left, right), one argument per equation."
        )
    target, rhs = equation.args
    if isinstance(target, State):
        raise DeclarationError(
            f"{context}the left side is {target}, which is the state at t-1. Write Eq({target}.next, ...)."
        )
    if isinstance(target, GIVEN):
        raise DeclarationError(
            f"{context}the {target.role} {target} is assigned to, but it is given from outside. "
            "Declare a Value for what is computed."
        )
    if not isinstance(target, COMPUTED):
        raise DeclarationError(
            f"{context}the left side {target} is neither a Value nor a state's next value. "
            "Write Eq(value, ...) or Eq(state.next, ...)."
        )
    if isinstance(rhs, Boolean) and not isinstance(rhs, Expr):
        raise DeclarationError(
            f"{context}the right side {rhs} is a comparison, not a number. Use where(...)."
        )
    return target, rhs


def _check_targets(cell: str, pairs: list[tuple[Quantity, Expr]]) -> None:
    seen: dict[Quantity, int] = {}
    for number, (target, _) in enumerate(pairs, 1):
        if target in seen:
            raise DeclarationError(
                f"{place_of(cell, number, target)}{target} is already defined by equation {seen[target]}. "
                "Define every value and every state once."
            )
        seen[target] = number
    for number, (target, rhs) in enumerate(pairs, 1):
        for used in sorted(atoms_of(rhs, Value, State, NextState), key=str):
            if isinstance(used, Value) and used not in seen:
                known = ", ".join(str(t) for t in seen if isinstance(t, Value)) or "none"
                raise DeclarationError(
                    f"{place_of(cell, number, target)}the value {used} has no equation. Add Eq({used}, ...); "
                    f"defined values: {known}."
                )
            state = used.state if isinstance(used, NextState) else used
            if isinstance(state, State) and state.next not in seen:
                raise DeclarationError(
                    f"{place_of(cell, number, target)}the state {state} has no equation. "
                    f"Add Eq({state}.next, ...)."
                )


def _check_names(cell: str, pairs: list[tuple[Quantity, Expr]]) -> None:
    """One name, one quantity; no foreign symbols."""
    owners: dict[str, Quantity] = {}
    for number, (target, rhs) in enumerate(pairs, 1):
        found = {target} | atoms_of(rhs, Symbol, MatrixSymbol)
        for symbol in sorted((s for s in found if not isinstance(s, Axis)), key=_symbol_order):
            if not isinstance(symbol, Quantity):
                raise DeclarationError(
                    f"{place_of(cell, number, target)}{symbol} is a plain SymPy symbol. "
                    "Declare it as Input, State, Parameter, Constant or Value."
                )
            quantity = symbol.state if isinstance(symbol, NextState) else symbol
            other = owners.setdefault(quantity.name, quantity)
            if other != quantity:
                raise DeclarationError(
                    f"{place_of(cell, number, target)}two different quantities are named {quantity.name!r}: "
                    f"{described(other)} and {described(quantity)}. Rename one, or declare it once."
                )
        if atoms_of(rhs, type(I)):
            raise DeclarationError(
                f"{place_of(cell, number, target)}SymPy's imaginary unit I is in it, and cells are real. "
                "Declare a quantity for it, under another Python name if you imported I from sympy."
            )


def _symbol_order(symbol: Symbol) -> tuple[str, tuple[str, ...]]:
    return str(symbol), tuple(map(str, symbol._hashable_content()))


def _resolve(
    cell: str, pieces: list[Piece], order: list[int]
) -> tuple[tuple[Equation, ...], dict[Value, Shape]]:
    shapes: dict[Value, Shape] = {}
    defined: dict[Quantity, Expr] = {}
    resolved: dict[int, Equation] = {}
    for i in order:
        target, rhs, number = pieces[i].target, pieces[i].rhs, pieces[i].number
        try:
            right = Resolver(shapes).resolve(rhs)
        except DeclarationError as error:
            fact = str(error).removesuffix(".")
            raise DeclarationError(f"{place_of(cell, number, target)}{fact}.") from None
        if isinstance(target, Value):
            shapes[target] = right.shape
        _check_sides(cell, number, target, right)
        shape = target.shape if isinstance(target, NextState) else right.shape
        assert isinstance(target, Value | NextState)
        computed = StableForms(defined).computed(right, Resolver(shapes))
        if shape == right.shape:  # else a number fills the state
            defined[target] = computed
        resolved[i] = Equation(i + 1, target, right.expr, shape, computed)
    in_order = tuple(resolved[i] for i in range(len(pieces)))
    values = [eq.target for eq in in_order if isinstance(eq.target, Value)]
    return in_order, {value: shapes[value] for value in values}


def _check_sides(cell: str, number: int, target: Quantity, right: Resolved) -> None:
    if isinstance(target, Value) or right.shape == target.shape:
        return
    moving = right.expr.atoms(Input, State, NextState, Value)
    if right.shape == () and not moving:
        return  # broadcast: SymPy turns h - h into 0, which has lost its shape
    raise DeclarationError(
        f"{place_of(cell, number, target)}the state {target.name.removesuffix('.next')} has shape "
        f"{shape_text(target.shape)}, but the right side has shape {shape_text(right.shape)}. "
        + ("Multiply it by ones(...) to repeat a scalar." if right.shape == () else "Make them equal.")
    )


def _used_quantities(
    equations: Iterable[Equation],
) -> tuple[tuple[Input, ...], tuple[Parameter, ...], tuple[Constant, ...]]:
    found: dict[Quantity, None] = {}
    for equation in equations:
        used = equation.rhs.atoms(*GIVEN)
        found.update(dict.fromkeys(sorted(used, key=lambda q: (-len(q.shape), q.name))))
    return (
        tuple(q for q in found if isinstance(q, Input)),
        tuple(q for q in found if isinstance(q, Parameter)),
        tuple(q for q in found if isinstance(q, Constant)),
    )


def _check_inputs(cell: str, inputs: tuple[Input, ...]) -> None:
    if not inputs:
        raise DeclarationError(
            f"The cell {cell!r} uses no input. The number of time steps and the batch size come from the "
            "inputs: use at least one Input."
        )


def _author_names(equations: tuple[Equation, ...]) -> set[str]:
    names: set[str] = set()
    for equation in equations:
        names.update(q.name for q in {equation.target} | equation.rhs.atoms(Quantity))
    return names


def _chosen_output(
    cell: str,
    output: object,
    states: tuple[State, ...],
    equations: tuple[Equation, ...],
) -> Value | State | NextState:
    targets = [equation.target for equation in equations]
    if output is None:
        if len(states) != 1:
            choices = ", ".join(str(target) for target in targets)
            raise DeclarationError(
                f"The cell {cell!r} has {len(states)} states, so its output must be named. "
                f"Add output= with one of: {choices}."
            )
        return states[0].next
    if isinstance(output, Value | NextState) and output in targets:
        return output
    if isinstance(output, State) and output in states:
        return output
    raise DeclarationError(
        f"The output of cell {cell!r} is {output!r}, which no equation defines. "
        f"Choose one of: {', '.join(str(target) for target in targets)}."
    )


def _check_sizes(cell: Cell) -> None:
    """Raise unless the shapes of what a kernel is given tell all sizes."""
    sizes = [size for quantity in cell.given for size in quantity.shape]
    told = told_axes(sizes)
    untold = [axis for axis in cell.axes if axis not in told]
    if not untold:
        return
    within = list(dict.fromkeys(size_text(size) for size in sizes if not told.issuperset(axes_of((size,)))))
    of = next((equation for equation in cell.equations if untold[0] in _axes_in(cell, equation)), None)
    raise DeclarationError(
        (place_of(cell.name, of.number, of.target) if of else f"Cell {cell.name!r}: ")
        + f"the size {' and the size '.join(map(str, untold))} can be told from no shape of an input, a "
        f"state, a parameter or a constant{', only ' + ', '.join(within) if within else ''}. "
        f"Give one of these an axis {untold[0]} of its own, or write a number as a Constant."
    )


def _axes_in(cell: Cell, equation: Equation) -> set[Axis]:
    """The axes of an equation: of its numbers and of the shapes of what stands in it."""
    shapes = [equation.shape, *(cell.shape_of(quantity) for quantity in equation.rhs.atoms(Quantity))]
    return equation.rhs.atoms(Axis).union(*(axes_of(shape) for shape in shapes))
