"""Cells named on a command line, and files: every way in which either can be wrong."""

import os
import stat
import sys

import pytest

from symrnn.errors import EmissionError, RequestError
from symrnn.files import is_ours, is_signed, require_writable, write, write_all
from symrnn.publishing import typesetting
from symrnn.running.cells import find_cell
from symrnn.zoo import CELLS

CELL_FILE = """
from sympy import Eq
from symrnn import Cell, Input, Parameter, State, axes, tanh

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W = Parameter("W", m, m + n)
mine = Cell("mine", Eq(h.next, tanh(W @ [h, x])))
number = 3
"""

OURS = "# made by symrnn 0.1.0 from mine, do not edit\n"


@pytest.fixture
def cell_file(tmp_path):
    def make(text=CELL_FILE, name="cells.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


# Finding cells


@pytest.mark.parametrize("name", CELLS)
def test_shipped_cell(name):
    assert find_cell(name) is CELLS[name]


def test_cell_by_file_and_name(cell_file):
    path = cell_file()
    assert find_cell(f"{path}:mine").name == "mine"
    assert find_cell(str(path)).name == "mine"


def test_cell_file_by_relative_path(cell_file, monkeypatch):
    monkeypatch.chdir(cell_file().parent)
    assert find_cell("cells.py:mine") == find_cell("./cells.py") == find_cell("cells.py")


def test_cell_file_is_read_anew(cell_file):
    path = cell_file()
    assert find_cell(f"{path}:mine").title == "mine"
    path.write_text(CELL_FILE.replace("[h, x]))", '[h, x])), title="Renewed cell"'))
    assert find_cell(f"{path}:mine").title == "Renewed cell"


def test_cell_file_imports_its_neighbour(cell_file):
    cell_file(CELL_FILE, "neighbour_of_mine.py")
    path = cell_file("from neighbour_of_mine import mine as yours\n")
    before = list(sys.path)
    try:
        assert find_cell(f"{path}:yours").name == "mine"
    finally:
        sys.modules.pop("neighbour_of_mine", None)
    assert sys.path == before


def refusal(request):
    with pytest.raises(RequestError) as caught:
        find_cell(str(request))
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_no_such_shipped_cell():
    message = refusal("grue")
    assert message.startswith("There is no shipped cell 'grue'. Shipped cells: elman, ")
    assert message.endswith("A cell of your own is named as path/to/file.py:name.")


@pytest.mark.parametrize("ending", [":mine", ""])
def test_no_such_file(tmp_path, ending):
    path = tmp_path / "absent.py"
    assert refusal(f"{path}{ending}") == (
        f"The file {path} does not exist. Name a Python file, as in path/to/file.py:name."
    )


def test_folder_instead_of_file(tmp_path):
    assert f"The file {tmp_path} is a folder." in refusal(f"{tmp_path}:mine")


@pytest.mark.parametrize("name", ["", "not a name", "3"])
def test_impossible_name(cell_file, name):
    assert f"{name!r} is no Python name. Write path/to/file.py:name" in refusal(f"{cell_file()}:{name}")


def test_file_that_is_not_python(cell_file):
    path = cell_file("x = 1\ny = = 2\n")
    assert refusal(f"{path}:mine") == (
        f"The file {path} is not Python, so 'mine' cannot be read from it: invalid syntax (line 2). "
        "Mend it there."
    )


def test_file_with_null_bytes(tmp_path):
    path = tmp_path / "binary.py"
    path.write_bytes(b"\x00\x01\xff")
    assert refusal(path).startswith(f"The file {path} is not Python, so its cell cannot be read from it")


def test_file_that_is_no_python_by_name(tmp_path):
    path = tmp_path / "cells.txt"
    path.write_text(CELL_FILE)
    assert refusal(f"{path}:mine") == (
        f"The file {path} does not end in .py. Name a Python file, as in path/to/file.py:name."
    )


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("\n1 / 0\n", "raised ZeroDivisionError at line 2"),
        ("import no_module_of_this_name\n", "raised ModuleNotFoundError at line 1"),
        ("def f():\n    raise KeyError('k')\n\n\nf()\n", "raised KeyError at line 2"),
        ("raise SystemExit(3)\n", "raised SystemExit at line 1"),
        ("raise ValueError\n", "raised ValueError at line 1"),
        (CELL_FILE.replace("W @ [h, x]", "W @ x"), "raised DeclarationError at line 8"),
    ],
)
def test_file_that_raises(cell_file, text, fact):
    path = cell_file(text)
    before = set(sys.modules)
    message = refusal(f"{path}:mine")
    assert message.startswith(f"The file {path} {fact}, so 'mine' cannot be read from it: ")
    assert "Traceback" not in message
    assert not [name for name in set(sys.modules) - before if "cell_file" in name]


def test_message_of_a_wrong_declaration_is_kept(cell_file):
    message = refusal(cell_file(CELL_FILE.replace("W @ [h, x]", "W @ x")))
    assert "In cell 'mine', equation 1 (h.next = ...): " in message


def test_no_such_name(cell_file):
    path = cell_file()
    assert refusal(f"{path}:yours") == f"The file {path} has no name 'yours'. Cells in it: mine."


def test_name_that_is_no_cell(cell_file):
    path = cell_file()
    assert refusal(f"{path}:number") == (
        f"'number' in the file {path} is no Cell and no Model but of type int. Cells in it: mine."
    )


def test_file_without_cells(cell_file):
    path = cell_file("number = 3\n")
    assert refusal(f"{path}:number").endswith("It has no Cell and no Model at its top level.")
    assert (
        refusal(path)
        == f"The file {path} has no Cell and no Model at its top level. Assign one: my_cell = Cell(...)."
    )


def test_file_with_several_cells(cell_file):
    path = cell_file(CELL_FILE + 'yours = Cell("yours", Eq(h.next, W @ [h, x]))\nsame = mine\n')
    assert refusal(path) == (
        f"The file {path} has 2 cells. Name one: {path}:mine. Cells in it: mine, yours, same."
    )


# Writing


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write(tmp_path / "a.txt", "Größe\r\n")
    write(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == "Größe\r\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.bin"]


@pytest.mark.parametrize("lines", [0, 11])
def test_own_file_is_overwritten(tmp_path, lines):
    path = tmp_path / "kernel.py"
    path.write_text("\n" * lines + OURS)
    write(path, "new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("content", ["", "x = 1\n", "\n" * 12 + OURS])
def test_foreign_file_is_kept(tmp_path, content):
    path = tmp_path / "kernel.py"
    path.write_text(content)
    with pytest.raises(RequestError, match=r"exists and symrnn did not write it, .* --force"):
        write(path, "new")
    assert path.read_text() == content
    write(path, "new", force=True)
    assert path.read_text() == "new"


def test_pdf_is_recognised_by_its_source(tmp_path):
    pdf, source = tmp_path / "gru.pdf", tmp_path / "gru.tex"
    pdf.write_bytes(b"%PDF-1.5 a thesis")
    assert not is_ours(pdf)
    source.write_text("\\documentclass{book}")
    assert not is_ours(pdf)
    with pytest.raises(RequestError, match="symrnn did not write it"):
        write(pdf, b"new")
    source.write_text("% made by symrnn 0.1.0\n")
    assert is_ours(pdf)
    write(pdf, b"new")
    assert pdf.read_bytes() == b"new"


def test_signature():
    assert is_signed('"""Gated recurrent unit.\n\nMade by symrnn 0.1.0."""')
    assert not is_signed("made by hand")


def test_binary_file_is_foreign(tmp_path):
    path = tmp_path / "data.py"
    path.write_bytes(bytes(range(256)) * 100)
    assert not is_ours(path)


def test_all_or_none(tmp_path):
    folder = tmp_path / "deep" / "gru"
    contents = {"a.py": OURS, "b.py": OURS + "2"}
    assert write_all(folder, contents) == (folder / "a.py", folder / "b.py")
    (folder / "b.py").write_text("mine")
    with pytest.raises(RequestError, match=r"b\.py exists"):
        write_all(folder, {"a.py": "new", "b.py": "new"})
    assert (folder / "a.py").read_text() == OURS
    write_all(folder, {"a.py": "new", "b.py": "new"}, force=True)
    assert (folder / "b.py").read_text() == "new"


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "kernel.py"
    path.write_text(OURS)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RequestError, match=r"kernel\.py cannot be written: No space left on device\."):
        write(path, "new")
    assert path.read_text() == OURS
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(RequestError, match=r"there is no folder .*absent\. Make it first"):
        write(tmp_path / "absent" / "kernel.py", "new")


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(RequestError, match="is a folder, so no file can be written there"):
        require_writable([tmp_path], force=True)


def test_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"The file .*a cannot be written: .*file is no folder"):
        write_all(tmp_path / "file", {"a": "b"})
    with pytest.raises(RequestError, match="is no folder"):
        write(tmp_path / "file" / "a", "b")


def test_symbolic_link_keeps_pointing(tmp_path):
    path, link = tmp_path / "kernel.py", tmp_path / "link.py"
    path.write_text(OURS)
    link.symlink_to(path)
    write(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_mode(tmp_path):
    path = tmp_path / "kernel.py"
    old = os.umask(0o027)
    try:
        write(path, OURS)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        write(path, "new")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# Typesetting, with a stand-in for pdflatex

LOG = """This is pdfTeX
(./gru.tex
! Undefined control sequence.
l.7 \\Gamm
         a_r
! Emergency stop.
"""


@pytest.fixture
def pdflatex(tmp_path, monkeypatch):
    def make(script):
        program = tmp_path / "pdflatex"
        program.write_text(f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert typesetting.find_pdflatex() == str(program)

    return make


def test_pdf_after_two_runs(pdflatex, tmp_path):
    pdflatex(
        f"with open({str(tmp_path / 'runs')!r}, 'a') as f: f.write(' '.join(sys.argv[1:]) + '\\n')\n"
        "Path(sys.argv[-1]).with_suffix('.pdf').write_bytes(b'%PDF ' + Path(sys.argv[-1]).read_bytes())"
    )
    assert typesetting.typeset("document", "gru") == b"%PDF document"
    runs = (tmp_path / "runs").read_text().splitlines()
    assert runs == ["-interaction=nonstopmode -halt-on-error -no-shell-escape gru.tex"] * 2


def test_refused_document_shows_the_lines_that_matter(pdflatex):
    pdflatex(f"print({LOG!r})\nsys.exit(1)")
    with pytest.raises(EmissionError) as caught:
        typesetting.typeset("document", "gru")
    assert str(caught.value) == (
        "pdflatex refused gru.tex:\n! Undefined control sequence.\nl.7 \\Gamm\n! Emergency stop."
    )


def test_log_without_an_error_line():
    assert typesetting.error_lines("a\nb\nc\nd\ne\nf") == "b\nc\nd\ne\nf"


def test_program_that_makes_no_pdf(pdflatex):
    pdflatex("print('No pages of output.')")
    with pytest.raises(EmissionError, match=r"No pages of output\."):
        typesetting.typeset("document", "gru")


def test_program_that_does_not_end(pdflatex, monkeypatch):
    pdflatex("import time; time.sleep(60)")
    monkeypatch.setattr(typesetting, "SECONDS", 0.2)
    with pytest.raises(EmissionError, match="did not finish"):
        typesetting.typeset("document", "gru")


def test_no_pdflatex(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typesetting.find_pdflatex() is None
    with pytest.raises(EmissionError, match="pdflatex is not installed"):
        typesetting.typeset("document", "gru")
