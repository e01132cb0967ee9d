"""Plans as data and as the table that a kernel engineer reads."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
from sympy import Eq

import symrnn
from symrnn import Cell, Constant, Input, Parameter, State, Value, axes, tanh
from symrnn.derivation.derivation import Derivation
from symrnn.errors import PlanError
from symrnn.kernels.names import Namer
from symrnn.planning import interpreter
from symrnn.planning.ir import Block, Carry, Contraction, Fill, Pointwise, Stack, array_symbol, size_of
from symrnn.planning.lowering import lower
from symrnn.zoo import CELLS

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W, U, b = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m)


def test_each_verb_takes_its_predecessors_result_or_a_cell() -> None:
    cell = CELLS["gru"]
    derivation = symrnn.derive(cell)
    assert isinstance(derivation, Derivation)
    assert symrnn.plan(derivation) == symrnn.plan(cell)
    assert symrnn.emit(symrnn.plan(cell), target="numpy") == symrnn.emit(cell, target="numpy")


@pytest.mark.parametrize("name", CELLS)
def test_planning_twice_gives_the_same_plan(name: str) -> None:
    assert symrnn.plan(CELLS[name]) == symrnn.plan(CELLS[name])


def test_a_plan_is_frozen() -> None:
    plan = symrnn.plan(CELLS["elman"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.name = "other"  # type: ignore[misc]


def test_a_plan_finds_its_arrays() -> None:
    plan = symrnn.plan(CELLS["lstm"])
    assert plan.buffer("x").shape == (n,)
    assert str(plan.buffer("h")) == "h (T + 1, B, m)"
    assert plan.root("h_next").name == "h"
    with pytest.raises(KeyError, match="nothing"):
        plan.buffer("nothing")


def test_a_plan_prints_blocks_costs_what_is_saved_and_why() -> None:
    text = str(symrnn.plan(CELLS["lstm"]))
    for wanted in (
        "plan of lstm",
        "a_all += h @ W_on_h.T",
        "8 m²",
        "saved",
        "tanh_c: read for d_c_next, d_o",
    ):
        assert wanted in text
    assert "i and a_i lie in one place of a_all" in text
    assert re.search(r"numbers?,", text)


def test_the_lowered_plan_keeps_everything_in_its_loops() -> None:
    plan = lower(symrnn.derive(CELLS["elman"]))
    assert plan.applied == ("lowered",)
    assert not plan.forward.before
    assert not plan.backward.after
    assert [block.title for block in plan.forward.loop.blocks] == ["s_next"]
    sources = [source for block in plan.forward.loop.blocks for source in block.sources]
    assert sources == ["(1) s.next = tanh(W_s @ [x, s] + b_s)"]


def test_authors_names_that_modules_use_get_an_underscore() -> None:
    state, tape, lo = State("state", m), Parameter("tape", m), Parameter("lo", m)
    plan = symrnn.plan(Cell("clash", Eq(state.next, tanh(W @ x + tape * state + lo))))
    assert (plan.parameters, plan.states) == (("W", "lo", "tape"), ("state",))
    legal = Namer(frozenset({"lo", "tape", "state"})).legal_plan(plan)
    assert (legal.parameters, legal.states) == (("W", "lo_", "tape_"), ("state_",))


def test_constants_and_derived_parameters_are_prepared() -> None:
    A, decay = Value("A"), Constant("decay", value=0.5)
    plan = symrnn.plan(
        Cell("prepared", Eq(A, U - decay * symrnn.identity(m)), Eq(h.next, tanh(A @ h + W @ x)))
    )
    made = {name for block in plan.prepare for name in block.writes}
    assert "A" in made
    assert all(not plan.buffer(name).lead for name in made)
    assert plan.constants == ("decay",)
    assert "decay" not in dict(plan.gradients)


def test_a_block_knows_what_it_reads_and_writes() -> None:
    block = Block(
        "made",
        (
            Contraction("a", "ij,Bj->Bi", ("W", "x")),
            Pointwise("a", array_symbol("b"), update=True),
            Stack("s", ("a", "c")),
            Fill("z", "zeros"),
            Pointwise("total", array_symbol("s"), update=True),
        ),
    )
    assert block.reads == ("W", "x", "b", "c", "total")
    assert block.writes == ("a", "s", "z", "total")


def test_a_size_is_the_product_of_its_axes() -> None:
    assert size_of((m, n)) == m * n
    assert size_of(()) == 1


def test_states_are_carried_in_both_directions() -> None:
    plan = symrnn.plan(CELLS["lstm"])
    assert plan.forward.loop.carries == (Carry("c", "c_next", "c_0"), Carry("h", "h_next", "h_0"))
    assert [carry.there for carry in plan.backward.loop.carries] == ["d_c", "d_h"]
    assert plan.backward.loop.backwards
    assert not plan.forward.loop.backwards


def test_the_interpreter_refuses_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = symrnn.plan(Cell("small", Eq(h.next, tanh(W @ x))))
    arrays = {"x": np.ones((1, 1, 2)), "W": np.ones((3, 2))}
    monkeypatch.setattr(interpreter, "PointwiseFunction", int)
    with pytest.raises(PlanError, match="The interpreter does not know tanh"):
        interpreter.interpret(plan, arrays, (np.zeros((1, 3)),), np.ones((1, 1, 3)), (np.zeros((1, 3)),))


def test_records_print_themselves_whatever_else_is_imported() -> None:
    script = (
        "import symrnn; from symrnn import zoo; "
        "print(symrnn.plan(zoo.gru)); print(symrnn.diff(zoo.gru, zoo.gru_reset_after))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("plan of gru:")
    assert "\ngru and gru_reset_after\n===" in shown
