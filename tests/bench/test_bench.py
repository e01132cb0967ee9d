"""`symrnn bench`: programs compute what kernels compute, contenders run, figures are what was measured."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command_runs import invoked
from indexed_cells import everything, words
from kernel_problems import ALL
from rich.console import Console

import symrnn
from symrnn import Cell, Index
from symrnn.bench import contenders, machine, session, turns
from symrnn.bench.data import Data, Size, draw_data, parse_sizes
from symrnn.bench.figure import bench_figure
from symrnn.bench.layers import LAYERS, open_onnx, open_torch_layer
from symrnn.bench.names import (
    FORWARD,
    GRID,
    NUMBA,
    NUMPY,
    ONNX,
    PEERS,
    PRODUCTS,
    QUANTITIES,
    STEP,
    TORCH,
    TORCH_NN,
    TRAIN,
)
from symrnn.bench.processes import ContenderFailure, Worker
from symrnn.bench.results import (
    Bench,
    Failure,
    Memory,
    Settings,
    Spread,
    Start,
    Timing,
    Work,
)
from symrnn.bench.tables import number_text, print_bench
from symrnn.checking.reference import numeric_shape, numeric_size
from symrnn.commands import rooms
from symrnn.errors import RequestError
from symrnn.files import is_ours
from symrnn.publishing.pictures import require_figure_name
from symrnn.running.loading import import_file
from symrnn.zoo import CELLS, HEADS

EXAMPLE = Path(__file__).parents[2] / "symrnn" / "examples" / "minimal_gated_unit.py"

OPEN = {"torch": contenders.open_torch, "jax": contenders.open_jax}
libraries = pytest.mark.parametrize("library", OPEN)

TOLERANCE = 2e-5
"""Of the largest element, float32: as for kernels at small sizes (`workbench.check`)."""


ALL_NAMES = (NUMPY, NUMBA, *(name for names in PEERS.values() for name in names))


def drawn(cell: Cell, sizes: Mapping[str, int]) -> Data:
    """Arrays for a cell whose axes all have different sizes."""
    rng = np.random.default_rng(2)
    lengths = {axis: sizes[axis.name] for axis in cell.axes}

    def group(quantities: Any, *lead: int, scale: float = 1.0) -> dict[str, Any]:
        shapes = {q.name: numeric_shape(cell.shape_of(q), lengths) for q in quantities}
        return {
            name: scale * rng.uniform(0.3, 0.9, (*lead, *shape)).astype(np.float32)
            for name, shape in shapes.items()
        }

    constants = {name: array * 0 + 0.75 for name, array in group(cell.constants).items()}
    d_outputs = group([cell.output], 4, 3)[cell.output.name]
    inputs, states = group(cell.inputs, 4, 3), group(cell.states, 3, scale=-0.5)
    classes = {q.name: numeric_size(q.classes, lengths) for q in cell.inputs if isinstance(q, Index)}
    inputs |= {name: rng.integers(0, count, (4, 3)) for name, count in classes.items()}
    return Data(group(cell.parameters, scale=0.5), constants, inputs, states, d_outputs)


def close(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Every result that `found` has is as expected, up to rounding."""
    largest = max(np.abs(array).max(initial=0) for array in expected.values())
    assert np.isfinite(largest)
    for name, array in found.items():
        assert array.shape == expected[name].shape, name
        scale = max(np.abs(expected[name]).max(initial=0), 1e-2 * largest)
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=TOLERANCE * scale, err_msg=name)


def called(contender: contenders.Contender, quantity: str) -> Any:
    """The outputs that the task of a quantity computes."""
    task = contender.tasks[quantity]()
    with task.around():
        outputs, *_ = task.call()
        return np.asarray(outputs)


def kernel_results(cell: Cell, data: Data, folder: Path) -> dict[str, Any]:
    path = folder / f"{cell.name}_numpy.py"
    path.write_text(symrnn.emit(cell, target="numpy"))
    return contenders.open_kernel(data, path).results()


def compare(cell: Cell, library: str, folder: Path, sizes: Mapping[str, int] | None = None) -> None:
    """Raise unless a program's outputs, gradients and steps are those of the kernel."""
    pytest.importorskip(library)  # PyTorch is an extra; CI installs it and refuses skipped tests
    sizes = sizes or {axis.name: size for axis, size in zip(cell.axes, (3, 5, 4, 2), strict=False)}
    data = drawn(cell, sizes)
    path = folder / f"{cell.name}_{library}.py"
    path.write_text(symrnn.emit(cell, library))
    contender = OPEN[library](data, path)
    found, expected = contender.results(), kernel_results(cell, data, folder)
    assert set(found) == set(expected) - {f"d_{name}" for name in data.constants}
    close(found, expected)
    close({"outputs": called(contender, STEP)}, {"outputs": expected["outputs"][0, :1]})
    close({"outputs": called(contender, FORWARD)}, expected)


# Programs


@libraries
@pytest.mark.parametrize("name", ["lstm", "gru_reset_after", "constants", "several", "layer"])
def test_programs_agree_with_kernels(name: str, library: str, tmp_path: Path) -> None:
    compare(ALL[name], library, tmp_path)


@libraries
@pytest.mark.parametrize("make", [everything, words, lambda: HEADS["class_cross_entropy"]])
def test_programs_pick_what_class_indices_tell(make: Any, library: str, tmp_path: Path) -> None:
    compare(make(), library, tmp_path)


# Ready-made layers


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_with_kernels(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cell = CELLS[name]
    data = drawn(cell, {"n": 3, "m": 5})
    expected = kernel_results(cell, data, tmp_path)
    found = open_onnx(data, name)
    close(found.results(), expected)
    assert set(found.tasks) == {FORWARD, STEP}
    step = {"outputs": expected["outputs"][0, :1]}
    close({"outputs": called(found, STEP)}, step)
    if LAYERS[name].torch_kind:
        layer = open_torch_layer(data, name)
        close(layer.results(), expected)
        close({"outputs": called(layer, STEP).reshape(-1, 1, 5)[0]}, step)
        close({"outputs": called(layer, FORWARD)}, expected)


# Requests


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command in an empty folder, with as little time to measure as there can be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def quick(*arguments: Any) -> Settings:
        return Settings(*arguments, seconds=0.0, calls=2, pause=0.0, patience=0.0, attempts=1)

    monkeypatch.setattr(rooms, "Settings", quick)

    def run_command(*arguments: object, code: int = 0) -> Any:
        return invoked("bench", *arguments, code=code)

    return run_command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("gru", "--against", "tensorflow"),
            "no peer 'tensorflow' to measure against. Peers: torch, jax, onnx",
        ),
        (("gru", "--grid", "50,1"), "In --grid, '50,1' is no size. Write T,B,D with positive whole numbers"),
        (("gru", "--grid", "50,0,3"), "'50,0,3' is no size"),
        (("gru", "--grid", " "), "--grid names no size."),
        (("gru", "--plot", "times.pdf"), "--plot draws .png or .svg files, not times.pdf."),
        (("gru", "--json", "no/such.json"), "there is no folder no."),
        (("gru", "gru"), "Two of the cells are named gru"),
        (("grue",), "There is no shipped cell 'grue'."),
    ],
)
def test_wrong_request(run: Any, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments, code=2)
    assert result.stderr.startswith("symrnn: ")
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_kept(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text("{}")
    assert "symrnn did not write it" in run("gru", "--json", path, code=2).stderr
    assert path.read_text() == "{}"


def test_sizes() -> None:
    assert parse_sizes("50,1,32  100,16,64 50,1,32") == (Size(50, 1, 32), Size(100, 16, 64))
    assert len(parse_sizes(GRID)) == 5


def test_a_figure_needs_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"pip install 'symrnn\[bench\]'"):
        require_figure_name(Path("times.svg"))
    assert machine.installed_peers() == ()


# The whole way


def test_every_contender_at_one_size(run: Any, tmp_path: Path) -> None:
    for name in PEERS:
        pytest.importorskip(name)
    run("lstm", "--grid", "3,2,4", "--rounds", "1", "--json", "times.json", "--plot", "times.png")
    record = json.loads((tmp_path / "times.json").read_text())
    timed = {(t["contender"], t["quantity"]) for t in record["timings"]}
    trains = {(name, quantity) for name in set(ALL_NAMES) - {ONNX} for quantity in QUANTITIES}
    assert timed == trains | {(ONNX, FORWARD), (ONNX, STEP)}
    assert all(t["median"] > 0 and t["turns"][0]["count"] >= 2 for t in record["timings"])
    assert record["failures"] == []
    assert {start["cached"] for start in record["starts"] if start["contender"] == NUMBA} == {False, True}
    assert record["peak"] > 1e8
    assert record["work"][0]["operations"] == 6 * (24 * 4**2 + 24 * 4 * 4 + 40 * 4)
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")
    assert is_ours(tmp_path / "times.json")
    assert is_ours(tmp_path / "times.png")


def test_a_contender_that_fails_is_a_row(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's cell: one package cannot be imported, another has no such cell, a third result is wrong."""
    fake = tmp_path / "torch"
    fake.mkdir()
    (fake / "__init__.py").write_text("raise ImportError('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(session, "AGREEMENT", -1.0)
    options = ("--against", "torch,onnxruntime", "--grid", "2,1,3", "--rounds", "1", "--json", "times.json")
    shown = run(f"{EXAMPLE}:mgu", *options).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "not measured: mgu, eager torch at 2,1,3: ImportError: no torch here" in shown.splitlines()
    record = json.loads((tmp_path / "times.json").read_text())
    reasons = {failure["contender"]: failure["reason"] for failure in record["failures"]}
    assert set(reasons) == {NUMBA, TORCH, TORCH_NN, ONNX}
    assert reasons[ONNX] == "onnxruntime has no layer that computes this cell"
    assert "differs from that of the NumPy kernel, so it is not measured" in reasons[NUMBA]
    assert {timing["contender"] for timing in record["timings"]} == {NUMPY}


def test_progress_is_not_told_more_often_than_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def __init__(self, _: Path) -> None:
            self.process = SimpleNamespace(pid=os.getpid())
            self.said = {"quantities": [TRAIN], "seconds": 1.0, "bytes": None}

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
            if do == "results":
                return {}
            if arguments.get("contender") == PRODUCTS:
                return {"quantities": ["1024"]}
            return self.said if do in ("open", "first", "memory") else {"seconds": [1.0, 3.0, 2.0]}

    monkeypatch.setattr(session, "Worker", Silent)
    settings = Settings((Size(2, 1, 3), Size(3, 1, 3)), ("torch",), rounds=2, pause=0.0, patience=0.0)
    heard: list[str] = []
    bench = session.run_bench([CELLS["lstm"]], settings, tell=heard.append)
    assert len(heard) == session.announced(1, settings)
    assert bench.peak == 2 * 1024**3 / 2.0
    assert {timing.median for timing in bench.timings} == {2.0}
    assert len(bench.timings) == 2 * len(session.contenders(("torch",)))


def test_a_disturbed_turn_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least disturbed one counts."""
    disturbances = iter([0.0, 0.9, 0.0, 0.4, 0.0, 0.7])  # before a turn and in it

    class Gauge:
        def __init__(self, _: object) -> None:
            self.value = next(disturbances)

        def others(self) -> float:
            return self.value

    class Counting:
        asked = 0.0

        def ask(self, *_: object, **__: object) -> dict[str, list[float]]:
            self.asked += 1.0
            return {"seconds": [self.asked]}

    monkeypatch.setattr(turns, "Gauge", Gauge)
    settings = Settings((Size(2, 1, 3),), (), pause=0.0, patience=0.0)
    taken = turns.take_turn(Counting(), [TRAIN], settings)  # type: ignore[arg-type]
    assert taken == {TRAIN: turns.Turn([2.0], 0.4)}
    assert next(disturbances, None) is None


def test_a_process_that_ends_says_why(tmp_path: Path) -> None:
    with Worker(tmp_path) as worker:
        assert worker.ask("open", contender="products")["quantities"] == ["1024", "2048"]
        worker.process.kill()
        with pytest.raises(ContenderFailure, match="killed by signal 9"):
            worker.ask("first", quantity="1024")
    with Worker(tmp_path) as worker, pytest.raises(ContenderFailure, match="KeyError: 'dance'"):
        worker.ask("dance")


@pytest.mark.parametrize(
    ("found", "agrees"),
    [
        ({"outputs": [2.0, 1.0]}, True),
        ({"outputs": [2.001, 1.001], "d_x": [0.0, 0.0]}, True),
        ({"outputs": [2.0, 1.2]}, False),
        ({"outputs": [2.0, float("nan")]}, False),
        ({"outputs": [2.0, 1.0], "d_h": [0.5, 0.1]}, True),  # the kernel's own is not finite
    ],
)
def test_agreement(found: dict[str, list[float]], agrees: bool) -> None:
    expected = {"outputs": [2.0, 1.0], "d_x": [0.0, 0.0], "d_h": [float("nan")] * 2}
    if agrees:
        session.require_agreement(found, expected)
    else:
        with pytest.raises(ContenderFailure, match="its outputs differs"):
            session.require_agreement(found, expected)


# What is said of it


def made_up(contenders: dict[str, float], cells: tuple[str, ...] = ("gru",)) -> Bench:
    """Times of 1 ms and more, in proportion to `contenders`, at two sizes."""
    sizes = (Size(50, 1, 32), Size(100, 32, 256))
    timings, memories, starts = [], [], []
    for cell in cells:
        for name, share in contenders.items():
            for i, size in enumerate(sizes):
                for quantity in QUANTITIES:
                    at = Size(1, 1, size.H) if quantity == STEP else size
                    seconds = 1e-3 * (share + i)
                    timings.append(Timing(cell, name, quantity, at, seconds, (Spread.of([seconds], 0.75),)))
                memories.append(Memory(cell, name, TRAIN, size, 10**8))
            starts.append(Start(cell, name, sizes[0], 0.5, 20.0, cached=False))
    return Bench(
        cells,
        Settings(sizes, ("torch", "jax")),
        (("processor", "a processor"), ("cores", "2"), ("python", "3.11")),
        (("numpy", "2.4"),),
        2e11,
        tuple(timings),
        tuple(memories),
        tuple(starts),
        tuple(Work(cell, size, 10**7) for cell in cells for size in sizes),
        tuple(Failure("gru", ONNX, size, "no [memory] left") for size in sizes),
    )


def test_ratios() -> None:
    bench = made_up({NUMPY: 7.0, NUMBA: 1.0, TORCH: 4.0})
    first, second = bench.settings.sizes
    assert bench.ratio("gru", TORCH, TRAIN, first) == pytest.approx(4.0)
    assert bench.ratio("gru", TORCH, TRAIN, second) == pytest.approx(2.5)
    assert bench.mean_ratio("gru", TORCH, TRAIN) == pytest.approx(10**0.5)
    assert bench.mean_ratio("gru", ONNX, TRAIN) is None
    assert bench.rate("gru", NUMBA, TRAIN, first) == pytest.approx(1e10)
    alone = made_up({NUMPY: 2.0, TORCH: 4.0})
    assert alone.ratio("gru", TORCH, TRAIN, first) == pytest.approx(2.0)


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 5.0, 4.0]) == Spread(5, 1.0, 2.0, 3.0, 4.0, 5.0, None)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.01234, "0.0123"), (0.5, "0.500"), (1.234, "1.23"), (56.78, "56.8"), (1234.5, "1234")],
)
def test_number_text(number: float, text: str) -> None:
    assert number_text(number) == text


def test_tables_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    bench = made_up({name: 100.0 + i for i, name in enumerate(ALL_NAMES)}, ("gru_reset_after",))
    print_bench(bench, Console(width=80, markup=False, highlight=False))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert "not measured: gru, onnxruntime at 50,1,32 100,32,256: no [memory] left" in lines
    assert "Other processes kept 0.75 cores busy meanwhile: repeat this on a quiet machine." in lines


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PNG", b"\x89PNG")]
)
def test_figure(tmp_path: Path, suffix: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    drawing = bench_figure(made_up({NUMPY: 7.0, NUMBA: 1.0, TORCH: 4.0}, ("gru", "lstm")), suffix)
    path = tmp_path / f"times{suffix}"
    path.write_bytes(drawing)
    assert drawing.startswith(start)
    assert is_ours(path)


def test_data_survive_their_file(tmp_path: Path) -> None:
    cell = ALL["constants"]
    path = tmp_path / "kernel.py"
    path.write_text(symrnn.emit(cell, target="numpy"))
    made = draw_data(cell, import_file(path, "bench_test_kernel"), Size(4, 2, 3))
    made.save(tmp_path / "data.npz")
    read = Data.load(tmp_path / "data.npz")
    assert set(read.constants) == {"decay", "floor"}
    assert read.inputs["x"].shape == (4, 2, 3)
    for group in ("parameters", "constants", "inputs", "states"):
        left, right = getattr(made, group), getattr(read, group)
        assert list(left) == list(right)
        assert all(np.array_equal(left[name], right[name]) for name in left)
