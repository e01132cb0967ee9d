"""Web pages about cells: derivation, plan and kernels, each page one file, and an index of them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from symrnn.declaration.cell import Cell
from symrnn.declaration.digest import cell_digest
from symrnn.diagrams.diagram import step_diagram
from symrnn.diagrams.svg import diagram_svg
from symrnn.errors import RequestError
from symrnn.files import SIGNATURE, require_writable, write_all
from symrnn.kernels.targets import ARRAY_TARGETS
from symrnn.mathematics.parts import Parts
from symrnn.mathematics.sections import derivation_parts, document_symbol
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.papers.document import signature
from symrnn.papers.web.page import Source, derivation_page, index_page
from symrnn.pipeline import cost, derive, emit, plan
from symrnn.publishing.building import kernel_name, require_different_names
from symrnn.version import __version__

INDEX = "index.html"


def page(cell: Cell, style: Style = DEFAULT) -> str:
    """The web page about a cell."""
    return _page(cell, _parts(cell, style), style)


def pages(
    cells: Iterable[Cell], style: Style = DEFAULT, tell: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """The pages about cells and their index, by file name; `tell` hears the name of every cell."""
    made: dict[str, str] = {}
    listed: list[tuple[str, Parts]] = []
    for cell in cells:
        tell(cell.name)
        parts = _parts(cell, style)
        made[page_name(cell)] = _page(cell, parts, style)
        listed.append((page_name(cell), parts))
    mark = f"{SIGNATURE} {__version__}, do not edit"
    return made | {INDEX: index_page(listed, signature=mark)}


def page_name(cell: Cell) -> str:
    """The file name of the page about `cell`."""
    return f"{cell.name}.html"


def require_pages(cells: Sequence[Cell], folder: Path, *, force: bool = False) -> None:
    """Raise unless the pages about `cells` may be written into `folder`, which need not exist yet.

    Raises:
        RequestError: two cells have one name, one would take the index's place, or one of the files exists
            and symrnn did not write it, and `force` is false.

    """
    require_different_names(cells)
    for cell in cells:
        if page_name(cell).casefold() == INDEX:
            raise RequestError(
                f"The page of the cell {cell.name} would be {page_name(cell)}, which is the index. "
                "Give the cell another name."
            )
    names = (*map(page_name, cells), INDEX)
    require_writable([folder / name for name in names], force=force, make_folders=True)


def write_pages(
    cells: Sequence[Cell],
    folder: Path,
    style: Style = DEFAULT,
    *,
    force: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Path, ...]:
    """The paths of the pages about `cells` in `folder`, the index last; all of them are written, or none.

    Raises:
        RequestError: as for `require_pages`, or the system refuses.

    """
    require_pages(cells, folder, force=force)
    return write_all(folder, pages(cells, style, tell), force=force)


def _parts(cell: Cell, style: Style) -> Parts:
    return derivation_parts(derive(cell), style, cost(cell))


def _page(cell: Cell, parts: Parts, style: Style) -> str:
    planned = plan(cell)
    sources = [
        Source(name, f"{target.title} kernel", kernel_name(cell, name), emit(planned, target=name))
        for name, target in ARRAY_TARGETS.items()
    ]
    mark = signature(cell.name, cell_digest(cell))
    drawing = step_diagram(cell, symbol=document_symbol(derive(cell), style))
    return derivation_page(
        parts, str(planned), sources, signature=mark, diagram=diagram_svg(drawing, identifier="step")
    )
