"""The main job: from a cell or a model to document, plan, kernels and their proof, in one folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from symrnn.checking.proof import check_loaded, problem_for
from symrnn.checking.report import CheckReport
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.files import require_writable, signed, write_all
from symrnn.kernels.targets import ARRAY_TARGETS
from symrnn.models.model import Model
from symrnn.pipeline import derive, emit, plan
from symrnn.publishing.typesetting import NO_TEX, find_pdflatex, typeset
from symrnn.running.cells import cells_of
from symrnn.running.loading import load_source
from symrnn.writing import latex

STEPS_PER_CELL = 3 + len(ARRAY_TARGETS)
"""How often `build` tells its progress: the texts, the PDF, the problem, and the check of every target."""


@dataclass(frozen=True, slots=True)
class Build:
    """What was made of a cell or a model: files, one report per target, what is to be said about the PDF.

    There are no files where a report says that a kernel is wrong.
    """

    cell: Cell | Model
    files: tuple[Path, ...]
    reports: tuple[CheckReport, ...]
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every kernel agrees with the reference."""
        return all(report.passed for report in self.reports)


def texts_of(cell: Cell | Model) -> dict[str, str]:
    """Everything symrnn writes about a cell or a model, by file name: LaTeX, plans, modules."""
    if isinstance(cell, Model):
        texts = {f"{cell.name}.tex": latex(cell)}
        for part in cells_of(cell):
            texts[f"{part.name}_plan.txt"] = signed(str(plan(part)), part.name, "#")
        return texts | {kernel_name(cell, target): emit(cell, target=target) for target in ARRAY_TARGETS}
    derivation = derive(cell)
    planned = plan(derivation)
    texts = {
        f"{cell.name}.tex": signed(latex(derivation), cell.name, "%"),
        f"{cell.name}_plan.txt": signed(str(planned), cell.name, "#"),
    }
    for target in ARRAY_TARGETS:
        texts[kernel_name(cell, target)] = signed(emit(planned, target=target), cell.name, "#")
    return texts


def kernel_name(cell: Cell | Model, target: str) -> str:
    """The file name of the kernel of `cell` for `target`."""
    return f"{cell.name}_{target}.py"


def build(
    cell: Cell | Model,
    folder: Path,
    *,
    force: bool = False,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Build:
    """What was made of `cell` in `folder`/<cell>/: its files, and the check of its kernels.

    The files are written together, once the check of the kernels has passed; a build that fails leaves those
    of an earlier one. `tell` hears what comes next, `STEPS_PER_CELL` times. Unless `force`, nothing is
    written if one of the files exists and symrnn did not write it.

    Raises:
        RequestError: a file or the folder cannot be written.
        EmissionError: pdflatex is installed and refuses the document.

    """
    home, pdf = folder / cell.name, f"{cell.name}.pdf"
    tell(f"{cell.name}: equations to text")
    texts = texts_of(cell)
    with_pdf = find_pdflatex() is not None
    names = [*texts, pdf] if with_pdf else [*texts]
    require_writable((home / name for name in names), force=force, make_folders=True)
    tell(f"{cell.name}: pages")
    pages = {pdf: typeset(texts[f"{cell.name}.tex"], cell.name)} if with_pdf else {}
    reports = _check_all(cell, texts, seed, tell)
    passed = all(report.passed for report in reports)
    paths = write_all(home, {**texts, **pages}, force=force) if passed else ()
    return Build(cell, paths, reports, "" if with_pdf else NO_TEX)


def unwritten(made: Build, request: str, seed: int) -> str:
    """What to say of a build without files, and how to look at what failed; `request` named the cell."""
    target = next(report.target for report in made.reports if not report.passed)
    return (
        f"Nothing of {made.cell.name} was written, because its check failed; files of an earlier build are "
        f"as they were. Repeat the check: symrnn check {request} --target {target} --seed {seed}. Look at "
        f"the kernel: symrnn emit {request} --target {target} -o FILE."
    )


def _check_all(
    cell: Cell | Model, texts: Mapping[str, str], seed: int, tell: Callable[[str], None]
) -> tuple[CheckReport, ...]:
    """The check of the very texts that are to be written, all at one problem."""
    tell(f"{cell.name}: reference")
    problem = problem_for(cell, seed)
    reports = []
    for target in ARRAY_TARGETS:
        tell(f"{cell.name}: check of {target}")
        module = load_source(texts[kernel_name(cell, target)], f"{cell.name}_{target}")
        reports.append(check_loaded(problem, module, target=target))
    return tuple(reports)


def require_different_names(cells: Sequence[Cell | Model]) -> None:
    """Raise if two cells or models would be built into one folder.

    Raises:
        RequestError: two of them have one name.

    """
    names = [cell.name for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        models = [isinstance(cell, Model) for cell in cells if cell.name in twice]
        kind = "models" if all(models) else "cells and models" if any(models) else "cells"
        raise RequestError(
            f"Two of the {kind} are named {', '.join(twice)}, and both would go into one folder. "
            "Build them apart, with different folders after -o."
        )
