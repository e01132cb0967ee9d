r"""Step Jacobians in print: diag(v), matrices, column blocks, identities; or the linear map."""

from collections.abc import Iterable

from sympy import Add, Expr, Mul

from symrnn.declaration.quantities import Quantity
from symrnn.derivation.jacobian import PartialJacobian, StepJacobian
from symrnn.derivation.operators import Block, Column, Diag, Identity, MatrixOf, Operator, Partial, Row
from symrnn.mathematics.contractions import PRODUCT
from symrnn.mathematics.printer import Printer
from symrnn.mathematics.reading import ColumnBlock
from symrnn.notation.building import (
    JUXTAPOSED,
    between,
    bracketed,
    function,
    joined,
    named,
    negative,
    row,
    subscript,
    upright,
)
from symrnn.notation.nodes import BIG, Fence, Fraction, Node, Sign


def jacobian_sides(
    jacobian: StepJacobian, printer: Printer, blocks: Iterable[ColumnBlock]
) -> tuple[Node, Node]:
    """The two sides of the equation that states one step Jacobian."""
    left = derivative(jacobian.of.next, jacobian.wrt, printer)
    if jacobian.is_matrix:
        return left, operator(jacobian.expr, printer, tuple(blocks))
    direction = printer.symbol(jacobian.direction)
    return row(left, Fence(direction, "[", "]", least=BIG)), printer.tree(jacobian.expr)


def partial_sides(
    partial: PartialJacobian, printer: Printer, blocks: Iterable[ColumnBlock]
) -> tuple[Node, Node]:
    """The two sides of the equation that states a derivative by which Jacobians are told."""
    if partial.is_matrix:
        left = derivative(partial.of, partial.wrt, printer)
        return left, operator(partial.expr, printer, tuple(blocks))
    return printer.symbol(partial.moved), printer.tree(partial.expr)


def derivative(of: Quantity, wrt: Quantity, printer: Printer) -> Node:
    """The derivative of one quantity by another through all equations of the step."""
    above, below = (row(upright("d"), printer.symbol(quantity)) for quantity in (of, wrt))
    return Fraction(above, below)


def operator(expr: Expr, printer: Printer, blocks: tuple[ColumnBlock, ...]) -> Node:
    """An operator, a product or a sum of operators."""
    if isinstance(expr, Add):
        terms = sorted(
            expr.args, key=lambda term: (bool(term.atoms(Block, MatrixOf, Partial, Row)), str(term))
        )
        return joined(operator(term, printer, blocks) for term in terms)
    if isinstance(expr, Mul) and not expr.is_commutative:
        return _product(expr, printer, blocks)
    if isinstance(expr, Diag):
        return function(named("diag"), printer.tree(expr.args[0]))
    if isinstance(expr, MatrixOf):
        return printer.tree(expr.args[0], PRODUCT + 1)
    if isinstance(expr, Column | Row):
        lies = printer.rows == isinstance(expr, Row)
        return printer.tree(expr.args[0], PRODUCT + 1) if lies else printer.transposed(expr.args[0])
    if isinstance(expr, Partial):
        return derivative(expr.args[0], expr.args[1], printer)
    if isinstance(expr, Identity):
        return printer.unit_matrix(expr.args[0])
    if isinstance(expr, Block):
        matrix, _, _, start, stop = expr.args
        for block in blocks:
            if (block.matrix, block.start, block.stop) == (matrix, start, stop):
                return printer.symbol(block.symbol)
        columns = row(Sign(":"), Sign(","), printer.span(start, stop))
        return subscript(bracketed(printer.tree(matrix)), columns)
    return printer.tree(expr)


def _product(expr: Expr, printer: Printer, blocks: tuple[ColumnBlock, ...]) -> Node:
    scalars = Mul(
        *(factor for factor in expr.args if not isinstance(factor, Operator) and factor.is_commutative)
    )
    pieces = []
    for factor in expr.args:
        if factor.is_commutative:
            continue
        tree = operator(factor, printer, blocks)
        pieces.append(bracketed(tree) if isinstance(factor, Add) else tree)
    if abs(scalars) != 1:
        pieces.insert(0, printer.tree(scalars, PRODUCT))
    made = between(JUXTAPOSED, pieces)
    return negative(made) if scalars == -1 else made
