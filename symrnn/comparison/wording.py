"""The verdict in words: what is proved and how, what is only evidence, and what cannot be concluded."""

from collections.abc import Iterator
from typing import Protocol

from sympy import Expr, S

from symrnn.comparison.comparison import Comparison
from symrnn.comparison.forms import Form
from symrnn.comparison.numbers import Evidence
from symrnn.comparison.specialisation import Held, Specialisation
from symrnn.comparison.verdict import APART, EQUIVALENT, IDENTICAL, LIMIT, RENAMED, SPECIAL
from symrnn.declaration.plain_text import plain_text
from symrnn.declaration.quantities import Parameter, Quantity

PROVED = (
    "This is proved in the symbols, for all finite inputs and states: with these parameters both cells "
    "multiply out to the same expressions. Floating point may round them differently."
)


class Words(Protocol):
    """How names and formulas are set within the sentences."""

    def name(self, name: str) -> str:
        """A cell's name."""

    def expr(self, expr: Expr, form: Form) -> str:
        """An expression in the quantities of a cell."""

    def held(self, held: Held, form: Form) -> str:
        """The function of a cell that is held."""

    def equal(self, left: str, right: str) -> str:
        """Two formulas that are equal."""

    def becomes(self, left: str, right: str) -> str:
        """A formula and what it approaches."""

    def infinity(self, *, negative: bool) -> str:
        """Infinity, or minus infinity."""

    def row(self, parts: list[str]) -> str:
        """Column blocks as one matrix."""

    def identity(self, text: str) -> str:
        """An equation between functions of a number, given in plain ASCII."""


class PlainWords:
    """Plain ASCII."""

    def name(self, name: str) -> str:
        """A cell's name."""
        return name

    def expr(self, expr: Expr, form: Form) -> str:
        """An expression in the quantities of a cell."""
        del form
        return plain_text(expr)

    def held(self, held: Held, form: Form) -> str:
        """The function of a cell that is held."""
        del form
        return str(held.quantity) if held.quantity is not None else str(held.call)

    def equal(self, left: str, right: str) -> str:
        """Two formulas that are equal."""
        return f"{left} = {right}"

    def becomes(self, left: str, right: str) -> str:
        """A formula and what it approaches."""
        return f"{left} -> {right}"

    def infinity(self, *, negative: bool) -> str:
        """Infinity, or minus infinity."""
        return "-infinity" if negative else "infinity"

    def row(self, parts: list[str]) -> str:
        """Column blocks as one matrix."""
        return f"[{', '.join(parts)}]"

    def identity(self, text: str) -> str:
        """An equation between functions of a number, given in plain ASCII."""
        return text


def sentences(comparison: Comparison, words: Words) -> Iterator[str]:
    """The verdict, paragraph by paragraph; those that are indented are lines of a list."""
    verdict = comparison.verdict
    left, right = (words.name(name) for name in comparison.names)
    if verdict.kind == IDENTICAL:
        yield f"{left} and {right} are the same cell: their equations are equal, symbol for symbol."
    elif verdict.kind == APART:
        yield from _apart(comparison, words)
    elif verdict.kind == RENAMED:
        yield f"{left} and {right} are the same cell under a renaming. The parameters of {right}:"
        yield from _choice_lines(verdict.specialisations[0], words)
        yield PROVED
    elif verdict.kind == EQUIVALENT:
        yield f"Each is a special case of the other, so {left} and {right} compute the same functions."
        for found in verdict.specialisations:
            yield from _specialisation(found, comparison, words)
        yield PROVED
    elif verdict.kind in (SPECIAL, LIMIT):
        yield from _special_case(comparison, words)
    else:
        yield from _undecided(comparison, words)


def _name(form: Form, comparison: Comparison, words: Words) -> str:
    return words.name(comparison.names[0 if form is comparison.left else 1])


def _special_case(comparison: Comparison, words: Words) -> Iterator[str]:
    verdict = comparison.verdict
    exact = [found for found in verdict.specialisations if not found.limit]
    for found in exact:
        yield from _specialisation(found, comparison, words)
        yield PROVED
    for found in verdict.specialisations:
        if found.limit:
            yield from _limit(
                found, comparison, words, also=any(found.general is other.general for other in exact)
            )
    for general, special in ((comparison.left, comparison.right), (comparison.right, comparison.left)):
        if not any(found.general is general for found in verdict.specialisations):
            one, other = _name(special, comparison, words), _name(general, comparison, words)
            nothing = f"No choice of parameters was found that makes {one} a special case of {other}."
            yield f"{nothing} {_not_considered(words)}"
    if not verdict.complete:
        yield "The search was given up after many steps, before every possibility was tried."


def _specialisation(found: Specialisation, comparison: Comparison, words: Words) -> Iterator[str]:
    special, general = _name(found.special, comparison, words), _name(found.general, comparison, words)
    yield (
        f"{special} is a special case of {general}, with these parameters of {general} "
        f"(right of =: those of {special}):"
    )
    yield from _choice_lines(found, words)
    for held in found.held:
        gate, value = words.held(held, found.general), words.expr(held.value, found.general)
        yield f"Then {gate} is {value} at every step, whatever the input."


def _limit(found: Specialisation, comparison: Comparison, words: Words, *, also: bool) -> Iterator[str]:
    special, general = _name(found.special, comparison, words), _name(found.general, comparison, words)
    gates = " and ".join(
        words.becomes(words.held(held, found.general), words.expr(held.value, found.general))
        for held in found.held
    )
    if also:
        yield f"{special} is also the limit {gates} of {general}, with the parameters"
    else:
        yield f"{special} is the limit {gates} of {general} (no case of it was found), with the parameters"
    yield from _choice_lines(found, words)
    never = " and ".join(
        words.equal(words.held(held, found.general), words.expr(held.value, found.general))
        for held in found.held
    )
    biases = " and ".join(
        words.expr(held.bias, found.general) for held in found.held if held.bias is not None
    )
    yield f"No finite {biases} reaches {never}: the difference becomes as small as one likes, and never zero."


def _undecided(comparison: Comparison, words: Words) -> Iterator[str]:
    verdict = comparison.verdict
    left, right = (words.name(name) for name in comparison.names)
    yield (
        f"No choice of parameters was found that makes {left} a special case of {right}, or {right} of "
        f"{left}. {_not_considered(words)}"
    )
    if not verdict.complete:
        yield "The search was given up after many steps, before every possibility was tried."
    if not comparison.alignment.pairing.whole:
        yield "Their states and inputs were not all paired by then, so there are no numbers to compare."
        return
    if verdict.evidence is None:
        yield "No parameters correspond, or the outputs differ in shape, so there are no numbers to compare."
        return
    yield from _numbers(comparison, verdict.evidence, words)


def _numbers(comparison: Comparison, evidence: Evidence, words: Words) -> Iterator[str]:
    zero = _set_to_zero(comparison, words)
    settings = f", and with those that have no partner set to zero ({zero})" if zero else ""
    before = (
        "Numbers instead: on random input, with the parameters identified that correspond above"
        f"{settings}, states and outputs "
    )
    if not evidence.agrees:
        yield (
            f"{before}differ by up to {evidence}. So these parameters do not make them equal; numbers say "
            "nothing about others."
        )
    else:
        yield (
            f"{before}agree in values to rounding: the largest difference is {evidence}. This is numerical "
            "evidence only, no proof, and it is about values: gradients may differ, as those of "
            "stop_gradient(a) and a do."
        )
        if zero:
            yield "It says nothing about other values of the parameters that were set to zero."
    if not evidence.finite:
        yield "Some states or outputs were infinite or not a number in both; only the others were subtracted."


def _set_to_zero(comparison: Comparison, words: Words) -> str:
    """The parameters without a partner, by cell."""
    lone: dict[str, list[str]] = {name: [] for name in comparison.names}
    for partner in comparison.partners:
        for symbol, other, form, name in (
            (partner.left, partner.right, comparison.left, comparison.names[0]),
            (partner.right, partner.left, comparison.right, comparison.names[1]),
        ):
            if symbol in form.symbols and other is None:
                lone[name].append(words.expr(symbol, form))
    return "; ".join(f"{', '.join(found)} of {words.name(name)}" for name, found in lone.items() if found)


def _not_considered(words: Words) -> str:
    sigmoid, tanh = (words.identity(text) for text in ("sigmoid(-a) = 1 - sigmoid(a)", "tanh(-a) = -tanh(a)"))
    return (
        "That none was found is no proof that there is none: besides sums, products, stacks and column "
        f"blocks of matrices, only {sigmoid}, {tanh} and functions held constant are considered, and no "
        "state that is a scaled or mixed state of the other cell."
    )


def _apart(comparison: Comparison, words: Words) -> Iterator[str]:
    left, right = comparison.left.cell, comparison.right.cell
    names = [words.name(name) for name in comparison.names]
    facts = [
        f"{name} has {_counted(len(cell.states), 'state')} and {_counted(len(cell.inputs), 'input')}"
        for name, cell in zip(names, (left, right), strict=True)
    ]
    same = len(left.states) == len(right.states) and len(left.inputs) == len(right.inputs)
    shapes = ", of kinds or shapes that do not match" if same else ""
    yield f"{facts[0]}, {facts[1]}{shapes}, so they do not take the same data and are not the same cell."
    yield (
        "Whether one could still play the part of the other, with some state or input left unused, is not "
        "decided; no numbers are compared."
    )


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"


def _choice_lines(found: Specialisation, words: Words) -> Iterator[str]:
    same = []
    biases = {held.bias: held for held in found.held if held.bias is not None}
    for parameter, exprs in chosen_exprs(found):
        name = words.expr(parameter, found.general)
        parts = [words.expr(expr, found.special) for expr in exprs]
        if parameter in biases:
            yield f"  {words.becomes(name, words.infinity(negative=biases[parameter].sinks))}"
        elif parts == [name]:
            same.append(name)
        else:
            yield f"  {words.equal(name, parts[0] if len(parts) == 1 else words.row(parts))}"
    if same:
        yield f"  {', '.join(same)}: as they are"


def chosen_exprs(found: Specialisation) -> Iterator[tuple[Parameter, tuple[Expr, ...]]]:
    """Every parameter of the general cell with what it must be; blocks that make a whole matrix are one."""
    choices = dict(found.choices)
    for parameter in found.general.cell.parameters:
        blocks = found.general.blocks_of(parameter)
        exprs = tuple(choices[block.symbol] for block in blocks) if blocks else (choices[parameter],)
        yield parameter, _merged(exprs, found.special)


def _merged(exprs: tuple[Expr, ...], special: Form) -> tuple[Expr, ...]:
    if len(exprs) > 1 and all(expr == 0 for expr in exprs):
        return (S.Zero,)
    numbers = {expr.as_coeff_Mul()[0] for expr in exprs}
    symbols = [expr.as_coeff_Mul()[1] for expr in exprs]
    owners = {_owner(symbol, special) for symbol in symbols}
    if len(numbers) == 1 and len(owners) == 1:
        owner = owners.pop()
        if owner is not None and [block.symbol for block in special.blocks_of(owner)] == symbols:
            return (numbers.pop() * owner,)
    return exprs


def _owner(symbol: Expr, special: Form) -> Quantity | None:
    block = special.owner(symbol) if isinstance(symbol, Quantity) else None
    return block.matrix if block is not None else None
