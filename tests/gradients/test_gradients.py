"""`symrnn gradients`: products of step Jacobians are what autodiff, symbols and closed forms say they are."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from command_runs import invoked
from declared_cells import declared
from kernel_problems import ALL, kernel
from numpy.typing import NDArray
from rich.console import Console
from sympy import Eq
from unshipped_cells import MATRIX, PEEPHOLE

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value
from symrnn.checking.formulas import double_precision, jax_library
from symrnn.checking.reference import reference_run
from symrnn.files import is_ours
from symrnn.gradients.figure import gradients_figure
from symrnn.gradients.flow import (
    EXPLODES,
    KEEPS,
    VANISHES,
    GradientFlow,
    Trajectory,
    flows_json,
    follow,
    gradient_flows,
    jacobian_products,
)
from symrnn.gradients.request import Change, GradientRequest, axis_lengths, parse_changes
from symrnn.gradients.tables import norm_text, print_gradients, shown_distances
from symrnn.running.loading import load

README = Path(__file__).parents[2] / "README.md"

n, m = sr.axes("n m")
x, h, wide = Input("x", n), State("h", m), Input("wide", m)
W, a = Parameter("W", m, m), Parameter("a", init=0.5)

LINEAR = Cell("linear", Eq(h.next, W @ h + wide))
LEAKY = Cell("leaky", Eq(h.next, a * h + wide))


WITH_STATE = {name: cell for name, cell in ALL.items() if cell.states} | {
    "peephole": declared(PEEPHOLE, "peephole"),
    "matrix_memory": declared(MATRIX, "matrix_memory"),
    "linear": LINEAR,
}
T = 4


def trajectory(cell: Cell) -> Trajectory:
    """A short one, from a state that is not zero, with parameters of moderate size."""
    module = load(cell, "numpy")
    rng = np.random.default_rng(3)
    sizes = dict(zip(module.AXES, (3, 4, 2), strict=False))

    def arrays(table: Any, *lead: int) -> dict[str, NDArray[np.float64]]:
        return {
            name: rng.standard_normal((*lead, *(sizes[axis] for axis in shape)))
            for name, shape in table.items()
        }

    drawn = module.init(rng, **sizes, dtype=np.float64)
    parameters = module.Parameters(*(array + 0.2 * rng.standard_normal(array.shape) for array in drawn))
    inputs, state = module.Inputs(**arrays(module.INPUTS, T, 1)), module.State(**arrays(module.STATES, 1))
    return follow(cell, module, parameters, inputs, state)


def products(run: Trajectory) -> list[NDArray[np.float64]]:
    return [product.matrix * 10**product.exponent for product in jacobian_products(run)]


# The mathematics


@pytest.mark.parametrize("name", WITH_STATE)
def test_products_are_the_jacobians_of_jax(name: str) -> None:
    """Of the equations themselves, run by the reference from the state k steps back."""
    cell = WITH_STATE[name]
    run = trajectory(cell)
    parameters = run.parameters.parameters._asdict()
    found = products(run)
    assert len(found) == T
    with double_precision():
        import jax

        for k, product in enumerate(found, start=1):
            before = run.states[T - k]
            inputs = {field: array[T - k :] for field, array in run.inputs._asdict().items()}

            def last(flat: Any, before: Any = before, inputs: dict[str, NDArray[np.float64]] = inputs) -> Any:
                parts = jax.numpy.split(flat, np.cumsum([array.size for array in before])[:-1])
                state = {
                    field: part.reshape(array.shape)
                    for field, part, array in zip(before._fields, parts, before, strict=True)
                }
                after = reference_run(cell, parameters, inputs, state, library=jax_library()).state
                return jax.numpy.concatenate([after[field].reshape(-1) for field in before._fields])

            expected = np.asarray(jax.jacobian(last)(np.concatenate([array.ravel() for array in before])))
            assert np.abs(expected).max() > 0
            np.testing.assert_allclose(product, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", WITH_STATE)
def test_one_step_is_the_symbolic_jacobian(name: str) -> None:
    """The matrix that is measured is the one whose symbols are printed beside it."""
    cell = WITH_STATE[name]
    run = trajectory(cell)
    before = run.states[-1]
    values = run.parameters.parameters._asdict()
    values |= {field: array[-1, 0] for field, array in run.inputs._asdict().items()}
    values |= {field: array[0] for field, array in before._asdict().items()}
    sizes = dict(zip(run.kernel.AXES, (3, 4, 2), strict=False))
    width = {state.name: array.size for state, array in zip(cell.states, before, strict=True)}
    blocks = {(j.of, j.wrt): j.evaluate(values, sizes) for j in sr.step_jacobian(cell)}
    expected = np.block(
        [
            [blocks[of, wrt].reshape(width[of.name], width[wrt.name]) for wrt in cell.states]
            for of in cell.states
        ]
    )
    np.testing.assert_allclose(products(run)[0], expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_central_differences_of_the_kernel() -> None:
    """A matrix state, a scalar one and a vector, without any other derivative."""
    run = trajectory(ALL["several"])
    module, first = run.kernel, run.states[0]
    step = 1e-5

    def last(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = np.split(flat, np.cumsum([array.size for array in first])[:-1])
        state = module.State(*(p.reshape(a.shape) for p, a in zip(parts, first, strict=True)))
        _, final = module.predict(run.parameters, run.inputs, state)
        return np.concatenate([array.ravel() for array in final])

    point = np.concatenate([array.ravel() for array in first])
    columns = [(last(point + d) - last(point - d)) / (2 * step) for d in step * np.eye(point.size)]
    expected = np.stack(columns, axis=1)
    np.testing.assert_allclose(products(run)[-1], expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_a_linear_cell_has_powers_of_its_matrix() -> None:
    run = trajectory(LINEAR)
    matrix = run.parameters.parameters.W
    for k, product in enumerate(jacobian_products(run), start=1):
        power = np.linalg.matrix_power(matrix, k)
        assert product.log10_norm == pytest.approx(math.log10(np.linalg.norm(power, 2)), abs=1e-12)
        rms = np.linalg.norm(power) / math.sqrt(len(matrix))
        assert product.log10_rms == pytest.approx(math.log10(rms), abs=1e-12)


@pytest.mark.parametrize(
    ("number", "verdict"), [(0.95, VANISHES), (0.99, KEEPS), (-1.0, KEEPS), (1.02, KEEPS), (1.1, EXPLODES)]
)
def test_a_leaky_cell_has_one_factor(number: float, verdict: str) -> None:
    request = GradientRequest(hidden=3, samples=2, changes=(Change("--set", "a", number),))
    (flow,) = gradient_flows([LEAKY], request)
    for k in (1, 10, 100):
        assert flow.log10_norm(k) == pytest.approx(k * math.log10(abs(number)), abs=1e-12)
        assert flow.log10_rms[0][k - 1] == pytest.approx(flow.log10_norm(k), abs=1e-12)
    assert flow.factor == pytest.approx(abs(number))
    assert flow.verdict == verdict
    assert flow.changes == (f"a = {number:g}",)


def test_no_norm_is_too_small_for_a_float() -> None:
    request = GradientRequest(hidden=2, samples=1, changes=(Change("--set", "a", 1e-5),))
    (flow,) = gradient_flows([LEAKY], request)
    assert flow.log10_norm(100) == pytest.approx(-500.0)
    assert flow.factor == pytest.approx(1e-5)


def test_a_product_that_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    request = GradientRequest(steps=3, hidden=2, samples=2, changes=(Change("--set", "a", 0.0),))
    flows = gradient_flows([LEAKY], request)
    assert flows[0].log10_norm(1) == -math.inf
    assert (flows[0].factor, flows[0].verdict) == (0.0, VANISHES)
    assert json.loads(flows_json(flows, request))["cells"][0]["log10_median"] == [None] * 3
    print_gradients(flows, request)
    assert " 0 │" in capsys.readouterr().out
    assert gradients_figure(flows, ".png").startswith(b"\x89PNG")


def test_gates_that_stay_open_keep_gradients() -> None:
    """As `init` draws them all vanish, first in the plain unit; a forget gate that starts open keeps them."""
    cells = [ALL[name] for name in ("elman", "gru", "lstm")]
    request = GradientRequest(steps=50, hidden=32, samples=3)
    elman, gru, lstm = gradient_flows(cells, request)
    assert {flow.verdict for flow in (elman, gru, lstm)} == {VANISHES}
    assert elman.log10_norm(50) < min(gru.log10_norm(50), lstm.log10_norm(50))
    changes = parse_changes(["b_f=3", "b_u=-3"], ["W_s=3"])
    changed = gradient_flows(cells, replace(request, changes=changes))
    assert [flow.verdict for flow in changed[1:]] == [KEEPS, KEEPS]
    assert changed[0].log10_norm(50) > elman.log10_norm(50)
    assert [flow.changes for flow in changed] == [("W_s times 3",), ("b_u = -3",), ("b_f = 3",)]


def test_draws_differ_and_are_repeatable() -> None:
    def flow(seed: int) -> GradientFlow:
        return gradient_flows([ALL["gru"]], GradientRequest(steps=6, hidden=4, samples=3, seed=seed))[0]

    one = flow(0)
    assert one == flow(0)
    assert one.log10_norms != flow(1).log10_norms
    assert len(set(one.log10_norms)) == 3
    low, high = one.log10_range(6)
    assert low < one.log10_norm(6) < high
    assert one.jacobian == tuple(map(str, sr.step_jacobian(ALL["gru"])))


def test_axes_of_states_are_hidden_and_all_others_input() -> None:
    def lengths(cell: Cell, **options: int) -> dict[str, int]:
        return {axis.name: size for axis, size in axis_lengths(cell, GradientRequest(**options)).items()}

    assert lengths(ALL["several"], hidden=5, inputs=2) == {"n": 2, "m": 5, "k": 2}
    assert lengths(ALL["several"], hidden=5) == {"n": 5, "m": 5, "k": 5}
    (flow,) = gradient_flows([ALL["several"]], GradientRequest(steps=2, hidden=3, inputs=2, samples=1))
    assert flow.width == 9 + 1 + 3
    assert kernel("several", "numpy").STATES.keys() == set(flow.states)


# Requests


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command in an empty folder, in a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run_command(*arguments: object, code: int = 0) -> Any:
        return invoked("gradients", *arguments, code=code)

    return run_command


SMALL = ("--steps", 5, "--hidden", 3, "--samples", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("elman", "--steps", 0), "--steps is 0. Give a whole number from 1 on."),
        (("elman", "--hidden", -1), "--hidden is -1."),
        (("elman", "--input", 0), "--input is 0."),
        (("elman", "--samples", 0), "--samples is 0."),
        (("elman", "gru", "--set", "b_f=1"), "--set names 'b_f', but no such parameter exists. Parameters: "),
        (("elman", "gru", "--set", "b_f=1"), "elman has W_s, b_s; gru has W_r, b_r, W_u, b_u, W_c, b_c."),
        (("elman", "--scale", "W=2"), "--scale names 'W', but"),
        (("lstm", "--set", "b_f"), "In --set, 'b_f' is no NAME=NUMBER"),
        (("lstm", "--set", "=1"), "In --set, '=1' is no NAME=NUMBER"),
        (("lstm", "--scale", "b_f=nan"), "In --scale, 'b_f=nan' is no NAME=NUMBER"),
        (
            ("lstm", "--set", "b_f=1", "--scale", "b_f=2"),
            "--set and --scale name 'b_f' 2 times. Name it once.",
        ),
        (("gru", "--plot", "norms.pdf"), "--plot draws .png or .svg files, not norms.pdf."),
        (("gru", "--json", "no/such.json"), "there is no folder no."),
        (("gru", "gru"), "Two of the cells are named gru, so their figures could not be told apart."),
        (("grue",), "There is no shipped cell 'grue'."),
    ],
)
def test_wrong_request(run: Any, tmp_path: Path, arguments: tuple[object, ...], message: str) -> None:
    result = run(*arguments, code=2)
    assert result.stderr.strip().startswith("symrnn: ")
    assert message in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def refusal(cell: Cell, **options: Any) -> str:
    with pytest.raises(sr.SymrnnError) as caught:
        gradient_flows([cell], GradientRequest(**options))
    return str(caught.value)


def test_cells_that_cannot_be_measured() -> None:
    assert "The cell 'layer' has no state, so no gradient flows through time" in refusal(ALL["layer"])
    assert refusal(WITH_STATE["matrix_memory"]) == (
        "The states of 'matrix_memory' hold 4096 numbers at --hidden 64; Jacobians of more than 1024 rows "
        "take too long. Take at most --hidden 32."
    )
    assert "every axis of linear is one of a state. Leave it out" in refusal(LINEAR, inputs=3)
    large = State("large", 1025)
    fixed = Cell("fixed", Eq(large.next, large * Input("gain")))
    assert "hold 1025 numbers" in refusal(fixed)
    assert "They are too large at any --hidden." in refusal(fixed)


def test_numbers_that_are_not_finite() -> None:
    grows = Cell("grows", Eq(h.next, sr.exp(h + wide)))
    assert "The states of 'grows' are not finite after step" in refusal(grows)
    late = refusal(Cell("late", Eq(h.next, 1e40 * h + wide)))
    assert "not finite after step 9, so their Jacobian is not defined. Take at most --steps 8, or" in late
    y = Value("y")
    with pytest.warns(sr.SymrnnWarning, match="equation 1"):
        root = Cell("root", Eq(y, sr.sqrt(h)), Eq(h.next, y + wide**2))
    assert "The Jacobian of 'root' is not finite in step 1" in refusal(root, steps=4)
    with pytest.warns(sr.SymrnnWarning, match="equation 1"):
        immediate = Cell("immediate", Eq(h.next, wide / h))
    assert "after step 1, so their Jacobian is not defined. Take other parameters" in refusal(immediate)


def test_a_figure_needs_matplotlib(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = run("gru", *SMALL, "--plot", "norms.png", code=2).stderr
    assert "--plot needs matplotlib. Install it: pip install 'symrnn[bench]'." in message


# What is said of it


def test_output_and_files(run: Any, tmp_path: Path) -> None:
    shown = run("lstm", "elman", *SMALL, "--set", "b_f=1", "--json", "g.json", "--plot", "g.svg").stdout
    assert "lstm: 6 numbers in c, h; n = 3, m = 3; b_f = 1\n  d c.next / d c = diag(f)\n" in shown
    assert "elman: 3 numbers in s; n = 3, m = 3\n" in shown
    assert max(map(len, shown.splitlines())) <= 80
    record = json.loads((tmp_path / "g.json").read_text())
    assert record["request"]["changes"] == [{"option": "--set", "name": "b_f", "number": 1.0}]
    assert [cell["cell"] for cell in record["cells"]] == ["lstm", "elman"]
    for cell in record["cells"]:
        assert cell["sizes"] == {"n": 3, "m": 3}
        assert cell["log10_median"] == pytest.approx(np.mean(cell["log10_norms"], axis=0).tolist())
        assert cell["factor"] == pytest.approx(10 ** (cell["log10_median"][-1] / 5))
        assert norm_text(cell["log10_median"][-1]) in shown
    assert is_ours(tmp_path / "g.json")
    assert is_ours(tmp_path / "g.svg")
    assert "lstm; b_f = 1" in (tmp_path / "g.svg").read_text()
    run("elman", *SMALL, "--json", "g.json", "--plot", "g.PNG")
    assert (tmp_path / "g.PNG").read_bytes().startswith(b"\x89PNG")
    assert is_ours(tmp_path / "g.PNG")


def test_foreign_files_are_kept(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text("{}")
    assert "symrnn did not write it" in run("elman", *SMALL, "--json", path, code=2).stderr
    assert path.read_text() == "{}"
    run("elman", *SMALL, "--json", path, "--force")
    assert is_ours(path)


def test_many_cells_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """In several tables, if need be; every norm stands in one."""
    flows = [
        GradientFlow(f"gru_number_{i:02}", ("h",), (), 1, (), ("d h.next / d h = 1",), (norms,), (norms,))
        for i in range(10)
        for norms in [tuple(-1.03 * i - 2.71 * k for k in range(1, 101))]
    ]
    print_gradients(flows, GradientRequest(samples=1), Console(width=80, markup=False, highlight=False))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    assert all(norm_text(flow.log10_norm(k)) in shown for flow in flows for k in (1, 50, 100))
    assert "gru_number_09: 1 number in h\n" in shown
    assert "One draw of parameters and inputs, seed 0." in " ".join(shown.split())


@pytest.mark.parametrize("name", WITH_STATE)
def test_step_jacobians_are_complete(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    request = GradientRequest(steps=1, hidden=2, samples=1)
    flows = gradient_flows([WITH_STATE[name]], request)
    print_gradients(flows, request, Console(width=80, markup=False, highlight=False))
    shown = " ".join(capsys.readouterr().out.split())
    for jacobian in sr.step_jacobian(WITH_STATE[name]):
        assert " ".join(str(jacobian).split()) in shown


@pytest.mark.parametrize(
    ("steps", "distances"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (7, (1, 2, 5, 7)),
        (100, (1, 2, 5, 10, 20, 50, 100)),
        (250, (1, 2, 5, 10, 20, 50, 100, 200, 250)),
    ],
)
def test_distances_of_a_table(steps: int, distances: tuple[int, ...]) -> None:
    assert shown_distances(steps) == distances


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1.2", "1.20"),
        ("123", "123"),
        ("0.0123456", "0.0123"),
        ("4.1234e-24", "4.12e-24"),
        ("9.999e-05", "1.00e-04"),
        ("1.5e+400", "1.50e+400"),
        ("4321", "4.32e+03"),
    ],
)
def test_norm_text(number: str, text: str) -> None:
    assert norm_text(float(sympy.log(sympy.Rational(number), 10))) == text


def test_the_table_of_the_readme(run: Any) -> None:
    """It is what its command prints."""
    block = next(b for b in README.read_text().split("```") if b.startswith("text\n$ symrnn gradients"))
    command, _, shown = block.removeprefix("text\n$ symrnn gradients ").partition("\n")
    assert shown.strip() in run(*command.split()).stdout
