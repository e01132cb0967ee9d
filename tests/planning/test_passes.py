"""Every pass leaves the meaning of a plan as it is, does what it promises, and the checker sees faults."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from interpretation import Arguments, assert_same, random_arguments, run, stages
from random_cells import SIZES, random_cell
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes, sigmoid, tanh
from symrnn.errors import PlanError
from symrnn.planning.checker import check
from symrnn.planning.ir import (
    AffineRecurrence,
    Block,
    Buffer,
    Carry,
    Contraction,
    Loop,
    Pointwise,
    Stack,
    Statement,
    Window,
)
from symrnn.planning.passes import PASSES
from symrnn.planning.passes.recompute import recompute_from_states
from symrnn.planning.plan import Plan
from symrnn.zoo import CELLS

LENGTHS = {axis.name: size for axis, size in SIZES.items()}
SHAPES = [(T, B) for T in (0, 1, 4) for B in (1, 3)]
LOWERED, SPLIT, HOISTED, DELAYED, SHORTENED, PACKED, SAVED, MARKED, SHARED = range(len(PASSES["all"]) + 1)

n, m = axes("n m")
x, h, c = Input("x", n), State("h", m), State("c", m)
W, U, V = Parameter("W", m, n), Parameter("U", m, m), Parameter("V", m, n)
b, d = Parameter("b", m), Parameter("d", m)
z, q, y = Value("z"), Value("q"), Value("y")


@cache
def zoo_stages(name: str, save: str = "all") -> list[Plan]:
    return stages(CELLS[name], save)


def assert_same_meaning(plans: list[Plan], T: int, B: int) -> None:
    arguments = random_arguments(plans[0], LENGTHS, T, B)
    results = [run(plan, arguments) for plan in plans]
    for plan, (before, after) in zip(plans[1:], pairwise(results), strict=True):
        try:
            assert_same(after, before)
        except AssertionError as error:
            raise AssertionError(f"by {plan.applied[-1]!r}: {error}") from None


@pytest.mark.parametrize(("T", "B"), SHAPES)
@pytest.mark.parametrize("name", CELLS)
def test_no_pass_changes_the_meaning_of_a_shipped_cell(name: str, T: int, B: int) -> None:
    assert_same_meaning(zoo_stages(name), T, B)


@pytest.mark.parametrize("seed", range(200, 240))
def test_no_pass_changes_the_meaning_of_a_random_cell(seed: int) -> None:
    plans = stages(random_cell(seed))
    for T, B in SHAPES[seed % 2 :: 2]:
        assert_same_meaning(plans, T, B)


def test_every_pass_says_that_it_was_applied() -> None:
    assert [plan.applied[-1] for plan in zoo_stages("lstm")] == [
        "lowered",
        "stacks split",
        "inputs hoisted",
        "gradients delayed",
        "gradients delayed",  # lstm is not affine: the passes for affine loops leave it as it is
        "products packed",
        "saved values chosen",
        "saved values chosen",
        "memory shared",
    ]


# -- what the passes promise ------------------------------------------------------------------------------


def statements(blocks: tuple[Block, ...]) -> list[Statement]:
    return [statement for block in blocks for statement in block.statements]


def products(blocks: tuple[Block, ...]) -> list[Contraction]:
    return [s for s in statements(blocks) if isinstance(s, Contraction)]


def everything(plan: Plan) -> list[Statement]:
    return statements(tuple(plan.blocks))


@pytest.mark.parametrize("name", CELLS)
def test_no_product_reads_a_stack_once_stacks_are_split(name: str) -> None:
    plan = zoo_stages(name)[SPLIT]
    stacks = {s.out for s in everything(plan) if isinstance(s, Stack) and plan.buffer(s.out).lead}
    assert not [s for s in everything(plan) if isinstance(s, Contraction) and stacks & set(s.reads)]


@pytest.mark.parametrize("name", CELLS)
def test_products_of_inputs_leave_the_loop(name: str) -> None:
    plan = zoo_stages(name)[HOISTED]
    assert products(plan.forward.before)
    for product in products(plan.forward.loop.blocks):
        assert not set(product.reads) <= {*plan.inputs, *plan.parameters}
    assert all(product.output.startswith("TB") for product in products(plan.forward.before))


def test_a_cell_whose_gates_see_only_inputs_has_no_product_in_its_loop() -> None:
    cell = Cell(
        "light",
        Eq(z, sigmoid(W @ x + b)),
        Eq(q, tanh(V @ x)),
        Eq(h.next, z * h + (1 - z) * q),
    )
    plan = stages(cell)[-1]
    assert not products(plan.forward.loop.blocks)
    assert not products(plan.backward.loop.blocks)
    assert len(products(plan.forward.before)) == 1


@pytest.mark.parametrize("name", CELLS)
def test_weight_gradients_are_products_over_time_and_batch_after_the_loop(name: str) -> None:
    plan = zoo_stages(name)[DELAYED]
    gradients = {gradient for _, gradient in plan.gradients}
    assert not [s for s in statements(plan.backward.loop.blocks) if plan.root(s.out).name in gradients]
    weights = [s for s in products(plan.backward.after) if s.output == "ij"]
    assert weights
    assert {s.spec for s in weights} == {"TBi,TBj->ij"}


@pytest.mark.parametrize(("name", "inside"), [("lstm", 1), ("elman", 1), ("gru_simplified", 1), ("gru", 2)])
def test_gates_that_share_an_operand_share_a_product(name: str, inside: int) -> None:
    plan = zoo_stages(name)[PACKED]
    assert len(products(plan.forward.before)) == 1
    assert len(products(plan.forward.loop.blocks)) == inside
    assert len(products(plan.backward.loop.blocks)) == inside


def test_the_four_gates_of_lstm_are_one_product_and_its_weight_gradients_two() -> None:
    plan = zoo_stages("lstm")[PACKED]
    (product,) = products(plan.forward.loop.blocks)
    assert plan.buffer(product.operands[0]).shape == (4 * m, m)
    assert plan.buffer(product.out).shape == (4 * m,)
    weights = [s for s in products(plan.backward.after) if s.output == "ij"]
    assert [plan.buffer(s.out).shape for s in weights] == [(4 * m, m), (4 * m, n)]
    assert sum(s.spec == "TBi->i" for s in products(plan.backward.after)) == 1


@pytest.mark.parametrize("name", CELLS)
def test_saved_is_what_the_backward_pass_reads(name: str) -> None:
    plan = zoo_stages(name)[SAVED]
    later = [*statements(plan.backward.blocks), *statements(plan.finish)]
    read = {name for s in later for name in s.reads if plan.buffer(name).kind == "value"}
    assert {name for name, _ in plan.saved} == read
    assert all("T" in plan.root(name).lead for name in read)


@pytest.mark.parametrize("name", CELLS)
def test_what_is_not_saved_lives_for_one_step(name: str) -> None:
    plan = zoo_stages(name)[SAVED]
    outside = {
        root
        for blocks in (plan.forward.before, plan.forward.after, plan.backward.before, plan.backward.after)
        for s in statements(blocks)
        for root in (plan.root(name).name for name in (s.out, *s.reads))
    }
    kept = {plan.root(name).name for name, _ in plan.saved} | outside
    kept |= {plan.root(name).name for name in (plan.output, *(c.here for c in plan.forward.loop.carries))}
    for buffer in plan.buffers:
        if buffer.kind in ("value", "adjoint") and plan.root(buffer.name).name not in kept:
            assert "T" not in buffer.lead, buffer.name


@pytest.mark.parametrize("name", ["lstm", "lstm_notes"])
def test_gates_lie_where_their_preactivations_lay(name: str) -> None:
    plan = zoo_stages(name)[SHARED]
    gates = [s for s in statements(plan.forward.loop.blocks) if s.out in "ifogu"]
    assert len(gates) >= 3
    for gate in gates:
        (before,) = gate.reads
        assert plan.buffer(gate.out).window == plan.buffer(before).window


def test_nothing_shares_memory_with_what_is_still_read() -> None:
    """U_n h is read backwards after its product with r: it keeps its own memory."""
    plan = zoo_stages("gru_reset_after")[SHARED]
    assert plan.buffer("U_n_h").window is None


def test_an_adjoint_continues_where_the_later_one_lay() -> None:
    plan = zoo_stages("lstm")[SHARED]
    for carry in plan.backward.loop.carries:
        assert plan.root(carry.there).name == carry.here


# -- planted faults ---------------------------------------------------------------------------------------


def changed(plan: Plan, number: int, statement: Statement | None) -> Plan:
    """The plan with its statement number `number` replaced, or left out."""
    count = iter(range(10_000))

    def edited(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        made = []
        for block in blocks:
            kept = []
            for old in block.statements:
                new = statement if next(count) == number else old
                kept += [new] if new is not None else []
            made.append(replace(block, statements=tuple(kept)))
        return tuple(made)

    def through(whole):
        before = edited(whole.before)
        loop = replace(whole.loop, blocks=edited(whole.loop.blocks))
        return replace(whole, before=before, loop=loop, after=edited(whole.after))

    prepare = edited(plan.prepare)
    forward, backward = through(plan.forward), through(plan.backward)
    return replace(plan, prepare=prepare, forward=forward, backward=backward, finish=edited(plan.finish))


def turns_red(plan: Plan, faulty: Plan, arguments: Arguments) -> bool:
    """Whether the checker or the comparison sees the fault."""
    try:
        assert_same(run(check(faulty), arguments), run(plan, arguments))
    except (PlanError, AssertionError):
        return True
    return False


def faults(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Plans with one fault each: a statement left out, operands swapped, another range, another sign."""
    for number, statement in enumerate(everything(plan)):
        yield f"without {statement}", changed(plan, number, None)
        if isinstance(statement, Contraction) and len(set(statement.inputs)) > 1:
            swapped = replace(statement, operands=statement.operands[::-1])
            yield f"swapped {statement}", changed(plan, number, swapped)
        if isinstance(statement, Stack):
            swapped = replace(statement, parts=(*statement.parts[1:], statement.parts[0]))
            yield f"turned {statement}", changed(plan, number, swapped)
        if isinstance(statement, Pointwise) and statement.expr != 0:
            yield f"negated {statement}", changed(plan, number, replace(statement, expr=-statement.expr))
    windows = [buffer for buffer in plan.buffers if buffer.window is not None and not buffer.window.whole]
    for buffer in windows:
        for other in windows:
            if (other.window.base, other.shape) == (buffer.window.base, buffer.shape) != () and (
                other.window != buffer.window
            ):
                moved = tuple(
                    replace(kept, window=other.window) if kept == buffer else kept for kept in plan.buffers
                )
                yield f"{buffer.name} in the place of {other.name}", replace(plan, buffers=moved)


PLANTED = [
    *(("all", stage) for stage in range(1, SHARED + 1)),
    ("states", PASSES["states"].index(recompute_from_states) + 1),
    ("states", len(PASSES["states"])),
]


@pytest.mark.parametrize(("save", "stage"), PLANTED, ids=str)
@pytest.mark.parametrize("name", ["gru_reset_after"])
def test_a_fault_in_a_plan_turns_red(name: str, save: str, stage: int) -> None:
    plan = zoo_stages(name, save)[stage]
    arguments = random_arguments(plan, LENGTHS, 3, 2)
    planted = list(faults(plan))
    assert len(planted) > 20
    unseen = [what for what, faulty in planted if not turns_red(plan, faulty, arguments)]
    assert not unseen


# -- the checker ------------------------------------------------------------------------------------------


def small_plan(stage: int = SHARED) -> Plan:
    return stages(Cell("small", Eq(h.next, tanh(W @ x + U @ h + b))))[stage]


def with_buffers(plan: Plan, *more: Buffer) -> Plan:
    return replace(plan, buffers=(*plan.buffers, *more))


def with_statement(plan: Plan, *statements: Statement, region: str = "loop") -> Plan:
    """The plan with more statements: at the end of the forward loop, or at the start of another region."""
    block = Block("extra", statements)
    if region == "prepare":
        return replace(plan, prepare=(block, *plan.prepare))
    if region == "before":
        return replace(plan, forward=replace(plan.forward, before=(block, *plan.forward.before)))
    loop = replace(plan.forward.loop, blocks=(*plan.forward.loop.blocks, block))
    return replace(plan, forward=replace(plan.forward, loop=loop))


def symbol(name: str):
    return small_plan().buffer(name).symbol


EXTRA = Buffer("extra", "B", (m,), "value")


def broken_plans() -> dict[str, tuple[Plan, str]]:
    plan = small_plan()
    room = with_buffers(plan, EXTRA)
    return {
        "two arrays of one name": (
            with_buffers(plan, plan.buffers[0]),
            r"In the plan of small several arrays are called x\.",
        ),
        "a window of nothing": (
            with_buffers(plan, replace(EXTRA, window=Window("nowhere"))),
            r"extra \[B\] \(m,\) is a window of 'nowhere', which does not exist",
        ),
        "a window with other leading axes": (
            with_buffers(plan, replace(EXTRA, window=Window("b"))),
            r"extra \[B\] \(m,\) is a window of b \[\] \(m,\): leading axes differ",
        ),
        "a window of another size": (
            with_buffers(plan, Buffer("part", "", (m,), "prepared", Window("W", 1, 0 * n, n))),
            r"part \[\] \(m,\) is a window of W \[\] \(m, n\), but its range has the shape \(m, n\)",
        ),
        "an unknown array": (
            with_statement(room, Pointwise("extra", Buffer("ghost", "", (), "value").symbol)),
            r"block \[extra\], .*there is no array 'ghost'",
        ),
        "a value read too early": (
            with_statement(
                with_buffers(room, Buffer("late", "B", (m,), "value")),
                Pointwise("extra", Buffer("late", "B", (m,), "value").symbol),
            ),
            "'late' is read before it is defined",
        ),
        "an update of nothing": (
            with_statement(room, Pointwise("extra", symbol("h"), update=True)),
            "'extra' is updated before it is defined",
        ),
        "a written input": (
            with_statement(room, Pointwise("x", symbol("x") * 2)),
            "'x' is given from outside and must not change",
        ),
        "a spec of another rank": (
            with_statement(room, Contraction("extra", "i,Bi->Bi", ("U", "h"))),
            r"'i' does not fit U \[\] \(m, m\)",
        ),
        "a spec of other sizes": (
            with_statement(room, Contraction("extra", "ij,Bj->Bi", ("W", "h"))),
            "'j' is m and n",
        ),
        "a spec without the batch": (
            with_statement(room, Contraction("extra", "ij,j->Bi", ("U", "h"))),
            "'j' has not the leading axes of 'h'",
        ),
        "a spec with time inside a loop": (
            with_statement(room, Contraction("extra", "ij,TBj->Bi", ("U", "h"))),
            "'TBj' has not the leading axes of 'h'",
        ),
        "shapes that do not meet": (
            with_statement(room, Pointwise("extra", symbol("x"))),
            r"'x' has shape \(n,\), the result \(m,\)",
        ),
        "a sample's data in a shared array": (
            with_statement(
                with_buffers(plan, Buffer("shared", "", (m,), "prepared")), Pointwise("shared", symbol("h"))
            ),
            "'shared' is shared by all samples, 'h' is not",
        ),
        "a stack with too many rows": (
            with_statement(room, Stack("extra", ("h", "b"))),
            r"the parts have 2\*m rows together",
        ),
        "a part of a packed array defined after the whole": (
            with_statement(
                with_buffers(
                    plan,
                    Buffer("both", "B", (2 * m,), "value"),
                    Buffer("second", "B", (m,), "value", Window("both", 0, m, 2 * m)),
                ),
                Stack("both", ("h", "h")),
                Pointwise("second", symbol("h")),
            ),
            "'second' is defined twice, and its first value is lost",
        ),
        "an array that changes once it has been read": (
            with_statement(
                with_buffers(room, Buffer("reader", "B", (m,), "value")),
                Pointwise("extra", symbol("h")),
                Pointwise("reader", EXTRA.symbol),
                Pointwise("extra", symbol("h"), update=True),
            ),
            "'extra' is written after 'extra' has been read",
        ),
        "a part that changes once the whole has been read": (
            with_statement(
                with_buffers(
                    small_plan(MARKED),  # in shared memory, a part may lie where nothing is needed any more
                    Buffer("both", "B", (2 * m,), "value"),
                    Buffer("second", "B", (m,), "value", Window("both", 0, m, 2 * m)),
                    Buffer("reader", "B", (2 * m,), "value"),
                ),
                Stack("both", ("h", "h")),
                Pointwise("reader", Buffer("both", "B", (2 * m,), "value").symbol),
                Pointwise("second", symbol("h"), update=True),
            ),
            "'second' is written after 'both' has been read",
        ),
        "an array of which a part alone is made": (
            with_statement(
                with_buffers(
                    plan,
                    Buffer("both", "B", (2 * m,), "value"),
                    Buffer("second", "B", (m,), "value", Window("both", 0, m, 2 * m)),
                    Buffer("reader", "B", (2 * m,), "value"),
                ),
                Pointwise("second", symbol("h")),
                Pointwise("reader", Buffer("both", "B", (2 * m,), "value").symbol),
            ),
            "'both' is read before it is defined",
        ),
        "a sum over time before the loop": (
            with_statement(
                with_buffers(plan, Buffer("shared", "", (n,), "gradient")),
                Contraction("shared", "TBi->i", ("x",)),
                region="before",
            ),
            "'shared' sums over time before the loop",
        ),
        "a recomputed value in the forward pass": (
            with_statement(
                with_buffers(plan, Buffer("again", "TB", (m,), "recomputed")), Pointwise("again", symbol("h"))
            ),
            "'again' is to be recomputed before the backward loop",
        ),
        "an affine recurrence in another state's terms": (
            replace(
                plan,
                forward=replace(
                    plan.forward,
                    loop=replace(
                        plan.forward.loop, affine=(AffineRecurrence("h", symbol("b"), symbol("h") + 1),)
                    ),
                ),
            ),
            "a loop is marked as an affine recurrence in 'h'",
        ),
        "a loop that hands on nothing": (
            replace(
                with_buffers(room, Buffer("first", "B", (m,), "initial state")),
                forward=replace(
                    plan.forward,
                    loop=Loop(
                        plan.forward.loop.blocks,
                        (*plan.forward.loop.carries, Carry("extra", "extra_next", "first")),
                    ),
                ),
                buffers=(
                    *room.buffers,
                    Buffer("extra_next", "B", (m,), "value"),
                    Buffer("first", "B", (m,), "initial state"),
                ),
            ),
            "the loop never defines 'extra_next'",
        ),
    }


@pytest.mark.parametrize("what", broken_plans())
def test_the_checker_says_what_is_wrong(what: str) -> None:
    plan, message = broken_plans()[what]
    with pytest.raises(PlanError, match=message):
        check(plan)


def test_parts_that_are_all_made_make_the_whole() -> None:
    sizes = ("first", 0 * m, m), ("second", m, 2 * m), ("third", 2 * m, 2 * m + n)
    whole = Buffer("whole", "B", (2 * m + n,), "value")
    parts = [
        Buffer(name, "B", (stop - start,), "value", Window("whole", 0, start, stop))
        for name, start, stop in sizes
    ]
    last_two = Buffer("last_two", "B", (m + n,), "value", Window("whole", 0, m, 2 * m + n))
    readers = Buffer("reader", "B", (2 * m + n,), "value"), Buffer("other", "B", (m + n,), "value")
    plan = with_statement(
        with_buffers(small_plan(MARKED), whole, *parts, last_two, *readers),
        Pointwise("third", symbol("x")),
        Pointwise("second", symbol("h")),
        Pointwise("other", last_two.symbol),
        Pointwise("first", symbol("h")),
        Pointwise("reader", whole.symbol),
    )
    assert check(plan) is plan


def test_the_checker_passes_a_good_plan_on() -> None:
    plan = small_plan()
    assert check(plan) is plan


# -- shapes of cells that once went wrong -----------------------------------------------------------------


def cells_that_went_wrong() -> dict[str, Cell]:
    A, s, p = Value("A"), State("s"), Parameter("p", m + n)
    P, k, K = Parameter("P", m, m), State("k", m), Parameter("K", m, m + n)
    return {
        "a product that waits for another one's gate": Cell(
            "waiting_sum",
            Eq(z, tanh(Parameter("A", m, m) @ h + P @ k)),
            Eq(q, tanh(Parameter("C", m, m) @ z + Parameter("D", m, m) @ k)),
            Eq(h.next, q),
            Eq(k.next, tanh(W @ x + z)),
            output=h.next,
        ),
        "two gates with one bias, read in turn": Cell(
            "one_bias",
            Eq(z, sigmoid(U @ h + b)),
            Eq(q, sigmoid(P @ h + b)),
            Eq(h.next, z * tanh(W @ x) + q * h),
        ),
        "a scaled stack and a constant": Cell(
            "scaled_stack",
            Eq(A, sr.einsum("ij,j->ij", K, sr.concatenate(h, x)) + 2 * K),
            Eq(h.next, tanh(W @ x + h * sr.total(A))),
        ),
        "an output that parameters alone determine": Cell(
            "fixed_output", Eq(A, U @ b), Eq(h.next, tanh(A + W @ x)), output=A
        ),
        "a state that parameters alone determine": Cell(
            "fixed_state", Eq(c.next, U @ b), Eq(h.next, tanh(c + W @ x)), output=h.next
        ),
        "a stack of a state and a parameter": Cell(
            "half_fixed", Eq(h.next, tanh(Parameter("P", m, 2 * m) @ [h, b] + W @ x))
        ),
        "a stack that parameters alone determine": Cell(
            "all_fixed",
            Eq(State("a", m + m).next, sr.concatenate(b, d)),
            Eq(h.next, tanh(W @ x)),
            output=h.next,
        ),
        "a size that only a sum tells": Cell(
            "summed_size", Eq(h.next, tanh(h * sr.dot(p, sr.concatenate(b, x)) + b))
        ),
        "a repeated scalar inside a branch": Cell(
            "branch", Eq(h.next, sr.where(h > 0, W @ x + s, b * sr.dot(b, b))), Eq(s.next, s / 2), output=s
        ),
        "a value that is a product and a bias": Cell(
            "biased_value", Eq(A, U @ h + b), Eq(h.next, tanh(W @ x + A))
        ),
        "a gate of a dot product and a scalar bias": Cell(
            "scalar_gate",
            Eq(A, sr.sigmoid(sr.dot(b, h) + s)),
            Eq(h.next, A * tanh(W @ x + h)),
            Eq(s.next, s / 2),
            output=s,
        ),
        "a normalisation": Cell("normed", Eq(h.next, tanh(W @ x + h) / (1 + sr.total(h**2)))),
        "a product, a weighted constant and a bias": Cell(
            "constant_terms", Eq(A, U @ h + b * d + d), Eq(h.next, tanh(W @ x + A))
        ),
        "conditions of several ranks": Cell(
            "mixed", Eq(h.next, sr.where((h > 0) & (sr.dot(b, b) > 1), W @ x, sr.ones(m) / 3))
        ),
    }


@pytest.mark.parametrize("what", cells_that_went_wrong())
def test_a_cell_that_once_went_wrong(what: str) -> None:
    plans = stages(cells_that_went_wrong()[what])
    assert_same_meaning(plans, 3, 2)
    arguments = random_arguments(plans[0], LENGTHS, 2, 2)
    assert np.isfinite(run(plans[-1], arguments).outputs).all()
