"""Finding the cell that a command line names: a shipped one, or one in a user's file."""

import hashlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from symrnn import zoo
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, SymrnnError
from symrnn.models.model import Model
from symrnn.running.loading import import_file


def find_cell(request: str) -> Cell:
    """The cell named by `request`: `gru`, `path/to/file.py:name`, or `file.py` with exactly one cell.

    The file is executed, as Python would run it: modules beside it can be imported.

    Raises:
        RequestError: no such shipped cell, no such file, the file cannot be executed, or the name in it is
            absent or no Cell; the message says which names there are.

    """
    found = find_declared(request)
    if isinstance(found, Model):
        cells = ", ".join(cell.name for cell in cells_of(found))
        raise RequestError(
            f"{request} is a model, and this command takes one cell. Its cells: {cells}. "
            "Models can be shown, planned, emitted, checked, built and written as LaTeX."
        )
    return found


def cells_of(declared: Cell | Model) -> tuple[Cell, ...]:
    """The cells of a model, each once; a cell is its own."""
    if isinstance(declared, Cell):
        return (declared,)
    return tuple(dict.fromkeys(run.layer.cell for run in declared.runs))


def find_declared(request: str) -> Cell | Model:
    """The cell or the model named by `request`, as in `find_cell`.

    A file alone names its one cell, or its one model if it has no cell.
    """
    file_name, name = _split(request)
    if file_name is None:
        return zoo.shipped(request)
    path = Path(file_name)
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise RequestError(f"The file {path} {kind}. Name a Python file, as in path/to/file.py:name.")
    if path.suffix != ".py":
        raise RequestError(
            f"The file {path} does not end in .py. Name a Python file, as in path/to/file.py:name."
        )
    wanted = repr(name) if name else "its cell"
    module = _executed(path, wanted)
    return _named_cell(module, path, name) if name else _only_cell(module, path)


def _split(request: str) -> tuple[str | None, str]:
    """File and name; no file for a shipped cell."""
    file_name, colon, name = request.rpartition(":")
    if colon and file_name and not any(slash in name for slash in "/\\"):
        if not name.isidentifier():
            raise RequestError(
                f"In {request!r}, {name!r} is no Python name. Write path/to/file.py:name, with the name that "
                "the cell has in the file."
            )
        return file_name, name
    if request.endswith(".py") or any(slash in request for slash in "/\\"):
        return request, ""
    return None, ""


def _executed(path: Path, wanted: str) -> ModuleType:
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    try:
        with _importable(path.resolve().parent):
            if b"\0" in path.read_bytes():  # before 3.11.4 Python raises a ValueError for these
                raise SyntaxError("source code string cannot contain null bytes")
            return import_file(path, f"symrnn_cell_file_{digest}")
    except SyntaxError as error:
        raise RequestError(
            f"The file {path} is not Python, so {wanted} cannot be read from it: "
            f"{error.msg}{_line_of_syntax_error(error, path)}. Mend it there."
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # The one place for a broad clause: this runs a stranger's code, which may raise anything, and the
        # answer owed is where and what, not our own traceback.
        text = str(error).strip() or "no message"
        repair = "" if isinstance(error, SymrnnError) else f". Mend it there; python {path} shows more."
        raise RequestError(
            f"The file {path} raised {type(error).__name__}{_line(error, path)}, so {wanted} cannot be read "
            f"from it: {text}{repair}"
        ) from None


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules in `folder` can be imported, as when Python runs a file in it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


def _line_of_syntax_error(error: SyntaxError, path: Path) -> str:
    if error.lineno is None:
        return ""
    elsewhere = error.filename if error.filename and Path(error.filename).name != path.name else ""
    return f" ({elsewhere + ', ' if elsewhere else ''}line {error.lineno})"


def _line(error: BaseException, path: Path) -> str:
    """The last line of the file itself that was running."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return f" at line {lines[-1]}" if lines else ""


def _cells_in(module: ModuleType) -> dict[str, Cell]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Cell)}


def _models_in(module: ModuleType) -> dict[str, Model]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Model)}


def _listed(module: ModuleType) -> str:
    cells, models = _cells_in(module), _models_in(module)
    found = [f"Cells in it: {', '.join(cells)}."] if cells else []
    found += [f"Models in it: {', '.join(models)}."] if models else []
    return " ".join(found) or "It has no Cell and no Model at its top level."


def _named_cell(module: ModuleType, path: Path, name: str) -> Cell | Model:
    made = vars(module).get(name)
    if isinstance(made, Cell | Model):
        return made
    if name in vars(module):
        kind = type(made).__name__
        raise RequestError(
            f"{name!r} in the file {path} is no Cell and no Model but of type {kind}. {_listed(module)}"
        )
    raise RequestError(f"The file {path} has no name {name!r}. {_listed(module)}")


def _only_cell(module: ModuleType, path: Path) -> Cell | Model:
    cells = _cells_in(module)
    different = {id(made): made for made in (cells or _models_in(module)).values()}
    if len(different) == 1:
        return next(iter(different.values()))
    if not different:
        raise RequestError(
            f"The file {path} has no Cell and no Model at its top level. Assign one: my_cell = Cell(...)."
        )
    kind, first = ("cells", next(iter(cells))) if cells else ("models", next(iter(_models_in(module))))
    raise RequestError(
        f"The file {path} has {len(different)} {kind}. Name one: {path}:{first}. {_listed(module)}"
    )
