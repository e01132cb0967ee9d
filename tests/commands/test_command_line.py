"""The command `symrnn`: what every command prints and writes, and its exit codes."""

import subprocess
import sys

import pytest
from command_runs import invoked

import symrnn
from symrnn import console
from symrnn.checking import proof
from symrnn.checking.report import CheckReport, CheckRow
from symrnn.commands import terminal
from symrnn.errors import EmissionError
from symrnn.kernels import targets
from symrnn.kernels.targets import ARRAY_TARGETS as TARGETS
from symrnn.publishing import building, typesetting
from symrnn.zoo import CELLS

NO_SUCH_TARGET = f"There is no target 'cuda'. Targets: {', '.join(targets.TARGETS)}; with weights: onnx."
CELL_FILE = """
from sympy import Eq
from symrnn import Cell, Input, Parameter, State, axes, tanh

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W = Parameter("W", m, m + n)
mine = Cell("mine", Eq(h.next, tanh(W @ [h, x])), source="a notebook")
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty folder on a machine without TeX; the exit code is part of the question."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(building, "find_pdflatex", lambda: None)
    monkeypatch.setattr(typesetting, "find_pdflatex", lambda: None)

    return invoked


@pytest.fixture
def with_tex(run, monkeypatch):
    """A stand-in for pdflatex."""
    for module in (building, typesetting):
        monkeypatch.setattr(module, "find_pdflatex", lambda: "pdflatex")
        monkeypatch.setattr(module, "typeset", lambda document, name: f"%PDF {name} {document}".encode())


@pytest.fixture
def cell_file(tmp_path):
    path = tmp_path / "cells.py"
    path.write_text(CELL_FILE)
    return path


def test_version(run):
    assert run("--version").output == f"symrnn {symrnn.__version__}\n"


def test_list(run):
    output = run("list").output
    assert all(name in output for name in CELLS)
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize("name", CELLS)
def test_show_fits_the_terminal(run, name):
    output = run("show", name, "--plain").output
    cell = CELLS[name]
    assert output.startswith(f"{cell.title} ({name})\n{cell.variant}\n")
    assert max(map(len, output.splitlines())) <= 80
    flat = " ".join(output.split())
    for equation in cell.equations:
        assert f"({equation.number}) {cell.text(equation)}" in flat
    for gradient in str(symrnn.derive(cell)).splitlines():
        assert " ".join(gradient.split()) in flat


def test_show_a_cell_of_ones_own(run, cell_file):
    assert "a notebook" in run("show", f"{cell_file}:mine").output


def test_latex_to_the_standard_output(run):
    assert run("latex", "gru").stdout == symrnn.latex(CELLS["gru"])


def test_latex_to_a_file(run, tmp_path):
    assert run("latex", "gru", "-o", "paper.tex").output == ""
    text = (tmp_path / "paper.tex").read_text()
    assert text.startswith("% made by symrnn")
    run("latex", "gru", "-o", "paper.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["paper.tex"]


@pytest.mark.usefixtures("with_tex")
@pytest.mark.parametrize(("options", "stem"), [((), "gru"), (("-o", "paper.tex"), "paper")])
def test_latex_with_pdf(run, tmp_path, options, stem):
    run("latex", "gru", "--pdf", *options)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}.pdf", f"{stem}.tex"]
    assert (tmp_path / f"{stem}.pdf").read_bytes().startswith(b"%PDF gru")


@pytest.mark.usefixtures("with_tex")
def test_foreign_pdf_is_kept(run, tmp_path):
    (tmp_path / "gru.pdf").write_bytes(b"%PDF a thesis")
    assert "symrnn did not write it" in run("latex", "gru", "--pdf", code=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["gru.pdf"]
    run("latex", "gru", "--pdf", "--force")
    assert (tmp_path / "gru.pdf").read_bytes().startswith(b"%PDF gru")


def test_latex_with_pdf_without_tex(run, tmp_path):
    assert run("latex", "gru", "--pdf").stderr == (
        "pdflatex is not installed, so no PDF was made; the .tex file is complete.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["gru.tex"]


def test_latex_in_another_notation_and_form(run, tmp_path):
    gru = CELLS["gru"]
    asked = ("--time", "subscript", "--vectors", "row", "--fragment", "--only", "results")
    text = symrnn.latex(gru, symrnn.Style("subscript", "row"), fragment=True, only="results")
    assert run("latex", "gru", *asked).stdout == text
    run("latex", "gru", "--fragment", "-o", "appendix.tex")
    assert (tmp_path / "appendix.tex").read_text() == symrnn.latex(gru, fragment=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--time", "above"), "There is no time='above' in LaTeX. Choose superscript or subscript."),
        (("--vectors", "up"), "There is no vectors='up' in LaTeX. Choose column or row."),
        (("--only", "forward"), "There is no only='forward' of a derivation. Choose all or results."),
        (("--fragment", "--pdf"), "A fragment is a part of a paper and has no PDF of its own."),
    ],
)
def test_latex_refuses_what_there_is_not(run, asked, said):
    assert said in run("latex", "gru", *asked, code=2).stderr


def test_latex_output_named_pdf(run):
    assert (
        "-o names the .tex file, not gru.pdf" in run("latex", "gru", "-o", "gru.pdf", "--pdf", code=2).stderr
    )


def test_refused_document_is_a_message(run, with_tex, tmp_path, monkeypatch):
    def refuse(*_):
        raise EmissionError("pdflatex refused gru.tex:\n! Oh.")

    monkeypatch.setattr(typesetting, "typeset", refuse)
    assert run("latex", "gru", "--pdf", code=2).stderr == "symrnn: pdflatex refused gru.tex:\n! Oh.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
def test_emit(run, tmp_path, target):
    printed = run("emit", "elman", "--target", target).stdout
    assert "made by symrnn" in "\n".join(printed.splitlines()[:12]).lower()
    compile(printed, "elman.py", "exec")
    run("emit", "elman", "--target", target, "-o", "elman.py")
    assert (tmp_path / "elman.py").read_text() == printed


def test_emit_keeps_a_foreign_file(run, tmp_path):
    path = tmp_path / "elman.py"
    path.write_text("import numpy\n")
    message = run("emit", "elman", "--target", "numpy", "-o", path, code=2).stderr
    assert f"The file {path} exists and symrnn did not write it" in message
    assert path.read_text() == "import numpy\n"
    run("emit", "elman", "--target", "numpy", "-o", path, "--force")
    assert path.read_text() != "import numpy\n"


def test_plan(run):
    assert run("plan", "elman").output == f"{symrnn.plan(CELLS['elman'])}\n"


# Wrong requests


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "grue"), "There is no shipped cell 'grue'."),
        (("emit", "gru", "--target", "cuda"), NO_SUCH_TARGET),
        (("check", "gru", "--target", "cuda"), NO_SUCH_TARGET),
        (("check", "gru", "--target", "python"), "target 'python' has none. Choose one of: numpy, numba."),
        (("check", "gru", "--dtype", "int8"), "Kernels run in float32 or float64, not in int8."),
        (("plan", "absent.py:gru"), "The file absent.py does not exist."),
        (("build", "elman", "elman"), "Two of the cells are named elman"),
        (("build", "elman", "grue"), "There is no shipped cell 'grue'."),
        (("emit", "gru", "--target", "numpy", "-o", "no/gru.py"), "there is no folder no."),
    ],
)
def test_wrong_request(run, tmp_path, arguments, message):
    result = run(*arguments, code=2)
    assert result.stderr.startswith("symrnn: ")
    assert message in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("shw", "gru"), ("show",), ("emit", "gru"), ("check", "gru", "--seed", "x"), ("build",), ("gradients",)],
)
def test_wrong_usage(run, arguments):
    assert "Usage" in run(*arguments, code=2).stderr


@pytest.mark.parametrize(
    "command", [("show",), ("plan",), ("check",), ("build",), ("latex",), ("gradients",)]
)
def test_wrong_declaration(run, cell_file, command):
    cell_file.write_text(CELL_FILE.replace("W @ [h, x]", "W @ x"))
    message = run(*command, f"{cell_file}:mine", code=2).stderr
    assert f"The file {cell_file} raised DeclarationError at line 8" in message
    assert "Traceback" not in message


# The check and the main job


def report_of(cell, target, verdict="agrees"):
    error = 1e-15 if verdict == "agrees" else 0.5
    row = CheckRow("W_s", "parameter gradient", (5, 8), error, 1e-10, verdict)
    return CheckReport(cell, target, "float64", 0, 5, 3, (("n", 3), ("m", 5)), "JAX autodiff", (row,))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_check_of_all_targets(run, dtype):
    output = run("check", "elman", "--dtype", dtype).output
    assert output.count("All 8 quantities agree") == len(TARGETS)
    assert f"elman, numba, {dtype}, against JAX autodiff" in " ".join(output.split())


def test_check_of_one_target_with_a_seed(run):
    output = " ".join(run("check", "elman", "--target", "numpy", "--seed", "4").output.split())
    assert "seed 4" in output
    assert "numba" not in output


def test_failed_check(run, monkeypatch):
    monkeypatch.setattr(proof, "check_module", lambda *_, target, **__: report_of("elman", target, "differs"))
    output = run("check", "elman", "--target", "numpy", code=1).output
    assert "FAILED: parameter gradient W_s (differs)." in output


def test_build(run, tmp_path, cell_file):
    result = run("build", "elman", f"{cell_file}:mine", "-o", "made/here")
    for name in ("elman", "mine"):
        files = sorted(path.name for path in (tmp_path / "made/here" / name).iterdir())
        assert files == sorted([f"{name}.tex", f"{name}_plan.txt", *(f"{name}_{t}.py" for t in TARGETS)])
        for path in (tmp_path / "made/here" / name).iterdir():
            assert "made by symrnn" in "\n".join(path.read_text().splitlines()[:12]).lower()
    assert result.stdout.count("agrees") == 2 * len(TARGETS)
    assert "pdflatex is not installed" in result.stdout
    run("build", "elman", "-o", "made/here")


@pytest.mark.usefixtures("with_tex")
def test_build_with_tex(run, tmp_path):
    assert "not installed" not in run("build", "elman").output
    assert (tmp_path / "elman" / "elman.pdf").read_bytes().startswith(b"%PDF elman")


def test_build_keeps_foreign_files(run, tmp_path):
    path = tmp_path / "elman" / "elman_numba.py"
    path.parent.mkdir()
    path.write_text("mine")
    assert "symrnn did not write it" in run("build", "elman", code=2).stderr
    assert [p.name for p in path.parent.iterdir()] == ["elman_numba.py"]
    run("build", "elman", "--force")
    assert path.read_text() != "mine"


def test_failed_build_goes_on_and_says_so(run, tmp_path, monkeypatch, cell_file):
    def one_bad(problem, module, *, target, **_):
        bad = problem.cell.name == "elman" and target == "numba"
        return report_of(problem.cell.name, target, "differs" if bad else "agrees")

    monkeypatch.setattr(proof, "check_module", one_bad)
    result = run("build", "elman", f"{cell_file}:mine", code=1)
    assert "numba: FAILED" in result.stdout
    assert "nothing written" in result.stdout
    assert "FAILED: parameter gradient W_s (differs)." in result.stdout
    assert result.stderr.strip().endswith(
        "Nothing of elman was written, because its check failed; files of an earlier build are as they were. "
        "Repeat the check: symrnn check elman --target numba --seed 0. Look at the kernel: symrnn emit elman "
        "--target numba -o FILE."
    )
    assert (tmp_path / "mine" / "mine_numba.py").is_file()
    assert not (tmp_path / "elman").exists()


@pytest.mark.usefixtures("with_tex")
def test_a_build_that_fails_leaves_the_files_of_an_earlier_one(run, tmp_path, monkeypatch):
    run("build", "elman")
    before = {path: path.read_bytes() for path in (tmp_path / "elman").iterdir()}
    assert len(before) == 3 + len(TARGETS)
    monkeypatch.setattr(proof, "check_module", lambda *_, target, **__: report_of("elman", target, "differs"))
    monkeypatch.setattr(building, "typeset", lambda *_: b"%PDF another one")
    run("build", "elman", "--force", code=1)

    def refuse(*_):
        raise EmissionError("pdflatex refused elman.tex:\n! Oh.")

    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(building, "find_pdflatex", lambda: "pdflatex")
    monkeypatch.setattr(building, "typeset", refuse)
    assert "! Oh." in run("build", "elman", "--force", code=2).stderr
    assert {path: path.read_bytes() for path in (tmp_path / "elman").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["elman"]


def test_table_shows_brackets_as_they_are(capsys):
    row = CheckRow("[c, x]", "[bold]role[/bold]", (), 0.0, 1e-10, "agrees")
    terminal.print_report(CheckReport("a", "b", "float64", 0, 1, 1, (), "c", (row,)))
    output = capsys.readouterr().out
    assert "[c, x]" in output
    assert "[bold]" in output


def test_wrapped_lines_keep_their_indent():
    assert (
        console.wrapped("  (1) " + "word " * 10, 40) == "  (1) " + "word " * 6 + "word\n      word word word"
    )
    assert console.wrapped("", 40) == ""


# The process


def test_command_as_a_process(tmp_path):
    command = [sys.executable, "-c", "from symrnn.commands.command_line import main; main()"]
    done = subprocess.run(
        [*command, "emit", "gru"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    done = subprocess.run(
        [*command, "show", "grue"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("symrnn: There is no shipped cell 'grue'.")


def test_heavy_packages_are_not_imported():
    code = (
        "import sys, symrnn.commands.command_line\n"
        "heavy = {'jax', 'numba', 'torch', 'matplotlib', 'rich.console', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
