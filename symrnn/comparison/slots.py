"""The terms of a sum as what moves with time and what parameters it is multiplied by."""

from dataclasses import dataclass

from sympy import Add, Expr, Mul, S

from symrnn.comparison.forms import MATRIX_VECTOR, is_given
from symrnn.declaration.axes import Shape
from symrnn.declaration.operations import Contract, identity
from symrnn.declaration.quantities import Part

HOLE = Part("...")
"""Where a parameter stands in what moves."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A term: `number` times what `given` (parameters, products of them) makes of `moving`.

    `moving` is 1 for what does not move, such as a bias. In it `HOLE` stands for an operand made of
    parameters; `unwrapped` is the vector that a lone matrix multiplies.
    """

    moving: Expr
    number: Expr
    given: tuple[Expr, ...]
    unwrapped: Expr | None = None

    @property
    def weight(self) -> Expr:
        """What multiplies the moving factors; only for terms with at most one array of parameters."""
        return Mul(self.number, *self.given)

    def unit(self, shape: Shape) -> Expr:
        """What must stand in the hole for the vector itself, of the given shape, to come out."""
        return identity(shape[0]) if shape else S.One


def slots_of(expr: Expr) -> tuple[Slot, ...]:
    """The terms of an expression in normal form."""
    return tuple(_slot(term) for term in Add.make_args(expr) if term != 0)


def _slot(term: Expr) -> Slot:
    number, rest = term.as_coeff_Mul()
    given: list[Expr] = []
    in_place: list[Expr] = []
    still: list[Expr] = []
    unwrapped = None
    for factor in (factor for factor in Mul.make_args(rest) if factor != 1):
        if is_given(factor):
            still.append(factor)
        elif isinstance(factor, Contract):
            shell, holes = _hollow(factor)
            given += holes
            in_place.append(shell)
            if holes and factor.spec == MATRIX_VECTOR:
                unwrapped = factor.operands[1]
        else:
            in_place.append(factor)
    if still:
        given.insert(0, Mul(*still))
    if len(in_place) > 1 and unwrapped is not None:
        unwrapped = Mul(unwrapped, *(factor for factor in in_place if HOLE not in factor.atoms(Part)))
    return Slot(Mul(*in_place), number, tuple(given), unwrapped)


def _hollow(product: Expr) -> tuple[Expr, list[Expr]]:
    """A contraction with holes where parameters stand, at any depth, and what stood there."""
    if is_given(product):
        return HOLE, [product]
    if isinstance(product, Mul):
        still = [factor for factor in product.args if is_given(factor) and not factor.is_number]
        rest = [_hollow(factor) for factor in product.args if factor not in still]
        inside = [hole for _, found in rest for hole in found]
        return Mul(*(shell for shell, _ in rest)), [*([Mul(*still)] if still else []), *inside]
    if not isinstance(product, Contract):
        return product, []
    inner = [_hollow(operand) for operand in product.operands]
    if product.spec == "i,i->":
        inner.sort(key=lambda pair: str(pair[0]))  # not by what the parameters are called
    shells, holes = zip(*inner, strict=True)
    return Contract(product.spec, *shells), [hole for found in holes for hole in found]
