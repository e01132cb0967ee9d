"""Equations that overflow as they are written, in forms that do not.

`1 / (1 + exp(-a))` is the logistic function, and what it overflows in is known to cancel: a stable form has
the same value and the same derivative, by functions of the vocabulary that hold for any argument. `FORMS` is
the table. Values are looked through: `log(y)` with y = softmax(z) is worked out from z.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Add, Expr, Mul, Pow, Rational, S
from sympy import exp as exp_of_number
from sympy import log as log_of_number
from sympy.logic.boolalg import Boolean

from symrnn.declaration.conditions import with_sides
from symrnn.declaration.nodes import entry
from symrnn.declaration.operations import (
    Contract,
    exp,
    largest,
    log,
    logsumexp,
    one_hot,
    power,
    reciprocal,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    tanh,
)
from symrnn.declaration.quantities import NextState, Value
from symrnn.declaration.resolution import Resolved, Resolver


@dataclass(frozen=True, slots=True)
class StableForm:
    """Forms of one kind: `rewrite(forms, expr)` is the stable form, None where `expr` needs none.

    `examples` pairs what an author may write with what is computed instead.
    """

    rewrite: Callable[["StableForms", Expr], Expr | None]
    examples: Mapping[str, str]


class StableForms:
    """Finds stable forms, given what the equations before define."""

    def __init__(self, defined: Mapping[Value | NextState, Expr]) -> None:
        """`defined` holds what is computed for values and states of the same step."""
        self.defined = defined

    def computed(self, right: Resolved, resolver: Resolver) -> Expr:
        """What is computed for a right side: its stable form, if that has kept the shape."""
        made = self.of(right.expr)
        if made == right.expr:
            return right.expr
        stable = resolver.resolve(made)
        return stable.expr if stable.shape == right.shape else right.expr

    def of(self, expr: Expr) -> Expr:
        """A resolved expression in its stable form: `expr` itself if it needs none."""
        inner = self._factor if isinstance(expr, Mul) else self._inner
        made = _rebuilt(expr, [inner(arg) for arg in expr.args])
        for form in FORMS:
            found = form.rewrite(self, made)
            if found is not None:
                return self.of(found)
        return made

    def _factor(self, expr: Expr) -> Expr:
        """A factor in its stable form; a reciprocal waits for what the whole product shows."""
        base = expr.args[0] if isinstance(expr, Pow) else expr
        if not isinstance(base, reciprocal):
            return self.of(expr)
        waiting = _rebuilt(base, [self.of(base.args[0])])
        return waiting if base is expr else _rebuilt(expr, [waiting, expr.args[1]])

    def _inner(self, part: Expr | Boolean) -> Expr | Boolean:
        return self.of(part) if isinstance(part, Expr) else with_sides(part, self.of)

    def seen(self, expr: Expr) -> Expr:
        """What `expr` is, if it is the name of a value."""
        while expr in self.defined:
            expr = self.defined[expr]
        return expr

    # -- positive expressions by their logarithms ---------------------------------------------------------

    def exponent(self, expr: Expr) -> Expr | None:
        """The e of an exponential exp(e), of a product of such with positive numbers; else None."""
        expr = self.seen(expr)
        if isinstance(expr, exp):
            return expr.args[0]
        if expr.is_number and expr.is_positive:
            return log_of_number(expr)
        if isinstance(expr, Mul):
            return _sum(self.exponent(factor) for factor in expr.args)
        return self._multiple(expr, self.exponent) if type(expr) in (Pow, reciprocal) else None

    @staticmethod
    def _multiple(power: Expr, logarithm: Callable[[Expr], Expr | None]) -> Expr | None:
        """The logarithm of a power, by that of its base; None if that has none."""
        inner = logarithm(power.args[0])
        times = {reciprocal: -S.One, sqrt: S.Half}.get(type(power)) or power.args[1]
        return None if inner is None else times * inner

    def sum_exponents(self, expr: Expr) -> list[Expr] | None:
        """The logarithms of the terms of a sum of exponentials, such as 1 + exp(a); else None."""
        expr = self.seen(expr)
        if isinstance(expr, Contract):
            inside = self.exponent(expr.operands[0]) if expr.spec == "i->" else None
            return None if inside is None else [logsumexp(inside)]
        if not isinstance(expr, Add):
            return None
        found = [self._total_exponent(term) for term in expr.args]
        return None if None in found else found

    def _total_exponent(self, term: Expr) -> Expr | None:
        """The logarithm of an exponential or of a total of exponentials."""
        inside = self.exponent(term)
        if inside is None and isinstance(self.seen(term), Contract):
            [inside] = self.sum_exponents(term) or [None]
        return inside

    def logarithm(self, expr: Expr) -> Expr | None:
        """The logarithm of an expression that is positive by exponentials, without overflow; else None."""
        inside = self.exponent(expr)
        if inside is not None:
            return inside
        terms = self.sum_exponents(expr)
        if terms is not None:
            return _log_of_sum(terms)
        form = entry(LOGARITHMS, self.seen(expr))
        return None if form is None else form(self, self.seen(expr))

    def _of_complement(self, expr: Add) -> Expr | None:
        gate = self._other_gate(expr)
        return None if gate is None else -softplus(gate)

    def _other_gate(self, expr: Add) -> Expr | None:
        """The a of 1 - sigmoid(a); else None."""
        if len(expr.args) != 2 or expr.args[0] != 1:
            return None
        gate = self.seen(-expr.args[1])
        return gate.args[0] if isinstance(gate, sigmoid) else None

    def _picked_logarithm(self, expr: Contract) -> Expr | None:
        """The logarithm of an element or a row that an index picks: the pick of the logarithm."""
        if expr.spec not in ("i,i->", "i,ij->j") or not isinstance(self.seen(expr.operands[0]), one_hot):
            return None
        unit, array = expr.operands
        inner = self.seen(array)
        if isinstance(inner, softmax):
            return Contract(expr.spec, unit, inner.args[0]) - logsumexp(inner.args[0])
        found = self.logarithm(array)
        return None if found is None else Contract(expr.spec, unit, found)


LOGARITHMS: Mapping[type, Callable[[StableForms, Any], Expr | None]] = {
    sigmoid: lambda forms, e: -softplus(-e.args[0]),
    softmax: lambda forms, e: e.args[0] - logsumexp(e.args[0]),
    Add: StableForms._of_complement,
    Contract: StableForms._picked_logarithm,
    Mul: lambda forms, e: _sum(map(forms.logarithm, e.args)),
    **dict.fromkeys((Pow, reciprocal, sqrt, power), lambda forms, e: forms._multiple(e, forms.logarithm)),
}
"""The logarithm of what is no exponential and no sum of them, by its kind."""


def _rebuilt(expr: Expr, args: list[Expr]) -> Expr:
    """An expression of other arguments; itself, if they are its own."""
    return expr if all(new is old for new, old in zip(args, expr.args, strict=True)) else expr.func(*args)


def _sum(terms: Iterator[Expr | None]) -> Expr | None:
    found = list(terms)
    return None if None in found else Add(*found)


def _log_of_sum(terms: list[Expr]) -> Expr:
    """log(exp(t_1) + exp(t_2) + ...): softplus hands on the larger one, and what the smaller adds."""
    first, *rest = sorted(terms, key=lambda term: not term.is_number)
    for term in rest:
        first = first + softplus(term - first)
    return first


def _apart(one: Expr, other: Expr) -> Expr | None:
    """The number by which two exponents differ; None if they differ by more than a number."""
    difference = one - other
    return difference if difference.is_number else None


# -- the forms ------------------------------------------------------------------------------------------


def _logarithm(forms: StableForms, expr: Expr) -> Expr | None:
    if not isinstance(expr, log) or forms.seen(expr.args[0]).is_number:
        return None
    inside = forms.logarithm(expr.args[0])
    if inside is not None:
        return inside
    factors = Mul.make_args(forms.seen(expr.args[0]))
    known = {f: part for f in factors if not f.is_number and (part := forms.logarithm(f)) is not None}
    rest = Mul(*(factor for factor in factors if factor not in known))
    return log(rest) + Add(*known.values()) if known else None


def _root(forms: StableForms, expr: Expr) -> Expr | None:
    if not isinstance(expr, sqrt | power) or forms.seen(expr.args[0]).is_number:
        return None
    base, exponent = expr.args if isinstance(expr, power) else (expr.args[0], S.Half)
    if forms.sum_exponents(base) is None and exponent.is_number and exponent > 1:
        return None
    inside = forms.logarithm(base)
    return None if inside is None else exp(exponent * inside)


def _power_of_root(forms: StableForms, expr: Expr) -> Expr | None:
    """sqrt(a)**3 and a * sqrt(a): their derivative at 0 is that of the power."""
    if isinstance(expr, Pow) and isinstance(expr.args[0], sqrt) and expr.args[1].is_odd and expr.args[1] > 1:
        return power(expr.args[0].args[0], expr.args[1] / 2)
    if not isinstance(expr, Mul):
        return None
    for root in (factor for factor in expr.args if isinstance(factor, sqrt)):
        base, rest, whole = root.args[0], [f for factor in expr.args for f in _copies(factor)], 0
        rest.remove(root)
        while all(factor in rest for factor in Mul.make_args(base)):
            for factor in Mul.make_args(base):
                rest.remove(factor)
            whole += 1
        if whole:
            return Mul(power(base, whole + S.Half), *rest)
    return None


def _exponential(forms: StableForms, expr: Expr) -> Expr | None:
    """exp(p * log(a)): the power."""
    if not isinstance(expr, exp) or not isinstance(expr.args[0], Mul):
        return None
    factors = expr.args[0].args
    logs = [factor for factor in factors if isinstance(forms.seen(factor), log)]
    exponent = Mul(*(factor for factor in factors if factor not in logs))
    if len(logs) != 1 or exponent.is_number:
        return None
    return power(forms.seen(logs[0]).args[0], exponent)


def _quotient(forms: StableForms, expr: Expr) -> Expr | None:
    """A product with the reciprocal of a sum of exponentials, or of an exponential."""
    if not isinstance(expr, Mul | Pow | reciprocal):
        return None
    factors = [f for factor in Mul.make_args(expr) for f in _copies(factor)]
    for factor in factors:
        inner = forms.seen(factor)
        if not isinstance(inner, reciprocal) or forms.seen(inner.args[0]).is_number:
            continue
        rest, below = _without(factors, factor), inner.args[0]
        if (exponent := forms.exponent(below)) is not None:
            return Mul(*_with_exponential(forms, rest, -exponent))
        terms = forms.sum_exponents(below)
        if terms is not None:
            return _over_sum(forms, rest, terms)
    return None


def _without(factors: list[Expr], factor: Expr) -> list[Expr]:
    """The factors but one of those that are `factor`."""
    at = factors.index(factor)
    return [*factors[:at], *factors[at + 1 :]]


def _copies(factor: Expr) -> list[Expr]:
    """A power of a reciprocal as that many factors."""
    if isinstance(factor, Pow) and factor.args[1].is_Integer and factor.args[1] > 1:
        return [factor.args[0]] * int(factor.args[1])
    return [factor]


def _with_exponential(forms: StableForms, factors: list[Expr], exponent: Expr) -> list[Expr]:
    """The factors, and an exponential into which those that are exponentials are drawn."""
    known = {factor: forms.exponent(factor) for factor in factors if not factor.is_number}
    drawn = [part for part in map(known.get, factors) if part is not None]
    return [exp(Add(exponent, *drawn)), *(factor for factor in factors if known.get(factor) is None)]


def _over_sum(forms: StableForms, factors: list[Expr], terms: list[Expr]) -> Expr:
    """The product of the factors, divided by the sum of the exponentials of `terms`."""
    if len(terms) == 2:
        for factor in factors:
            found = _difference_over_sum(forms, factor, terms)
            if found is not None:
                return Mul(found, *_without(factors, factor))
    [above, *others] = _with_exponential(forms, factors, S.Zero)
    exponent = above.args[0]
    if len(terms) == 1 and isinstance(terms[0], logsumexp):
        vector = terms[0].args[0]
        apart = _apart(exponent, vector)
        if apart is not None:
            return Mul(exp_of_number(apart), softmax(_unshifted(vector)), *others)
        for factor in factors:
            weighted = _weighted(forms, factor, vector)
            if weighted is not None:
                return Mul(weighted, *_without(factors, factor))
    for term, other in (terms, terms[::-1]) if len(terms) == 2 else ():
        apart = _apart(exponent, term)
        if apart is not None:
            return Mul(exp_of_number(apart), sigmoid(term - other), *others)
    return Mul(exp(exponent - _log_of_sum(terms)), *others)


def _weighted(forms: StableForms, factor: Expr, vector: Expr) -> Expr | None:
    """A product with exp(vector), divided by the sum of that: the product with the softmax."""
    product = forms.seen(factor)
    if not isinstance(product, Contract):
        return None
    for position, operand in enumerate(product.operands):
        [above, *others] = _with_exponential(forms, list(Mul.make_args(operand)), S.Zero)
        apart = _apart(above.args[0], vector)
        if apart is not None:
            operands = list(product.operands)
            operands[position] = Mul(softmax(_unshifted(vector)), *others)
            return exp_of_number(apart) * Contract(product.spec, *operands)
    return None


def _unshifted(vector: Expr) -> Expr:
    """A vector without the subtraction of its largest element, which the softmax does by itself."""
    for term in Add.make_args(vector):
        if isinstance(-term, largest) and vector - term == (-term).args[0]:
            return vector - term
    return vector


def _difference_over_sum(forms: StableForms, factor: Expr, terms: list[Expr]) -> Expr | None:
    """(exp(p) - exp(q)) / (exp(p) + exp(q)) is tanh((p - q) / 2)."""
    inner = forms.seen(factor)
    if not isinstance(inner, Add) or len(inner.args) != 2:
        return None
    for plus, minus in (inner.args, inner.args[::-1]):
        above = forms.exponent(plus), forms.exponent(-minus)
        for p, q in (terms, terms[::-1]):
            if None in above:
                continue
            apart = _apart(above[0], p)
            if apart is not None and apart == _apart(above[1], q):
                return exp_of_number(apart) * tanh((p - q) * Rational(1, 2))
    return None


FORMS = (
    StableForm(
        _logarithm,
        {
            "log(1 + exp(a))": "softplus(a)",
            "log(exp(a) + exp(b))": "a + softplus(b - a)",
            "log(sigmoid(a))": "-softplus(-a)",
            "log(1 - sigmoid(a))": "-softplus(a)",
            "log(softmax(z))": "z - logsumexp(z)",
            "log(take(softmax(z), k))": "take(z, k) - logsumexp(z)",
            "log(total(exp(z)))": "logsumexp(z)",
        },
    ),
    StableForm(
        _quotient,
        {
            "1 / (1 + exp(-a))": "sigmoid(a)",
            "exp(a) / (1 + exp(a))": "sigmoid(a)",
            "exp(a) / (exp(a) + exp(b))": "sigmoid(a - b)",
            "exp(z) / total(exp(z))": "softmax(z)",
            "total(exp(z) * a) / total(exp(z))": "total(softmax(z) * a)",
            "dot(exp(z), a) / total(exp(z))": "dot(softmax(z), a)",
            "(exp(a) - exp(-a)) / (exp(a) + exp(-a))": "tanh(a)",
            "(1 - exp(-2 * a)) / (1 + exp(-2 * a))": "tanh(a)",
            "1 / (exp(a) + exp(-a))": "exp(a - softplus(2 * a))",
            "1 / exp(a)": "exp(-a)",
        },
    ),
    StableForm(
        _root,
        {
            "sqrt(1 + exp(a))": "exp(softplus(a) / 2)",
            "1 / sqrt(1 + exp(a))": "exp(-softplus(a) / 2)",
            "sqrt(sigmoid(a))": "exp(-softplus(-a) / 2)",
            "(1 + exp(a))**p": "exp(p * softplus(a))",
        },
    ),
    StableForm(_power_of_root, {"sqrt(a)**3": "a**Rational(3, 2)", "a * sqrt(a)": "a**Rational(3, 2)"}),
    StableForm(_exponential, {"exp(p * log(a))": "a**p"}),
)
"""All forms; the first that fits is taken, and the result is looked at again."""
