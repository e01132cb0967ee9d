"""Where a proof failed: the definition, or the block of a plan, that is the first to be wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np

from symrnn.declaration.normal_form import Definition
from symrnn.declaration.quantities import Quantity
from symrnn.derivation.derivation import Derivation, Term
from symrnn.planning.ir import Block
from symrnn.planning.plan import Plan
from symrnn.validation.answer import Answer
from symrnn.validation.duals import Dual
from symrnn.validation.elements import residues
from symrnn.validation.equations import Values
from symrnn.validation.prime import PRIME, Residues


def inner(one: Residues, other: Residues) -> int:
    """The sum of the products of two arrays' elements."""
    return int((one * other % PRIME).sum() % PRIME)


def unequal(what: str, found: Any, wanted: Residues) -> str:
    """What is wrong with an array, by its first wrong element; empty if nothing."""
    values = residues(found)
    if values.shape != wanted.shape:
        return f"{what} has shape {values.shape}, and should have {wanted.shape}"
    places = np.argwhere(values != wanted)
    if not len(places):
        return ""
    at = tuple(int(i) for i in places[0])
    return f"{what} is {values[at]} at {at}, and should be {int(wanted[at])} (modulo {PRIME})"


def wrong_share(derivation: Derivation, truth: Answer) -> str:
    """The first definition that hands back what is not its derivative; empty if none can be told.

    Only definitions all of whose arguments have an adjoint of their own can be told.
    """
    shares: dict[Definition, list[tuple[Term, Quantity]]] = {}
    for equation in derivation.equations:
        for term in equation.terms:
            if term.definition is not None:
                shares.setdefault(term.definition, []).append((term, equation.of))
    symbols = {equation.of: equation.symbol for equation in derivation.step}
    for t, (values, adjoints) in reversed([*enumerate(zip(truth.steps, truth.adjoints, strict=True))]):
        known: Values = {**{q: Dual(dual.value) for q, dual in values.items()}, **adjoints}
        for definition in reversed(derivation.cell.definitions):
            handed_to = shares.get(definition, [])
            moving = {q for q in definition.reads if values[q].tangent is not None}
            if definition.symbol not in symbols or not moving <= {q for _, q in handed_to}:
                continue
            mine = _moved(known[symbols[definition.symbol]].value, values[definition.symbol])
            evaluated = [(truth.problem.evaluator.value(term.expr, known).value, q) for term, q in handed_to]
            handed = sum(_moved(share, values[q]) for share, q in evaluated)
            if (mine - handed) % PRIME:
                taking = ", ".join(dict.fromkeys(str(q) for _, q in handed_to)) or "nothing"
                handed %= PRIME
                return (
                    f"In the derivation of {derivation.cell.name}, step {t + 1}, what {definition} hands "
                    f"back to {taking} is not its derivative: along a random direction it is {handed}, "
                    f"and should be {mine % PRIME} (modulo {PRIME})."
                )
    return ""


def _moved(adjoint: Residues, dual: Dual) -> int:
    """How far a quantity's motion moves the loss."""
    return 0 if dual.tangent is None else inner(adjoint, dual.tangent)


class BlockWatcher:
    """Looks at every array that stands for a quantity, once the plan has written all that it writes of it."""

    def __init__(self, plan: Plan, derivation: Derivation, truth: Answer) -> None:
        """Watch a plan run on the problem of `truth`."""
        self.said = ""
        self.plan = plan
        self.steps: list[Values] = [
            {**values, **adjoints} for values, adjoints in zip(truth.steps, truth.adjoints, strict=True)
        ]
        self.texts = {d.symbol: str(d) for d in derivation.cell.definitions}
        self.texts |= {equation.symbol: str(equation) for equation in derivation.step}
        named = {quantity.name: quantity for quantity in self.texts}
        self.quantities = {array: named[name] for array, name in plan.quantities if name in named}
        self.last = {name: block for block in plan.blocks for name in block.writes}

    def __call__(self, block: Block, t: int | None, look: Callable[[str], Any]) -> None:
        """Compare what a block has finished with what the equations say."""
        for name in block.writes:
            known = name in self.quantities and self.quantities[name] in self.steps[0]
            if self.said or not known or self.last[name] is not block:
                continue
            array, lead = look(name), self.plan.buffer(name).lead
            if t is not None:
                self.compare(block, name, t, array)
            elif lead == "TB":
                for step, at_step in enumerate(array):
                    self.compare(block, name, step, at_step)

    def compare(self, block: Block, name: str, t: int, found: Any) -> None:
        """Note the first element of an array at one step that is not what its equation says."""
        quantity = self.quantities[name]
        wanted = np.broadcast_to(self.steps[t][quantity].value, found.shape)
        said = unequal(name, found, wanted)
        if said and not self.said:
            right = self.texts[quantity].partition(" = ")[2]
            self.said = f"block [{block.title}]: {name} is not {right} (step {t + 1}: {said})"
