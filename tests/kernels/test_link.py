"""Modules joined into one: the kernels compute the same bits, and only global names change."""

import ast
import builtins
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL, DTYPES, TARGETS, assert_same, call, flat, kernel, run_python

import symrnn as sr
from symrnn.errors import EmissionError
from symrnn.kernels.link import CONTRACT, Linked, link, own_name
from symrnn.running.loading import load_source

CELLS = ("lstm", "gru")
targets = pytest.mark.parametrize("target", TARGETS)


@cache
def sources(target: str) -> dict[str, str]:
    return {cell: sr.emit(ALL[cell], target) for cell in CELLS}


@cache
def joined(target: str) -> Linked:
    return link(sources(target), home="symrnn_lstm_and_gru" if target == "numba" else None)


@cache
def loaded(target: str) -> ModuleType:
    return load_source(joined(target).text, f"linked_{target}")


def kernel_of(module: ModuleType, prefix: str) -> Any:
    """One kernel of a joined module under the names of its own."""
    return SimpleNamespace(**{name: getattr(module, own_name(prefix, name)) for name in CONTRACT})


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
def test_kernels_in_one_file_compute_the_bits_of_separate_files(cell: str, dtype: str, target: str) -> None:
    arguments = call(cell, target, dtype)
    expected = results(arguments.module, arguments)
    assert_same(results(kernel_of(loaded(target), cell), arguments), expected)


@targets
@pytest.mark.parametrize("cell", CELLS)
def test_slices_of_large_batches_compute_the_same_bits(cell: str, target: str) -> None:
    """Several threads: the pool and the sizes of slices are shared by the parts."""
    found = []
    for module in (kernel_of(loaded(target), cell), kernel(cell, target)):
        parameters = module.init(np.random.default_rng(1), n=40, m=50)
        run = module.forward(parameters, np.ones((30, 64, 40), np.float32))
        found.append([run.outputs, *flat(module.backward(parameters, run.tape, run.outputs))])
    assert_same(*found)


@targets
def test_what_is_the_same_stands_once(target: str) -> None:
    text = joined(target).text
    support = ["class Workspace", "def _checked_array(", "def _glorot(", "# ---- Checks ---", "import math"]
    numba = [
        "def _tile_function(",
        "_HOME = ",
        "class _Constants",
        "def _multiply(",
        "_POOL = []",
        "=_POOL.clear)",
    ]
    for line in support + (numba if target == "numba" else []):
        assert ("\n" + text).count(line) == 1, line
    for line in ("class {}Inputs", "def {}forward(", "def _{}checked_parameters("):
        assert line.format("") not in text
    assert "def lstm_forward(" in text
    assert "class GruInputs(" in text
    assert 'tape: "GruTape"' in text
    assert text.count("# ---- lstm ---") == text.count("# ---- gru ---") == 1
    widths = {len(line) for line in text.splitlines() if line.startswith("# ---- ")}
    assert widths == {104}


@targets
def test_the_joined_text_is_sound(target: str) -> None:
    text = joined(target).text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(text, "joined.py", "exec")
    lint = ["ruff", "check", "--isolated", "--select=F821,F811,F401,I001", "-"]
    found = subprocess.run(
        [sys.executable, "-m", *lint], input=text, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    defined = [n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert len(defined) == len(set(defined))
    assert not set(defined) & set(dir(builtins))


@targets
def test_only_names_of_the_text_change(target: str) -> None:
    """A module alone, with nothing apart, is its own text; and so is what was joined before."""
    for source in (*sources(target).values(), joined(target).text):
        alone = link({"part": source}, apart=())
        body = source[source.index("\nimport ") + 1 :] if source.startswith('"""') else source
        assert [x for x in alone.text.split("\n") if x] == [x for x in body.split("\n") if x]
        assert alone.own == {"part": ""}
    assert link({"part": joined(target).text}, apart=()).text == joined(target).text


@targets
def test_the_order_of_modules_orders_the_parts_alone(target: str) -> None:
    home = "symrnn_lstm_and_gru" if target == "numba" else None
    again, turned = (
        link(dict(order), home=home) for order in (sources(target).items(), reversed(sources(target).items()))
    )
    assert again == joined(target)
    assert list(turned.own) == ["gru", "lstm"]
    assert turned.own == again.own
    assert turned.imports == again.imports
    assert sorted(turned.shared.split("\n")) == sorted(again.shared.split("\n"))


def test_homes_must_be_one() -> None:
    with pytest.raises(EmissionError, match="several modules _HOME"):
        link(sources("numba"))
    assert joined("numba").text.count('"symrnn_lstm_and_gru"') == 2


def test_another_process_finds_the_machine_code_of_all_kernels(tmp_path: Path) -> None:
    """Compiled functions of all parts have one home, whatever name the file is imported under."""
    (tmp_path / "model.py").write_text(joined("numba").text)
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


def made(linked: Linked) -> dict[str, Any]:
    """What the joined text defines."""
    namespace: dict[str, Any] = {"__name__": "joined"}
    exec(compile(linked.text, "joined", "exec"), namespace)
    return namespace


def test_three_modules_of_which_two_are_equal() -> None:
    one, two = "def f(x):\n    return x + 1\n", "def f(x):\n    return x + 2\n"
    common = "\n\ndef g(x):\n    return -x\n\n\ndef use(x):\n    return g(f(x))\n"
    linked = link({"a": one + common, "b": one + common, "c": two + common})
    found = made(linked)
    assert [found[f"{prefix}_use"](1) for prefix in "abc"] == [-2, -2, -3]
    assert linked.shared == "def g(x):\n    return -x"
    assert linked.names["b"] == {"f": "b_f", "g": "g", "use": "b_use"}
    equal = link({"a": one + common, "b": one + common})
    assert not any(equal.own.values())
    assert equal.text == one + common


def test_names_keep_their_manner() -> None:
    found = [
        own_name("my_cell", name) for name in ("step", "_step", "Run", "_Use", "AXES", "_POOL", "W_r", "T")
    ]
    expected = ["my_cell_step", "_my_cell_step", "MyCellRun", "_MyCellUse"]
    assert found == [*expected, "MY_CELL_AXES", "_MY_CELL_POOL", "my_cell_W_r", "MY_CELL_T"]


SCOPES = '''
import functools

step = {number}  # the step
other = step + 1


def decorated(function, step=step):
    """Wraps; `step` here is a word."""
    @functools.wraps(function)
    def inner(*args, other=other, **step):
        return function(*args, **step), other
    return inner


class Box:
    state: int
    step = step + 10
    again = step
    tape: "Box | list[Box] | None" = None
    words: "no expression" = "step"
    loops = [step for step in range(2)]
    over = [other for _ in range(step - step + 1)]

    def other(self, step: "Box" = None, *, key=step) -> "Box":
        self.step = step or other
        return key


@decorated
def run(x, *, step=0):
    other = [step for step in range(x)] + [x for _ in "a"]
    shadowed = lambda other: other + step
    y = (z := shadowed(1))
    def nested():
        nonlocal y
        y = y + z
        return f"{{y}} step"
    return dict(step=step, other=other, nested=nested(), y=y, s=Box.step, a=Box.again)


def comprehended():
    return [[other + step for step in [step]] for _ in [0]], {{step: other for other in [5]}}, step


def counted():
    global step, other
    step, before = step + 100, step
    for other in (7,):
        pass
    return step, before


def shifted():
    é = "µµµ"; return é, step
'''


def test_scopes_are_respected() -> None:
    parts = {"a": SCOPES.format(number=1), "b": SCOPES.format(number=20)}
    linked = link(parts, apart=())
    found = made(linked)
    for prefix, source in parts.items():
        alone: dict[str, Any] = {"__name__": "alone"}
        exec(compile(source, "alone", "exec"), alone)
        names = ("run", "comprehended", "shifted", "counted", "comprehended", "shifted")
        for name in names:
            arguments = (3,) if name == "run" else ()
            assert found[f"{prefix}_{name}"](*arguments) == alone[name](*arguments), name
        box, expected = found[f"{prefix.upper()}Box"], alone["Box"]
        for key in ("step", "again", "loops", "over"):
            assert getattr(box, key) == getattr(expected, key)
        assert box().other(3) == expected().other(3)
        text = linked.own[prefix]
        assert f'tape: "{prefix.upper()}Box | list[{prefix.upper()}Box] | None"' in text
        assert 'words: "no expression" = "step"' in text
        assert f"step = {prefix}_step + 10\n    again = step\n" in text
        assert f"    global {prefix}_step, {prefix}_other\n" in text
        assert f"dict(step=step, other=other, nested=nested(), y=y, s={prefix.upper()}Box.step" in text
        assert f"[[{prefix}_other + step for step in [{prefix}_step]] for" in text
    assert linked.imports == "import functools"


def test_what_refers_to_something_unshared_is_not_shared() -> None:
    text = "LIMIT = {}\n\n\ndef low():\n    return LIMIT\n\n\ndef high():\n    return low()\n\n\n"
    text += "def free():\n    return 1\n"
    linked = link({"a": text.format(1), "b": text.format(2)})
    assert linked.shared == "def free():\n    return 1"
    assert made(linked)["b_high"]() == 2
    assert "A_LIMIT = 1\n\n\ndef a_low():\n    return A_LIMIT" in linked.own["a"]


def test_every_way_to_refer_counts() -> None:
    ways = (
        "@f\ndef g(): pass",
        "def g(x=f): pass",
        "def g(x: f): pass",
        "def g() -> 'f': pass",
        "class g(f): pass",
        "class g:\n    x: 'f'",
        "g = [f for _ in ()]",
        "if f:\n    g = 1",
        "g = lambda: f",
        "g = 1\ng += f",
    )
    for way in ways:
        linked = link({"a": f"f = 1\n{way}\n", "b": f"f = 2\n{way}\n"})
        assert linked.shared == "", way
        assert linked.names["b"] == {"f": "b_f", "g": "b_g"}


def test_changes_of_a_name_belong_to_it() -> None:
    same = 'TABLE = {{}}\nTABLE["x"] = {}\nLIST = []\nLIST.append(1)\n'
    linked = link({"a": same.format(1), "b": same.format(2)})
    found = made(linked)
    assert (found["A_TABLE"], found["B_TABLE"], found["LIST"]) == ({"x": 1}, {"x": 2}, [1])


def test_a_name_that_another_module_takes_from_elsewhere_is_not_shared() -> None:
    linked = link({"a": "def abs(x):\n    return 5\n", "b": "def size(x):\n    return abs(x)\n"})
    assert made(linked)["size"](-1) == 1
    assert linked.names["a"] == {"abs": "a_abs"}


def test_shared_definitions_stand_behind_what_they_need() -> None:
    a = "# ---- One ----\n\nx = 1\n\n# ---- Two ----\n\nz = x + 1\n"
    b = "# ---- One ----\n\nx = 1\ny = x * 5\n\n# ---- Two ----\n# About two.\n\nw = y\n"
    linked = link({"a": a, "b": b})
    lines = [line for line in linked.shared.split("\n") if line]
    assert lines == [
        "# ---- One ----",
        "x = 1",
        "y = x * 5",
        "# ---- Two ----",
        "# About two.",
        "w = y",
        "z = x + 1",
    ]
    assert made(linked)["w"] == 5
    assert linked.shared.count("# ---- One ----") == linked.shared.count("# ---- Two ----") == 1


def test_comments_are_kept() -> None:
    text = (
        "# ---- Notes ----\n# About all of it.\n\n# Above.\nx = {0}  # behind\n\n# Floating.\n\n\n"
        "# Over f.\ndef f():\n"
        "    # within\n    return x  # there\n    # indented\n\n# before a title\n\n"
        "# ---- Rest ----\ny = 1\n# the end\n"
    )
    linked = link({"a": text.format(1), "b": text.format(2)})
    words = (
        "About all of it",
        "Above",
        "behind",
        "Floating",
        "Over f",
        "within",
        "there",
        "indented",
        "before a title",
    )
    for word in words:
        assert all(word in linked.own[prefix] for prefix in "ab"), word
    assert linked.shared == "# ---- Rest ----\ny = 1\n# the end"
    assert "# ---- Notes" not in linked.text
    assert made(linked)["b_f"]() == 2


def test_imports_are_joined() -> None:
    linked = link(
        {
            "a": '"""A module."""\n\nimport os\nfrom typing import Any\nimport numpy as np\n\n'
            "x = np, os, Any\n",
            "b": "from __future__ import annotations\nimport os\n"
            "from typing import NamedTuple, Any, cast\nimport numpy as np\n",
        }
    )
    assert linked.text == (
        "from __future__ import annotations\n\nimport os\nfrom typing import Any, NamedTuple, cast\n\n"
        "import numpy as np\n\n\nx = np, os, Any\n"
    )


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("import os as x\n", "import sys as x\n", "import 'x', which"),
        ("from os import *\n", "", "import '\\*', which"),
        ("__all__ = []\n", "", "defines __all__"),
        ("import os\nos = 1\n", "", "defines os, an import"),
        ("f = (\n", "", "'a' is not Python"),
        ("x = 1; y = 2\n", "", "two statements"),
        (
            "try:\n    import os\nexcept ImportError:\n    os = 1\n",
            "os = 2\n",
            "The name os cannot be replaced in: import os",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(a: str, b: str, message: str) -> None:
    with pytest.raises(EmissionError, match=message):
        link({"a": a, "b": b})


def test_a_prefix_is_a_name() -> None:
    for prefix in ("a b", "1", ""):
        with pytest.raises(EmissionError, match="cannot be a prefix"):
            link({prefix: ""})


@pytest.mark.parametrize(
    ("a", "b", "names"),
    [
        ("a_f = 1\nf = 2\n", "f = 3\n", {"a_f": "a_f", "f": "a_2_f"}),
        ("f = 2\n", "def g(a_f):\n    return a_f\nf = 3\n", {"f": "a_2_f"}),
        ("f = 2\n", "a_2_f = a_f = f = 3\n", {"f": "a_3_f"}),
    ],
)
def test_a_prefix_that_would_clash_gets_a_number(a: str, b: str, names: dict[str, str]) -> None:
    linked = link({"a": a, "b": b})
    assert linked.names["a"] == names
    assert made(linked)[names["f"]] == 2
    assert linked.own["a"].startswith("# ---- a ---")


def test_prefixes_that_differ_in_case_or_underscores_alone() -> None:
    text = "AXES = {0}\n\n\nclass Run:\n    step = {0}\n\n\ndef _step():\n    return AXES\n"
    prefixes = ("cell", "CELL", "_cell", "__cell", "Cell", "c_ell", "cEll", "_", "_1")
    linked = link({prefix: text.format(number) for number, prefix in enumerate(prefixes)})
    found = made(linked)
    for number, prefix in enumerate(prefixes):
        names = linked.names[prefix]
        assert found[names["AXES"]] == found[names["Run"]].step == found[names["_step"]]() == number
        assert names["_step"].startswith("_")
        assert not names["Run"].startswith("_")


def test_names_of_the_rest_of_the_file_are_left_alone() -> None:
    linked = link({"a": "f = 1\n", "b": "f = 2\n"}, taken=("a_f", "BF"))
    assert linked.names == {"a": {"f": "a_2_f"}, "b": {"f": "b_f"}}
    with pytest.raises(EmissionError, match="All modules define f, which is another name of the file"):
        link({"a": "f = 1\n", "b": "f = 1\n"}, taken=("f",))
