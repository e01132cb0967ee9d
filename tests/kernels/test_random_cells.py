"""Random cells of the whole vocabulary through interpreter, NumPy and Numba, against JAX's autodiff.

More of them: SYMRNN_RANDOM_CELLS=1000 examines a thousand other cells with the interpreter and NumPy, and
every tenth of these with Numba (pytest's `-n 4` in four processes). A failing cell is printed with its seed
and as a smaller one.
"""

import os

import pytest
import random_checks
from hypothesis import HealthCheck, given, settings
from random_cells import cells, random_cell
from random_checks import check_numba, check_numba_single, check_numpy, check_plans, examine
from sympy import Rational

from symrnn import Cell, logsumexp, sigmoid, softmax, softplus, tanh
from symrnn.declaration.operations import Operation, power
from symrnn.declaration.quantities import Quantity
from symrnn.derivation import rules

MORE = int(os.environ.get("SYMRNN_RANDOM_CELLS", "0"))
FIRST_MORE = 10_000

JOBS = [
    *(("numpy", seed) for seed in range(24)),
    *(("numba", seed) for seed in range(100, 102)),
    *(("numba_single", seed) for seed in range(116, 117)),
    *(("numpy", FIRST_MORE + i) for i in range(MORE)),
    *(("numba", FIRST_MORE + i) for i in range(0, MORE, 10)),
]
CHECKS = {"numpy": check_numpy, "numba": check_numba, "numba_single": check_numba_single}


@pytest.mark.parametrize(("what", "seed"), JOBS)
def test_a_random_cell_agrees_with_autodiff(what: str, seed: int) -> None:
    said = examine(CHECKS[what], seed)
    assert not said, said


@settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(cell=cells())
def test_every_plan_of_a_drawn_cell_agrees_with_autodiff(cell: Cell) -> None:
    check_plans(cell)


def test_random_cells_reach_the_whole_vocabulary() -> None:
    seen: set[str] = set()
    for seed in range(100):
        for definition in random_cell(seed).definitions:
            seen.add(type(definition.expr).__name__)
            seen.add(f"rank {len(definition.shape)}")
    wanted = "sigmoid tanh relu exp log softplus sqrt absolute reciprocal power maximum minimum where"
    structure = "Contract concatenate ones identity stop_gradient softmax logsumexp largest one_hot"
    assert {*wanted.split(), *structure.split(), "rank 0", "rank 1", "rank 2"} <= seen


def test_random_cells_are_written_by_hand_and_have_powers_of_zero() -> None:
    equations = [equation for seed in range(300) for equation in random_cell(seed).equations]
    forms = {type(part) for e in equations if e.is_rewritten for part in e.computed.atoms(Operation)}
    assert {sigmoid, softplus, tanh, softmax, logsumexp} <= forms
    exponents = {call.args[1] for e in equations for call in e.computed.atoms(power)}
    assert {Rational(3, 2), Rational(5, 2)} <= exponents
    assert any(exponent.atoms(Quantity) for exponent in exponents)


def test_a_fault_is_found_and_its_cell_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong sign in one rule: the first cell that uses it fails, and a smaller one is shown."""
    monkeypatch.setitem(rules.POINTWISE_RULES, tanh, (lambda d, y, a: -d * (1 - y**2),))
    monkeypatch.setattr(random_checks, "TRIES", 30)
    seed = next(seed for seed in range(100) if random_cell(seed).states)
    said = examine(check_plans, seed)
    assert f"seed {seed}" in said
    assert "after 'lowered'" in said
    cell, _, smaller = said.partition("a smaller one")
    assert len(smaller) < len(cell)
