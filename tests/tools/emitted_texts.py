"""Prints a digest of each text that is made of random cells and sums: `emitted_texts.py CELLS SUMS`."""

import hashlib
import sys
from collections.abc import Iterator

from random_cells import random_cell
from random_sums import random_sum

import symrnn
from symrnn import Cell
from symrnn.kernels.targets import require_offer


def texts(cell: Cell, *, paper: bool) -> Iterator[tuple[str, str]]:
    """What is made of a cell, with what it is; a `paper`, too, if its formulas are not too long for one."""
    for save in ("all", "states"):
        plan = symrnn.plan(cell, save)
        yield f"plan, {save}", str(plan)
        for target in ("numpy", "numba"):
            # Unproved: the text is all.
            text = require_offer(target, save=save).text(plan, symrnn.__version__)
            yield f"{target}, {save}", text
    if paper:
        yield "LaTeX", symrnn.latex(cell)


def main(cells: int, sums: int) -> None:
    """Print one line for every text."""
    declared = [(f"random cell {seed}", random_cell(seed), True) for seed in range(cells)]
    declared += [(f"random sum {seed}", random_sum(seed).cell, False) for seed in range(sums)]
    for name, cell, paper in declared:
        for what, text in texts(cell, paper=paper):
            sys.stdout.write(f"{name}, {what}: {hashlib.sha256(text.encode()).hexdigest()}\n")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
