"""What a benchmark found, as tables for a terminal of 80 columns."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from symrnn.bench.data import Size
from symrnn.bench.names import FORWARD, JAX, NUMBA, NUMPY, QUANTITIES, STEP, TRAIN, TRAIN_FIXED
from symrnn.bench.results import QUIET, Bench, Start
from symrnn.console import plain_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    Titled = tuple[str, Table]

TITLES = {
    TRAIN: "training step, all gradients",
    TRAIN_FIXED: "training step without the inputs' gradient",
    FORWARD: "forward only",
    STEP: "one streaming step",
}
NOTHING = "-"
SIZES = "T,B,D=H"


def print_bench(bench: Bench, console: "Console | None" = None) -> None:
    """Print all tables: times with ratios, their means, rates, memory and starts; then what failed."""
    console = console or plain_console()
    for cell in bench.cells:
        tables = [_times(bench, cell, q) for q in QUANTITIES if bench.contenders(cell, q)]
        tables += [_means(bench, cell), _rates(bench, cell), _memory(bench, cell), _starts(bench, cell)]
        for title, table in tables:
            console.print(f"\n{cell}: {title}", style="bold")
            console.print(table)
    console.print()
    for line in _notes(bench):
        console.print(line)


def _table(headings: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table()
    for position, heading in enumerate(headings):
        text = heading.replace("onnxruntime", "onnx-\nruntime").replace("eager torch", "eager\ntorch")
        table.add_column(text, justify="right" if position else "left")
    return table


def number_text(number: float) -> str:
    """A number in three digits: 0.0123, 1.23, 123."""
    if number >= 100:
        return f"{number:.0f}"
    for digits, least in ((1, 10), (2, 1), (3, 0.1)):
        if number >= least:
            return f"{number:.{digits}f}"
    return f"{number:.4f}"


def ratio_text(ratio: float | None) -> str:
    """A ratio with its sign."""
    return NOTHING if ratio is None else f"{number_text(ratio)}x"


def _times(bench: Bench, cell: str, quantity: str) -> "Titled":
    """Times, and below them the ratio to our kernel's."""
    contenders = bench.contenders(cell, quantity)
    unit, per_second = ("µs", 1e6) if quantity == STEP else ("ms", 1e3)
    table = _table([SIZES, *contenders])
    for size in bench.sizes(cell, quantity):
        texts = []
        for contender in contenders:
            seconds = bench.seconds(cell, contender, quantity, size)
            ratio = bench.ratio(cell, contender, quantity, size)
            below = "" if contender == bench.ours(cell, quantity, size) else f"\n{ratio_text(ratio)}"
            texts.append(NOTHING if seconds is None else number_text(per_second * seconds) + below)
        table.add_row(str(size), *texts, end_section=True)
    return f"{TITLES[quantity]} ({unit}; below: times ours)", table


def _means(bench: Bench, cell: str) -> "Titled":
    """Geometric means of the ratios over all sizes."""
    everyone = [c for q in QUANTITIES for c in bench.contenders(cell, q)]
    contenders = [c for c in dict.fromkeys(everyone) if c != NUMBA]
    table = _table(["", *contenders])
    for quantity in QUANTITIES:
        means = [bench.mean_ratio(cell, contender, quantity) for contender in contenders]
        table.add_row(TITLES[quantity], *map(ratio_text, means))
    return "time / time of our Numba kernel, geometric mean over the sizes", table


def _rates(bench: Bench, cell: str) -> "Titled":
    """What the kernels' training steps make of the machine."""
    table = _table([SIZES, "MFLOP", NUMBA, NUMPY])
    for work in bench.work:
        if work.cell == cell:
            rates = [bench.rate(cell, contender, TRAIN, work.size) for contender in (NUMBA, NUMPY)]
            shares = [
                NOTHING if rate is None else f"{number_text(rate / 1e9)} ({100 * rate / bench.peak:.0f} %)"
                for rate in rates
            ]
            table.add_row(str(work.size), number_text(work.operations / 1e6), *shares)
    return f"GFLOP/s of a training step (NumPy's square products: {bench.peak / 1e9:.0f})", table


def _memory(bench: Bench, cell: str) -> "Titled":
    """Megabytes of a training step; of a pass, for a contender that cannot train."""
    found = [m for m in bench.memories if m.cell == cell]
    contenders = list(dict.fromkeys(m.contender for m in found))
    trains = {m.contender for m in found if m.quantity == TRAIN}
    table = _table([SIZES, *(c if c in trains else f"{c}\n(forward)" for c in contenders)])
    for size in dict.fromkeys(m.size for m in found):
        texts = []
        for contender in contenders:
            key = (contender, TRAIN if contender in trains else FORWARD, size)
            sizes = [m.bytes for m in found if (m.contender, m.quantity, m.size) == key]
            texts.append(f"{sizes[0] / 1e6:.1f}" if sizes else NOTHING)
        table.add_row(str(size), *texts)
    return "peak memory of a training step (MB)", table


def _starts(bench: Bench, cell: str) -> "Titled":
    """Seconds to import and to do the first training step: the slowest of the sizes."""
    table = _table(["", "import", "first step"])
    found = [start for start in bench.starts if start.cell == cell]

    def row(title: str, wanted: Callable[[Start], bool]) -> None:
        starts = [start for start in found if wanted(start)]
        if starts:
            opening, first = (max(getattr(s, name) for s in starts) for name in ("opening", "first"))
            table.add_row(title, f"{opening:.2f}", f"{first:.2f}")

    row(f"{NUMBA}, compiled at the first call", lambda s: s.contender == NUMBA and not s.cached)
    row(f"{NUMBA}, compiled by an earlier process", lambda s: s.contender == NUMBA and s.cached)
    row(f"{JAX}, compiled at the first call of each shape", lambda s: s.contender == JAX)
    for contender in dict.fromkeys(s.contender for s in found if s.contender not in (NUMBA, JAX)):
        row(contender, lambda s, contender=contender: s.contender == contender)  # type: ignore[misc]
    return "seconds to start", table


def _notes(bench: Bench) -> list[str]:
    """What failed, the machine, and how all this was measured."""
    lines = []
    for (cell, contender, reason), sizes in _failures(bench).items():
        where = f" at {' '.join(map(str, sizes))}" if sizes else ""
        lines.append(f"not measured: {cell}, {contender}{where}: {reason}")
    versions = ", ".join(f"{name} {version}" for name, version in bench.versions)
    words = {"cores": "{} cores", "python": "Python {}"}
    machine = ", ".join(words.get(name, "{}").format(text) for name, text in bench.machine)
    settings, others = bench.settings, bench.others()
    quiet = others is None or others < QUIET
    advice = "" if quiet else ": repeat this on a quiet machine"
    return [
        *lines,
        f"{machine}; {versions}",
        f"float32; medians over {settings.rounds} rounds, each contender in a process of its own, in turn. "
        "FLOP: products and pointwise work that touch samples, as `symrnn plan` counts them.",
        *([] if others is None else [f"Other processes kept {others:.2f} cores busy meanwhile{advice}."]),
    ]


def _failures(bench: Bench) -> dict[tuple[str, str, str], list[Size]]:
    """The sizes at which a contender failed for a reason."""
    found: dict[tuple[str, str, str], list[Size]] = {}
    for failure in bench.failures:
        sizes = found.setdefault((failure.cell, failure.contender, failure.reason), [])
        sizes += [failure.size] if failure.size is not None else []
    return found
