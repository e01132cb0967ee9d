"""What a plan taken apart tells: which statements may change places, which term of a sum defines it."""

from dataclasses import replace

import pytest
from interpretation import stages
from sympy import Eq

from symrnn import Cell, Input, Parameter, State, axes, tanh
from symrnn.planning.ir import (
    Buffer,
    Contraction,
    Fill,
    Gather,
    Largest,
    Pointwise,
    Scatter,
    Stack,
    Statement,
    array_symbol,
)
from symrnn.planning.passes.draft import Draft, Line

n, m = axes("n m")
x, h, c = Input("x", n), State("h", m), State("c", m)
W, U = Parameter("W", m, n), Parameter("U", m, m)
ARRAYS = {"a": "B", "b": "B", "r": "B", "whole": "TB", "grown": ""}


def draft() -> Draft:
    made = Draft(
        stages(Cell("small", Eq(h.next, tanh(W @ x + U @ h + c)), Eq(c.next, c / 2), output=h.next))[0]
    )
    for name, lead in ARRAYS.items():
        made.buffers[name] = Buffer(name, lead, (m,), "value")
    made.part("whole", 0, 0 * m, m, "piece")
    return made


def sum_of(out: str, *names: str, update: bool = True) -> Statement:
    return Pointwise(out, sum(array_symbol(name) for name in names), update)


@pytest.mark.parametrize(
    ("one", "other", "region", "may"),
    [
        (sum_of("a", "h"), sum_of("b", "h"), "forward loop", True),
        (sum_of("a", "h"), sum_of("a", "c"), "forward loop", True),
        (sum_of("a", "h", update=False), sum_of("a", "c"), "forward loop", False),
        (sum_of("a", "h"), sum_of("b", "a"), "forward loop", False),
        (sum_of("b", "a"), sum_of("a", "h"), "forward loop", False),
        (sum_of("whole", "x"), sum_of("b", "piece"), "forward loop", False),
        (sum_of("h_next", "c"), sum_of("b", "h"), "forward loop", True),
        (sum_of("h_next", "c"), sum_of("b", "h"), "forward before", False),
    ],
)
def test_statements_that_do_not_touch_may_change_places(
    one: Statement, other: Statement, region: str, may: bool
) -> None:
    made = draft()
    assert made.may_swap(one, other, region) is may
    assert made.may_swap(other, one, region) is may


def test_the_first_term_of_a_sum_defines_it() -> None:
    made = draft()
    lines = [sum_of("a", "h"), sum_of("b", "h"), sum_of("a", "c", update=False), sum_of("b", "c")]
    made.regions["forward loop"] = [Line(statement, "sums") for statement in lines]
    made.settle()
    assert [line.statement.update for line in made.regions["forward loop"]] == [False, False, True, True]


def test_a_sum_may_begin_before_the_loop_and_go_on_after_it() -> None:
    made = draft()
    regions = ("backward before", "backward loop", "backward after")
    made.regions["backward before"] = [Line(Fill("grown", "zeros", update=True), "sums")]
    made.regions["backward loop"] = [Line(Contraction("grown", "Bi->i", ("a",)), "sums")]
    made.regions["backward after"] = [Line(Contraction("grown", "TBi->i", ("whole",)), "sums")]
    made.settle()
    assert [made.regions[region][0].statement.update for region in regions] == [False, True, True]


def test_a_range_of_a_range_is_a_range_of_the_whole() -> None:
    made = draft()
    made.buffers["W"] = replace(made.buffers["W"], shape=(m, 3 * m))
    outer = made.part("W", 1, m, 3 * m, "outer")
    inner = made.buffers[made.part(outer, 1, m, 2 * m, "inner")]
    assert inner.window is not None
    assert (inner.window.base, inner.window.start, inner.window.stop) == ("W", 2 * m, 3 * m)
    across = made.buffers[made.part(outer, 0, 0 * m, m, "across")]
    assert across.window is not None
    assert across.window.base == outer


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        (Contraction("r", "ij,Bj->Bi", ("a", "b")), ("a", "b")),
        (sum_of("r", "a", "b"), ("a", "b")),
        (Largest("r", "a"), ("a",)),
        (Gather("r", "a", "b"), ("a", "b")),
        (Scatter("r", "a", "b", True), ("a", "b")),
        (Stack("r", ("a", "b")), ("a", "b")),
        (Fill("r", "zeros"), ()),
    ],
    ids=lambda given: type(given).__name__,
)
def test_statements_are_renamed_wherever_they_name_an_array(
    statement: Statement, reads: tuple[str, ...]
) -> None:
    assert statement.reads == reads
    assert statement.arrays == ("r", *reads)
    made = statement.renamed({"r": "out", "a": "first", "b": "second"})
    assert made.arrays == ("out", *({"a": "first", "b": "second"}[name] for name in reads))
    assert made.update == statement.update
    assert made.renamed({"out": "r", "first": "a", "second": "b"}) == statement
