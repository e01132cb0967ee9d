"""Kernels of several cells in one module: each under its prefix, with the bits that it computes alone."""

import ast
import builtins
import subprocess
import sys
import warnings
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL, DTYPES, TARGETS, assert_same, call, flat, kernel, run_python

import symrnn as sr
from symrnn import Feed, Layer, Model
from symrnn.kernels.contract import FULL
from symrnn.kernels.names import Namer, under_prefix
from symrnn.running.loading import load_source
from symrnn.zoo import squared_error

CELLS = ("lstm", "gru")
targets = pytest.mark.parametrize("target", TARGETS)


@cache
def model(*names: str) -> Model:
    """A layer of every cell, each on top of the one before."""
    source: Any = Feed("x")
    for name in names:
        source = Layer(ALL[name], source)
    return Model("joined", Layer(squared_error, {"a": source, "y": Feed("y")}))


@cache
def text(target: str) -> str:
    return sr.emit(model(*CELLS), target)


@cache
def loaded(target: str) -> ModuleType:
    return load_source(text(target), f"joined_{target}")


def kernel_of(module: ModuleType, prefix: str) -> Any:
    """One kernel of a module under the names of its own."""
    return SimpleNamespace(**{name: getattr(module, under_prefix(prefix, name)) for name in FULL.names})


def results(part: Any, arguments: Any) -> list[Any]:
    """What forward, backward, predict and step return, for the arguments of another module's part."""
    parameters = part.Parameters(*arguments.parameters)
    inputs, state = part.Inputs(*arguments.inputs), part.State(*arguments.state)
    run = part.forward(parameters, inputs, state)
    d_state = part.State(*arguments.d_state)
    gradients = part.backward(parameters, run.tape, arguments.d_outputs, d_state)
    predicted, final = part.predict(parameters, inputs, state)
    output, following = part.step(parameters, part.Inputs(*(array[0] for array in inputs)), state)
    return [run.outputs, *run.state, *flat(gradients), predicted, *final, output, *following]


@pytest.mark.parametrize(
    ("cell", "dtype", "target"),
    [
        *((cell, dtype, "numpy") for cell in CELLS for dtype in DTYPES),
        ("lstm", "float32", "numba"),
    ],
)
def test_kernels_in_one_module_compute_the_bits_of_kernels_alone(cell: str, dtype: str, target: str) -> None:
    arguments = call(cell, target, dtype)
    expected = results(arguments.module, arguments)
    assert_same(results(kernel_of(loaded(target), cell), arguments), expected)


@targets
@pytest.mark.parametrize("cell", CELLS)
def test_slices_of_large_batches_compute_the_same_bits(cell: str, target: str) -> None:
    """Several threads: the pool and the sizes of slices are shared by the kernels."""
    found = []
    for module in (kernel_of(loaded(target), cell), kernel(cell, target)):
        parameters = module.init(np.random.default_rng(1), n=40, m=50)
        run = module.forward(parameters, np.ones((30, 64, 40), np.float32))
        found.append([run.outputs, *flat(module.backward(parameters, run.tape, run.outputs))])
    assert_same(*found)


SHARED = ("class Workspace:", "def _checked_array(", "def _glorot(", "# ---- Memory ---", "\nimport math")
SHARED_COMPILED = (
    *("def _tile_function(", "_HOME = ", "class _Constants", "def _multiply(", "_POOL = []", "=_POOL.clear)"),
)


@pytest.mark.parametrize(("target", "more"), [("numpy", ()), ("numba", SHARED_COMPILED)])
def test_what_is_the_same_stands_once(target: str, more: tuple[str, ...]) -> None:
    for line in SHARED + more:
        assert text(target).count(line) == 1, line
    kernels = text(target).partition("# ---- Kernels ---")[2]
    for line in ("class {}Inputs", "def {}forward(", "def _{}checked_parameters("):
        assert line.format("") not in kernels
    assert "def lstm_forward(" in kernels
    assert "class GruInputs(" in kernels
    assert 'tape: "GruTape"' in kernels
    assert kernels.count("# ---- lstm ---") == kernels.count("# ---- gru ---") == 1
    widths = {len(line) for line in kernels.splitlines() if line.startswith("# ---- ")}
    assert widths == {104}


@targets
def test_the_text_is_sound(target: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(text(target), "joined.py", "exec")
    lint = ["ruff", "check", "--isolated", "--select=F821,F811,F401,I001", "-"]
    found = subprocess.run(
        [sys.executable, "-m", *lint], input=text(target), capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    defined = [n.name for n in ast.parse(text(target)).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert len(defined) == len(set(defined))
    assert not set(defined) & set(dir(builtins))


@targets
def test_the_order_of_layers_orders_the_kernels_alone(target: str) -> None:
    parts = {}
    for order in (CELLS, CELLS[::-1]):
        kernels = sr.emit(model(*order), target).partition("# ---- Kernels ---")[2]
        first, second = (kernels.index(f"# ---- {name} ---") for name in order)
        last = kernels.index("# ---- squared_error ---")
        bounds = [*pairwise((first, second, last))]
        assert list(order) == sorted(order, key=lambda name: kernels.index(f"# ---- {name} -"))
        parts[order] = {name: kernels[a:b] for name, (a, b) in zip(order, bounds, strict=True)}
    assert parts[CELLS] == parts[CELLS[::-1]]


def test_another_process_finds_the_machine_code_of_all_kernels(tmp_path: Path) -> None:
    """Compiled functions of all kernels have one home, whatever name the file is imported under."""
    assert text("numba").count('sys.modules.setdefault("symrnn_joined_') == 1
    (tmp_path / "model.py").write_text(text("numba"))
    script = """
import importlib.util, sys
import numpy as np

spec = importlib.util.spec_from_file_location({name!r}, "model.py")
model = sys.modules[{name!r}] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
for forward, init in ((model.lstm_forward, model.lstm_init), (model.gru_forward, model.gru_init)):
    forward(init(np.random.default_rng(1), n=2, m=3), np.zeros((4, 5, 2), np.float32))
slices = model._lstm_forward_slice, model._gru_forward_slice
print([(sum(f.stats.cache_hits.values()), sum(f.stats.cache_misses.values())) for f in slices])
"""
    found = [run_python(script.format(name=name), tmp_path).strip() for name in ("first", "second")]
    assert found == ["[(0, 1), (0, 1)]", "[(1, 0), (1, 0)]"]


def test_names_keep_their_manner() -> None:
    names = ("step", "_step", "Run", "_Use", "AXES", "_POOL", "W_r", "T")
    expected = ["my_cell_step", "_my_cell_step", "MyCellRun", "_MyCellUse"]
    expected += ["MY_CELL_AXES", "_MY_CELL_POOL", "my_cell_W_r", "MY_CELL_T"]
    assert [under_prefix("my_cell", name) for name in names] == expected


@pytest.mark.parametrize(
    ("names", "taken", "made"),
    [
        (("f",), {"a_f"}, "a_2_f"),
        (("f",), {"a_f", "a_2_f"}, "a_3_f"),
        (("f", "_g"), {"_a_g"}, "a_2_f"),
        (("f",), {"b_f"}, "a_f"),
    ],
)
def test_a_prefix_that_would_clash_gets_a_number(names: tuple[str, ...], taken: set[str], made: str) -> None:
    ((prefix, found),) = Namer(frozenset()).under_prefixes(("a",), names, taken)
    assert prefix == "a"
    assert found["f"] == made


def test_what_the_target_forbids_is_taken() -> None:
    ((_, found),) = Namer(frozenset({"a_f"})).under_prefixes(("a",), ("f",), frozenset())
    assert found == {"f": "a_2_f"}


def test_prefixes_that_differ_in_case_or_underscores_alone() -> None:
    prefixes = ("cell", "CELL", "_cell", "__cell", "Cell", "c_ell", "cEll", "_", "_1")
    names = ("AXES", "Run", "step", "_step")
    made = dict(Namer(frozenset()).under_prefixes(prefixes, names, frozenset()))
    everything = [name for found in made.values() for name in found.values()]
    assert len(everything) == len(set(everything)) == len(prefixes) * len(names)
    for found in made.values():
        assert found["_step"].startswith("_")
        assert not found["Run"].startswith("_")
        assert all(name.isidentifier() for name in found.values())
