"""`Cell`: the equations of a recurrent cell, validated, resolved and in order."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sympy import Eq, Expr, I, MatrixSymbol, Symbol
from sympy.logic.boolalg import Boolean, BooleanAtom

from symrnn.declaration.axes import Axis, Shape, axes_of, shape_text
from symrnn.declaration.depth import DEEPEST, Piece, cut
from symrnn.declaration.nodes import atoms_of, depth_of
from symrnn.declaration.normal_form import Definition, Equation, normalize
from symrnn.declaration.plain_text import plain_text
from symrnn.declaration.quantities import (
    Constant,
    Index,
    Input,
    NextState,
    Parameter,
    Quantity,
    State,
    Value,
    check_identifier,
)
from symrnn.declaration.reading_order import Roles, reading_roles
from symrnn.declaration.resolution import Resolved, Resolver
from symrnn.errors import DeclarationError


@dataclass(frozen=True, slots=True, init=False)
class Cell:
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
        `title`, `variant` and `source` go into the documents.

        Raises:
            DeclarationError: the equations do not make a cell; the message says where and how to mend it.

        """
        check_cell_name(name)
        pairs = [_target_and_rhs(name, number, eq) for number, eq in enumerate(equations, 1)]
        if not pairs:
            raise DeclarationError(f"The cell {name!r} has no equations. Give at least one Eq(...).")
        _check_names(name, pairs)
        _check_targets(name, pairs)
        pieces, ordered = _cut(name, pairs, _dependency_order(name, pairs))
        resolved, shapes = _resolve(name, pieces, ordered)
        inputs, parameters, constants = _used_quantities(resolved)
        states = tuple(eq.target.state for eq in resolved if isinstance(eq.target, NextState))
        _check_inputs(name, inputs)
        taken = _author_names(resolved) | {f"{state.name}_next" for state in states}
        fields = {
            "name": name,
            "title": title or name,
            "variant": variant,
            "source": source,
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
        object.__setattr__(self, "roles", reading_roles(self))

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of all shapes, inputs' first, then in order of appearance."""
        quantities = [*self.inputs, *self.states, *self.parameters, *self.constants]
        found: dict[Axis, None] = {}
        for quantity in quantities:
            found.update(dict.fromkeys(axes_of(quantity.shape)))
        for definition in self.definitions:
            found.update(dict.fromkeys(axes_of(definition.shape)))
            found.update(dict.fromkeys(sorted(definition.expr.atoms(Axis), key=str)))
        return tuple(found)

    def shape_of(self, quantity: Quantity) -> Shape:
        """The shape per sample of any quantity or part of the cell."""
        return self._shape_of[quantity] if isinstance(quantity, Value) else quantity.shape

    @property
    def output_shape(self) -> Shape:
        """The shape per sample of the output."""
        return self.shape_of(self.output)

    def text(self, line: Equation | Definition) -> str:
        """An equation or a definition as a line of text, its terms in reading order."""
        left, right = (line.target, line.rhs) if isinstance(line, Equation) else (line.symbol, line.expr)
        return f"{left} = {plain_text(right, self.roles)}"

    def __str__(self) -> str:
        lines = [f"cell {self.name}", *(f"  {self.text(equation)}" for equation in self.equations)]
        return "\n".join([*lines, f"  output {self.output}"])


def check_cell_name(name: object) -> None:
    """Raise unless `name` can name a module."""
    if not isinstance(name, str):
        raise DeclarationError(
            f"The first argument of Cell is its name, a string, not {name!r}. "
            "Write Cell('gru', Eq(...), ...)."
        )
    check_identifier(name, "cell", "Choose another name, and give the printed one with title=.")


def _where(cell: str, number: int, target: object = None) -> str:
    described = f" ({target} = ...)" if target is not None else ""
    return f"In cell {cell!r}, equation {number}{described}: "


def _target_and_rhs(cell: str, number: int, equation: object) -> tuple[Quantity, Expr]:
    context = _where(cell, number)
    if isinstance(equation, bool | BooleanAtom):
        raise DeclarationError(
            f"{context}SymPy collapsed it to {bool(equation)}, because both sides are the same or can never "
            "be equal (for example Eq(q, q + 1)). A state at time t is written state.next."
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
    if isinstance(target, Input | Constant | Parameter):
        raise DeclarationError(
            f"{context}the {target.role} {target} is assigned to, but it is given from outside. "
            "Declare a Value for what is computed."
        )
    if not isinstance(target, Value | NextState):
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
                f"{_where(cell, number, target)}{target} is already defined by equation {seen[target]}. "
                "Define every value and every state once."
            )
        seen[target] = number
    for number, (target, rhs) in enumerate(pairs, 1):
        for used in sorted(atoms_of(rhs, Value, State, NextState), key=str):
            if isinstance(used, Value) and used not in seen:
                known = ", ".join(str(t) for t in seen if isinstance(t, Value)) or "none"
                raise DeclarationError(
                    f"{_where(cell, number, target)}the value {used} has no equation. Add Eq({used}, ...); "
                    f"defined values: {known}."
                )
            state = used.state if isinstance(used, NextState) else used
            if isinstance(state, State) and state.next not in seen:
                raise DeclarationError(
                    f"{_where(cell, number, target)}the state {state} has no equation. "
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
                    f"{_where(cell, number, target)}{symbol} is a plain SymPy symbol. "
                    "Declare it as Input, State, Parameter, Constant or Value."
                )
            quantity = symbol.state if isinstance(symbol, NextState) else symbol
            other = owners.setdefault(quantity.name, quantity)
            if other != quantity:
                raise DeclarationError(
                    f"{_where(cell, number, target)}two different quantities are named {quantity.name!r}: "
                    f"{_described(other)} and {_described(quantity)}. Rename one, or declare it once."
                )
        if atoms_of(rhs, type(I)):
            raise DeclarationError(
                f"{_where(cell, number, target)}SymPy's imaginary unit I is in it, and cells are real. "
                "Declare a quantity for it, under another Python name if you imported I from sympy."
            )


def _symbol_order(symbol: Symbol) -> tuple[str, tuple[str, ...]]:
    return str(symbol), tuple(map(str, symbol._hashable_content()))


def _described(quantity: Quantity) -> str:
    """A quantity with all that distinguishes it from another of its name."""
    facts = [] if isinstance(quantity, Value | Index) else [f"shape {shape_text(quantity.shape)}"]
    facts += [f"latex {quantity.latex_name!r}"] if quantity.latex_name is not None else []
    facts += [f"{quantity.classes} classes"] if isinstance(quantity, Index) else []
    facts += [f"init {quantity.init!r}"] if isinstance(quantity, Parameter) else []
    facts += [f"value {quantity.value!r}"] if isinstance(quantity, Constant) else []
    article = "an" if quantity.role[0] in "aeiou" else "a"
    return f"{article} {quantity.role}{' with ' * bool(facts)}{', '.join(facts)}"


def _dependency_order(cell: str, pairs: list[tuple[Quantity, Expr]]) -> list[int]:
    """Positions of the equations such that each one uses only what earlier ones define."""
    position = {target: i for i, (target, _) in enumerate(pairs)}
    uses = [sorted(position[used] for used in atoms_of(rhs, Value, NextState)) for _, rhs in pairs]
    order: dict[int, None] = {}
    for start in range(len(pairs)):
        path = {start: iter(uses[start])}  # without recursion: a chain may be long
        while path and start not in order:
            last = next(reversed(path))
            used = next((i for i in path[last] if i not in order), None)
            if used is None:
                order[last] = None
                del path[last]
            elif used in path:
                steps = list(path)
                members = [str(pairs[i][0]) for i in steps[steps.index(used) :]]
                raise DeclarationError(
                    f"The cell {cell!r} has a cycle: {' needs '.join([*members, members[0]])}. "
                    "Break it: a state's previous value (the bare state) needs no equation of this time step."
                )
            else:
                path[used] = iter(uses[used])
    return list(order)


def _cut(
    cell: str, pairs: list[tuple[Quantity, Expr]], order: list[int]
) -> tuple[list[Piece], list[int]]:
    """The equations, deep ones in pieces, and the positions of the pieces in the order of dependence."""
    names = {quantity.name for pair in pairs for side in pair for quantity in atoms_of(side, Quantity)}
    taken = names | {name.removesuffix(".next") for name in names}
    pieces, positions = [], []
    for number, (target, rhs) in enumerate(pairs, 1):
        made = cut(target, rhs, number, taken)
        levels = max(depth_of(piece.rhs) for piece in made)
        if levels > DEEPEST:
            raise DeclarationError(
                f"{_where(cell, number, target)}it has conditions that nest {levels} levels deep, and conditions "
                f"may have {DEEPEST}. Name a part: a Value that is where(condition, 1, 0) stands for a condition."
            )
        positions.append(range(len(pieces), len(pieces) + len(made)))
        pieces += made
    return pieces, [position for i in order for position in positions[i]]


def _resolve(
    cell: str, pieces: list[Piece], order: list[int]
) -> tuple[tuple[Equation, ...], dict[Value, Shape]]:
    shapes: dict[Value, Shape] = {}
    resolved: dict[int, Equation] = {}
    for i in order:
        target, rhs, number = pieces[i].target, pieces[i].rhs, pieces[i].number
        try:
            right = Resolver(shapes).resolve(rhs)
        except DeclarationError as error:
            fact = str(error).removesuffix(".")
            raise DeclarationError(f"{_where(cell, number, target)}{fact}.") from None
        if isinstance(target, Value):
            shapes[target] = right.shape
        _check_sides(cell, number, target, right)
        shape = target.shape if isinstance(target, NextState) else right.shape
        assert isinstance(target, Value | NextState)
        resolved[i] = Equation(i + 1, target, right.expr, shape)
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
        f"{_where(cell, number, target)}the state {target.name.removesuffix('.next')} has shape "
        f"{shape_text(target.shape)}, but the right side has shape {shape_text(right.shape)}. "
        + ("Multiply it by ones(...) to repeat a scalar." if right.shape == () else "Make them equal.")
    )


def _used_quantities(
    equations: Iterable[Equation],
) -> tuple[tuple[Input, ...], tuple[Parameter, ...], tuple[Constant, ...]]:
    found: dict[Quantity, None] = {}
    for equation in equations:
        used = equation.rhs.atoms(Input, Parameter, Constant)
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
