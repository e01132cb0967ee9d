"""The costs of a step in words and polynomials."""

from collections.abc import Callable
from functools import reduce
from math import gcd

from sympy import Expr, Integer, Poly, Symbol

from symrnn.declaration.latex_names import name_latex
from symrnn.derivation.cost import StepCost
from symrnn.mathematics.parts import ALONE, Equation, Passage, Section
from symrnn.notation.breaking import points
from symrnn.notation.building import (
    JUXTAPOSED,
    ONE,
    ZERO,
    between,
    bracketed,
    joined,
    superscript,
    text,
    whole,
)
from symrnn.notation.nodes import Node
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import NOTHING, Prose, listed, say, together

OFTEN = {2: "twice", 3: "three times", 4: "four times"}
LONG = 140.0
"""A longer formula is displayed, in points: a third of a line."""


def cost_section(cost: StepCost, named: Callable[[str], Node | None]) -> Section:
    """What a step costs; `named` gives the mathematics that an array of the plan stands for, or nothing."""
    counted = (
        "Operations per sample and step, a function call counted as one, and numbers that the forward pass "
        "keeps for the backward pass:"
    )
    figures = (
        Equation(text("operations of the forward pass"), (polynomial(cost.forward),)),
        Equation(text("operations of the backward pass"), (polynomial(cost.backward),)),
        Equation(text("numbers kept"), (polynomial(cost.saved),)),
    )
    kept = _kept(cost, named)
    long = [formula for formula in kept if points(formula) > LONG]
    what = say("What is kept, {},", listed(kept)) if kept and not long else say("What is kept")
    told = [_memory(cost, what) if cost.saved != 0 else NOTHING, _again(cost)]
    displayed = []
    if long:
        keeps = listed([*(formula for formula in kept if formula not in long), "the values of"])
        apart = tuple(Equation(ALONE, (formula,)) for formula in long)
        displayed = [Passage(say("The forward pass keeps {}", keeps), apart, together(told))]
    after = together([_ratio(cost), *([] if long else told)])
    return Section("cost", "Cost of a step", (Passage(say(counted), figures, after), *displayed))


def _ratio(cost: StepCost) -> Prose:
    """How many times the operations of the forward pass the backward pass does."""
    ratio = leading_ratio(cost.backward, cost.forward)
    if ratio is None:
        return NOTHING
    times = OFTEN.get(int(ratio), f"${ratio}$ times")
    return say(f"For large sizes the backward pass does {times} the operations of the forward pass.")


def _again(cost: StepCost) -> Prose:
    """What it costs to keep less."""
    if cost.saved_states == cost.saved:
        return NOTHING
    states = polynomial(cost.saved_states)
    kept = say("Keeping states and outputs alone, {} numbers", states)
    again = "{}, the backward pass computes the rest again and does {} operations."
    return say(again, say("Keeping nothing") if states == ZERO else kept, polynomial(cost.backward_again))


def _kept(cost: StepCost, named: Callable[[str], Node | None]) -> list[Node]:
    """What the forward pass keeps, if there is mathematics for all of it."""
    shown = [
        name for name in cost.kept if name.removesuffix("_next") not in cost.kept or name[-5:] != "_next"
    ]
    told = dict.fromkeys(map(named, shown))
    return [] if None in told else [formula for formula in told if formula is not None]


def _memory(cost: StepCost, kept: Prose) -> Prose:
    """In how many bytes `kept` is."""
    single, double = (polynomial((size * cost.saved).expand()) for size in (4, 8))
    made_up = say("; outputs make up {} of the numbers", polynomial(cost.saved_outputs))
    return say(
        "{} takes {} bytes in single and {} in double precision{}. Inputs and parameters, which the caller "
        "holds, are not counted.",
        kept,
        single,
        double,
        made_up if cost.saved_outputs != 0 else "",
    )


def leading_ratio(above: Expr, below: Expr) -> Expr | None:
    """The whole number by which the terms of highest degree of two polynomials differ, if there is one."""
    if not (above.free_symbols and above.free_symbols == below.free_symbols):
        return None
    parts = [_by_degree(expr) for expr in (above, below)]
    degrees = [max(part) for part in parts]
    if degrees[0] != degrees[1]:
        return None
    tops = [part[degree] for part, degree in zip(parts, degrees, strict=True)]
    if set(tops[0]) != set(tops[1]):
        return None
    ratios = {Integer(tops[0][powers]) / tops[1][powers] for powers in tops[0]}
    only = ratios.pop() if len(ratios) == 1 else None
    return only if only is not None and only.is_Integer and only > 1 and degrees[0] > 1 else None


def _by_degree(expr: Expr) -> dict[int, dict[tuple[tuple[Symbol, int], ...], int]]:
    """The coefficients of a polynomial by degree and powers."""
    if not expr.free_symbols:
        return {0: {(): int(expr)}}
    names = sorted(expr.free_symbols, key=str)
    made: dict[int, dict[tuple[tuple[Symbol, int], ...], int]] = {}
    for powers, coefficient in Poly(expr, *names).terms():
        key = tuple((name, power) for name, power in zip(names, powers, strict=True) if power)
        made.setdefault(sum(powers), {})[key] = int(coefficient)
    return made


def polynomial(expr: Expr) -> Node:
    """A polynomial in axes, highest degree first, shared factors in front: 6 m (m + n) + 11 m."""
    if expr == 0:
        return ZERO
    terms = []
    by_degree = _by_degree(expr)
    for degree in sorted(by_degree, reverse=True):
        found = by_degree[degree]
        number = reduce(gcd, found.values())
        shared = {
            name: min(dict(powers).get(name, 0) for powers in found)
            for name in sorted({name for powers in found for name, _ in powers}, key=str)
        }
        rests = [
            between(
                JUXTAPOSED,
                _factors(
                    coefficient // number,
                    {name: power - shared[name] for name, power in powers if power > shared[name]},
                ),
            )
            for powers, coefficient in found.items()
        ]
        factors = _factors(number, {name: power for name, power in shared.items() if power})
        if len(rests) > 1:
            factors = [*([] if factors == [ONE] else factors), bracketed(joined(rests))]
        terms.append(between(JUXTAPOSED, factors))
    return joined(terms)


def _factors(number: int, powers: dict[Symbol, int]) -> list[Node]:
    """The factors of a monomial."""
    letters = [_power(parsed(name_latex(str(name))), power) for name, power in powers.items()]
    return [*([whole(number)] if number != 1 or not letters else []), *letters]


def _power(letter: Node, power: int) -> Node:
    return superscript(letter, whole(power)) if power > 1 else letter
