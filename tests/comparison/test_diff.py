"""The difference of two cells: what corresponds, what is marked, and what the verdict may and may not say."""

import functools
import re

import numpy as np
import pytest
from command_runs import invoked
from sympy import Eq

import symrnn
from symrnn import (
    Cell,
    Constant,
    Input,
    Layer,
    Model,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    exp,
    log,
    maximum,
    sigmoid,
    stop_gradient,
    tanh,
    where,
    zoo,
)
from symrnn.comparison import comparison as comparison_module
from symrnn.comparison import pairing as pairing_module
from symrnn.comparison.alignment import align
from symrnn.comparison.comparison import identified
from symrnn.comparison.elimination import eliminate
from symrnn.comparison.forms import form_of, normal
from symrnn.comparison.numbers import measure
from symrnn.comparison.pairing import pairings
from symrnn.comparison.printout import comparison_lines
from symrnn.comparison.specialisation import specialise
from symrnn.declaration.quantities import Part
from symrnn.errors import RequestError
from symrnn.examples.minimal_gated_unit import mgu
from symrnn.notation.rendering.latex import latex as latex_of
from symrnn.papers.difference import difference_rows, partner_rows
from symrnn.publishing.typesetting import find_pdflatex, typeset
from symrnn.zoo import CELLS, HEADS, SHIPPED

n, m, k = axes("n m k")
x, h, c, s = Input("x", n), State("h", m), State("c", m), State("s", m)
W, V, U, b, d = (
    Parameter("W", m, m + n),
    Parameter("V", m, n),
    Parameter("U", m, m),
    Parameter("b", m),
    Parameter("d", m),
)
p, q = Parameter("p", m), Parameter("q", m)
W_SQUARE = Parameter("A", m, m)
GATES = {g: (Parameter(f"W_{g}", m, m + n), Parameter(f"b_{g}", m), Value(g)) for g in "ifog"}


def lstm_with(name, *, peepholes=False, coupled=False):
    """An LSTM, perhaps with peephole wsixs, perhaps with 1 - f for its input gate."""
    i, f, o, g = (GATES[letter][2] for letter in "ifog")

    def before(letter, cell_state=None):
        wsixs, bias, _ = GATES[letter]
        peep = [] if cell_state is None or not peepholes else [Parameter(f"p_{letter}", m) * cell_state]
        return sum(peep, wsixs @ [h, x] + bias)

    return Cell(
        name,
        *([] if coupled else [Eq(i, sigmoid(before("i", c)))]),
        Eq(f, sigmoid(before("f", c))),
        Eq(g, tanh(before("g"))),
        Eq(c.next, f * c + ((1 - f) if coupled else i) * g),
        Eq(o, sigmoid(before("o", c.next))),
        Eq(h.next, o * tanh(c.next)),
        output=h.next,
    )


def elman_like(name, rhs, state=h):
    return Cell(name, Eq(state.next, rhs))


PEEPHOLE, COUPLED = lstm_with("peephole", peepholes=True), lstm_with("coupled", coupled=True)
SPLIT = elman_like("split", tanh(U @ h + V @ x + b))
STACKED = elman_like("stacked", tanh(W @ [s, x] + b), s)
TWO_BIASES = elman_like("two_biases", tanh(U @ h + V @ x + b + d))
IDENTITY = elman_like("identity_wsixs", tanh(h + V @ x + b))
GATED = elman_like("gated", sigmoid(d * h) * h + (1 - sigmoid(d * h)) * tanh(V @ x + b))
ANTISYMMETRIC = elman_like("antisymmetric", tanh((U - U.T) @ h + V @ x + b))


compared_once = functools.cache(symrnn.diff)


def kind(left, right):
    return compared_once(left, right).verdict.kind


def partners(comparison):
    """Names of partners: right by left, with what is before it."""
    made = {}
    for p in comparison.partners:
        if p.left is not None and p.right is not None:
            made[str(p.left)] = ("1 - " if p.complement else "-" if p.negative else "") + str(p.right)
    return made


def marks(comparison):
    """What is marked in each aligned pair, as text."""
    return [
        (sorted(map(str, pair.left_marks)), sorted(map(str, pair.right_marks)))
        for pair in comparison.equations
    ]


def largest_error(found, pairing):
    """How far the general cell is from the special one, run with the parameters that were chosen."""
    return measure(found.special, found.general, pairing, dict(found.choices)).difference


# What corresponds


def test_gates_are_told_apart_by_what_they_do():
    compared = compared_once(zoo.gru, zoo.gru_reset_after)
    found = partners(compared)
    assert {q: found[q] for q in ("x", "c", "r", "u", "c_tilde")} == {
        "x": "x",
        "c": "h",
        "r": "r",
        "u": "1 - z",
        "c_tilde": "n",
    }
    assert (found["W_r[c]"], found["W_u[x]"], found["b_u"], found["b_c"]) == ("U_r", "-W_z", "-b_z", "b_n")


def test_equal_names_are_no_reason():
    """`c` of one is the candidate, of the other the state; `h` the other way round."""
    candidate, state = Value("c"), State("c", m)
    one = Cell("one", Eq(candidate, tanh(W @ [h, x])), Eq(h.next, h + candidate))
    other = Cell("other", Eq(Value("h"), tanh(W @ [state, x])), Eq(state.next, state + Value("h")))
    compared = symrnn.diff(one, other)
    assert partners(compared)["c"] == "h"
    assert partners(compared)["h"] == "c"
    assert compared.verdict.kind == "renamed"


def test_states_are_paired_by_structure_not_by_order():
    i, f, o, g = (GATES[letter][2] for letter in "ifog")
    p, q = State("p", m), State("q", m)
    turned = Cell(
        "turned",
        Eq(q.next, o * tanh(p.next)),
        Eq(p.next, f * p + i * g),
        *(Eq(v, (tanh if v is g else sigmoid)(w @ [q, x] + a)) for w, a, v in GATES.values()),
        output=q.next,
    )
    compared = compared_once(zoo.lstm, turned)
    assert (partners(compared)["c"], partners(compared)["h"]) == ("p", "q")
    assert compared.verdict.kind == "renamed"


def test_alignment_is_deterministic_and_symmetric_in_what_it_shares():
    one, other = form_of(zoo.lstm), form_of(zoo.lstm_notes)
    first = align(one, other)
    assert first == align(one, other)
    assert first.score == pytest.approx(align(other, one).score)


def test_a_bias_that_only_adds_to_another_is_told():
    compared = compared_once(zoo.gru, zoo.gru_reset_after)
    added = {str(p.right): str(p.adds_to) for p in compared.partners if p.left is None}
    assert added == {"d_r": "b_r", "d_z": "b_z", "d_n": "None"}  # d_n is gated, b_n is not
    assert "+ d_r (adds to b_r)" in " ".join(str(compared).split())


# What is marked


def test_the_reset_gate_is_marked_where_it_differs():
    compared = compared_once(zoo.gru, zoo.gru_reset_after)
    assert marks(compared) == [
        ([], ["d_r"]),
        ([], ["d_z"]),
        (["c*r"], ["r*(d_n + U_n @ h)"]),
        ([], []),
    ]
    assert [pair.same for pair in compared.equations] == [False, False, False, True]


def test_notes_and_usual_lstm():
    found = marks(compared_once(zoo.lstm, zoo.lstm_notes))
    assert found == [([], []), ([], []), ([], []), (["h"], ["c"]), ([], []), (["tanh(c.next)"], ["c.next"])]


A = Constant("a", value=0.5)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((U - U.T) @ h, (U + U.T) @ h, (["-transpose(U)"], ["transpose(U)"])),
        (U.T @ h, U @ h, (["transpose(U)"], ["U"])),
        (d**2 * h, d * h, (["d**2"], ["d"])),
        (exp(d) * h, d * h, (["exp(d)"], ["d"])),
        (d * p * h, d * h, (["p"], [])),
        (2 * (U @ h), U @ h, (["2*(U @ h)"], ["U @ h"])),
        (p @ (q * h), p * (q @ h), (["p @ (q*h)"], ["p*(q @ h)"])),
        (A * h, Constant("a", value=0.25) * h, (["a"], ["a"])),
        (A * h, Parameter("a") * h, (["a"], ["a"])),
        (tanh(U @ h) * h, tanh(V @ x + U @ h) * h, ([], ["V @ x"])),
    ],
)
def test_what_parameters_are_made_into_is_marked(left, right, expected):
    compared = symrnn.diff(elman_like("one", tanh(left + V @ x)), elman_like("other", tanh(right + V @ x)))
    assert [
        tuple(sorted(map(str, side)) for side in (pair.left_marks, pair.right_marks))
        for pair in compared.equations
    ] == [expected]
    assert not any(pair.same for pair in compared.equations)
    assert "^" in str(compared).split("marks what")[1]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (exp(d) * h, exp(b) * h),
        (-(U @ h), W_SQUARE @ h),
        (d * (p @ h), q * (d @ h)),
        (A * h, Constant("g", value=0.5) * h),
    ],
)
def test_names_and_signs_are_not_marked(left, right):
    compared = symrnn.diff(elman_like("one", tanh(left + V @ x)), elman_like("other", tanh(right + V @ x)))
    assert all(pair.same for pair in compared.equations)
    lone = [p for p in compared.partners if p.left is None or p.right is None]
    assert not lone


def test_a_mark_does_not_stand_where_nothing_differs():
    """U is shared by two products of the one cell; the other has two matrices, of which A stands for U."""
    one = elman_like("one", tanh(U @ h + V @ x) + U @ h)
    other = elman_like("other", tanh(U @ h + V @ x) + W_SQUARE @ h)
    lines = str(symrnn.diff(one, other)).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  - h.next ="))
    (mark,) = re.finditer(r"\^+", lines[at + 1])
    assert lines[at][mark.start() : mark.end()] in ("V @ x + U @ h", "U @ h + V @ x")


def test_constants_are_shown_with_their_values():
    def shown(constant):
        one, other = elman_like("one", A * h + V @ x), elman_like("other", constant * h + V @ x)
        compared = symrnn.diff(one, other)
        rows = [
            tuple(side and latex_of(side) for side in (row.left, row.right))
            for row in partner_rows(compared)
            if row.role == "constant"
        ]
        return " ".join(str(compared).split()), rows

    text, rows = shown(Constant("a", value=0.25))
    assert "constants a (0.5) ~ a (0.25)" in text
    assert rows == [(r"a\quad(0.5)", r"a\quad(0.25)")]
    text, rows = shown(Constant("g", value=0.5))
    assert "constants a ~ g equations" in text
    assert rows == [("a", "g")]
    text, _ = shown(Parameter("a"))
    assert "parameters V ~ V, + a constants - a (0.5)" in text


def test_an_equation_of_one_cell_alone_is_marked_whole():
    *_, last = compared_once(zoo.gru_simplified, zoo.gru).equations
    assert last.left is None
    assert str(last.right.target) == "r"
    assert last.right_marks == {last.right.rhs}


# Verdicts


@pytest.mark.parametrize("name", [*CELLS, *HEADS])
def test_a_cell_and_itself(name):
    cell = zoo.cell(name)
    compared = symrnn.diff(cell, cell)
    assert compared.verdict.kind == "identical"
    assert compared.verdict.proved
    assert all(pair.same for pair in compared.equations)


@pytest.mark.parametrize("name", ["gru_reset_after", "lstm", "squared_error", "class_cross_entropy"])
def test_the_search_finds_a_cell_in_itself(name):
    form = form_of(zoo.cell(name))
    outcome = specialise(form, form, pairings(form.cell, form.cell).ways[0], limits=False)
    assert outcome.found is not None
    assert outcome.found.renames
    assert all(str(symbol) == str(expr) for symbol, expr in outcome.found.choices)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (STACKED, SPLIT, "renamed"),
        (SPLIT, TWO_BIASES, "equivalent"),
        (elman_like("transposed", tanh(U.T @ h + V @ x + b)), SPLIT, "equivalent"),
        (elman_like("row", tanh(h @ U + V @ x + b)), SPLIT, "equivalent"),
        (IDENTITY, SPLIT, "special case"),
        (ANTISYMMETRIC, SPLIT, "special case"),
        (zoo.lstm, PEEPHOLE, "special case"),
        (COUPLED, zoo.lstm, "special case"),
        (mgu, zoo.gru, "special case"),
        (elman_like("leaky", h / 2 + tanh(V @ x) / 2), GATED, "special case"),
        (zoo.gru_simplified, zoo.gru, "special case"),
        (CELLS["elman"], zoo.gru, "limit"),
        (zoo.gru, zoo.gru_reset_after, "undecided"),
        (CELLS["elman"], zoo.elman("relu"), "undecided"),
        (zoo.gru, zoo.lstm, "different states or inputs"),
        (zoo.gru, zoo.dense(), "different states or inputs"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_verdict_and_its_mirror(left, right, expected):
    assert kind(left, right) == expected
    assert kind(right, left) == expected


@pytest.mark.parametrize(
    ("special", "general"),
    [
        (STACKED, SPLIT),
        (SPLIT, STACKED),
        (SPLIT, TWO_BIASES),
        (IDENTITY, SPLIT),
        (ANTISYMMETRIC, SPLIT),
        (zoo.lstm, PEEPHOLE),
        (COUPLED, zoo.lstm),
        (zoo.gru_simplified, zoo.gru),
    ],
    ids=lambda cell: cell.name,
)
def test_what_is_proved_holds_in_numbers(special, general):
    one, other = form_of(special), form_of(general)
    pairing = pairings(special, general).ways[0]
    found = specialise(one, other, pairing, limits=False).found
    assert found is not None
    assert largest_error(found, pairing) < 1e-13


def disguised(cell):
    """A cell with other names for everything, axes too, and its equations in the opposite order."""
    fresh = {axis: axes(f"q{number}") for number, axis in enumerate(cell.axes)}
    names = iter(f"v{number}" for number in range(100))
    table = dict(fresh)

    def shape(quantity):
        return [size.xreplace(fresh) for size in quantity.shape]

    for group, kind in ((cell.parameters, Parameter), (cell.inputs, Input), (cell.states, State)):
        table |= {q: kind(next(names), *shape(q)) for q in reversed(group)}
    table |= {state.next: table[state].next for state in cell.states}
    table |= {value: Value(next(names)) for value in cell.values}
    equations = [Eq(table[e.target], e.rhs.xreplace(table)) for e in reversed(cell.equations)]
    return Cell("disguised", *equations, output=table[cell.output]), table


@pytest.mark.parametrize("name", [*CELLS, "squared_error"])
def test_a_cell_is_known_under_any_disguise(name):
    cell = SHIPPED[name]
    other, table = disguised(cell)
    compared = symrnn.diff(cell, other)
    assert compared.verdict.kind == "renamed"
    assert all(pair.same for pair in compared.equations)
    assert all(pair.right.target == table[pair.left.target] for pair in compared.equations)
    found = partners(compared)
    for quantity in (*cell.inputs, *cell.states, *cell.values):
        assert found[quantity.name] == table[quantity].name


def test_choices_are_those_that_a_person_would_name():
    def chosen(special, general):
        (found,) = (f for f in symrnn.diff(special, general).verdict.specialisations if not f.limit)
        return {str(symbol): str(expr) for symbol, expr in found.choices}

    peephole = chosen(zoo.lstm, PEEPHOLE)
    assert {name: value for name, value in peephole.items() if name.startswith("p_")} == dict.fromkeys(
        ("p_i", "p_f", "p_o"), "0"
    )
    assert chosen(COUPLED, zoo.lstm)["b_i"] == "-b_f"
    assert chosen(IDENTITY, SPLIT)["U"] == "identity(m)"
    reset = chosen(zoo.gru_simplified, zoo.gru)
    assert (reset["W_r[c]"], reset["b_r"], reset["W_c[c]"]) == ("0", "0", "2*W_c[c]")


DOT_INSIDE = elman_like("dot_inside", tanh(V @ x + p @ (q * h)))
DOT_OUTSIDE = elman_like("dot_outside", tanh(V @ x + p * (q @ h)))
"""Parameters and h in the same places of products that are not the same."""


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (DOT_INSIDE, DOT_OUTSIDE),
        (DOT_OUTSIDE, DOT_INSIDE),
        (
            elman_like("gate_in", sigmoid(p @ (q * h)) * (V @ x)),
            elman_like("gate_out", sigmoid(p * (q @ h)) * (V @ x)),
        ),
    ],
    ids=lambda cell: cell.name,
)
def test_what_is_matched_and_not_equal_is_refused(left, right):
    """The search matches these two; they are different functions, which only the proof tells."""
    one, other = form_of(left), form_of(right)
    outcome = specialise(one, other, pairings(left, right).ways[0], limits=False)
    assert outcome.found is None
    assert outcome.complete
    assert kind(left, right) == "undecided"


def test_a_limit_that_is_matched_and_not_equal_is_refused():
    """With the gate at 1 these are the two cells before: no limit of each other."""
    gated = elman_like("gated_dot", sigmoid(V @ x + b) * tanh(V @ x + p * (q @ h)))
    assert kind(gated, DOT_INSIDE) == "undecided"
    assert kind(gated, DOT_OUTSIDE) == "limit"


def test_a_limit_is_told_from_equality():
    compared = compared_once(zoo.gru_simplified, zoo.gru)
    exact, limit = compared.verdict.specialisations
    assert (exact.limit, limit.limit) == (False, True)
    (held,) = limit.held
    assert (str(held.quantity), held.value, str(held.bias), held.sinks) == ("r", 1, "b_r", False)
    text = " ".join(str(compared).split())
    assert "gru_simplified is also the limit r -> 1 of gru" in text
    assert "No finite b_r reaches r = 1" in text


def test_a_limit_is_approached_in_numbers():
    one, other = form_of(CELLS["elman"]), form_of(zoo.gru)
    pairing = pairings(one.cell, other.cell).ways[0]
    found = specialise(one, other, pairing, limits=True).found
    assert found is not None
    errors = []
    for size in (5, 15, 30):
        choices = dict(found.choices) | {held.bias: Part("size") * 0 + size for held in found.held}
        errors.append(measure(one, other, pairing, choices).difference)
    assert errors[0] > 1e-4 > errors[1] > 1e-9 > errors[2]


def test_numbers_are_called_numbers():
    compared = compared_once(zoo.lstm, zoo.lstm_notes)
    assert not compared.verdict.proved
    assert compared.verdict.evidence is not None
    assert compared.verdict.evidence.difference > 0.1
    text = " ".join(str(compared).split())
    assert "no proof that there is none" in text
    assert "numbers say nothing about others" in text
    assert "are the same" not in text
    assert "proved" not in text


def test_equal_numbers_are_no_proof_either():
    """maximum(h, 0) + minimum's mirror is |h|-like: equal in numbers, of which the symbols know nothing."""
    one = elman_like("one", maximum(V @ x + h, 0 * h) - b)
    other = elman_like("other", where(V @ x + h > 0, V @ x + h, 0 * h) - b)
    compared = symrnn.diff(one, other)
    assert compared.verdict.kind == "undecided"
    assert compared.verdict.evidence.difference < 1e-12
    text = " ".join(str(compared).split())
    assert "states and outputs agree in values to rounding: the largest difference is" in text
    assert "numerical evidence only, no proof" in text
    assert "do not make them equal" not in text
    assert "are the same" not in text


def test_equal_values_may_have_other_gradients():
    one = elman_like("one", tanh(U @ h + V @ x + b))
    other = elman_like("other", tanh(U @ stop_gradient(h) + V @ x + b))
    compared = symrnn.diff(one, other)
    assert compared.verdict.kind == "undecided"
    assert compared.verdict.evidence.difference == 0
    text = " ".join(str(compared).split())
    assert "agree in values to rounding" in text
    assert "gradients may differ" in text
    assert "do not make them equal" not in text


def test_parameters_that_are_set_to_zero_are_named():
    one = elman_like("one", V @ x + p @ (q * h))
    other = elman_like("other", V @ x + exp(b) * h + d * abs(h))
    text = " ".join(str(symrnn.diff(one, other)).split())
    assert re.search(r"with those that have no partner set to zero \(.* of one; .* of other\)", text)


def test_what_is_no_number_is_no_agreement():
    """log of a negative number is none; outputs that are none in one cell alone are infinitely far apart."""
    one, other = elman_like("one", log(V @ x) + b), elman_like("other", log(abs(V @ x)) + b)
    forms = form_of(one), form_of(other)
    choices = {symbol: symbol for symbol in forms[1].symbols}
    with np.errstate(invalid="ignore"):
        found = measure(*forms, pairings(one, other).ways[0], choices)
        same = measure(forms[0], forms[0], pairings(one, one).ways[0], choices)
    assert (found.difference, found.agrees, found.finite) == (np.inf, False, False)
    assert (same.difference, same.agrees, same.finite) == (0, True, False)


def test_outputs_of_other_shapes_are_not_subtracted():
    one = Cell("one", Eq(h.next, tanh(V @ x + exp(U @ h))), output=h.next)
    y = Value("y")
    other = Cell("other", Eq(h.next, tanh(V @ x + U @ h)), Eq(y, Parameter("A", k, m) @ h.next), output=y)
    compared = symrnn.diff(one, other)
    assert compared.verdict.evidence is None
    assert "the outputs differ in shape" in " ".join(str(compared).split())


def test_evidence_identifies_what_corresponds():
    alignment = align(form_of(zoo.gru), form_of(zoo.gru_reset_after))
    choices, alone = identified(alignment)
    assert not alone
    assert {str(symbol): str(expr) for symbol, expr in choices.items()}["U_z"] == "-W_u[c]"


def test_inputs_in_another_order_are_the_same_inputs():
    """In none of the first 120 orders of six inputs, x last in one and first in the other, does x meet x."""
    scalars = [Input(f"s{i}") for i in range(5)]
    total, inner = sum(Parameter(f"p_{s}", m) * s for s in scalars), Value("inner")
    one = Cell("one", Eq(inner, total), Eq(h.next, tanh(inner + V @ x + U @ h)))
    other = elman_like("other", tanh(total + V @ x + U @ h))
    assert (one.inputs, other.inputs) == ((*scalars, x), (x, *scalars))
    compared = symrnn.diff(one, other)
    assert compared.verdict.kind == "renamed"
    assert all(partners(compared)[str(given)] == str(given) for given in one.inputs)


def test_a_cut_search_for_pairs_is_not_called_complete():
    """Six inputs that could all stand for each other: 720 ways."""
    six = [Input(f"s{i}") for i in range(6)]
    one = elman_like("one", tanh(U @ h + sum(b * s for s in six)))
    other = elman_like("other", tanh(U @ h) + sum(b * s for s in six))
    compared = symrnn.diff(one, other)
    assert (compared.verdict.kind, compared.verdict.complete) == ("undecided", False)
    assert "The search was given up" in " ".join(str(compared).split())


def test_cells_are_apart_only_where_that_is_certain(monkeypatch):
    monkeypatch.setattr(pairing_module, "MOST_AXES", 1)
    e, f = axes("e f")
    z = State("z", f)
    left = Cell("left", Eq(h.next, tanh(V @ x + U @ h)))
    right = Cell("right", Eq(z.next, tanh(Input("y", f, e) @ Parameter("a", e) + z)))
    compared = symrnn.diff(left, right)
    assert (compared.verdict.kind, compared.verdict.complete) == ("undecided", False)
    assert "not all paired by then" in " ".join(str(compared).split())
    monkeypatch.undo()
    assert kind(left, right) == "different states or inputs"


def test_a_search_that_is_given_up_says_so(monkeypatch):
    form = form_of(zoo.lstm)
    outcome = specialise(form, form_of(PEEPHOLE), pairings(zoo.lstm, PEEPHOLE).ways[0], limits=False, most=2)
    assert outcome.found is None
    assert not outcome.complete
    monkeypatch.setattr(comparison_module, "MOST_STEPS", 2)
    compared = symrnn.diff(zoo.lstm, PEEPHOLE)
    assert (compared.verdict.kind, compared.verdict.complete) == ("undecided", False)
    assert "The search was given up" in " ".join(str(compared).split())


def test_constants_are_not_free():
    fixed = elman_like("fixed", Constant("a", value=0.5) * h + V @ x)
    other = elman_like("other_constant", Constant("a", value=0.25) * h + V @ x)
    free = elman_like("free", Parameter("a") * h + V @ x)
    assert kind(fixed, other) == "undecided"
    assert kind(fixed, free) == "special case"


def test_other_axes_are_paired_too():
    e, f = axes("e f")
    y, z = Input("y", e), State("z", f)
    renamed = Cell("renamed", Eq(z.next, tanh(Parameter("A", f, e) @ y + Parameter("B_z", f, f) @ z)))
    assert kind(renamed, elman_like("plain", tanh(V @ x + U @ h))) == "renamed"


def test_a_named_stack_is_divided_too():
    both = Value("both")
    named = Cell("named", Eq(both, concatenate(h, x)), Eq(h.next, tanh(W @ both + b)))
    assert kind(named, SPLIT) == "renamed"


# Pieces


def test_forms_are_multiplied_out():
    gate = sigmoid(-(U @ h))
    assert normal(gate, {}) == 1 - sigmoid(normal(U @ h, {}))


def test_contradicting_equations_have_no_solution():
    one, other = Part("p", m), Part("q", m)
    assert eliminate([one - b, one + other - d], (one, other)) == {one: b, other: d - b}
    assert eliminate([one - b, one - d], (one,)) is None
    assert eliminate([one + other - b], (one, other)) == {one: b}


# Printing


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize(
    ("left", "right"), [("gru", "gru_reset_after"), ("lstm", "lstm_notes"), ("elman", "gru")]
)
def test_lines_fit(left, right, width):
    compared = compared_once(zoo.cell(left), zoo.cell(right))
    for line in comparison_lines(compared, width):
        assert len(line.text) <= width
        assert len(line.signs) <= len(line.text)
        assert line.text.isascii()


def test_signs_stand_under_what_differs():
    lines = str(compared_once(zoo.gru, zoo.gru_reset_after)).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  + n ="))
    (mark,) = re.finditer(r"\^+", lines[at + 1])
    assert lines[at][mark.start() : mark.end()] == "r * (U_n @ h + d_n)"


def test_a_mark_that_is_broken_goes_on_in_the_next_line():
    narrow = comparison_lines(compared_once(zoo.gru, zoo.gru_reset_after), 40)
    marked = " ".join(line.text[start:stop] for line in narrow for start, stop in line.marks)
    assert "r * (U_n @ h + d_n)" in " ".join(marked.split())


def test_rows_carry_marked_latex():
    row = difference_rows(compared_once(zoo.lstm, zoo.lstm_notes))[-1]
    assert row.left[0].endswith(r"\boxed{\tanh(c^{\langle t\rangle})}")
    assert row.right[0].endswith(r"\boxed{c^{\langle t\rangle}}")
    assert not row.same
    pairs = {
        latex_of(row.left): latex_of(row.right)
        for row in partner_rows(compared_once(zoo.gru, zoo.gru_reset_after))
        if row.left and row.right
    }
    assert pairs[r"\Gamma_{u}^{\langle t\rangle}"] == r"1 - z^{\langle t\rangle}"


def test_frames_do_not_nest():
    """f is marked as a factor, and 1 - f as a whole."""
    rows = difference_rows(symrnn.diff(mgu, zoo.gru))
    latex = next(row.left[0] for row in rows if row.left and "1 - " in row.left[0])
    assert latex.count(r"\boxed{") == 2
    assert r"(\boxed{1 - f^{\langle t\rangle}})" in latex  # a frame is no bracket
    assert r"\boxed{1 - f^{\langle t\rangle}}" in latex


@pytest.mark.skipif(find_pdflatex() is None, reason="pdflatex is not installed")
@pytest.mark.parametrize(("left", "right"), [("gru", "gru_reset_after"), ("gru_simplified", "gru")])
def test_the_document_compiles(left, right):
    document = symrnn.latex(compared_once(zoo.cell(left), zoo.cell(right)))
    assert document.count(r"\boxed{") > 1
    assert typeset(document, "difference").startswith(b"%PDF")


# The command line and wrong input


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run_command(*arguments, code=0):
        return invoked("diff", *arguments, code=code)

    return run_command


def test_command(run):
    printed = run("gru", "gru_reset_after").stdout
    assert printed.rstrip() == str(compared_once(zoo.gru, zoo.gru_reset_after))
    assert max(map(len, printed.splitlines())) <= 80


def test_command_writes_latex(run, tmp_path):
    run("elman", "gru_simplified", "--latex", "-o", "lstm.tex")
    written = (tmp_path / "lstm.tex").read_text()
    assert written == run("elman", "gru_simplified", "--latex").stdout
    run("elman", "gru_simplified", "--latex", "-o", "lstm.tex")  # its own file may be overwritten
    assert "--latex" in run("lstm", "lstm_notes", "-o", "lstm.txt", code=2).stderr


def test_a_model_is_refused(run, tmp_path):
    (tmp_path / "net.py").write_text(
        "from symrnn import Layer, Model, zoo\n"
        "body = Layer(zoo.cell('gru'))\n"
        "net = Model('net', Layer(zoo.squared_error, {'a': body}))\n"
    )
    assert "is a model" in run("gru", "net.py:net", code=2).stderr
    body = Layer(zoo.gru)
    net = Model("net", Layer(zoo.squared_error, {"a": body}))
    with pytest.raises(RequestError, match=r"'net' is a model. Compare its cells.*gru, squared_error"):
        compared_once(zoo.gru, net)
    with pytest.raises(RequestError, match="not 'gru'"):
        symrnn.diff("gru", zoo.gru)


def test_an_unknown_cell_is_refused(run):
    assert "no shipped cell 'gruu'" in run("gru", "gruu", code=2).stderr


def test_heads_and_cells_without_partner(run):
    text = " ".join(run("softmax_cross_entropy", "class_cross_entropy").stdout.split())
    assert "of kinds or shapes that do not match" in text
    assert "gru has 1 state and 1 input, dense has no states and 1 input" in " ".join(
        run("gru", "dense").stdout.split()
    )


def test_cells_of_one_name_are_told_apart():
    text = str(
        symrnn.diff(elman_like("mine", tanh(U @ h + V @ x)), elman_like("mine", tanh(U @ h + V @ x + b)))
    )
    assert "mine (first)" in text
    assert "mine (second)" in text
