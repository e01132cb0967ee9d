"""Slips of the pen, planted in the printer of the paper: every one of them is seen by who reads its text."""

from collections.abc import Callable
from typing import Any

import pytest
from latex_chain import prove_chain
from latex_mathematics import SPACING, TOKEN, UnreadableError
from latex_proofs import PARTS, derivation_of, document_of, given_for, problem_of, prove
from latex_reader import DISPLAY, Document
from latex_run import Given
from latex_step_jacobian import prove_jacobians
from sympy import Add, Expr, Gt, Pow

from symrnn.declaration.operations import Contract, concatenate
from symrnn.declaration.quantities import Part, State
from symrnn.derivation.derivation import Adjoint, LaterAdjoint
from symrnn.mathematics import choices, contractions, jacobian, naming, reading, sections
from symrnn.mathematics import printed as printed_texts
from symrnn.mathematics import printer as printers
from symrnn.mathematics.printed import Printed
from symrnn.mathematics.printer import Printer
from symrnn.mathematics.sections import _Teller
from symrnn.notation.building import HADAMARD, positive
from symrnn.notation.nodes import Fraction, Node, Row, Word, mapped
from symrnn.notation.parsing import parsed
from symrnn.papers import document

Plant = Callable[[pytest.MonkeyPatch], None]


def method(owner: Any, name: str, wrong: Callable[..., Any]) -> Plant:
    """Replaces a function by `wrong`, which takes the right one first."""
    right = getattr(owner, name)
    return lambda patch: patch.setattr(owner, name, lambda *given, **named: wrong(right, *given, **named))


def value(owner: Any, name: str, wrong: Any) -> Plant:
    return lambda patch: patch.setattr(owner, name, wrong)


def entry(table: dict[Any, Any], key: Any, wrong: Any) -> Plant:
    return lambda patch: patch.setitem(table, key, wrong)


def both(*plants: Plant) -> Plant:
    def planted(patch: pytest.MonkeyPatch) -> None:
        for plant in plants:
            plant(patch)

    return planted


def replaced(node: Node, old: Node, new: Node) -> Node:
    """The tree with a part exchanged wherever it stands."""
    return new if node == old else mapped(node, lambda child: replaced(child, old, new))


def without_signs(right: Any, terms: Any) -> Node:
    return right(map(positive, terms))


def untransposed(right: Any, printer: Printer, operand: Expr) -> Node:
    return printer.tree(operand, printers.POWER)


def untransposed_square(right: Any, printer: Printer, operand: Expr) -> Node:
    square = isinstance(operand, Part) and len(set(operand.shape)) == 1 and len(operand.shape) == 2
    return printer.tree(operand) if square else right(printer, operand)


def outer_product_turned(right: Any, letters: list[str], output: str) -> Any:
    order = right(letters, output)
    if order and all(len(text) == 1 for text in letters) and len(output) == 2:
        return [(order[1][0], False), (order[0][0], True)]
    return order


def matrices_exchanged(right: Any, letters: list[str], output: str) -> Any:
    order = right(letters, output)
    return [*order[:-2], order[-1], order[-2]] if order and len(order) == 3 else order


def without_sums_as_factors(right: Any, printer: Printer, factors: list[Expr]) -> Node:
    return right(printer, [f for f in factors if not isinstance(f, Add)] or factors)


def without_power(printer: Printer, expr: Expr) -> tuple[Node, int]:
    return printer.tree(expr.args[0], printers.ATOM), printers.ATOM


def other_block(right: Any, reader: Any, expr: Expr, start: Expr, stop: Expr) -> Expr:
    made = right(reader, expr, start, stop)
    blocks = [block.symbol for block in reader.blocks.values()]
    if not isinstance(made, Contract):
        return made
    operands = [blocks[blocks.index(o) - 1] if o in blocks else o for o in made.operands]
    return Contract(made.spec, *operands)


def blocks_from_the_right(right: Any, shown: Any) -> dict[Any, list[Any]]:
    return {matrix: blocks[::-1] for matrix, blocks in right(shown).items()}


def later_adjoint_before(right: Any, printer: Printer, quantity: Any, time: str = "") -> Node:
    return right(printer, quantity, naming.BEFORE if isinstance(quantity, LaterAdjoint) else time)


def states_now_in_products(right: Any, printer: Printer, operand: Expr) -> Node:
    return right(printer, operand.next if isinstance(operand, State) else operand)


def adjoint_of_another(right: Any, printer: Printer, quantity: Any, time: str = "") -> Node:
    made = right(printer, quantity, time)
    return replaced(made, Word("u"), Word("r")) if isinstance(quantity, Adjoint) else made


def without_last_term(right: Any, teller: Any, contributions: Any) -> Node:
    items = list(contributions)
    return right(teller, items[:-1] if len(items) > 2 else items)


def without_brackets(right: Any, printer: Printer, expr: Expr, needed: int = 0) -> Node:
    return right(printer, expr, needed if isinstance(expr, concatenate) else 0)


def stacked_upside_down(right: Any, printer: Printer, expr: Expr) -> tuple[Node, int]:
    return right(printer, concatenate(*expr.args[::-1]) if isinstance(expr, concatenate) else expr)


def product_for_elementwise(right: Any, printer: Printer, factors: list[Expr]) -> Node:
    made = right(printer, factors)
    return Row(tuple(n for n in made.items if n != HADAMARD)) if isinstance(made, Row) else made


def upside_down(right: Any, expr: Expr) -> Any:
    sign, over, under = right(expr)
    return sign, under, over


def letters_in_order(right: Any, printer: Printer, operand: Expr, letters: str) -> Node:
    return right(printer, operand, "".join(sorted(letters)))


def without_continuation(right: Any, *given: Any) -> Any:
    lines = right(*given)
    return [line for line in lines if "{}+" not in line]


def without_chain_continuation(right: Any, *given: Any) -> Any:
    return [line for line in right(*given) if not ("{}+" in line and r"\partial" in line)]


def chain_without_last_term(right: Any, teller: Any, contributions: Any, of: Any) -> Node:
    items = list(contributions)
    return right(teller, items[:-1] if len(items) > 1 else items, of)


def derivative_upside_down(right: Any, teller: Any, contributions: Any, of: Any) -> Node:
    def turned(node: Node) -> Node:
        return Fraction(node.below, node.above) if isinstance(node, Fraction) else mapped(node, turned)

    return turned(right(teller, contributions, of))


def without_sum_over_time(right: Any, shown: Any, adjoint: Any) -> Node:
    return replaced(right(shown, adjoint), shown.over_time(), Row(()))


SIGNS = both(method(printers, "joined", without_signs), method(printed_texts, "joined", without_signs))
READER = reading._Reader
SLIPS: dict[str, tuple[str, Plant]] = {
    "a dropped sign": ("gru", SIGNS),
    "a dropped transpose": ("lstm", method(Printer, "transposed", untransposed)),
    "a dropped transpose of a square matrix": ("gru", method(Printer, "transposed", untransposed_square)),
    "an outer product the wrong way round": (
        "matrix_memory",
        method(contractions, "_chain_order", outer_product_turned),
    ),
    "factors of a product exchanged": (
        "matrix_memory",
        method(contractions, "_chain_order", matrices_exchanged),
    ),
    "a missing (1 - u)": ("gru_simplified", method(Printer, "_factors", without_sums_as_factors)),
    "a missing power": ("gru", entry(printers.MAKERS, Pow, without_power)),
    "another block of the matrix": ("lstm_notes", method(READER, "sliced", other_block)),
    "blocks from the right": ("elman", method(Printed, "divided", blocks_from_the_right)),
    "t for t - 1": ("elman", entry(naming.TIMES, State, naming.NOW)),
    "t - 1 for t at what comes later": ("lstm", method(Printer, "symbol", later_adjoint_before)),
    "t for t - 1 in products": ("gru_reset_after", method(Printer, "transposed", states_now_in_products)),
    "the adjoint of another gate": ("gru", method(Printer, "symbol", adjoint_of_another)),
    "a missing term": ("gru_reset_after", method(Printed, "sum_of", without_last_term)),
    "missing brackets": ("gru", method(Printer, "tree", without_brackets)),
    "sigma for tanh": ("lstm", entry(printers.FUNCTIONS, "tanh", parsed(r"\sigma"))),
    "a stack upside down": ("mgu", method(Printer, "printed", stacked_upside_down)),
    "a matrix product for an elementwise one": ("lstm", method(Printer, "_factors", product_for_elementwise)),
    "a quotient upside down": ("matrix_memory", method(printers, "_fraction_parts", upside_down)),
    "indices in another order": ("everything", method(Printer, "element", letters_in_order)),
    "the wrong comparison": ("elman_relu", entry(choices.COMPARISONS, Gt, r"<")),
    "a lost line": ("gru", method(document, "equation_lines", without_continuation)),
    "a missing sum over time": ("elman", method(Printed, "static_sum", without_sum_over_time)),
    "the last step called t": ("gru", value(sections, "LAST", naming.NOW)),
}


CHAIN_SLIPS: dict[str, tuple[str, Plant]] = {
    "a lost line": ("gru", method(document, "equation_lines", without_chain_continuation)),
    "a missing term": ("gru", method(_Teller, "chain", chain_without_last_term)),
    "the adjoint of another gate": ("gru", method(Printer, "symbol", adjoint_of_another)),
    "a derivative upside down": ("elman", method(_Teller, "chain", derivative_upside_down)),
}
"""Slips in the lines before the results: what the chain rule says."""


def sum_without_last_term(right: Any, terms: Any) -> Node:
    return right(list(terms)[:-1])


def factors_exchanged(right: Any, expr: Expr, *given: Any) -> Node:
    return right(expr.func(*expr.args[::-1]), *given)


JACOBIAN_SLIPS: dict[str, tuple[str, Plant]] = {
    "a missing term": ("gru", method(jacobian, "joined", sum_without_last_term)),
    "factors exchanged": ("lstm", method(jacobian, "_product", factors_exchanged)),
    "a lost line": ("lstm_notes", method(document, "equation_lines", without_continuation)),
}


def misprints(text: str, start: int, every: int) -> list[str]:
    """The text without one token of a displayed equation, for every so many tokens but spacing."""
    places = [
        (display.start(2) + token.start(), display.start(2) + token.end())
        for display in DISPLAY.finditer(text)
        if display.start() >= start
        for token in TOKEN.finditer(display[2])
        if not SPACING.fullmatch(token[0])
    ]
    return [text[:first] + text[last:] for first, last in places[::every]]


def test_a_misprint_of_any_token_in_the_results_is_seen() -> None:
    text = document_of("gru").source
    wrong = misprints(text, text.rindex("A step, for"), every=13)
    assert len(wrong) > 60
    for misprint in wrong:
        with pytest.raises((AssertionError, UnreadableError)):
            prove(Document(misprint), problem_of("gru"), "results")


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_of_the_printer_is_seen(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, plant = SLIPS[slip]
    right = document_of(cell)
    plant(monkeypatch)
    wrong = Document(document.latex_document(derivation_of(cell)))
    assert wrong.text != right.text
    for part in PARTS:
        prove(right, problem_of(cell), part)
        with pytest.raises((AssertionError, UnreadableError)):
            prove(wrong, problem_of(cell), part)


def seen(slip: tuple[str, Plant], proof: Callable[[Document, Given], int], patch: pytest.MonkeyPatch) -> None:
    """Raise unless a proof holds and no longer does once the slip is planted."""
    cell, plant = slip
    right = document_of(cell)
    given = given_for(right, problem_of(cell), 0)
    assert proof(right, given)
    plant(patch)
    wrong = Document(document.latex_document(derivation_of(cell)))
    assert wrong.text != right.text
    with pytest.raises((AssertionError, UnreadableError)):
        proof(wrong, given)


@pytest.mark.parametrize("slip", CHAIN_SLIPS)
def test_a_slip_in_the_chain_rule_is_seen(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(CHAIN_SLIPS[slip], prove_chain, monkeypatch)


@pytest.mark.parametrize("slip", JACOBIAN_SLIPS)
def test_a_slip_in_a_step_jacobian_is_seen(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(JACOBIAN_SLIPS[slip], prove_jacobians, monkeypatch)
