"""Weights of a cell in files of our own: tensors by the equations' names, with the cell's digest."""

import json
from os import PathLike
from pathlib import Path

from symrnn import zoo
from symrnn.declaration.cell import Cell
from symrnn.declaration.digest import cell_digest
from symrnn.errors import RequestError, shown
from symrnn.files import SIGNATURE
from symrnn.layouts.frameworks import OWN_PACKING
from symrnn.layouts.reading import fitted, named, placed
from symrnn.layouts.records import Weights
from symrnn.layouts.tensors import read_tensors, require_safetensors, write_tensors
from symrnn.version import __version__

KIND = "weights"
ANOTHER = "Name a file that symrnn.layouts.save wrote."


def save(path: str | PathLike[str], cell: Cell, layers: object, *, force: bool = False) -> None:
    """Write parameters of a cell, as `write` takes them, to a safetensors file that names the cell.

    Raises:
        RequestError: the parameters do not fit the cell, safetensors is not installed, or the file may not be
            written (`force` overwrites one that symrnn did not write).

    """
    require_safetensors("Files of weights", "weights")
    _require_cell(cell, "save")
    arrays = named(placed(layers))
    fitted(cell, arrays, f"These are no parameters of {cell.name}.")
    record = {
        "made": f"{SIGNATURE} {__version__}",
        "kind": KIND,
        "cell": cell.name,
        "digest": cell_digest(cell),
    }
    write_tensors(Path(path), arrays, record, force=force)


def load(path: str | PathLike[str], cell: Cell | None = None) -> Weights:
    """The weights in a file that `save` wrote, of `cell`, or of the shipped cell that the file names.

    Raises:
        RequestError: there is no such file, symrnn did not write it, or it is of another cell.

    """
    require_safetensors("Files of weights", "weights")
    arrays, text = read_tensors(Path(path), "file", ANOTHER)
    try:
        record = json.loads(text or "null")
        kind, name, digest, made = (record[key] for key in ("kind", "cell", "digest", "made"))
    except (ValueError, TypeError, KeyError):
        raise RequestError(f"The file {path} holds no weights that symrnn wrote. {ANOTHER}") from None
    if kind != KIND:
        raise RequestError(f"The file {path} holds {shown(kind)}, no weights of a cell. {ANOTHER}")
    if cell is None:
        if name not in zoo.SHIPPED:
            raise RequestError(
                f"The file {path} is of the cell {name}, which is not shipped. Give that cell."
            )
        cell = zoo.cell(name)
    _require_cell(cell, "load")
    if digest != cell_digest(cell):
        raise RequestError(
            f"The file {path} is of the cell {name} with digest {digest} ({made}), and {cell.name} has "
            f"digest {cell_digest(cell)}: their equations differ. Give the cell whose weights it holds."
        )
    places, _ = fitted(cell, arrays, f"The file {path} is damaged.")
    layers = {
        str(place): {q.name: arrays[OWN_PACKING.name(q.name, place, places)] for q in cell.parameters}
        for place in places
    }
    return Weights(cell, layers, (f"Weights of {name}, {made}.",))


def _require_cell(cell: object, verb: str) -> None:
    if not isinstance(cell, Cell):
        raise RequestError(
            f"{verb}() got {shown(cell)}, which is no Cell. A shipped one is symrnn.zoo.cell('gru')."
        )
