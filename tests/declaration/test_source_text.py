"""The code that declares a cell, run, gives an equal cell."""

from typing import Any

import pytest
import sympy
from kernel_problems import ALL
from random_cells import random_cell
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Constant, Index, Input, Parameter, State, Value, closed_loop, zoo
from symrnn.declaration.digest import cell_digest
from symrnn.declaration.operations import absolute, reciprocal
from symrnn.declaration.source_text import cell_source

m, exp = sr.axes("m exp")
x, h = Input("x", m), State("h", m)


def declared(source: str) -> Cell:
    """The cell that a script declares."""
    names: dict[str, Any] = {}
    exec(compile(source, "cell.py", "exec"), names)
    made = names["cell"]
    assert isinstance(made, Cell)
    return made


def assert_round_trip(cell: Cell) -> None:
    again = declared(cell_source(cell))
    assert cell_digest(again) == cell_digest(cell)
    assert again == cell
    assert (again.title, again.variant, again.source) == (cell.title, cell.variant, cell.source)


@pytest.mark.parametrize("name", [*ALL, *zoo.SHIPPED])
def test_shipped_cells(name: str) -> None:
    assert_round_trip({**zoo.SHIPPED, **ALL}[name])


@pytest.mark.parametrize("name", zoo.CELLS)
def test_derived_cells(name: str) -> None:
    assert_round_trip(sr.tangent(zoo.cell(name)))
    if name != "lstm_notes":
        assert_round_trip(closed_loop(zoo.cell(name), zoo.dense()))


@pytest.mark.parametrize("seed", range(60))
def test_random_cells(seed: int) -> None:
    assert_round_trip(random_cell(seed))


def test_names_that_meet() -> None:
    """An axis, a value and a parameter named like what the script imports, or like each other."""
    Eq_, axis, tanh, cell = Input("Eq", exp), Value("m"), Parameter("tanh", m, exp), Parameter("cell", m)
    made = Cell(
        "cell",
        Eq(axis, sr.exp(tanh @ Eq_)),
        Eq(h.next, sr.tanh(axis + cell + h * x)),
        output=h,
        title="A 'cell'",
    )
    assert_round_trip(made)
    assert "exp_2, m_2" not in cell_source(made)


def test_numbers_and_signs() -> None:
    g, c, k = Parameter("g", init=0.5), Constant("c", m, value=-1e-7, latex=r"\gamma_c"), Index("k", m)
    for right in (
        -(x + h) * (x - h),
        2 * (x + h) * (x - h) / 3,
        x * (x + h) / 2 - h / sympy.sqrt(m) / 3,
        -0.25 * (x + h) - sympy.pi * x**2 / m,
        sr.matmul(1 + x**2, x + h) * x,
        2**x + x**0.3 + (1 + x**2) ** sympy.Rational(-3, 2),
        sympy.exp(1) * x - sympy.sqrt(2) * h / 2 + sympy.log(m) * c,
        absolute(x) ** 2 + x * reciprocal(x) - abs(h),
        -sr.where(sympy.And(x > 0, sympy.Or(h < 1, ~(h * x >= 2))), -x, sr.where(sympy.Eq(x, h), x, 0)),
        sr.where(sympy.Lt(1, x), c, g * sr.one_hot(k)) + sr.mean(x) * sr.ones(m),
        (2 * g * sr.identity(m)) @ sr.stop_gradient(-x) + sr.take(2 * sr.identity(m) * g, k),
        sr.einsum("i,ij,j->i", x, sr.outer(x, h).T, h) - sr.einsum("ij->j", sr.outer(h, x)),
    ):
        assert_round_trip(Cell("numbers", Eq(h.next, x + right)))
