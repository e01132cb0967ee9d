"""Cells in a closed loop: what is fed back, what is forced, the gradients through it, and what is refused."""

from typing import Any

import numpy as np
import pytest
from kernel_problems import TARGETS
from sympy import Eq

import symrnn as sr
from symrnn import Cell, DeclarationError, Index, Input, Parameter, State, Value, closed_loop, zoo
from symrnn.declaration.axes import shape_text

n, m = sr.axes("n m")
x, h = Input("x", n), State("h", m)
W_y, U = Parameter("W_y", m, n), Parameter("U", m, m, init="orthogonal")
eps = sr.Constant("eps", value=0.5)
clashing = Cell("clashing", Eq(h.next, sr.tanh(W_y @ x + U @ h) / (1 + eps)))
named = Cell("named", Eq(h.next, sr.tanh(W_y @ x + U @ h)), output=h)
gru = zoo.cell("gru")


def shapes(cell: Cell) -> dict[str, str]:
    return {q.name: shape_text(q.shape) for q in (*cell.inputs, *cell.states, *cell.parameters)}


def test_the_output_of_a_head_comes_back_as_a_state() -> None:
    cell = closed_loop(gru, zoo.dense())
    first, *others, last = map(str, cell.equations)
    assert first == "x = where(forced > 0, x_given, x_back)"
    assert others[:-1] == [str(equation) for equation in gru.equations]
    assert last == "x_back.next = y_hat"
    found = shapes(cell)
    assert found["x_given"] == found["x_back"] == "(n,)"
    assert found["forced"] == "()"
    assert found["W_y"] == "(n, m)"
    assert found["W_r"] == "(m, m + n)"
    assert str(cell.output) == "y_hat"


def test_an_output_that_is_a_state_is_not_kept_twice() -> None:
    cell = closed_loop(zoo.cell("elman"))
    assert str(cell.equations[0]) == "x = where(forced > 0, x_given, s)"
    assert [state.name for state in cell.states] == ["s"]
    assert shapes(cell)["W_s"] == "(n, 2*n)"


def test_the_state_before_the_step_may_be_what_comes_back() -> None:
    cell = closed_loop(named)
    assert str(cell.equations[-1]) == "x_back.next = h"


def test_names_and_axes_of_the_head_that_are_taken_change() -> None:
    cell = closed_loop(clashing, zoo.dense(), name="mine")
    assert cell.name == "mine"
    found = shapes(cell)
    assert found["W_y"] == "(m, n)"
    assert found["W_y_2"] == "(n, m)"
    parameters = {q.name: q for q in cell.parameters}
    assert parameters["U"].init == "orthogonal"
    assert cell.constants == (eps,)


def test_no_two_quantities_of_the_head_become_one() -> None:
    """The head's W would be W_2, which the head has already."""
    y, o = Value("y"), Value("o")
    head = Cell(
        "head",
        Eq(y, sr.tanh(Parameter("W_y", m, m) @ Input("a", m))),
        Eq(o, Parameter("W_y_2", n, m) @ y),
        output=o,
    )
    cell = closed_loop(clashing, head)
    assert [q.name for q in cell.parameters if q.name.startswith("W")] == ["W_y", "W_y_3", "W_y_2"]
    assert "y = tanh(W_y_3 @ h.next)" in map(str, cell.equations)


def test_a_renamed_quantity_is_printed_under_its_new_name() -> None:
    """Two symbols of one look would be worse than a symbol that is not the author's."""
    lower = Cell("lower", Eq(h.next, sr.tanh(Parameter("W", m, n, latex="Q") @ x + h)))
    upper = Cell("upper", Eq(Value("o"), Parameter("W", n, m, latex="V") @ Input("a", m)), output=Value("o"))
    renamed = closed_loop(lower, upper).parameters[-1]
    assert (renamed.name, renamed.latex_name) == ("W_2", None)


def test_printed_names_stay_the_authors() -> None:
    signal = Input("signal", n, latex="s")
    cell = closed_loop(Cell("own", Eq(h.next, sr.tanh(W_y @ signal + U @ h))))
    assert r"s_{\mathrm{given}}" in sr.latex(cell)
    assert r"x_{\mathrm{back}}" in sr.latex(closed_loop(gru, zoo.dense()))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "cell",
    [
        closed_loop(gru, zoo.dense()),
        closed_loop(zoo.cell("lstm"), zoo.dense("softmax")),
        closed_loop(zoo.cell("elman")),
        closed_loop(clashing, zoo.dense("tanh")),
        closed_loop(named),
    ],
    ids=lambda cell: str(cell.name),
)
def test_gradients_flow_through_what_is_fed_back(cell: Cell, target: str) -> None:
    if target == "numba" and cell.name != "elman_closed_loop":
        target = "numpy"  # the kernels of cells are tested on both elsewhere; one compilation is enough here
    sr.check(cell, target).raise_if_failed()


def grown(module: Any, parameters: Any, forced: Any, given: Any) -> Any:
    start = module.State(c=np.zeros((2, 5)), x_back=np.zeros((2, 3)))
    return module.forward(parameters, module.Inputs(x_given=given, forced=forced), start).outputs


def test_forced_steps_take_what_is_given_and_others_the_last_output() -> None:
    """Against the open cell, run by hand."""
    closed, cell = closed_loop(gru, zoo.dense()), sr.load(gru, "numpy")
    module, rng = sr.load(closed, "numpy"), np.random.default_rng(0)
    parameters = module.init(rng, n=3, m=5, dtype=np.float64)
    given = rng.standard_normal((6, 2, 3))
    forced = np.array([[1, 1], [0, 1], [0, 0], [1, 0], [0, 0], [0, 1.0]])
    found = grown(module, parameters, forced, np.where(forced[..., None] > 0, given, np.nan))
    own = cell.Parameters(*(getattr(parameters, name) for name in cell.Parameters._fields))
    back, state = np.zeros((2, 3)), cell.State(np.zeros((2, 5)))
    for t in range(6):
        taken = np.where(forced[t, :, None] > 0, given[t], back)
        output, state = cell.step(own, taken, state)
        back = output @ parameters.W_y.T + parameters.b_y
        np.testing.assert_allclose(found[t], back, rtol=1e-12)


two_inputs = Cell("two_inputs", Eq(h.next, sr.tanh(W_y @ x + Input("b", m) + h)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: closed_loop(two_inputs), r"'two_inputs' has 2 inputs\. Name the one .* one of b, x\."),
        (lambda: closed_loop(gru, input="y"), r"'gru' has no input 'y'\. Its inputs: x\."),
        (lambda: closed_loop(zoo.embedding), r"k of the cell 'embedding' is a class number"),
        (
            lambda: closed_loop(gru, zoo.squared_error),
            r"head 'squared_error' takes a, y, and a head takes one",
        ),
        (lambda: closed_loop(gru, zoo.embedding), r"head 'embedding' takes k, and a head takes one array"),
        (
            lambda: closed_loop(Cell("sum", Eq(Value("s"), sr.total(x)), output=Value("s"))),
            r"the output s becomes the input x: \(\) where \(n,\) is wanted\. The ranks differ\.",
        ),
    ],
)
def test_loops_that_cannot_be_closed(make: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        make()


def test_the_input_that_is_closed_can_be_named() -> None:
    cell = closed_loop(two_inputs, input="b")
    assert [q.name for q in cell.inputs] == ["b_given", "forced", "x"]
    assert closed_loop(two_inputs, input="b") == cell
    assert Index("k", n) not in cell.inputs
