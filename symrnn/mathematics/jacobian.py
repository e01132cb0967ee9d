r"""Step Jacobians in print: diag(v), matrices, column blocks, identities; or the linear map."""

from collections.abc import Iterable

from sympy import Add, Expr, Mul

from symrnn.declaration.quantities import Quantity
from symrnn.derivation.jacobian import PartialJacobian, StepJacobian
from symrnn.derivation.operators import Block, Column, Diag, Identity, MatrixOf, Operator, Partial, Row
from symrnn.mathematics.contractions import PRODUCT
from symrnn.mathematics.printer import Printer, joined
from symrnn.mathematics.reading import ColumnBlock
from symrnn.notation.marks import bracketed


def jacobian_text(jacobian: StepJacobian, printer: Printer, blocks: Iterable[ColumnBlock]) -> tuple[str, str]:
    """The two sides of the equation that states one step Jacobian."""
    left = derivative_text(jacobian.of.next, jacobian.wrt, printer)
    if jacobian.is_matrix:
        return left, operator_text(jacobian.expr, printer, tuple(blocks))
    direction = printer.symbol(jacobian.direction)
    return rf"{left} \bigl[{direction}\bigr]", printer.text(jacobian.expr)


def partial_text(
    partial: PartialJacobian, printer: Printer, blocks: Iterable[ColumnBlock]
) -> tuple[str, str]:
    """The two sides of the equation that states a derivative by which Jacobians are told."""
    if partial.is_matrix:
        left = derivative_text(partial.of, partial.wrt, printer)
        return left, operator_text(partial.expr, printer, tuple(blocks))
    return printer.symbol(partial.moved), printer.text(partial.expr)


def derivative_text(of: Quantity, wrt: Quantity, printer: Printer) -> str:
    """The derivative of one quantity by another through all equations of the step."""
    return rf"\frac{{\mathrm{{d}} {printer.symbol(of)}}}{{\mathrm{{d}} {printer.symbol(wrt)}}}"


def operator_text(expr: Expr, printer: Printer, blocks: tuple[ColumnBlock, ...]) -> str:
    """An operator, a product or a sum of operators."""
    if isinstance(expr, Add):
        terms = sorted(
            expr.args, key=lambda term: (bool(term.atoms(Block, MatrixOf, Partial, Row)), str(term))
        )
        return joined(operator_text(term, printer, blocks) for term in terms)
    if isinstance(expr, Mul) and not expr.is_commutative:
        return _product(expr, printer, blocks)
    if isinstance(expr, Diag):
        inside = printer.text(expr.args[0])
        return r"\operatorname{diag}" + bracketed(inside)
    if isinstance(expr, MatrixOf):
        return printer.text(expr.args[0], PRODUCT + 1)
    if isinstance(expr, Column | Row):
        lies = printer.rows == isinstance(expr, Row)
        return printer.text(expr.args[0], PRODUCT + 1) if lies else printer.transposed(expr.args[0])
    if isinstance(expr, Partial):
        return derivative_text(expr.args[0], expr.args[1], printer)
    if isinstance(expr, Identity):
        return rf"I_{{{printer.size(expr.args[0])}}}"
    if isinstance(expr, Block):
        matrix, _, _, start, stop = expr.args
        for block in blocks:
            if (block.matrix, block.start, block.stop) == (matrix, start, stop):
                return printer.symbol(block.symbol)
        return rf"{bracketed(printer.text(matrix))}_{{:,\,{printer.size(start + 1)}:{printer.size(stop)}}}"
    return printer.text(expr)


def _product(expr: Expr, printer: Printer, blocks: tuple[ColumnBlock, ...]) -> str:
    scalars = Mul(
        *(factor for factor in expr.args if not isinstance(factor, Operator) and factor.is_commutative)
    )
    pieces = []
    for factor in expr.args:
        if factor.is_commutative:
            continue
        text = operator_text(factor, printer, blocks)
        pieces.append(bracketed(text) if isinstance(factor, Add) else text)
    if scalars == 1:
        return r" \, ".join(pieces)
    if scalars == -1:
        return "-" + r" \, ".join(pieces)
    return r" \, ".join([printer.text(scalars, PRODUCT), *pieces])
