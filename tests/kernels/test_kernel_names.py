"""Authors' names win: kernels of cells whose names are those that emitted modules use themselves."""

import ast

import numpy as np
import pytest
from kernel_problems import TARGETS
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Constant, Input, Parameter, State, Value
from symrnn.checking.check import check_module
from symrnn.checking.problem import draw_problem
from symrnn.kernels.targets import TARGETS as RECORDS


def arguments_of_verbs() -> Cell:
    """Quantities called like the arguments and fields of the verbs, axes like local variables."""
    lo, state_size = sr.axes("lo given")
    inputs, tape, state, outputs = (
        Input("inputs", lo),
        Input("tape"),
        State("state", state_size),
        State("outputs"),
    )
    parameters, prepared = (
        Parameter("parameters", state_size, lo),
        Parameter("prepared", state_size, state_size),
    )
    dtype, sizes, d_state = (
        Parameter("dtype", state_size),
        Parameter("sizes"),
        Parameter("d_state", state_size),
    )
    saved, d_outputs = Value("saved"), Value("d_outputs")
    return Cell(
        "arguments_of_verbs",
        Eq(saved, prepared - sizes * sr.identity(state_size)),
        Eq(d_outputs, sr.tanh(parameters @ inputs + saved @ state + dtype)),
        Eq(outputs.next, sr.sigmoid(tape) * outputs + sr.dot(d_state, d_outputs)),
        Eq(state.next, d_outputs * outputs.next),
        output=d_outputs,
    )


def loop_variables() -> Cell:
    """Quantities called like the variables of compiled loops; gates meet axes of their names."""
    t, b = sr.axes("t b")
    lo, hi = Input("lo", b), State("hi", t)
    part, parts, real = Parameter("part", t, b), Parameter("parts", t, t), Parameter("real", t)
    one, j, k = Value("one"), Value("j"), Value("k")
    return Cell(
        "loop_variables",
        Eq(one, sr.sigmoid(part @ lo + parts @ hi + real)),
        Eq(j, sr.tanh(one * hi)),
        Eq(k, sr.einsum("ij,j,j->i", parts, one, j)),
        Eq(hi.next, one * j + (1 - one) * k),
        output=k,
    )


def modules() -> Cell:
    """Quantities called like imported modules, builtins, and arrays that emission makes up."""
    zero, total = sr.axes("range total")
    np_, types = Input("np", zero), State("types", total)
    math, sys, os = Parameter("math", total, zero), Parameter("sys", total, total), Parameter("os", total)
    math_parts, sys_panels = Parameter("math_parts", total, zero), Parameter("sys_panels", total, total)
    ir, len_, x_row = Constant("ir", value=0.5), Value("len"), Value("types_row")
    return Cell(
        "modules",
        Eq(len_, sr.sigmoid(math @ np_ + sys @ types + os)),
        Eq(x_row, sr.tanh(math_parts @ np_ + sys_panels @ types)),
        Eq(types.next, ir * len_ * types + (1 - ir) * x_row),
    )


def single_letters() -> Cell:
    """Every single letter that a kernel's own variable could have, as one quantity."""
    p, q = sr.axes("p q")
    b, t, i = Input("b", p), State("t", q), Parameter("i", q, p)
    j, k, l, s = Parameter("j", q, q), Parameter("k", q), Value("l"), Value("p")
    w, w_parts = Parameter("w", q), Parameter("w_parts", q)
    return Cell(
        "single_letters",
        Eq(l, sr.sigmoid(i @ b + j @ t + k + sr.dot(w_parts, t))),
        Eq(s, sr.dot(w, l * t)),
        Eq(t.next, l * sr.tanh(s * t)),
    )


CELLS = (arguments_of_verbs(), loop_variables(), modules(), single_letters())
each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)


@pytest.mark.parametrize(
    ("cell", "target"),
    [*((cell, "numpy") for cell in CELLS), *((cell, "numba") for cell in CELLS[3:])],
    ids=lambda value: getattr(value, "name", value),
)
def test_kernels_of_cells_with_the_kernels_own_names(cell: Cell, target: str) -> None:
    module = sr.load(cell, target)
    made = draw_problem(cell)
    check_module(made, module, target=target).raise_if_failed()
    parameters = module.init(np.random.default_rng(0), **dict.fromkeys(module.AXES, 3))
    inputs = module.Inputs(
        *(np.ones((2, 1, *(3 for _ in shape)), np.float32) for shape in module.INPUTS.values())
    )
    _, state = module.predict(parameters, inputs)
    module.step(parameters, module.Inputs(*(array[0] for array in inputs)), state)


@each_cell
@pytest.mark.parametrize("target", TARGETS)
def test_callers_see_the_authors_names(cell: Cell, target: str) -> None:
    module = sr.load(cell, target)
    assert module.Inputs._fields == tuple(q.name for q in cell.inputs)
    assert module.State._fields == tuple(q.name for q in cell.states)
    assert module.Parameters._fields == tuple(q.name for q in (*cell.parameters, *cell.constants))
    assert tuple(axis.name for axis in cell.axes) == module.AXES


@pytest.mark.parametrize("target", TARGETS)
def test_emitted_functions_use_no_name_that_is_not_reserved(target: str) -> None:
    """What a template binds or reads next to an author's names must not be free for an author to use."""
    n = sr.axes("axis_one")
    x, h, W = Input("quantity_x", n), State("quantity_h", n), Parameter("quantity_W", n, n)
    source = sr.emit(Cell("probe", Eq(h.next, sr.tanh(W @ h + x))), target)
    mixed = {
        "_prepared",
        "predict",
        "_forward",
        "_predict",
        "_backward",
        "_forward_slice",
        "_predict_slice",
        "_backward_slice",
        "_sizes",
        "_checked_state",
    }
    mixed |= {"_checked_parameters", "_checked_call", "step"}
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name in mixed:
            found |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            found |= {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    foreign = {name for name in found if "quantity" not in name and "axis_one" not in name and name[0] != "_"}
    fresh = {"t", "b", "j"}  # chosen for each cell such that no author's name is hidden
    assert foreign - fresh <= RECORDS[target].namer.forbidden


def test_plans_keep_the_authors_names_and_targets_change_theirs() -> None:
    planned = sr.plan(modules())
    assert {"np", "types", "math", "len", "ir"} <= planned.table().keys()
    legal = RECORDS["numba"].namer.legal_plan(planned)
    assert legal.table().keys().isdisjoint(RECORDS["numba"].namer.forbidden)
    assert dict(legal.header.fields) == {
        f"{name}_": name for name in ("np", "types", "math", "sys", "os", "ir")
    }
    assert len(legal.buffers) == len(planned.buffers)
    assert RECORDS["numba"].namer.legal_plan(legal) is legal


@pytest.mark.parametrize("name", ["rng", "dtype", "np"])
def test_axes_that_init_could_not_take(name: str) -> None:
    with pytest.raises(sr.DeclarationError, match=f"The axis name '{name}' is taken: init"):
        sr.axes(name)
