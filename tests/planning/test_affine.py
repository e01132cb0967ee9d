"""Recurrences that are affine and diagonal: found, marked, and their loops as short as can be."""

from dataclasses import replace

import pytest
from interpretation import Arguments, assert_same, random_arguments, run, stages
from random_cells import SIZES, random_cell
from sympy import Eq, Expr, Integer, Rational, Symbol, symbols

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes, relu, sigmoid, tanh
from symrnn.planning.affine import affine_parts
from symrnn.planning.ir import (
    Block,
    Buffer,
    Carry,
    Contraction,
    Pass,
    Pointwise,
    Statement,
    array_symbol,
)
from symrnn.planning.memory import overlap
from symrnn.planning.plan import Plan
from symrnn.zoo import CELLS

LENGTHS = {axis.name: size for axis, size in SIZES.items()}
MARKED, SHORTENED = "affine loops marked", "affine loops shortened"

n, m, k = axes("n m k")
x, h, c = Input("x", n), State("h", m), State("c", m)
W, V, R, D = (Parameter(name, m, n) for name in ("W", "V", "R", "D"))
b, d, u = (Parameter(name, m) for name in ("b", "d", "u"))
z, q, r, f, y = (Value(name) for name in ("z", "q", "r", "f", "y"))
GATES = (Eq(z, sigmoid(W @ x + b)), Eq(q, tanh(V @ x + d)))
BLEND = Eq(h.next, (1 - z) * h + z * q)

AFFINE = {
    "minimal gated": Cell("minimal_gated", *GATES, BLEND),
    "simple recurrent unit": Cell(
        "simple_recurrent",
        Eq(f, sigmoid(W @ x + b)),
        Eq(r, sigmoid(R @ x + d)),
        Eq(c.next, f * c + (1 - f) * (V @ x)),
        Eq(y, r * tanh(c.next) + (1 - r) * (D @ x)),
        output=y,
    ),
    "linear": Cell("linear", Eq(h.next, u * h + W @ x + b)),
    "two states apart": Cell(
        "apart",
        *GATES,
        Eq(c.next, z * c + q),
        Eq(h.next, u * h + (1 - z) * q),
        Eq(y, h.next * c.next),
        output=y,
    ),
    "a gate from a dot product": Cell(
        "dot_gate", Eq(q, V @ x), Eq(z, sigmoid(sr.dot(W @ x, q))), Eq(h.next, (1 - z) * h + z * q)
    ),
    "a readout": Cell("readout", *GATES, BLEND, Eq(y, tanh(Parameter("P", k, m) @ h.next)), output=y),
    "what came before": Cell(
        "before", Eq(c.next, V @ x), Eq(z, sigmoid(W @ x)), Eq(h.next, z * h + c.next), output=h.next
    ),
}
NOT_AFFINE = {
    "elementwise recurrent weights": Cell("elementwise", Eq(h.next, relu(W @ x + u * h + b))),
    "a product with the state": Cell("full", *GATES, Eq(h.next, z * h + Parameter("U", m, m) @ h)),
    "a gate that sees the state": Cell("seeing", Eq(z, sigmoid(W @ x + u * h)), Eq(h.next, z * h + b)),
    "a square": Cell("square", Eq(z, sigmoid(W @ x)), Eq(h.next, z * h * h)),
    "a choice": Cell("choice", Eq(q, W @ x), Eq(h.next, sr.where(q > 0, h, q))),
    "another state": Cell("chain", *GATES, Eq(c.next, z * c + q), Eq(h.next, z * h + c.next), output=h.next),
    "no state": Cell("layer", Eq(y, tanh(W @ x)), output=y),
}


def final(cell: Cell, save: str = "all") -> Plan:
    return stages(cell, save)[-1]


def statements(blocks: tuple[Block, ...]) -> list[Statement]:
    return [statement for block in blocks for statement in block.statements]


def outs(blocks: tuple[Block, ...]) -> list[str]:
    return [statement.out for statement in statements(blocks)]


def recurrences(through: Pass) -> list[tuple[str, str, str]]:
    return [(a.state, str(a.gain), str(a.offset)) for a in through.loop.affine]


# -- found and marked -------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", ["all", "states"])
@pytest.mark.parametrize("what", AFFINE)
def test_affine_and_diagonal_recurrences_are_marked(what: str, save: str) -> None:
    plan = final(AFFINE[what], save)
    assert MARKED in plan.applied
    for loop in (plan.forward.loop, plan.backward.loop):
        assert [recurrence.state for recurrence in loop.affine] == [carry.here for carry in loop.carries]


@pytest.mark.parametrize("what", NOT_AFFINE)
def test_other_recurrences_are_not_marked(what: str) -> None:
    assert not final(NOT_AFFINE[what]).forward.loop.affine


@pytest.mark.parametrize("name", CELLS)
def test_no_shipped_cell_is_marked_or_changed(name: str) -> None:
    plan = final(CELLS[name])
    assert not plan.forward.loop.affine
    assert not plan.backward.loop.affine
    assert not {MARKED, SHORTENED} & set(plan.applied)


def test_gain_and_offset_of_a_minimal_gated_unit() -> None:
    plan = final(AFFINE["minimal gated"])
    assert recurrences(plan.forward) == [("h", "1 - z", "q*z")]
    assert recurrences(plan.backward) == [("d_h_later", "1 - z", "d_h_output*(1 - z)")]
    again = final(AFFINE["minimal gated"], "states")
    assert recurrences(again.backward) == [("d_h_later", "1 - z_again", "d_h_output*(1 - z_again)")]


def test_a_sum_begun_before_the_loop_is_the_offset() -> None:
    plan = final(AFFINE["linear"])
    assert recurrences(plan.forward) == [("h", "u", "h_next")]
    assert "offset = h_next (with h_next as it is before the loop)" in str(plan)


def test_an_adjoint_recurrence_is_affine_where_the_states_is_only_diagonal() -> None:
    plan = final(Cell("bounded", Eq(h.next, tanh(W @ x + u * h))))
    assert not plan.forward.loop.affine
    (recurrence,) = plan.backward.loop.affine
    d_output, u_, h_next = (array_symbol(name) for name in ("d_h_output", "u", "h_next"))
    assert (recurrence.gain - u_ * (1 - h_next**2)).expand() == 0
    assert (recurrence.offset - d_output * u_ * (1 - h_next**2)).expand() == 0


def test_the_plan_says_that_a_scan_may_replace_the_loop() -> None:
    text = str(final(AFFINE["minimal gated"]))
    assert (
        "  recurrence affine and diagonal in h, a scan may replace it:\n"
        "    h_next = gain * h + offset\n"
        "    gain = 1 - z\n"
        "    offset = z * q\n"
    ) in text
    assert "affine and diagonal in d_h_later" in text
    assert "a scan" not in str(final(CELLS["lstm"]))


def formula_in_charge(plan: Plan, direction: str) -> Plan:
    """The plan in which a loop hands on gain * state + offset, computed before all else of a step."""
    through = plan.forward if direction == "forward" else plan.backward
    buffers, carries, formulas = list(plan.buffers), [], []
    for carry, affine in zip(through.loop.carries, through.loop.affine, strict=True):
        here = plan.buffer(carry.here)
        made = Buffer(f"{carry.here}_by_formula", "B", here.shape, here.kind)
        buffers.append(made)
        formulas.append(Pointwise(made.name, affine.gain * here.symbol + affine.offset))
        carries.append(Carry(carry.here, made.name, carry.initial))
    blocks = (Block("formula", tuple(formulas)), *through.loop.blocks)
    changed = replace(through, loop=replace(through.loop, blocks=blocks, carries=tuple(carries)))
    return replace(plan, buffers=tuple(buffers), **{direction: changed})


def assert_formulas_hold(plan: Plan, arguments: Arguments) -> int:
    """Raise unless marked loops compute what their formulas say; the number of marked loops."""
    marked = [d for d in ("forward", "backward") if getattr(plan, d).loop.affine]
    for direction in marked:
        assert_same(run(formula_in_charge(plan, direction), arguments), run(plan, arguments))
    return len(marked)


@pytest.mark.parametrize("what", AFFINE)
def test_gain_and_offset_give_what_the_loop_computes(what: str) -> None:
    plan = final(AFFINE[what])
    assert assert_formulas_hold(plan, random_arguments(plan, LENGTHS, 4, 2)) == 2


def test_gain_and_offset_hold_in_random_cells() -> None:
    found = 0
    for seed in range(400, 520):
        plan = final(random_cell(seed))
        inside = {
            s.out for t in (plan.forward, plan.backward) for s in statements(t.loop.blocks) if not s.update
        }
        parts = [p for t in (plan.forward, plan.backward) for a in t.loop.affine for p in (a.gain, a.offset)]
        if not {symbol.name for part in parts for symbol in part.free_symbols} & inside:
            found += assert_formulas_hold(plan, random_arguments(plan, LENGTHS, 3, 2))
    assert found > 10


a, s, t = symbols("a s t")


@pytest.mark.parametrize(
    ("expr", "parts"),
    [
        (a, (Integer(0), a)),
        (s, (Integer(1), Integer(0))),
        (a * (s + t) + s, (a + 1, a * t)),
        (-s / 2 + a, (-Integer(1) / 2, a)),
        (s**2, None),
        (s * (s + 1), None),
        (a + 1 / s, None),
        (tanh(Symbol("s", real=True)), None),
    ],
)
def test_gain_and_offset_by_the_form_of_an_expression(expr: Expr, parts: tuple[Expr, Expr] | None) -> None:
    symbol = next((free for free in expr.free_symbols if free.name == "s"), s)
    assert affine_parts(expr, symbol) == parts


# -- short loops ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", ["all", "states"])
def test_a_minimal_gated_unit_has_one_statement_in_its_loop_and_two_backwards(save: str) -> None:
    plan = final(AFFINE["minimal gated"], save)
    assert outs(plan.forward.loop.blocks) == ["h_next"]
    assert {"z", "q"} <= set(outs(plan.forward.before))
    assert outs(plan.backward.loop.blocks) == ["d_h_next", "d_h"]
    assert {"d_z", "d_q", "d_a_z", "d_a_q", "d_x"} <= set(outs(plan.backward.after))
    assert SHORTENED in plan.applied


def test_gates_made_before_the_loop_lie_where_their_preactivations_lay() -> None:
    plan = final(AFFINE["minimal gated"])
    assert plan.buffer("z").window == plan.buffer("a_z").window
    assert plan.root("q").name == "a_all"


def test_what_only_the_output_needs_comes_after_the_loop_and_first_backwards() -> None:
    plan = final(AFFINE["simple recurrent unit"])
    assert outs(plan.forward.loop.blocks) == ["c_next"]
    assert outs(plan.forward.after) == ["tanh_c", "y"]
    assert {"d_y", "d_tanh_c", "d_r", "d_a_r"} <= set(outs(plan.backward.before))
    assert outs(plan.backward.loop.blocks) == ["d_c_next", "d_c"]
    assert {"d_f", "d_a_f"} <= set(outs(plan.backward.after))


def test_a_readout_is_one_product_over_all_rows_in_both_directions() -> None:
    plan = final(AFFINE["a readout"])
    for through in (plan.forward, plan.backward):
        assert not [s for s in statements(through.loop.blocks) if isinstance(s, Contraction)]
    assert Contraction("a_y", "ij,TBj->TBi", ("P", "h_next")) in statements(plan.forward.after)
    assert Contraction("d_h_next", "TBi,ij->TBj", ("d_a_y", "P")) in statements(plan.backward.before)


def test_a_small_product_of_samples_leaves_an_affine_loop() -> None:
    plan = final(AFFINE["a gate from a dot product"])
    assert outs(plan.forward.loop.blocks) == ["h_next"]
    assert "z" in outs(plan.forward.before)


def test_matrices_of_a_sample_stay_in_the_loop() -> None:
    """Over all steps at once their products would be as large as all states together."""
    C = State("C", m, m)
    cell = Cell(
        "matrix",
        Eq(z, sigmoid(W @ x)),
        Eq(q, V @ x),
        Eq(C.next, sr.dot(b, z) * (C + sr.outer(z, q))),
        Eq(y, C.next @ q),
        output=y,
    )
    plan = final(cell)
    assert [recurrence.state for recurrence in plan.forward.loop.affine] == ["C"]
    for through in (plan.forward, plan.backward):
        for statement in statements((*through.before, *through.after)):
            arrays = [plan.buffer(name) for name in (statement.out, *statement.reads)]
            assert not [array for array in arrays if array.lead and len(array.shape) > 1]


def test_a_loop_that_is_not_diagonal_keeps_its_adjoints() -> None:
    plan = final(NOT_AFFINE["a product with the state"])
    assert "d_z" in outs(plan.backward.loop.blocks)
    assert SHORTENED not in plan.applied


# -- elementwise recurrent weights ------------------------------------------------------------------------


def test_elementwise_recurrent_weights_stay_pointwise() -> None:
    plan = final(NOT_AFFINE["elementwise recurrent weights"])
    for through in (plan.forward, plan.backward):
        assert all(isinstance(s, Pointwise) for s in statements(through.loop.blocks))
    (weights,) = [s for s in statements(plan.backward.after) if s.out == "d_u"]
    assert weights == Contraction("d_u", "TBi,TBi->i", ("d_a_h", "h"))
    assert not {MARKED, SHORTENED} & set(plan.applied)


# -- parts ------------------------------------------------------------------------------------------------


def test_ranges_of_one_array_overlap_where_they_share_rows() -> None:
    plan = final(AFFINE["minimal gated"])
    table = plan.table()
    assert overlap("z", "a_all", table)
    assert overlap("z", "a_z", table)
    assert not overlap("a_z", "a_q", table)
    assert not overlap("z", "h", table)


def test_a_recurrence_with_a_product_that_no_array_holds_is_not_marked() -> None:
    """The output shows the state of the step before: its adjoint reaches what is handed on as a product."""
    plan = final(Cell("late", *GATES, BLEND, Eq(y, Parameter("P", k, m) @ h), output=y))
    assert plan.forward.loop.affine
    assert not plan.backward.loop.affine


@pytest.mark.parametrize("rate", [1, Rational(1, 2), Parameter("g", m), Input("i", m)])
def test_a_loop_that_is_as_short_as_it_can_be_is_not_called_shortened(rate: Expr | int) -> None:
    state = State("s", m)
    applied = sr.plan(Cell("short", Eq(state.next, rate * state + Input("y", m)))).applied
    assert MARKED in applied
    assert SHORTENED not in applied


def test_a_product_that_stays_in_the_loop_is_an_array_of_the_recurrence() -> None:
    """Of two vectors of a sample, over all steps at once, it would be large."""
    C, key, value, s = State("C", m, k), Input("key", m), Input("value", k), Input("s")
    memory = Eq(C.next, sigmoid(s) * C + sigmoid(s) * sr.outer(key, value))
    (recurrence,) = sr.plan(Cell("memory", memory)).forward.loop.affine
    assert str(recurrence.offset) == "key_value*sigmoid_s"
