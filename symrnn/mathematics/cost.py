"""The costs of a step in words and polynomials."""

from collections.abc import Callable
from functools import reduce
from math import gcd

from sympy import Expr, Integer, Poly, Symbol

from symrnn.declaration.latex_names import name_latex
from symrnn.derivation.cost import StepCost
from symrnn.mathematics.parts import Equation, Passage, Section
from symrnn.mathematics.words import sentence_list

TIMES = {2: "twice", 3: "three times", 4: "four times"}


def cost_section(cost: StepCost, named: Callable[[str], str]) -> Section:
    """What a step costs; `named` gives the mathematics that an array of the plan stands for, or nothing."""
    counted = (
        "Operations per sample and step, a function call counted as one, and numbers that the forward pass "
        "keeps for the backward pass:"
    )
    figures = (
        Equation(r"\text{operations of the forward pass}", (polynomial(cost.forward),)),
        Equation(r"\text{operations of the backward pass}", (polynomial(cost.backward),)),
        Equation(r"\text{numbers kept}", (polynomial(cost.saved),)),
    )
    return Section("cost", "Cost of a step", (Passage(counted, figures, _explained(cost, named)),))


def _explained(cost: StepCost, named: Callable[[str], str]) -> str:
    sentences = []
    ratio = leading_ratio(cost.backward, cost.forward)
    if ratio is not None:
        times = TIMES.get(int(ratio), f"${ratio}$ times")
        sentences.append(
            f"For large sizes the backward pass does {times} the operations of the forward pass."
        )
    if cost.saved != 0:
        sentences.append(_memory(cost, named))
    if cost.saved_states != cost.saved:
        states = polynomial(cost.saved_states)
        kept = "Keeping nothing" if states == "0" else f"Keeping states and outputs alone, ${states}$ numbers"
        again = polynomial(cost.backward_again)
        sentences.append(f"{kept}, the backward pass computes the rest again and does ${again}$ operations.")
    return " ".join(sentences)


def _memory(cost: StepCost, named: Callable[[str], str]) -> str:
    shown = [
        name for name in cost.kept if name.removesuffix("_next") not in cost.kept or name[-5:] != "_next"
    ]
    names = [f"${named(name)}$" for name in shown]
    kept = f"What is kept, {sentence_list(dict.fromkeys(names))}," if "$$" not in names else "What is kept"
    single, double = (polynomial((size * cost.saved).expand()) for size in (4, 8))
    outputs = (
        f"; outputs make up ${polynomial(cost.saved_outputs)}$ of the numbers"
        if cost.saved_outputs != 0
        else ""
    )
    return (
        f"{kept} takes ${single}$ bytes in single and ${double}$ in double precision{outputs}. Inputs and "
        "parameters, which the caller holds, are not counted."
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


def polynomial(expr: Expr) -> str:
    """A polynomial in axes, highest degree first, shared factors in front: 6 m (m + n) + 11 m."""
    if expr == 0:
        return "0"
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
            _monomial(
                coefficient // number,
                {name: power - shared[name] for name, power in powers if power > shared[name]},
            )
            for powers, coefficient in found.items()
        ]
        front = _monomial(number, {name: power for name, power in shared.items() if power})
        if len(rests) == 1:
            terms.append(front)
        else:
            terms.append(("" if front == "1" else front + r" \, ") + f"({' + '.join(rests)})")
    return " + ".join(terms)


def _monomial(number: int, powers: dict[Symbol, int]) -> str:
    letters = [
        name_latex(str(name)) + (f"^{{{power}}}" if power > 1 else "") for name, power in powers.items()
    ]
    return r" \, ".join([*([str(number)] if number != 1 or not letters else []), *letters])
