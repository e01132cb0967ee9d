"""Emitted files on their own: other processes, other names, and what is compiled in them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_problems import ALL, TARGETS, USE, drawn, run_python
from numba.core.runtime import _nrt_python, rtsys
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, axes, mean, tanh

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
HITS = '''
def hits(module):
    """How often the compiled functions came from the cache, and how often they did not."""
    stats = [f.stats for f in (module._forward_slice, module._backward_slice)]
    return sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats)
'''

n, m = axes("n m")
WITHOUT_PRODUCTS = Cell(
    "plain",
    Eq(State("h", m).next, tanh(Parameter("w", m) * State("h", m) + mean(Parameter("v", n) * Input("x", n)))),
)
"""What compiles in a moment."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with kernels, two names for one of them, and a cache that all processes share."""
    made = tmp_path_factory.mktemp("alone")
    for target in TARGETS:
        (made / f"elman_{target}.py").write_text(sr.emit(ALL["elman"], target))
        for name in ("one_name", "another_name"):
            (made / f"{name}_{target}.py").write_text(sr.emit(WITHOUT_PRODUCTS, target))
    return made


@targets
def test_a_kernel_needs_nothing_but_numpy_and_numba(target: str, folder: Path) -> None:
    load = f"sys.path.insert(0, '.')\nimport elman_{target} as module\nprint(use(module))"
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
    path.write_text(sr.emit(ALL["elman"], "numba"))
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
    path = folder / "elman_numba.py"
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@targets
def test_a_kernel_loaded_twice_or_from_text(target: str, folder: Path) -> None:
    script = f"""
import pathlib, sys, types
sys.path.insert(0, ".")
import one_name_{target} as one
import another_name_{target} as two
bare = {{}}
exec(pathlib.Path("one_name_{target}.py").read_text(), bare)
answers = {{use(module) for module in (one, two, types.SimpleNamespace(**bare), one)}}
assert len(answers) == 1, answers
p = one.init(np.random.default_rng(0), n=3, m=4, dtype=np.float64)
x = np.ones((2, 1, 3))
same = two.forward(two.Parameters(*p), x).outputs
assert (two.forward(p, x).outputs == same).all()  # the tuples of the same kernel under another name
print("good")
"""
    assert run_python(USE + script, folder) == "good"


# ---- What is compiled --------------------------------------------------------------------------------

SLICES = ("_forward_slice", "_predict_slice", "_backward_slice")


@pytest.mark.parametrize("name", ["lstm", "several"])
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
module.predict(p, inputs)
module.backward(p, run.tape, np.ones_like(run.outputs))
for function in (module._forward_slice, module._predict_slice, module._backward_slice):
    print("".join(function.inspect_llvm().values()))
"""
    text = run_python(script, folder)
    assert text.count("; ModuleID") == len(SLICES)
    found = [line for line in text.splitlines() if re.search(r"\bdouble\b", line)]
    assert not found, "\n".join(found[:20])


def called_by(functions: list[ast.FunctionDef], module: ast.Module) -> list[ast.FunctionDef]:
    """The given functions and those of the module that they call, directly or not, when they run.

    An intrinsic is left out: it writes LLVM instructions, and what it calls, it calls while compiling.
    """
    known = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    found = {node.name: node for node in functions}
    open_ends = list(functions)
    while open_ends:
        for node in (node for part in open_ends.pop().body for node in ast.walk(part)):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if name in known and name not in found and "intrinsic" not in decorators(known[name]):
                found[name] = known[name]
                open_ends.append(known[name])
    return list(found.values())


def decorators(function: ast.FunctionDef) -> str:
    return " ".join(ast.unparse(decorator) for decorator in function.decorator_list)


@pytest.mark.parametrize("save", ["all", "states"])
@pytest.mark.parametrize("name", ALL)
def test_nothing_is_allocated_inside_the_loops_over_time(name: str, save: str) -> None:
    """Neither in the passes nor in what they call: views, numbers and calls of functions are all there is.

    Only `predict` makes room for a few steps, before its loop.
    """
    tree = ast.parse(sr.emit(ALL[name], "numba", save))
    passes = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in SLICES]
    assert len(passes) == len(SLICES)
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    plain = {"range", "min", "max", "abs", "real"}
    making = (ast.MatMult, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    for function in called_by(passes, tree):
        assert decorators(function).partition("(")[0] in ("_compiled", "_inlined", "_inlined_or"), (
            function.name
        )
        parts = function.body
        if function.name == "_predict_slice":
            room = ("np.empty(", "lengths.copy()")  # before the loop: for a few steps, and for what is left
            texts = {part: ast.unparse(part) for part in parts if not isinstance(part, ast.For)}
            parts = [part for part in parts if not any(made in texts.get(part, "") for made in room)]
        for node in (node for part in parts for node in ast.walk(part)):
            assert not isinstance(node, making), function.name
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                harmless = called in own | plain or called.startswith("math.") or called.endswith(".reshape")
                assert harmless, f"{called} in {function.name}"


@pytest.mark.parametrize(
    ("name", "save"),
    [*((name, "all") for name in ("elman", "lstm", "several", "affine")), ("several", "states")],
)
def test_longer_sequences_allocate_no_more(name: str, save: str) -> None:
    """What the text does not tell, such as the result of arithmetic on whole arrays: Numba counts."""
    counts = []
    _nrt_python.memsys_enable_stats()
    try:
        for T in (1, 200, 2, 100):  # the first one compiles
            made = drawn(name, "numba", T, 3, save=save)
            before = rtsys.get_allocation_stats().alloc
            made.results()
            counts.append(rtsys.get_allocation_stats().alloc - before)
    finally:
        _nrt_python.memsys_disable_stats()
    assert counts[1] == counts[2] == counts[3] > 0
