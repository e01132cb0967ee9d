"""The command line at its outermost level: faults of symrnn, tracebacks on request, pipes, and ends."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_runs import invoked

import symrnn
from symrnn import pipeline
from symrnn.commands.outermost import FAULT, INTERRUPTED, UNREAD, WRONG_REQUEST
from symrnn.errors import PlanError, ValidationError
from symrnn.publishing import building

PROGRAM = [sys.executable, "-c", "from symrnn.commands.command_line import main; main()"]
HOME = Path(symrnn.__file__).parent
TRAINING = (
    "train-text text.txt --hidden 4 --time 4 --batch 2 --target numpy --steps 2 --every 1 -o a.safetensors"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(building, "find_pdflatex", lambda: None)
    return invoked


def broken(monkeypatch, error):
    """Let a stage behind the commands raise an error."""

    def derive(_):
        raise error

    monkeypatch.setattr(pipeline, "derive", derive)


@pytest.mark.parametrize(
    "error", [KeyError("W_r"), RecursionError("too deep"), AssertionError(), ZeroDivisionError()]
)
def test_a_fault_is_told_as_one(run, monkeypatch, error):
    broken(monkeypatch, error)
    result = run("show", "gru", code=FAULT)
    assert result.stdout == ""
    assert result.stderr.startswith(f"symrnn: {type(error).__name__}: {error}")
    assert "This is a fault of symrnn, not of your request." in result.stderr
    assert "`symrnn --debug ...`" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 2


def test_a_fault_names_the_line_of_symrnn(run, monkeypatch):
    monkeypatch.setattr("symrnn.commands.show.shutil", None)
    message = run("show", "gru", code=FAULT).stderr
    fault = "AttributeError: 'NoneType' object has no attribute 'get_terminal_size'"
    assert f"{fault} (commands/show.py" in message


@pytest.mark.parametrize(
    "error", [PlanError("A plan breaks a rule."), ValidationError("It says another thing.")]
)
def test_what_the_proofs_find_is_a_fault(run, monkeypatch, error):
    broken(monkeypatch, error)
    assert str(error) in run("show", "gru", code=FAULT).stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "There is not enough memory for this. Take smaller sizes."),
        (
            OSError(28, "No space left on device", "/tmp/x"),
            "No space left on device (/tmp/x). Make room on the",
        ),
        (
            FileNotFoundError("No usable temporary directory"),
            "needs: No usable temporary directory. Mend that",
        ),
        (
            "é".encode,
            "The output takes no '\\xe9', because its encoding is ascii. Set the environment variable",
        ),
    ],
    ids=["memory", "disk", "no folder", "encoding"],
)
def test_what_the_machine_lacks_is_no_fault(run, monkeypatch, error, message):
    if not isinstance(error, BaseException):
        with pytest.raises(UnicodeEncodeError) as caught:
            error("ascii")
        error = caught.value
    broken(monkeypatch, error)
    assert message in run("show", "gru", code=WRONG_REQUEST).stderr


@pytest.mark.parametrize("arguments", [("--debug", "show", "gru"), ("show", "gru", "--debug")])
def test_the_traceback_is_shown_where_it_is_asked_for(run, monkeypatch, arguments):
    broken(monkeypatch, KeyError("W_r"))
    message = run(*arguments, code=FAULT).stderr
    assert message.startswith("Traceback (most recent call last):")
    assert "in derive" in message
    assert "symrnn: KeyError: 'W_r'" in message


def test_the_traceback_of_a_wrong_request_has_what_led_to_it(run, tmp_path):
    (tmp_path / "cells.py").write_text("def made():\n    return 1 / 0\n\n\nmade()\n")
    plain = run("show", "cells.py", code=WRONG_REQUEST).stderr
    message = run("--debug", "show", "cells.py", code=WRONG_REQUEST).stderr
    assert message.endswith(plain)
    assert "return 1 / 0" in message
    assert "Traceback" not in plain


def test_debug_changes_nothing_else(run):
    assert run("--debug", "list").output == run("list").output
    assert "--debug" in run("--help").output


# Pipes and streams


def piped(*arguments, **options):
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


@pytest.mark.parametrize("command", [("show", "lstm"), ("list",), ("diff", "gru", "gru_simplified")])
def test_who_stops_reading_hears_nothing(tmp_path, command):
    process = piped(*command, cwd=tmp_path)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(120) == UNREAD
    process.stderr.close()


def test_a_pipe_that_closes_early(tmp_path):
    process = piped("latex", "lstm", cwd=tmp_path)
    assert process.stdout.read(7)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(120)
    process.stderr.close()


@pytest.mark.parametrize("command", ["show gru", "list", "latex gru -o gru.tex", "show absent", TRAINING])
def test_closed_streams(tmp_path, command):
    (tmp_path / "text.txt").write_text("hello world. " * 20)
    line = f'exec "$@" {command} >&- 2>&-'
    done = subprocess.run(["sh", "-c", line, "sh", *PROGRAM], cwd=tmp_path, check=False)
    assert done.returncode == (WRONG_REQUEST if "absent" in command else 0)
    made = ["a.safetensors"] * (command == TRAINING) + ["gru.tex"] * ("latex" in command)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*made, "text.txt"]


def test_an_output_that_is_full(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "list"], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, check=False
        )
    assert done.returncode == WRONG_REQUEST
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_output_of_another_encoding(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    (tmp_path / "cells.py").write_text(
        "from sympy import Eq\nfrom symrnn import Cell, Input, State\n\n"
        "h = State('h')\nmine = Cell('mine', Eq(h.next, h + Input('x')), title='Ω')\n",
        encoding="utf-8",
    )
    process = piped("emit", "cells.py", "--target", "numpy", cwd=tmp_path, env=environment)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (WRONG_REQUEST, b"")
    assert errors.startswith(b"symrnn: The output takes no '\\u03a9', because its encoding is latin-1.")


# Ends


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_build_that_is_ended_leaves_nothing(tmp_path, name):
    """A signal at whatever moment, while a PDF is made by a program that does not end."""
    program = tmp_path / "bin" / "pdflatex"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, time\n"
        f"pathlib.Path('{tmp_path}/begun').touch()\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    (tmp_path / "tmp").mkdir()
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + PROGRAM[-1]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "build", "elman", "-o", "made"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
    )
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert b"Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "bin", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []


# Clauses

BROAD = {
    "commands/outermost.py",  # the end of all commands
    "running/cells.py",  # a stranger's code
    "running/loading.py",  # it is raised again
    "fuzzing/examination.py",  # whatever a valid cell raises is a finding
    "fuzzing/findings.py",
}


@pytest.mark.parametrize(
    "path", sorted(HOME.rglob("*.py")), ids=lambda path: path.relative_to(HOME).as_posix()
)
def test_errors_are_caught_by_their_kinds(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            if caught in ("", "Exception", "BaseException"):
                assert path.relative_to(HOME).as_posix() in BROAD
