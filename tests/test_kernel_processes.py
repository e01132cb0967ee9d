"""Emitted files on their own: other processes, names, threads and forks."""

import ast
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL, EXTRA, TARGETS, assert_close, assert_same, call, flat, kernel

import symrnn as sr

targets = pytest.mark.parametrize("target", TARGETS)

ALONE = '''
import sys


class Wall:
    """Nothing but NumPy, Numba and what they need can be imported."""

    FORBIDDEN = {"symrnn", "sympy", "mpmath", "jinja2", "scipy", "jax", "torch", "typer", "rich"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.FORBIDDEN:
            raise ModuleNotFoundError(f"{name} is behind the wall", name=name)
        return None


sys.meta_path.insert(0, Wall())
'''
USE = '''
import numpy as np


def use(module):
    """Forward, backward, one finite difference, and a digest of the results."""
    rng = np.random.default_rng(0)
    p = module.init(rng, n=3, m=4, dtype=np.float64)
    x, cotangent = rng.standard_normal((5, 2, 3)), rng.standard_normal((5, 2, 4))
    run = module.forward(p, x)
    gradients = module.backward(p, run.tape, cotangent)
    name, weights = p._fields[0], p[0]
    direction, step = rng.standard_normal(weights.shape), 1e-6

    def loss(shift):
        moved = p._replace(**{name: weights + shift * direction})
        return (module.forward(moved, x).outputs * cotangent).sum()

    difference = (loss(step) - loss(-step)) / (2 * step)
    gradient = (gradients.parameters[0] * direction).sum()
    assert abs(difference - gradient) < 1e-7 * abs(gradient), (difference, gradient)
    results = [run.outputs, *gradients.parameters, *gradients.inputs, *gradients.state]
    return " ".join(float(array.sum()).hex() for array in results)
'''
HITS = '''
def hits(module):
    """How often the compiled functions came from the cache, and how often they did not."""
    stats = [f.stats for f in (module._forward_slice, module._backward_slice)]
    return sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats)
'''


def run_python(script: str, folder: Path, *options: str) -> str:
    """What a fresh Python prints; its warnings are errors, and it must end well."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NUMBA", "SYMRNN"))}
    environment["NUMBA_CACHE_DIR"] = str(folder / "cache")
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        "ignore:.*fork:DeprecationWarning",
        *options,
        "-c",
        script,
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with kernels, two names for one of them, and a cache that all processes share."""
    made = tmp_path_factory.mktemp("alone")
    for target in TARGETS:
        for cell, name in (("gru", "gru"), ("elman", "elman"), ("elman", "another_name")):
            (made / f"{name}_{target}.py").write_text(sr.emit(ALL[cell], target))
    return made


@targets
def test_a_kernel_needs_nothing_but_numpy_and_numba(target: str, folder: Path) -> None:
    load = f"sys.path.insert(0, '.')\nimport gru_{target} as module\nprint(use(module))"
    script = ALONE + USE + load
    assert run_python(script, folder)


@targets
def test_a_kernel_imports_what_it_says(target: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse(sr.emit(ALL["gru"], target))):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names)
    assert foreign == ({"numpy", "numba", "llvmlite"} if target == "numba" else {"numpy"})


def test_three_processes_with_three_names_share_one_cache(folder: Path) -> None:
    """Numba's cache refers to a module by name: it must serve every name, `__main__` too."""
    (folder / "once").mkdir()
    path = folder / "once" / "kernel.py"
    path.write_text(sr.emit(ALL["gru"], "numba"))
    by_name = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location({name!r}, {path!r})
module = importlib.util.module_from_spec(spec)
{register}
spec.loader.exec_module(module)
print(use(module), *hits(module))
"""
    as_main = """
import runpy, types
module = types.SimpleNamespace(**runpy.run_path({path!r}, run_name="__main__"))
print(use(module), *hits(module))
"""
    register = "sys.modules[{name!r}] = module"
    scripts = [
        by_name.format(name="first", path=str(path), register=register.format(name="first")),
        by_name.format(name="second.part", path=str(path), register=register.format(name="second.part")),
        by_name.format(name="unregistered", path=str(path), register=""),
        as_main.format(path=str(path)),
    ]
    answers, counts = [], []
    for script in scripts:
        *answer, hit, missed = run_python(ALONE + USE + HITS + script, folder).split()
        answers.append(answer)
        counts.append((int(hit), int(missed)))
    assert answers[1:] == answers[:-1]
    assert counts == [(0, 2), (2, 0), (2, 0), (2, 0)]


def test_a_kernel_runs_as_a_script(folder: Path) -> None:
    path = folder / "gru_numba.py"
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@targets
def test_a_kernel_loaded_twice_or_from_text(target: str, folder: Path) -> None:
    script = f"""
import pathlib, sys, types
sys.path.insert(0, ".")
import elman_{target} as one
import another_name_{target} as two
bare = {{}}
exec(pathlib.Path("elman_{target}.py").read_text(), bare)
answers = {{use(module) for module in (one, two, types.SimpleNamespace(**bare), one)}}
assert len(answers) == 1, answers
p = one.init(np.random.default_rng(0), n=3, m=4, dtype=np.float64)
x = np.ones((2, 1, 3))
same = two.forward(two.Parameters(*p), x).outputs
assert (two.forward(p, x).outputs == same).all()  # the tuples of the same kernel under another name
print("good")
"""
    assert run_python(USE + script, folder) == "good"


# ---- Threads -----------------------------------------------------------------------------------------


def cut(module: Any, monkeypatch: pytest.MonkeyPatch, *bounds: int) -> None:
    """Cut every batch at the given places, however small."""
    monkeypatch.setattr(module, "_bounds", lambda batch, operations: [*bounds, batch])


CUTS = [(0, 1), (0, 2), (0, 1, 2)]


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize(
    ("name", "dtype"), [("lstm", "float64"), ("lstm", "float32"), *((name, "float64") for name in EXTRA)]
)
def test_a_batch_cut_into_parts_gives_the_same(
    name: str, cuts: tuple[int, ...], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = call(name, "numba", dtype)
    whole = made.results()
    predicted, state = made.module.predict(made.parameters, made.inputs, made.state)
    cut(made.module, monkeypatch, *cuts)
    found = made.results()
    assert_close(found, whole, dtype)
    run = made.forward()
    assert_same(
        [run.outputs, *run.state], whole[: 1 + len(run.state)]
    )  # samples do not meet in the forward pass
    again, other = made.module.predict(made.parameters, made.inputs, made.state)
    assert_same([again, *other], [predicted, *state])


@pytest.mark.parametrize("T", [0, 1])
def test_parts_of_short_sequences(T: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = call("lstm", "numba", T=T)
    whole = made.results()
    cut(made.module, monkeypatch, 0, 1, 2)
    assert_close(made.results(), whole)


def test_bounds_cover_the_batch_without_gaps() -> None:
    module = kernel("lstm", "numba")
    for batch in (0, 1, 2, 3, 17, 32, 100):
        for operations in (0, 1e6, 1e7, 1e9):
            bounds = module._bounds(batch, operations)
            assert (bounds[0], bounds[-1]) == (0, batch)
            assert all(low <= high for low, high in pairwise(bounds))
            assert all(isinstance(bound, int) for bound in bounds)


@targets
@pytest.mark.parametrize("parts", [False, True], ids=["whole", "cut"])
def test_calls_from_several_threads_give_the_same(
    parts: bool, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Different problems at once, many times; with the batch cut, all share the kernel's own threads."""
    if parts and target == "numba":
        cut(kernel("lstm", target), monkeypatch, 0, 1, 2)
    calls = [call("lstm", target, T=4, B=3), call("lstm", target, "float32"), call("lstm", target, T=2, B=5)]
    expected = [made.results() for made in calls]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda made: made.results(), calls * 20))
    for position, results in enumerate(found):
        assert_same(results, expected[position % len(calls)])


@targets
def test_one_tape_serves_several_threads(target: str) -> None:
    made = call("lstm", target)
    tape = made.forward().tape
    prepared = made.module.prepare(made.parameters)

    def work(given: Any) -> list[np.ndarray]:
        return flat(made.module.backward(given, tape, made.d_outputs, made.d_state))

    expected = work(prepared)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(work, [made.parameters, prepared] * 20):
            assert_same(found, expected)


def test_a_forked_child_computes_the_same(folder: Path) -> None:
    script = """
import os, sys
sys.path.insert(0, ".")
import elman_numba as module
module._bounds = lambda batch, operations: [0, batch // 2, batch]
before = use(module)
assert module._POOL
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, use(module).encode())
    os._exit(0)
os.close(writer)
answer = b"".join(iter(lambda: os.read(reader, 65536), b"")).decode()
_, status = os.waitpid(child, 0)
assert status == 0, status
assert answer == before == use(module), answer
print("good")
"""
    assert run_python(USE + script, folder) == "good"


def test_large_calls_are_cut_without_being_asked(folder: Path) -> None:
    script = """
import os, sys
sys.path.insert(0, ".")
import elman_numba as module
rng = np.random.default_rng(0)
p = module.init(rng, n=64, m=128, dtype=np.float64)
x = rng.standard_normal((30, 64, 64))
module._CPUS = 1
one = module.forward(p, x)
alone = module.backward(p, one.tape, np.ones_like(one.outputs))
assert not module._POOL
module._CPUS = 2
two = module.forward(p, x)
shared = module.backward(p, two.tape, np.ones_like(two.outputs))
assert module._POOL
assert (one.outputs == two.outputs).all()
assert (alone.inputs.x == shared.inputs.x).all()
for a, b in zip(alone.parameters, shared.parameters):
    assert np.allclose(a, b, rtol=1e-10, atol=1e-10 * abs(a).max())
print("good")
"""
    assert run_python(USE + script, folder) == "good"


# ---- What is compiled --------------------------------------------------------------------------------

SLICES = ("_forward_slice", "_backward_slice")


@pytest.mark.parametrize("name", ["lstm", "gru_reset_after", "several"])
def test_float32_kernels_compute_in_float32(name: str, folder: Path) -> None:
    """A Python number would turn a whole expression into float64; no result would tell."""
    (folder / f"{name}.txt").write_text(sr.emit(ALL[name], "numba"))
    script = f"""
import pathlib, types
import numpy as np
names = {{}}
exec(pathlib.Path("{name}.txt").read_text(), names)  # from text there is no cache, which keeps no LLVM code
module = types.SimpleNamespace(**names)
p = module.init(np.random.default_rng(0), **dict.fromkeys(module.AXES, 3))
shapes = module.INPUTS.values()
inputs = module.Inputs(*(np.ones((2, 1, *(3 for _ in shape)), np.float32) for shape in shapes))
run = module.forward(p, inputs)
module.backward(p, run.tape, np.ones_like(run.outputs))
for function in (module._forward_slice, module._backward_slice):
    print("".join(function.inspect_llvm().values()))
"""
    text = run_python(script, folder)
    assert text.count("; ModuleID") == 2
    found = [line for line in text.splitlines() if re.search(r"\bdouble\b", line)]
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_allocated_inside_the_loops_over_time(name: str) -> None:
    tree = ast.parse(sr.emit(ALL[name], "numba"))
    bodies = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in SLICES]
    assert len(bodies) == 2
    calls = {
        ast.unparse(node.func) for body in bodies for node in ast.walk(body) if isinstance(node, ast.Call)
    }
    arrays = {called for called in calls if called.startswith("np.") or called.endswith((".copy", ".astype"))}
    assert not arrays
    operators = [node for body in bodies for node in ast.walk(body) if isinstance(node, ast.MatMult)]
    assert not operators
    plain = {"range", "real", "_multiply", "_add_outer"}
    functions = {called for called in calls if called.startswith("_")} - plain
    scalar = {
        "_sigmoid",
        "_tanh",
        "_relu",
        "_exp",
        "_expm1",
        "_softplus",
        "_maximum",
        "_minimum",
        "_abs",
        "_sign",
        "_power",
    }
    assert functions <= scalar
