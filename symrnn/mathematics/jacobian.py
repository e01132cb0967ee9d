r"""Step Jacobians in print: diag(v), matrices, column blocks, identities; or the linear map."""

from collections.abc import Callable, Iterable

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
    write = next((write for kind, write in FORMS if isinstance(expr, kind)), None)
    return write(printer, blocks, *expr.args) if write else printer.tree(expr)


def _vector(printer: Printer, vector: Expr, *, lies: bool) -> Node:
    """A vector as a matrix of one row, if it `lies`, or of one column."""
    return printer.tree(vector, PRODUCT + 1) if printer.rows == lies else printer.transposed(vector)


def _block(
    printer: Printer, blocks: tuple[ColumnBlock, ...], matrix: Expr, _: Expr, __: Expr, *ends: Expr
) -> Node:
    """Columns of a matrix: by their name, or by their indices."""
    for block in blocks:
        if (block.matrix, block.start, block.stop) == (matrix, *ends):
            return printer.symbol(block.symbol)
    return subscript(bracketed(printer.tree(matrix)), row(Sign(":"), Sign(","), printer.span(*ends)))


FORMS: tuple[tuple[type[Operator], Callable[..., Node]], ...] = (
    (Diag, lambda printer, _, inside: function(named("diag"), printer.tree(inside))),
    (MatrixOf, lambda printer, _, matrix: printer.tree(matrix, PRODUCT + 1)),
    (Column, lambda printer, _, vector: _vector(printer, vector, lies=False)),
    (Row, lambda printer, _, vector: _vector(printer, vector, lies=True)),
    (Partial, lambda printer, _, of, wrt: derivative(of, wrt, printer)),
    (Identity, lambda printer, _, size: printer.unit_matrix(size)),
    (Block, _block),
)
"""What makes the tree of an operator, by its kind: from the printer, the column blocks and its parts."""


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
