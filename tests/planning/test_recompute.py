"""`save="states"`: the forward pass keeps the states, the backward pass recomputes what else it reads."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from interpretation import assert_same, random_arguments, run, stages
from random_cells import SIZES, random_cell
from sympy import Eq
from typer.testing import CliRunner
from unshipped_cells import EXAMPLES, MATRIX, PEEPHOLE

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes, sigmoid, tanh
from symrnn.commands.command_line import app
from symrnn.errors import RequestError
from symrnn.planning.cost import recomputed_elements, saved_elements, saved_output_elements
from symrnn.planning.ir import Block, Contraction, Statement
from symrnn.planning.plan import Plan
from symrnn.running.cells import find_cell
from symrnn.zoo import CELLS

LENGTHS = {axis.name: size for axis, size in SIZES.items()}
SHAPES = [(T, B) for T in (0, 1, 4) for B in (1, 3)]
UNSHIPPED = {"mgu": (EXAMPLES / "minimal_gated_unit.py").read_text(), "peephole": PEEPHOLE, "matrix": MATRIX}

n, m, k = axes("n m k")
x, h = Input("x", n), State("h", m)
W, U, V, b = Parameter("W", m, n), Parameter("U", m, m), Parameter("V", k, m), Parameter("b", m)
z, q, y = Value("z"), Value("q"), Value("y")

READOUT = Cell("readout", Eq(h.next, tanh(W @ x + U @ h)), Eq(y, sigmoid(V @ h.next)), output=y)


@cache
def recomputing(name: str) -> Plan:
    return stages(CELLS[name], "states")[-1]


def statements(blocks: tuple[Block, ...]) -> list[Statement]:
    return [statement for block in blocks for statement in block.statements]


def products(blocks: tuple[Block, ...]) -> list[Contraction]:
    return [s for s in statements(blocks) if isinstance(s, Contraction)]


def saved_memory(plan: Plan) -> set[str]:
    return {plan.root(name).name for name, _ in plan.saved}


# -- the meaning ------------------------------------------------------------------------------------------


def assert_same_gradients(cell: Cell, T: int, B: int) -> None:
    """All stages of the plan that recomputes mean what the plan that saves all means."""
    saving = stages(cell)[-1]
    arguments = random_arguments(saving, LENGTHS, T, B)
    plans = [saving, *stages(cell, "states")]
    for before, after in pairwise(run(plan, arguments) for plan in plans):
        assert_same(after, before)


@pytest.mark.parametrize(("T", "B"), SHAPES)
@pytest.mark.parametrize("name", CELLS)
def test_recomputing_leaves_the_meaning_of_a_shipped_cell(name: str, T: int, B: int) -> None:
    assert_same_gradients(CELLS[name], T, B)


@pytest.mark.parametrize("name", UNSHIPPED)
def test_recomputing_leaves_the_meaning_of_an_unshipped_cell(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(UNSHIPPED[name])
    assert_same_gradients(find_cell(str(path)), 4, 3)


@pytest.mark.parametrize("seed", range(300, 340))
def test_recomputing_leaves_the_meaning_of_a_random_cell(seed: int) -> None:
    cell = random_cell(seed)
    for T, B in SHAPES[seed % 2 :: 3]:
        assert_same_gradients(cell, T, B)
    plan = stages(cell, "states")[-1]
    states = {plan.root(carry.here).name for carry in plan.forward.loop.carries}
    assert saved_memory(plan) <= states | {plan.root(plan.output).name}


# -- what is saved ----------------------------------------------------------------------------------------


def test_lstm_saves_its_two_states_and_one_of_them_is_the_output() -> None:
    plan = recomputing("lstm")
    assert saved_memory(plan) == {"c", "h"}
    assert saved_elements(plan) == 2 * m
    assert saved_output_elements(plan) == m
    assert saved_elements(sr.plan(CELLS["lstm"])) == 7 * m


@pytest.mark.parametrize("name", CELLS)
def test_a_shipped_cell_saves_its_states(name: str) -> None:
    plan = recomputing(name)
    assert saved_memory(plan) <= set(plan.states)
    assert plan.save == "states"
    assert "values recomputed from states" in plan.applied


def test_an_output_that_is_no_state_is_read_where_the_caller_has_it() -> None:
    plan = stages(READOUT, "states")[-1]
    assert saved_memory(plan) == {"h", "y"}
    assert not [buffer for buffer in plan.buffers if buffer.kind == "recomputed"]
    assert saved_output_elements(plan) == k


def test_what_is_not_saved_lives_for_one_step_or_not_at_all() -> None:
    plan = recomputing("lstm")
    assert [plan.buffer(name).lead for name in ("i", "f", "o", "g", "tanh_c")] == ["B"] * 5
    unread = Cell("unread", Eq(q, tanh(U @ h)), Eq(h.next, tanh(W @ x + h)))
    assert "q" in stages(unread)[-1].table()
    assert "q" not in stages(unread, "states")[-1].table()


# -- what is recomputed -----------------------------------------------------------------------------------


def test_lstm_recomputes_what_its_backward_pass_reads_and_what_that_is_made_of() -> None:
    plan = recomputing("lstm")
    made = {s.out for s in statements(plan.backward.before)}
    gates = {f"{name}_again" for name in "ifog"}
    assert made == {"a_all_again", "tanh_c_again", *gates}
    assert recomputed_elements(plan) == 5 * m
    assert "c_next" in {name for name, _ in plan.saved}  # of the states, not recomputed


@pytest.mark.parametrize("name", CELLS)
def test_recomputing_needs_no_loop(name: str) -> None:
    plan = recomputing(name)
    again = {buffer.name for buffer in plan.buffers if buffer.kind == "recomputed"}
    early = statements(plan.backward.before)
    assert all(plan.buffer(name).lead == "TB" for name in again)
    assert not again & {s.out for s in statements((*plan.backward.loop.blocks, *plan.backward.after))}
    assert all(s.output.startswith("TB") for s in products(tuple(plan.backward.before)))
    assert len([s for s in early if s.out in again]) == len(early)


@pytest.mark.parametrize("name", CELLS)
def test_recomputed_products_are_packed_and_use_the_weights_of_the_forward_pass(name: str) -> None:
    plan, saving = recomputing(name), sr.plan(CELLS[name])
    forward = products(plan.forward.blocks)
    assert len(products(plan.backward.before)) <= len(forward)
    assert {s.operands[0] for s in products(plan.backward.before)} <= {s.operands[0] for s in forward}
    made = {s.out: s for s in statements(saving.prepare)}
    assert {s.out: s for s in statements(plan.prepare)} == made


def test_only_what_is_needed_is_recomputed() -> None:
    """The gradient of a product with a gate needs no candidate when nothing else reads it."""
    cell = Cell("half", Eq(z, sigmoid(W @ x + b)), Eq(q, U @ h), Eq(h.next, tanh(z * q)))
    plan = stages(cell, "states")[-1]
    assert {s.out for s in statements(plan.backward.before)} == {"a_z_again", "z_again", "q_again"}
    linear = Cell("linear", Eq(q, U @ h), Eq(h.next, tanh(W @ x) + q))
    plan = stages(linear, "states")[-1]
    assert {s.out for s in statements(plan.backward.before)} == {"W_x_again", "tanh_W_x_again"}


def test_names_of_recomputed_arrays_give_way_to_the_authors() -> None:
    z_again = Parameter("z_again", m)
    cell = Cell("named", Eq(z, sigmoid(W @ x + U @ h + z_again)), Eq(h.next, z * h))
    plan = stages(cell, "states")[-1]
    assert plan.buffer("z_again").kind == "parameter"
    assert plan.buffer("z_again_2").kind == "recomputed"


def test_recomputed_gates_lie_where_their_preactivations_lay_and_nothing_else_does() -> None:
    plan = recomputing("lstm")
    for gate in "ifog":
        assert plan.buffer(f"{gate}_again").window == plan.buffer(f"a_{gate}_again").window
    for buffer in plan.buffers:
        assert (buffer.kind == "recomputed") == (plan.root(buffer.name).kind == "recomputed")


def test_recomputed_statements_keep_their_equations() -> None:
    sources = {block.title: block.sources for block in recomputing("lstm").backward.before}
    assert sources["i, recomputed"] == ("(1) i = sigmoid(W_i @ [h, x] + b_i), recomputed",)
    assert sources["tanh_c, recomputed"] == ("tanh_c, recomputed from (6) h.next = o * tanh(c.next)",)


# -- the printout -----------------------------------------------------------------------------------------


def test_the_summary_tells_what_the_tape_holds() -> None:
    saving, plan = str(sr.plan(CELLS["lstm"])), str(recomputing("lstm"))
    assert "saved       per sample and step: 7 m numbers, 28 m bytes in float32" in saving
    assert "(of these the outputs: m)" in saving
    assert "recomputed" not in saving
    assert "saved       per sample and step: 2 m numbers, 8 m bytes in float32" in plan
    assert "recomputed  per sample and step: 5 m numbers, 20 m bytes in float32" in plan
    assert "recomputed in the backward pass" in plan
    assert "  i_again (in a_all_again): read for d_g, d_a_i" in plan
    assert "(of these the outputs: none)" in str(sr.plan(Cell("two", *_two_states(), output=h.next)))


def _two_states() -> list[Eq]:
    """The output is a state that the backward pass does not read."""
    c = State("c", m)
    return [Eq(c.next, tanh(W @ x + U @ c)), Eq(h.next, c.next + h)]


@pytest.mark.parametrize("save", ["all", "states"])
@pytest.mark.parametrize("name", CELLS)
def test_a_plan_fits_80_columns(name: str, save: str) -> None:
    assert max(len(line) for line in str(sr.plan(CELLS[name], save=save)).splitlines()) <= 80


# -- the request ------------------------------------------------------------------------------------------


def test_every_verb_takes_what_to_save() -> None:
    cell = CELLS["elman"]
    plan = sr.plan(cell, save="states")
    assert sr.plan(cell).save == sr.plan(cell, save="all").save == "all"
    assert sr.emit(plan, "numpy") == sr.emit(cell, "numpy", save="states") == sr.emit(plan, "numpy", "states")
    assert sr.load(cell, "numpy", save="states") is sr.load(plan, "numpy")


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_kernel_that_recomputes_agrees_with_autodiff(name: str) -> None:
    sr.check(CELLS[name], "numpy", save="states").raise_if_failed()


@pytest.mark.parametrize("verb", [sr.plan, sr.emit, sr.load, sr.check])
def test_nothing_else_can_be_saved(verb) -> None:
    with pytest.raises(RequestError, match=r"cannot save 'gates'\. Choose save='all' .* or save='states'"):
        verb(CELLS["elman"], save="gates")


def test_a_plan_that_saves_all_is_not_turned_into_another() -> None:
    with pytest.raises(RequestError, match=r"plan of elman is made with save='all'\. Plan it with save='s"):
        sr.emit(sr.plan(CELLS["elman"]), "numpy", save="states")


def test_the_command_line_takes_what_to_save() -> None:
    shown = CliRunner().invoke(app, ["plan", "lstm", "--save", "states"])
    assert shown.exit_code == 0
    assert shown.output.strip() == str(recomputing("lstm"))
    for command in (["plan"], ["emit", "--target", "numpy"], ["check"]):
        result = CliRunner().invoke(app, [*command, "lstm", "--save", "none"])
        assert result.exit_code == 2
        assert "save='all'" in result.output + result.stderr
        assert "save='states'" in result.output + result.stderr
