"""The golden files: what symrnn writes about shipped cells and a few models, checked in under `generated/`.

`python -m symrnn.publishing.golden [FOLDER]` writes them anew; that is how a change of the output is
accepted. In the folder of the project it writes the README's lists of functions, too.
"""

import re
import sys
from pathlib import Path

from symrnn.declaration.cell import Cell
from symrnn.distributed import page as machines
from symrnn.files import write_all
from symrnn.mathematics.style import Style
from symrnn.models.model import Model
from symrnn.pipeline import emit
from symrnn.publishing.building import texts_of
from symrnn.vocabulary import reductions
from symrnn.vocabulary.families import COMPOSED, NAMED, VECTOR_FUNCTIONS
from symrnn.writing import latex
from symrnn.zoo import CELLS, MODELS

FOLDER = "generated"
GOLDEN_MODELS = ("language_model", "translator")
"""Models whose files are checked in, too; those of the others are made of the same lines."""


def golden_files() -> dict[str, str]:
    """The text of every golden file by its path below `generated/`."""
    declared: tuple[Cell | Model, ...] = (*CELLS.values(), *(MODELS[name] for name in GOLDEN_MODELS))
    files = {f"{made.name}/{name}": text for made in declared for name, text in texts_of(made).items()}
    gru = CELLS["gru"]
    return files | {
        "gru/gru_fragment.tex": latex(gru, Style("subscript", "row"), fragment=True),
        "gru/gru_minimal.py": emit(gru, "numpy", contract="minimal"),
        "gru/gru_functional.py": emit(gru, "numpy", contract="functional"),
        machines.NAME: machines.page(),
    }


def with_functions(readme: str) -> str:
    """The README's text with the names of all functions in the rows of functions."""
    of_vectors = {function.name for function in VECTOR_FUNCTIONS} | (COMPOSED.keys() & {*reductions.__all__})
    for row, names in (
        ("functions", (NAMED.keys() | COMPOSED.keys()) - of_vectors),
        ("functions of a vector", of_vectors),
    ):
        listed = " ".join(sorted(names))
        readme, count = re.subn(rf"(?m)^(\| {row} \| `)[a-z0-9_ ]*(`)", rf"\g<1>{listed}\g<2>", readme)
        assert count == 1, f"the README has {count} rows of {row}"
    return readme


def main(arguments: list[str]) -> int:
    """Write all golden files and remove the ones that are no more; the exit code."""
    folder = Path(arguments[0] if arguments else FOLDER)
    files = golden_files()
    write_all(folder, files, force=True)
    for old in sorted(folder.rglob("*")):
        if old.is_file() and old.relative_to(folder).as_posix() not in files:
            old.unlink()
    readme = Path("README.md")
    if not arguments and readme.is_file():
        write_all(
            readme.parent, {readme.name: with_functions(readme.read_text(encoding="utf-8"))}, force=True
        )
    sys.stdout.write(f"{len(files)} files in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
