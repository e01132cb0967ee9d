"""Smaller cells with the same fault: equations and parts of them are left out while the fault stays."""

import time
import warnings
from collections.abc import Callable, Iterator

from sympy import Add, Eq, Expr, Mul
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.normal_form import Equation, unique_name
from symrnn.declaration.quantities import Index, Input, NextState, Parameter, Quantity, State
from symrnn.declaration.resolution import Resolver, is_coefficient
from symrnn.errors import DeclarationError, SymrnnWarning

SECONDS = 60.0
"""How long a cell is shrunk at most."""


def shrunk(cell: Cell, fails: Callable[[Cell], bool], seconds: float = SECONDS) -> Cell:
    """The smallest cell found for which `fails` still holds; `cell` itself if there is none."""
    end = time.monotonic() + seconds
    tried: set[str] = set()
    while time.monotonic() < end:
        for smaller in candidates(cell):
            text = str(smaller)
            if size(smaller) >= size(cell) or text in tried:
                continue
            tried.add(text)
            if fails(smaller):
                cell = smaller
                break
            if time.monotonic() > end:
                return cell
        else:
            return cell
    return cell


def size(cell: Cell) -> tuple[int, int, int]:
    """How large a cell is: in definitions, then in quantities, then in signs."""
    return len(cell.definitions), len(cell.parameters) + len(cell.inputs) + len(cell.states), len(str(cell))


def candidates(cell: Cell) -> Iterator[Cell]:
    """Simpler cells, the most simplified first."""
    for changed, output in (*_without_equations(cell), *_outputs(cell), *_simplified(cell)):
        equations = [Eq(target, rhs, evaluate=False) for target, rhs in changed]
        try:
            with warnings.catch_warnings(category=SymrnnWarning, action="ignore"):
                smaller = Cell(cell.name, *equations, output=output)
        except DeclarationError:
            continue
        yield smaller


Equations = list[tuple[Quantity, Expr]]
Candidate = tuple[Equations, Quantity]


def _pairs(cell: Cell) -> Equations:
    return [(equation.target, equation.rhs) for equation in cell.equations]


def _without_equations(cell: Cell) -> Iterator[Candidate]:
    """Half of the equations left out, then one after the other; what they defined becomes an input."""
    count = len(cell.equations)
    groups = [set(range(count // 2)), set(range(count // 2, count))] if count > 3 else []
    groups += [{i} for i in range(count)]
    for group in groups:
        dropped = [cell.equations[i] for i in group]
        given: dict[Expr, Expr] = {}
        for equation in dropped:
            given |= _given_for(cell, equation)
        kept = [(t, rhs.xreplace(given)) for t, rhs in _pairs(cell) if t not in {e.target for e in dropped}]
        targets = {target for target, _ in kept}
        if not kept:
            continue
        alive = cell.output in targets or (isinstance(cell.output, State) and cell.output.next in targets)
        yield kept, cell.output if alive else kept[-1][0]


def _given_for(cell: Cell, equation: Equation) -> dict[Expr, Expr]:
    """Inputs or parameters in place of what an equation defines."""
    target = equation.target
    static = {definition.symbol for definition in cell.definitions if definition.static}
    if isinstance(target, NextState):
        name = target.state.name
        return {
            target.state: Input(name, *equation.shape),
            target: Input(unique_name(f"{name}_next", _names(cell)), *equation.shape),
        }
    kind = Parameter if target in static else Input
    return {target: kind(target.name, *equation.shape)}


def _names(cell: Cell) -> set[str]:
    return {q.name for q in (*cell.inputs, *cell.states, *cell.parameters, *cell.constants, *cell.values)}


def _outputs(cell: Cell) -> Iterator[Candidate]:
    for equation in cell.equations:
        if equation.target != cell.output:
            yield _pairs(cell), equation.target


def _simplified(cell: Cell) -> Iterator[Candidate]:
    """One part of an equation replaced by something inside it, by what is left of a sum, or by a leaf."""
    resolver = Resolver(dict(cell.shapes))
    names = _names(cell)
    for number, equation in enumerate(cell.equations):
        for part in _parts(equation.rhs):
            shape = _shape(resolver, part)
            for simpler in _simpler(resolver, part, shape, names):
                right = equation.rhs.xreplace({part: simpler})
                if right != equation.rhs:
                    pairs = _pairs(cell)
                    pairs[number] = (equation.target, right)
                    yield pairs, cell.output


def _parts(expr: Expr) -> list[Expr]:
    """The parts of an expression that have a value, the outermost first."""
    found: dict[Expr, None] = {}
    queue = [expr]
    while queue:
        part = queue.pop(0)
        if isinstance(part, Expr) and not isinstance(part, Quantity) and not is_coefficient(part):
            found[part] = None
        if isinstance(part, Expr | Boolean) and not isinstance(part, Quantity):
            queue += [arg for arg in part.args if isinstance(arg, Expr | Boolean)]
    return list(found)


def _shape(resolver: Resolver, part: Expr) -> Shape:
    return resolver.resolve(part).shape


def _simpler(resolver: Resolver, part: Expr, shape: Shape, names: set[str]) -> Iterator[Expr]:
    inside = [arg for arg in _parts(part)[1:] if _shape(resolver, arg) == shape]
    inside += [q for q in sorted(part.atoms(Quantity), key=str) if not isinstance(q, Index)]
    yield from (arg for arg in inside if _shape(resolver, arg) == shape)
    if isinstance(part, Add | Mul):
        yield from (part.func(*(arg for arg in part.args if arg != left)) for left in part.args)
    yield Parameter(unique_name("p", names), *shape)
    yield Input(unique_name("x", names), *shape)
