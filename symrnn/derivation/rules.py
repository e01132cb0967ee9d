"""The vector-Jacobian rules: for every operation, what its result's adjoint hands to each argument.

`d` is the adjoint of the result y, in the shape of y. Every rule is written in terms of y where it
can be, so that a backward pass reads saved values instead of calling a function again. An operation
without a rule is an error, not a zero.
"""

from collections.abc import Callable

from sympy import Eq, Expr, Gt, Integer, Lt, Mul, S

from symrnn.declaration.axes import Shape
from symrnn.declaration.operations import (
    Contract,
    Operation,
    PointwiseFunction,
    Slice,
    VectorFunction,
    absolute,
    concatenate,
    exp,
    expm1,
    largest,
    log,
    logsumexp,
    maximum,
    minimum,
    ones,
    power,
    reciprocal,
    relu,
    sigmoid,
    sign,
    softmax,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
    where,
)
from symrnn.errors import DerivationError

Rule = Callable[..., Expr]
ZERO = S.Zero


def chosen(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    """`where`, a zero being a zero in any branch."""
    return where(condition, then, otherwise)


def _power_by_base(d: Expr, y: Expr, a: Expr, p: Expr) -> Expr:
    """The rule p a**(p - 1), which is right at 0; folded back to y = a**p where that saves a call."""
    if not p.is_number:
        return d * p * chosen(Eq(p, 0), ZERO, power(a, p - 1))
    if p.is_Rational and p.q == 2:  # a root is as fast as a quotient
        return d * p * (sqrt(a) if p == S.Half * 3 else power(a, p - 1))
    if p < 0:
        return d * p * y / a
    return d * p * chosen(Eq(a, 0), ZERO if p > 1 else 1 / y, y / a)  # infinite at 0 for p < 1


def _power_by_exponent(d: Expr, y: Expr, a: Expr, p: Expr) -> Expr:
    """The rule y log(a), and 0 where a is 0: 0**p does not change with p > 0."""
    return d * y * log(chosen(Eq(a, 0), S.One, a))


POINTWISE_RULES: dict[type[PointwiseFunction], tuple[Rule | None, ...]] = {
    sigmoid: (lambda d, y, a: d * y * (1 - y),),
    tanh: (lambda d, y, a: d * (1 - y**2),),
    relu: (lambda d, y, a: chosen(Gt(y, 0), d, ZERO),),
    exp: (lambda d, y, a: d * y,),
    log: (lambda d, y, a: d / a,),
    softplus: (lambda d, y, a: -d * expm1(-y),),
    sqrt: (lambda d, y, a: d / (2 * y),),
    absolute: (lambda d, y, a: d * sign(a),),
    reciprocal: (lambda d, y, a: -d * y**2,),
    power: (_power_by_base, _power_by_exponent),
    maximum: (
        lambda d, y, a, b: chosen(Gt(a, b), d, chosen(Eq(a, b), d / 2, ZERO)),
        lambda d, y, a, b: chosen(Lt(a, b), d, chosen(Eq(a, b), d / 2, ZERO)),
    ),
    minimum: (
        lambda d, y, a, b: chosen(Lt(a, b), d, chosen(Eq(a, b), d / 2, ZERO)),
        lambda d, y, a, b: chosen(Gt(a, b), d, chosen(Eq(a, b), d / 2, ZERO)),
    ),
    stop_gradient: (None,),
    sign: (None,),
    expm1: (lambda d, y, a: d * (1 + y),),
}
"""function -> one rule per argument, called as rule(d, y, *arguments); None: the gradient is zero."""


def _shared_by_ties(d: Expr, y: Expr, a: Expr) -> Expr:
    """Equal parts of d where a is the largest."""
    return chosen(Eq(a, y), d, ZERO) / Contract("i->", chosen(Eq(a, y), S.One, ZERO))


VECTOR_RULES: dict[type[VectorFunction], Rule] = {
    softmax: lambda d, y, a: y * (d - Contract("i,i->", d, y)),
    logsumexp: lambda d, y, a: d * exp(a - y),
    largest: _shared_by_ties,
}
"""function of a vector -> its rule, called as rule(d, y, a)."""

DERIVATIVES: dict[type[Operation], type[Operation]] = {softplus: sigmoid, logsumexp: softmax}
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


def vector_term(d: Expr, y: Expr, call: VectorFunction) -> Expr:
    """What y = f(a) hands to the vector a.

    Raises:
        DerivationError: the function has no rule.
    """
    rule = VECTOR_RULES.get(type(call))
    if rule is None:
        raise DerivationError(
            f"{type(call).__name__} has no vector-Jacobian rule. Add one to VECTOR_RULES in rules.py."
        )
    return rule(d, y, *call.args)


def derivative_of(call: Operation) -> Expr | None:
    """The call that is the derivative of `call`; None if the vocabulary has none."""
    function = DERIVATIVES.get(type(call))
    return None if function is None else function(*call.args)


def where_term(d: Expr, call: where, position: int) -> Expr | None:
    """What a choice hands to its condition (nothing) or to a branch (the adjoint where it was taken)."""
    if position == 0:
        return None
    return chosen(call.args[0], d, ZERO) if position == 1 else chosen(call.args[0], ZERO, d)


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
    start: Expr = Integer(0)
    for size in sizes[:position]:
        start += size
    return Slice(d, start, start + sizes[position])


def algebraic_term(d: Expr, expr: Expr, argument: Expr) -> Expr:
    """What an algebraic expression hands to `argument`: SymPy's derivative, times d.

    Raises:
        DerivationError: `expr` holds an operation, which SymPy cannot differentiate.
    """
    if expr.atoms(Operation):
        raise DerivationError(f"{expr} is not algebraic; the normal form should have named its parts.")
    return Mul(d, expr.diff(argument))
