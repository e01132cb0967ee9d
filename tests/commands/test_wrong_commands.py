"""Wrong requests on the command line: an exit code, a message that says what to do, no traceback, no file."""

import os
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from symrnn.commands import command_line
from symrnn.commands.outermost import WRONG_REQUEST
from symrnn.publishing import building, typesetting

CELLS = """
from sympy import Eq
from symrnn import Cell, Input, Parameter, State, axes, tanh, zoo

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W = Parameter("W", m, m + n)
mine = Cell("mine", Eq(h.next, tanh(W @ [h, x])))
grows = Cell("grows", Eq(h.next, Parameter("U", m, m) @ h + Input("z", m)))
number, nothing, kind = 3, None, Cell
model = zoo.MODELS["language_model"]
"""
FILES = {
    "cells.py": CELLS,
    "raises.py": "raise KeyError('a')\n",
    "recursion.py": "def f():\n    return f()\n\n\nf()\n",
    "syntax.py": "x = (\n",
    "indent.py": "  x = 1\n y = 2\n",
    "imports.py": "import nothing_of_this_name\n",
    "names.py": "from symrnn import Cel\n",
    "leaves.py": "import sys\nsys.exit(5)\n",
    "odd.py": "class Odd(BaseException):\n    pass\n\n\nraise Odd('x')\n",
    "os_error.py": "open('nothing of this name')\n",
    "latin.py": b"x = '\xff'\n",
    "nulls.py": b"x = 1\0\n",
    "empty.py": "",
    "text_in_equation.py": CELLS + 'Cell("bad", Eq(h.next, "x"))\n',
    "none_in_equation.py": CELLS + 'Cell("bad", Eq(h.next, h + None))\n',
    "zero.py": CELLS + 'Cell("bad", Eq(h.next, h / 0))\n',
    "text.txt": "hello world. " * 200,
    "short.txt": "hello",
    "nothing.txt": "",
    "utf16.txt": "hello".encode("utf-16"),
    "noise.txt": bytes(range(256)) * 10,
    "noise.safetensors": bytes(range(256)),
    "foreign.html": "<html>mine</html>",
}
SMALL = "train-text text.txt --hidden 4 --time 4 --batch 2 --target numpy --steps 4 --every 2"
FLOW = "gradients cells.py:mine --hidden 2 --steps 2 --samples 1"

REQUESTS = f"""
show ''
show :
show .py
show gru:
show gru:x
show 'gru gru'
show grü
show absent.py
show absent.py:mine
show .
show /dev/null
show folder.py
show text.txt:mine
show cells.py
show cells.py:number
show cells.py:nothing
show cells.py:kind
show cells.py:absent
show cells.py:a.b
show cells.py:mine:mine
show raises.py
show recursion.py
show syntax.py
show indent.py
show imports.py
show names.py
show leaves.py
show odd.py
show os_error.py
show latin.py
show nulls.py
show empty.py
show text_in_equation.py
show none_in_equation.py
show zero.py
latex gru --time above
latex gru --vectors up
latex gru --only forward
latex gru --pdf --fragment
latex gru --pdf -o /dev/stdout
latex gru -o gru.pdf
latex gru -o absent/gru.tex
latex gru -o .
latex gru -o ''
latex gru -o text.txt
latex gru -o text.txt/gru.tex
latex gru -o {"n" * 300}.tex
latex gru -o /dev/full
latex language_model --fragment
page language_model
page gru gru
page gru --time above
page gru -o text.txt
page gru -o text.txt/deep
diff gru absent
diff gru language_model
diff gru elman --latex --page
diff gru elman -o x.tex
diff gru elman --page -o absent/x.html
diff gru elman --page -o .
diff gru elman --page -o foreign.html
plan gru --save some
plan absent
emit gru --target c++
emit gru --target numpy --save some
emit gru --target numpy -o absent/gru.py
emit gru --target numpy -o .
emit gru --target numpy -o text.txt
emit language_model --target c++
emit gru --target onnx
emit gru --target onnx --weights noise.safetensors
emit gru --target onnx --weights noise.safetensors -o x.onnx
emit gru --target onnx --weights text.txt -o x.onnx
emit gru --target onnx --weights . -o x.onnx
emit gru --target onnx --weights noise.safetensors -o absent/x.onnx
emit gru --target numpy --weights noise.safetensors
check gru --target onnx
check gru --target c++
check gru --dtype int8
check gru --dtype ''
check gru --save some
check language_model --dtype int8
check absent
gradients gru --hidden 0
gradients gru --hidden -5
gradients gru --hidden 1000000000
gradients gru --steps 0
gradients gru --steps 1000000000000
gradients gru --samples 0
gradients gru --input 0
gradients gru --input 1000000000000
gradients gru --input 99999999999999999999999999
gradients language_model
gradients layer_norm
gradients gru gru
{FLOW} --set nonsense
{FLOW} --set =1
{FLOW} --set W=
{FLOW} --set W=nan
{FLOW} --set W=1e999
{FLOW} --set absent=1
{FLOW} --set W=1 --scale W=2
{FLOW} --plot x.jpg
{FLOW} --json absent/x.json
{FLOW} --json .
{FLOW} --json same.svg --plot same.svg
build absent
build gru gru
build gru -o text.txt
build gru -o text.txt/deep
bench gru --grid nonsense
bench gru --grid ''
bench gru --grid 1,1
bench gru --grid 0,1,1
bench gru --grid 1,1,-1
bench gru --grid 1,1,²
bench gru --grid 1000000000,1000,1000
bench gru --against tensorflow
bench gru --plot x.jpg
bench gru --json absent/x.json
bench language_model
bench gru gru
train-text absent.txt
train-text nothing.txt
train-text utf16.txt
train-text noise.txt
train-text short.txt
train-text .
{SMALL} --hidden 0
{SMALL} --hidden -5
{SMALL} --hidden 1000000000
{SMALL} --layers 1000000
{SMALL} --hidden 99999999999999999999999999
{SMALL} --layers 0
{SMALL} --time 0
{SMALL} --time 1000000000000000
{SMALL} --batch 0
{SMALL} --batch 1000000000000000
{SMALL} --learning-rate 0
{SMALL} --learning-rate nan
{SMALL} --learning-rate inf
{SMALL} --clip 0
{SMALL} --seed -1
{SMALL} --target c++
{SMALL} --cell absent
{SMALL} --cell language_model
{SMALL} --cell embedding
{SMALL} --resume
{SMALL} -o absent/x
{SMALL} -o .
{SMALL} -o text.txt
{SMALL} -o /dev/stdout --force
{SMALL} --resume -o noise.safetensors
sample absent
sample .
sample text.txt
sample noise.safetensors
""".strip().splitlines()

USAGE = """
show
show gru elman
show gru --absent
shw gru
--absent
emit gru
check gru --seed -1
check gru --seed x
gradients gru --hidden 1e9
gradients gru --steps x
gradients
page
build
bench gru --rounds 0
bench gru --rounds x
train-text
train-text text.txt --every 0
train-text text.txt --steps -1
train-text text.txt --hidden 1e9
train-text text.txt --learning-rate x
sample
sample text.txt --seed -1
sample text.txt --length x
list x
""".strip().splitlines()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with all kinds of files, on a machine without TeX, and what it holds."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "folder.py").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(building, "find_pdflatex", lambda: None)
    monkeypatch.setattr(typesetting, "find_pdflatex", lambda: None)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def run(line: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command line; any exception but the exit is the test's failure."""
    result = CliRunner().invoke(command_line.app, shlex.split(line))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("line", REQUESTS)
def test_a_wrong_request_is_told(folder, line):
    before = contents(folder)
    code, output, errors = run(line)
    assert (code, output) == (WRONG_REQUEST, ""), errors
    assert errors.lstrip().startswith("symrnn: ")  # below an empty line where progress was shown
    assert "fault of symrnn" not in errors
    assert "internal" not in errors
    assert len(errors.strip().split(". ")) > 1, "a fact and a repair"
    assert contents(folder) == before


@pytest.mark.parametrize("line", USAGE)
def test_a_wrong_usage_is_told(folder, line):
    before = contents(folder)
    code, output, errors = run(line)
    assert (code, output) == (WRONG_REQUEST, ""), errors
    assert "Usage: " in errors
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("show recursion.py", "raised RecursionError at line 2"),
        ("show odd.py", "raised Odd at line 5"),
        ("show none_in_equation.py", "raised TypeError at line 12"),
        ("show text_in_equation.py", "raised SympifyError at line 12"),
        ("show zero.py", "the number zoo is not finite and real"),
        ("show latin.py", "is not Python"),
        (f"{SMALL} --hidden 1000000000", "Take a smaller --hidden or fewer --layers."),
        ("gradients gru --input 1000000000000", "Take fewer --steps or a smaller --input."),
        (
            "bench gru --grid 1000000000,1000,1000",
            "In --grid, the arrays of 'gru' at 1000000000,1000,1000 take",
        ),
        (f"{SMALL} --time 1000000000000000", "a smaller --time or --batch"),
    ],
)
def test_what_is_told(folder, line, fact):
    assert fact in run(line)[2]


def test_a_cell_whose_gradients_no_float_holds(folder):
    code, output, _ = run(
        "gradients cells.py:grows --set U=1e308 --hidden 4 --steps 1 --samples 1 --json x.json"
    )
    assert code == 0
    assert "explodes" in output
    assert (folder / "x.json").exists()


def test_streams_take_what_is_written(folder, capfd):
    assert run(f"emit gru --target numpy -o {os.devnull}") == (0, "", "")
    assert run("latex gru -o /dev/stdout") == (0, "", "")
    assert capfd.readouterr().out.startswith("% made by symrnn")
