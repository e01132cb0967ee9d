"""The golden files: what symrnn writes about shipped cells and a few models, checked in under `generated/`.

`python -m symrnn.workbench.golden [FOLDER]` writes them anew; that is how a change of the output is accepted.
"""

import sys
from pathlib import Path

from symrnn.declaration.cell import Cell
from symrnn.declaration.model import Model
from symrnn.emission.latex_style import Style
from symrnn.pipeline import latex
from symrnn.workbench.building import texts_of
from symrnn.workbench.files import write_all
from symrnn.zoo import CELLS, MODELS

FOLDER = "generated"
GOLDEN_MODELS = ("language_model", "translator")
"""Models whose files are checked in, too; those of the others are made of the same lines."""


def golden_files() -> dict[str, str]:
    """The text of every golden file by its path below `generated/`."""
    declared: tuple[Cell | Model, ...] = (*CELLS.values(), *(MODELS[name] for name in GOLDEN_MODELS))
    files = {f"{made.name}/{name}": text for made in declared for name, text in texts_of(made).items()}
    return files | {"gru/gru_fragment.tex": latex(CELLS["gru"], Style("subscript", "row"), fragment=True)}


def main(arguments: list[str]) -> int:
    """Write all golden files and remove the ones that are no more; the exit code."""
    folder = Path(arguments[0] if arguments else FOLDER)
    files = golden_files()
    write_all(folder, files, force=True)
    for old in sorted(folder.rglob("*")):
        if old.is_file() and old.relative_to(folder).as_posix() not in files:
            old.unlink()
    sys.stdout.write(f"{len(files)} files in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
