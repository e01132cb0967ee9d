"""A cell as functions: what each state and the output become, in inputs, states and parameters alone.

All values are put in place, sums are multiplied out, products with a stack become one product per column
block of the matrix. Two cells are the same functions if their forms are the same expressions.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from sympy import Add, Expr, Mul, Pow, S
from sympy.core.relational import Relational
from sympy.core.symbol import Str
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Shape, ranges
from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import name_latex, symbol_latex
from symrnn.declaration.normal_form import plain_name
from symrnn.declaration.operations import (
    POINTWISE,
    Contract,
    Operation,
    PointwiseFunction,
    VectorFunction,
    concatenate,
    identity,
    ones,
    sigmoid,
    tanh,
    where,
)
from symrnn.declaration.quantities import (
    Constant,
    Input,
    NextState,
    Parameter,
    Part,
    Quantity,
    State,
    Value,
)
from symrnn.declaration.resolution import Resolver, is_coefficient
from symrnn.errors import DeclarationError

MIRRORED: dict[type[Expr], Callable[[Expr], Expr]] = {
    tanh: lambda minus: -tanh(minus),
    sigmoid: lambda minus: 1 - sigmoid(minus),
}
"""What functions of -a are, by functions of a."""

MATRIX_VECTOR, VECTOR_MATRIX, TRANSPOSE = "ij,j->i", "i,ij->j", "ij->ji"
AT_ZERO: dict[type[Expr], Expr] = {f: f.facts.at_zero for f in POINTWISE if f.facts.at_zero is not None}
"""What functions are where their argument is zero."""
DIVIDED = (Operation, Add, Mul, Pow, Boolean)
"""In what products with a stack are looked for."""

Shapes = Mapping[Value, Shape]


@dataclass(frozen=True, slots=True)
class Block:
    """The columns of a parameter that meet one part of a stack; `symbol` stands for them."""

    matrix: Parameter
    symbol: Part
    start: Expr
    stop: Expr


@dataclass(frozen=True, slots=True)
class Form:
    """A cell as functions of its inputs, states and parameters (matrices in column blocks)."""

    cell: Cell
    blocks: tuple[Block, ...]
    states: tuple[tuple[State, Expr], ...]
    output: Expr
    values: tuple[tuple[Value, Expr], ...]

    def blocks_of(self, matrix: Quantity) -> tuple[Block, ...]:
        """The column blocks of a parameter, none where it is not divided."""
        return tuple(block for block in self.blocks if block.matrix == matrix)

    @property
    def symbols(self) -> tuple[Quantity, ...]:
        """The parameters, each divided one as its blocks."""
        return tuple(
            symbol
            for parameter in self.cell.parameters
            for symbol in ([b.symbol for b in self.blocks_of(parameter)] or [parameter])
        )

    def owner(self, symbol: Quantity) -> Block | None:
        """The block that a symbol stands for."""
        return next((block for block in self.blocks if block.symbol == symbol), None)


def form_of(cell: Cell) -> Form:
    """The form of a cell."""
    blocks = column_blocks(cell)
    table: dict[Expr, Expr] = {}
    targets = {equation.target: equation for equation in cell.equations}
    for definition in cell.definitions:
        equation = targets.get(definition.symbol)
        if equation is not None:
            table[equation.target] = divided(equation.rhs, blocks).xreplace(table)
    shapes = dict(cell.shapes)
    states = tuple((state, normal(divided(table[state.next], blocks), shapes)) for state in cell.states)
    output = cell.output if isinstance(cell.output, State) else table[cell.output]
    values = tuple((value, normal(divided(table[value], blocks), shapes)) for value in cell.values)
    return Form(cell, blocks, states, normal(divided(output, blocks), shapes), values)


def column_blocks(cell: Cell) -> tuple[Block, ...]:
    """A block for each part of the stacks that a parameter multiplies, where all its stacks are cut alike."""
    stacks: dict[Quantity, tuple[Expr, ...]] = {
        equation.target: equation.rhs.args
        for equation in cell.equations
        if isinstance(equation.rhs, concatenate)
    }
    used: dict[Parameter, list[tuple[Expr, ...]]] = {}
    for equation in cell.equations:
        for call in sorted(equation.rhs.atoms(Contract), key=str):
            for operand in call.operands:
                if isinstance(operand, Parameter):
                    parts = _stack_of(call, operand, stacks)
                    used.setdefault(operand, []).append(parts)
    made: list[Block] = []
    for matrix in cell.parameters:
        found = used.get(matrix, [()])
        shapes = dict(cell.shapes)
        sizes = {tuple(_length(part, shapes) for part in parts) for parts in found}
        free = all(
            matrix not in equation.rhs.xreplace(dict.fromkeys(_products(equation.rhs, matrix), S.One)).atoms()
            for equation in cell.equations
        )
        if len(sizes) == 1 and () not in sizes and free:
            made += _divide(matrix, found[0], sizes.pop())
    return tuple(made)


def _products(expr: Expr, matrix: Quantity) -> list[Expr]:
    return [call for call in expr.atoms(Contract) if matrix in call.operands]


def _stack_of(
    call: Contract, matrix: Quantity, stacks: Mapping[Quantity, tuple[Expr, ...]]
) -> tuple[Expr, ...]:
    if call.spec != MATRIX_VECTOR or call.operands[0] != matrix:
        return ()
    stacked = call.operands[1]
    return stacked.args if isinstance(stacked, concatenate) else stacks.get(stacked, ())


def _length(part: Expr, shapes: Shapes) -> Expr:
    return Resolver(shapes).resolve(part).shape[0]


def _divide(matrix: Parameter, parts: tuple[Expr, ...], sizes: tuple[Expr, ...]) -> list[Block]:
    labels = [_label(part) for part in parts]
    if len(set(labels)) < len(labels) or not all(labels):
        labels = [str(position) for position in range(1, len(parts) + 1)]
    made = []
    for label, size, rows in zip(labels, sizes, ranges(sizes), strict=True):
        latex = f"{symbol_latex(matrix)}^{{({name_latex(label)})}}"
        symbol = Part(f"{matrix.name}[{label}]", matrix.shape[0], size, latex=latex)
        made.append(Block(matrix, symbol, *rows))
    return made


def _label(part: Expr) -> str:
    """The one state or input in a part of a stack, else nothing."""
    carried = sorted(part.atoms(Input, State, NextState), key=str)
    return plain_name(carried[0]) if len(carried) == 1 else ""


def divided(expr: Expr, blocks: Iterable[Block]) -> Expr:
    """`expr` with products of a divided matrix and a stack as sums of products with its blocks."""
    by_matrix: dict[Expr, list[Block]] = {}
    for block in blocks:
        by_matrix.setdefault(block.matrix, []).append(block)

    def rewritten(part: Expr) -> Expr:
        if not isinstance(part, DIVIDED) or isinstance(part, Relational):
            return part
        args = [rewritten(arg) for arg in part.args]
        made = part.func(*args) if list(part.args) != args else part
        if not (isinstance(made, Contract) and made.spec == MATRIX_VECTOR):
            return made
        matrix, stack = made.operands
        own = by_matrix.get(matrix, [])
        if isinstance(stack, concatenate) and len(own) == len(stack.args):
            return Add(*(made.over((b.symbol, p)) for b, p in zip(own, stack.args, strict=True)))
        return made

    return rewritten(expr)


def shape_of(expr: Expr, shapes: Shapes) -> Shape | None:
    """The shape of a resolved expression; None where it cannot be told."""
    try:
        return Resolver(shapes).resolve(expr).shape
    except (DeclarationError, KeyError):  # not well formed, or a value of another cell
        return None


def normal(expr: Expr, shapes: Shapes, known: dict[Expr, Expr] | None = None) -> Expr:
    """`expr` multiplied out, contractions too, with one sign for odd functions: equal forms, equal text.

    `known` remembers what has been worked out for the same `shapes`.
    """
    known = {} if known is None else known
    if not expr.args or isinstance(expr, Str | Quantity):
        return expr
    if expr not in known:
        number = is_coefficient(expr) and not expr.atoms(Operation)  # sigmoid(0) is worked out
        known[expr] = expr if number else _normal(expr, shapes, known)
    return known[expr]


def _normal(expr: Expr, shapes: Shapes, known: dict[Expr, Expr]) -> Expr:
    if isinstance(expr, Relational):
        return type(expr)(*(normal(side, shapes, known) for side in expr.args), evaluate=False)
    args = [normal(arg, shapes, known) if isinstance(arg, Expr | Boolean) else arg for arg in expr.args]
    if isinstance(expr, Contract):
        return _contraction(expr.spec, args[1:], shapes)
    made = expr.func(*args)
    if isinstance(made, Add | Mul | Pow):
        made = made.expand(deep=False, power_base=False, power_exp=False, log=False)
        return Add(*(_without_ones(term, shapes) for term in Add.make_args(made)))
    if type(made) in AT_ZERO and made.args == (S.Zero,):
        return AT_ZERO[type(made)]
    turned = MIRRORED.get(type(made))
    return turned(-made.args[0]) if turned and made.args[0].could_extract_minus_sign() else made


def _contraction(spec: str, operands: list[Expr], shapes: Shapes) -> Expr:
    """A contraction, linear in each operand: sums and numbers taken out of it."""
    made: list[Expr] = []
    for chosen in product(*(Add.make_args(operand) for operand in operands)):
        number: Expr = S.One
        arrays = []
        for term in chosen:
            factors = Mul.make_args(term)
            scalars = [f for f in factors if is_coefficient(f) or shape_of(f, shapes) == ()]
            number *= Mul(*scalars)
            arrays.append(Mul(*(f for f in factors if f not in scalars)))
        if number == 0:
            continue
        if spec == VECTOR_MATRIX:
            made.append(number * Contract(MATRIX_VECTOR, _transposed(arrays[1]), arrays[0]))
        elif spec == TRANSPOSE:
            made.append(number * _transposed(arrays[0]))
        elif spec == MATRIX_VECTOR and isinstance(arrays[0], identity):
            made.append(number * arrays[1])
        elif spec == "i,i->":
            made.append(number * Contract(spec, *sorted(arrays, key=str)))
        else:
            made.append(number * Contract(spec, *arrays))
    return Add(*made)


def _transposed(matrix: Expr) -> Expr:
    """The transpose; that of a transpose is the matrix itself."""
    if isinstance(matrix, Contract) and matrix.spec == TRANSPOSE:
        return matrix.operands[0]
    return matrix if isinstance(matrix, identity) else Contract(TRANSPOSE, matrix)


def _without_ones(term: Expr, shapes: Shapes) -> Expr:
    """A product without arrays of ones that another factor's shape makes superfluous."""
    factors = Mul.make_args(term)
    units = [factor for factor in factors if isinstance(factor, ones)]
    if not units or len(units) == len(factors):
        return term
    rest = Mul(*(factor for factor in factors if factor not in units))
    return rest if shape_of(rest, shapes) else term


def moving(expr: Expr) -> bool:
    """Whether an expression changes with time."""
    return bool(expr.atoms(Input, State, NextState, Value))


def calls_in(expr: Expr) -> tuple[Expr, ...]:
    """The outermost functions of moving arguments in an expression, in their order."""
    found: dict[Expr, None] = {}

    def visit(part: Expr) -> None:
        if isinstance(part, PointwiseFunction | VectorFunction | where):
            if moving(part):
                found[part] = None
            return
        for arg in part.args:
            if isinstance(arg, Expr):
                visit(arg)

    visit(expr)
    return tuple(found)


def is_given(expr: Expr) -> bool:
    """Whether an expression is made of parameters, constants and numbers alone."""
    return all(isinstance(atom, Parameter | Constant | Part) for atom in expr.atoms(Quantity))
