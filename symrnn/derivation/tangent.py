"""The tangent of a cell, which is a cell again: forward-mode differentiation.

Every input, state and parameter q gets a partner of the same role and shape, its direction of change
(`q_dot`); every equation y = f(...) is followed by the one for y_dot. The pointwise rules are those of
the reverse sweep, because what an elementwise function does to a direction and to an adjoint is the same.

The reverse sweep of a tangent is the Hessian-vector product.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sympy import Add, Eq, Expr, Mul, Pow, S

from symrnn.declaration.arguments import require_cell
from symrnn.declaration.axes import Shape, size_text
from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.nodes import entry
from symrnn.declaration.normal_form import Equation, plain_name, unique_name
from symrnn.declaration.operations import (
    Contract,
    Leaf,
    PointwiseFunction,
    VectorFunction,
    concatenate,
    ones,
    where,
)
from symrnn.declaration.quantities import Constant, Index, Input, NextState, Parameter, Quantity, State, Value
from symrnn.declaration.resolution import Resolver, is_coefficient
from symrnn.derivation.rules import derivative_of, pointwise_term, vector_term
from symrnn.errors import DerivationError


def tangent(cell: Cell) -> Cell:
    """The cell that computes, besides what `cell` computes, its derivative along a direction.

    Inputs, states and parameters are those of `cell` and their dotted partners; constants have none,
    for they do not change. The output is the dotted output.

    Raises:
        DerivationError: an operation of the cell has no rule.
        RequestError: `cell` is no Cell.
    """
    return Tangent(require_cell(cell, "tangent()")).cell


class Tangent:
    """The tangent of a cell while it is made; `dotted` pairs every quantity with its partner.

    A value that nothing moves (it is made of constants) has no partner.
    """

    def __init__(self, cell: Cell) -> None:
        """Differentiate all equations of `cell`."""
        self.of = cell
        self.taken = {quantity.name for quantity in (*cell.given, *cell.values)}
        self.dotted: dict[Quantity, Quantity] = {}
        for quantity in (*cell.inputs, *cell.states, *cell.parameters):
            if not isinstance(quantity, Index):
                self._pair(quantity)
        self.zeros: dict[Shape, Constant] = {}
        self.shapes: dict[Value, Shape] = dict(cell.shapes)
        self.resolver = Resolver(self.shapes)
        by_target = {equation.target: equation for equation in cell.equations}
        self.equations: dict[Quantity, Expr] = {}
        for definition in cell.definitions:  # these are in dependency order
            if definition.symbol in by_target:
                self._add(by_target[definition.symbol])
        self.cell = self._declared()

    def _pair(self, quantity: Quantity) -> Quantity:
        name = unique_name(f"{plain_name(quantity).rstrip('_')}_dot", self.taken)
        self.taken.add(name)
        latex = dotted_latex(symbol_latex(quantity))
        if isinstance(quantity, Value):
            partner: Quantity = Value(name, latex=latex)
        else:
            role = {"input": Input, "state": State, "parameter": Parameter}[quantity.role]
            partner = role(name, *quantity.shape, latex=latex)
        self.dotted[quantity] = partner
        if isinstance(quantity, State) and isinstance(partner, State):
            self.dotted[quantity.next] = partner.next
        return partner

    def _add(self, equation: Equation) -> None:
        """Differentiate one equation; what it needs has been differentiated before."""
        target = equation.target
        moved = self.derivative(equation.computed, target)
        if moved == 0 and isinstance(target, Value) and target != self.of.output:
            return
        if moved == 0 and isinstance(target, Value):
            moved = self.zeros_of(equation.shape)
        if moved != 0:
            moved = self.shaped(moved, equation.shape)
        if isinstance(target, Value):
            partner = self._pair(target)
            assert isinstance(partner, Value)
            self.shapes[partner] = equation.shape
        self.equations[target] = moved

    def _declared(self) -> Cell:
        cell, lines = self.of, []
        for equation in cell.equations:
            lines.append(Eq(equation.target, equation.rhs, evaluate=False))
            if equation.target in self.equations:
                moved = self.equations[equation.target]
                lines.append(Eq(self.dotted[equation.target], moved, evaluate=False))
        output = self.dotted[cell.output]
        assert isinstance(output, Value | State | NextState)
        return Cell.derived(
            f"{cell.name}_tangent",
            *lines,
            output=output,
            title=f"Tangent of the {cell.title[:1].lower()}{cell.title[1:]}",
            variant=cell.variant,
            source=cell.source,
        )

    def derivative(self, expr: Expr, result: Quantity | None = None) -> Expr:
        """How `expr` changes along the direction; `result` is the symbol that holds its value, if any."""
        if isinstance(expr, Quantity):
            return self.dotted.get(expr, S.Zero)
        if is_coefficient(expr):
            return S.Zero
        form = entry(FORMS, expr)
        if form is None:
            raise DerivationError(f"{type(expr).__name__} has no tangent rule. Add one to tangent.py.")
        return form(self, expr, expr if result is None else result)

    def _sum(self, expr: Add, _: Expr) -> Expr:
        return Add(*map(self.derivative, expr.args))

    def _product(self, expr: Mul, _: Expr) -> Expr:
        return Add(*(Mul(*rest, self.derivative(factor)) for factor, rest in _each(expr.args)))

    def _power(self, expr: Pow, _: Expr) -> Expr:
        base, exponent = expr.args
        return exponent * base ** (exponent - 1) * self.derivative(base)

    def _pointwise(self, call: PointwiseFunction, result: Expr) -> Expr:
        terms = []
        for position, argument in enumerate(call.args):
            moved = self.derivative(argument)
            if moved != 0:
                terms.append(pointwise_term(moved, result, call, position) or S.Zero)
        return Add(*terms)

    def _vector_function(self, call: VectorFunction, result: Expr) -> Expr:
        """The rule of the reverse sweep serves here too: the Jacobian is symmetric, or it is one row."""
        argument = call.args[0]
        moved = self.derivative(argument)
        if moved == 0:
            return S.Zero
        shape = self.shape(argument)
        moved = self.shaped(moved, shape)
        if call.gives_vector:
            return vector_term(moved, result, call, *shape)
        row = derivative_of(call)
        return Contract("i,i->", vector_term(S.One, result, call, *shape) if row is None else row, moved)

    def _choice(self, expr: where, _: Expr) -> Expr:
        sides = tuple(map(self.derivative, expr.operands))
        return S.Zero if sides == (0, 0) else expr.over(sides)

    def _contraction(self, expr: Contract, _: Expr) -> Expr:
        terms = []
        for position, operand in enumerate(expr.operands):
            moved = self.derivative(operand)
            if moved != 0:
                operands = list(expr.operands)
                operands[position] = self.shaped(moved, self.shape(operand))
                terms.append(expr.over(operands))
        return Add(*terms)

    def stacked(self, stack: concatenate, parts: list[Expr]) -> Expr:
        """A stack of other parts, each in the shape of the one in its place; zero if all of them are."""
        if all(part == 0 for part in parts):
            return S.Zero
        shapes = map(self.shape, stack.args)
        return stack.over(
            self.zeros_of(shape) if part == 0 else self.shaped(part, shape)
            for part, shape in zip(parts, shapes, strict=True)
        )

    def shape(self, expr: Expr) -> Shape:
        """The shape of a resolved expression of the cell or of its tangent."""
        return self.resolver.resolve(expr).shape

    def shaped(self, moved: Expr, shape: Shape) -> Expr:
        """A tangent in the shape of its primal: s + k moves by s_dot alone if k is constant."""
        return moved * ones(*shape) if shape and not self.shape(moved) else moved

    def zeros_of(self, shape: Shape) -> Expr:
        """Zeros that keep their shape, for a part of a stack that does not move."""
        if not shape:
            return S.Zero
        if shape not in self.zeros:
            sizes = ("".join(c for c in size_text(size) if c.isalnum()) for size in shape)
            name = unique_name("_".join(["zeros", *sizes]), self.taken)
            self.taken.add(name)
            self.zeros[shape] = Constant(name, *shape, value=0.0, latex="0")
        return self.zeros[shape]


FORMS: Mapping[type, Callable[[Tangent, Any, Expr], Expr]] = {
    Leaf: lambda tangent, e, _: S.Zero,
    Add: Tangent._sum,
    Mul: Tangent._product,
    Pow: Tangent._power,
    PointwiseFunction: Tangent._pointwise,
    VectorFunction: Tangent._vector_function,
    where: Tangent._choice,
    Contract: Tangent._contraction,
    concatenate: lambda tangent, e, _: tangent.stacked(e, [tangent.derivative(part) for part in e.args]),
}
"""How what is neither a quantity nor a number changes, given the symbol of its value, by its kind."""


def dotted_latex(latex: str) -> str:
    r"""A LaTeX name with a dot on its letter, not on its subscripts: `W_r` is `\dot{W}_r`."""
    depth = 0
    for position, character in enumerate(latex):
        if character in "_^'" and depth == 0:
            return rf"\dot{{{latex[:position]}}}{latex[position:]}"
        depth += (character == "{") - (character == "}")
    return rf"\dot{{{latex}}}"


def _each(items: tuple[Expr, ...]) -> list[tuple[Expr, tuple[Expr, ...]]]:
    """Every item with all the others."""
    return [(item, items[:i] + items[i + 1 :]) for i, item in enumerate(items)]
