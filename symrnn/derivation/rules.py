"""The vector-Jacobian rules: for every operation, what its result's adjoint hands to each argument.

`d` is the adjoint of the result y, in the shape of y. Every rule is written in terms of y where it
can be, so that a backward pass reads saved values instead of calling a function again. An operation
without a rule is an error, not a zero.
"""

from sympy import Expr, Mul, S

from symrnn.declaration.axes import Shape, ranges
from symrnn.declaration.operations import (
    POINTWISE,
    VECTOR_FUNCTIONS,
    Contract,
    Operation,
    PointwiseFunction,
    Slice,
    VectorFunction,
    concatenate,
    ones,
    where,
)
from symrnn.errors import DerivationError
from symrnn.vocabulary.functions import Rule

ZERO = S.Zero


POINTWISE_RULES: dict[type[PointwiseFunction], tuple[Rule | None, ...]] = {
    function: function.facts.rules for function in POINTWISE
}
"""function -> one rule per argument, called as rule(d, y, *arguments); None: the gradient is zero."""

VECTOR_RULES: dict[type[VectorFunction], Rule] = {
    function: rule for function in VECTOR_FUNCTIONS if (rule := function.facts.rules[0]) is not None
}
"""function of a vector -> its rule, called as rule(d, y, a, ..., size)."""

DERIVATIVES: dict[type[Operation], type[Operation]] = {
    function: function.facts.derivative
    for function in (*POINTWISE, *VECTOR_FUNCTIONS)
    if function.facts.derivative is not None
}
"""function -> the one that is its derivative: a cell that computes that as well has it at hand."""


def pointwise_term(d: Expr, y: Expr, call: PointwiseFunction, position: int) -> Expr | None:
    """What y = f(...) hands to its argument number `position`; None where that is zero by definition.

    Raises:
        DerivationError: the function has no rule.
    """
    rules = POINTWISE_RULES.get(type(call))
    if rules is None:
        raise DerivationError(
            f"{type(call).__name__} has no vector-Jacobian rule. Add one to POINTWISE_RULES in rules.py."
        )
    rule = rules[position]
    return None if rule is None else rule(d, y, *call.args)


def vector_term(d: Expr, y: Expr, call: VectorFunction, size: Expr) -> Expr:
    """What y = f(a) hands to the vector a of this size.

    Raises:
        DerivationError: the function has no rule.
    """
    rule = VECTOR_RULES.get(type(call))
    if rule is None:
        raise DerivationError(
            f"{type(call).__name__} has no vector-Jacobian rule. Add one to VECTOR_RULES in rules.py."
        )
    return rule(d, y, *call.args, size)


def derivative_of(call: Operation) -> Expr | None:
    """The call that is the derivative of `call`; None if the vocabulary has none."""
    function = DERIVATIVES.get(type(call))
    return None if function is None else function(*call.args)


def where_term(d: Expr, call: where, position: int) -> Expr | None:
    """What a choice hands to its condition (nothing) or to a branch (the adjoint where it was taken)."""
    if position == 0:
        return None
    return where(call.args[0], d, ZERO) if position == 1 else where(call.args[0], ZERO, d)


def contraction_term(d: Expr, call: Contract, position: int, shape: Shape) -> Expr:
    """What a contraction hands to operand `position`, whose shape is `shape`.

    The operand's adjoint is the contraction of d with the other operands; an axis that only this
    operand has was summed, so the adjoint repeats along it.
    """
    letters = list(call.letters)
    target = letters.pop(position)
    others = list(call.operands)
    others.pop(position)
    known = set(call.output).union(*letters)
    for letter, size in zip(target, shape, strict=True):
        if letter not in known:
            letters.append(letter)
            others.append(ones(size))
    if not call.output:  # d is a scalar: it multiplies
        if not others:
            return d
        if letters == [target]:
            return d * others[0]
        return d * Contract(f"{','.join(letters)}->{target}", *others)
    return Contract(f"{','.join([call.output, *letters])}->{target}", d, *others)


def stack_term(d: Expr, call: concatenate, position: int, sizes: list[Expr]) -> Expr:
    """What a stack hands to part `position`: its rows of the adjoint."""
    return Slice(d, *ranges(sizes)[position])


def algebraic_term(d: Expr, expr: Expr, argument: Expr) -> Expr:
    """What an algebraic expression hands to `argument`: SymPy's derivative, times d.

    Raises:
        DerivationError: `expr` holds an operation, which SymPy cannot differentiate.
    """
    if expr.atoms(Operation):
        raise DerivationError(f"{expr} is not algebraic; the normal form should have named its parts.")
    return Mul(d, expr.diff(argument))
