"""Numba kernels where NUMBA_DISABLE_JIT=1 keeps Numba from compiling, as debuggers and coverage need it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from kernel_problems import ALL, run_python
from model_problems import MODELS
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Index, Input, Parameter, State, Value
from symrnn.vocabulary.families import POINTWISE

v, m = sr.axes("v m")


def picking() -> Cell:
    """Classes, a state that is a matrix, and functions that have no finite value everywhere."""
    k, E, C, row, y = Index("k", v), Parameter("E", v, m), State("C", m, m), Value("row"), Value("y")
    return Cell(
        "picking",
        Eq(row, sr.take(E, k)),
        Eq(C.next, sr.sigmoid(C) * C + sr.outer(row, row)),
        Eq(y, sr.log(abs(row)) + sr.sqrt(row**2 + 1) ** 3 + sr.softplus(C.next @ row) + sr.softmax(row)),
        output=y,
    )


CALLS = """
import sys, types
import numpy as np

sys.path.insert(0, ".")


def arrays(table, rng, dtype, *lead, sizes):
    made = {}
    for name, shape in table.items():
        array = rng.standard_normal((*lead, *map(sizes.get, shape))).astype(dtype)
        made[name] = rng.integers(0, 2, lead) if name in ("k", "following") else array
    return made


def arguments(module, dtype):
    rng = np.random.default_rng(1)
    sizes = dict(zip(module.AXES, (3, 4, 2, 3)))
    p = module.init(rng, **sizes, dtype=dtype)
    x = module.Inputs(**arrays(module.INPUTS, rng, dtype, 3, 2, sizes=sizes))
    return p, x, module.State(**arrays(module.STATES, rng, dtype, 2, sizes=sizes)), rng


def flat(results):
    if isinstance(results, (tuple, list)):
        return [array for part in results for array in flat(part)]
    return [] if results is None else [np.asarray(results)]


def compare(one, other, run):
    for dtype in (np.float32, np.float64):
        found, expected = (flat(run(module, dtype)) for module in (one, other))
        assert len(found) == len(expected) > 3
        for a, b in zip(found, expected):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            scale = np.max(np.abs(b), initial=1, where=np.isfinite(b))
            np.testing.assert_allclose(a, b, rtol=0, atol=100 * np.finfo(dtype).eps * scale)
"""

OF_A_CELL = """
def run(module, dtype):
    p, x, state, rng = arguments(module, dtype)
    workspace, lengths = module.Workspace(), np.array([3, 1])
    results = [module.predict(module.prepare(p), x, state, lengths=lengths)]
    results += [module.step(p, module.Inputs(*(array[0] for array in x)), state)]
    for lengths, threads in (None, {"threads": 1}), (lengths, {"threads": 2}):
        threads = threads if hasattr(module, "_WORTHWHILE") else {}
        made = module.forward(p, x, state, lengths=lengths, workspace=workspace, **threads)
        d = rng.standard_normal(made.outputs.shape).astype(dtype)
        gradients = module.backward(p, made.tape, d, state, workspace=workspace, **threads)
        results += [made.outputs, made.state, gradients]
    results += [module.predict(p, x, state, workspace=workspace)]
    nothing = module.Parameters(*map(np.zeros_like, p))  # the logarithm of which is no number to warn of
    made = module.forward(nothing, x)
    results += [made.outputs, module.backward(nothing, made.tape, np.ones_like(made.outputs))]
    return results
"""

OF_A_MODEL = """
def run(module, dtype):
    p, x, state, rng = arguments(module, dtype)
    options = {"lengths": np.array([3, 1]), "workspace": module.Workspaces()}
    made = [module.loss(p, x, state, **options), module.loss_and_gradients(p, x, state, **options)]
    ahead = module.generate(p, np.array([0, 1]), 2, rng)
    return [made, module.predict(p, x, state), module.step(p, x.k[0], state), ahead]
"""


def compare(folder: Path, name: str, sources: Mapping[str, str], script: str) -> None:
    """Compare both targets in a process without the compiler, and look for its cache."""
    for target, source in sources.items():
        (folder / f"{name}_{target}.py").write_text(source)
    end = f"""
import {name}_numpy as expected, {name}_numba as found
passes = [made for name, made in vars(found).items() if name.endswith("forward_slice")]
assert passes and all(isinstance(made, types.FunctionType) for made in passes)
found._WORTHWHILE = 1  # so that small batches are cut, too
compare(found, expected, run)
print("same")
"""
    assert run_python(CALLS + script + end, folder, NUMBA_DISABLE_JIT="1") == "same"
    assert not (folder / "cache").exists()
    assert not [path for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc")]


def functions() -> Cell:
    """Every pointwise function of one argument, one after the other: each takes what another one gives."""
    h, x = State("h", m), Input("x", v)
    total = Parameter("W", m, v) @ x
    for function in (f for f in POINTWISE if f.arity == 1):
        total = total / 4 + function(sr.tanh(total + h) + 2)  # where all have values
    return Cell("functions", Eq(h.next, sr.tanh(total)))


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("gru", "all"),
        ("gru", "states"),
        ("lstm", "all"),
        ("several", "states"),
        ("picking", "all"),
        ("functions", "all"),
    ],
)
def test_kernels_run_as_plain_python(name: str, save: str, tmp_path: Path) -> None:
    cell = {**ALL, "picking": picking(), "functions": functions()}[name]
    compare(tmp_path, name, {t: sr.emit(cell, t, save) for t in ("numpy", "numba")}, OF_A_CELL)


def test_models_run_as_plain_python(tmp_path: Path) -> None:
    model = MODELS["language_model"]
    compare(tmp_path, "model", {t: sr.emit(model, t) for t in ("numpy", "numba")}, OF_A_MODEL)


def test_the_plain_functions_pass_the_tests_of_the_compiled_ones(tmp_path: Path) -> None:
    """Products and packing in every layout, and functions at infinities, NaN and the ends of their ranges."""
    wanted = "test_pack or multiply_steps or (add_outer and not 00) or special or odd or nan"
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={tmp_path}", "-k", wanted]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name("test_numba_support.py"))],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
