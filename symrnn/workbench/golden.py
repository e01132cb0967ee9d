"""The golden files: everything symrnn writes about the shipped cells, checked in under `generated/`.

`python -m symrnn.workbench.golden [FOLDER]` writes them anew; that is how a change of the output is accepted.
"""

import sys
from pathlib import Path

from symrnn.emission.latex_style import Style
from symrnn.pipeline import latex
from symrnn.workbench.building import texts_of
from symrnn.workbench.files import make_folder, write
from symrnn.zoo import CELLS

FOLDER = "generated"


def golden_files() -> dict[str, str]:
    """The text of every golden file by its path below `generated/`."""
    files = {f"{cell.name}/{name}": text for cell in CELLS.values() for name, text in texts_of(cell).items()}
    return files | {"gru/gru_fragment.tex": latex(CELLS["gru"], Style("subscript", "row"), fragment=True)}


def main(arguments: list[str]) -> int:
    """Write all golden files and remove the ones that are no more; the exit code."""
    folder = Path(arguments[0] if arguments else FOLDER)
    files = golden_files()
    for path, text in files.items():
        make_folder((folder / path).parent)
        write(folder / path, text, force=True)
    for old in sorted(folder.rglob("*")):
        if old.is_file() and old.relative_to(folder).as_posix() not in files:
            old.unlink()
    sys.stdout.write(f"{len(files)} files in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
