"""What a benchmark found, as a picture: the times relative to our kernel, on a logarithmic axis."""

from typing import TYPE_CHECKING

from symrnn.bench.names import JAX, NUMBA, NUMPY, ONNX, QUANTITIES, TORCH, TORCH_NN
from symrnn.bench.results import Bench
from symrnn.bench.tables import TITLES
from symrnn.publishing.pictures import picture_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = {
    NUMPY: ("#7f7f7f", "s"),
    NUMBA: ("black", "D"),
    TORCH: ("#d62728", "o"),
    TORCH_NN: ("#ff9896", "v"),
    JAX: ("#1f77b4", "^"),
    ONNX: ("#2ca02c", "P"),
}
"""Colour and marker, which tells contenders apart without colour."""


def bench_figure(bench: Bench, suffix: str) -> bytes:
    """A PNG or SVG file: one row of panels per cell, one panel per quantity."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows, columns = len(bench.cells), len(QUANTITIES)
    picture = Figure(figsize=(3.4 * columns, 0.9 + 2.9 * rows), layout="constrained")
    panels = picture.subplots(rows, columns, squeeze=False, sharey=True)
    for row, cell in zip(panels, bench.cells, strict=True):
        for axes, quantity in zip(row, QUANTITIES, strict=True):
            _panel(axes, bench, cell, quantity)
        row[0].set_ylabel(f"{cell}: time / time of our Numba kernel")
    for axes in panels[-1]:
        axes.set_xlabel("T, B, D = H", fontsize="small")
    shown = dict.fromkeys(t.contender for t in bench.timings)
    handles = [
        Line2D([], [], color=MARKS[name][0], marker=MARKS[name][1], linewidth=0.8, label=name)
        for name in shown
    ]
    picture.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return picture_bytes(picture, suffix)


def _panel(axes: "Axes", bench: Bench, cell: str, quantity: str) -> None:
    """The ratios of one quantity, a line of marks per contender over the sizes."""
    from matplotlib.ticker import LogLocator, NullLocator

    sizes = bench.sizes(cell, quantity)
    for contender in bench.contenders(cell, quantity):
        colour, marker = MARKS[contender]
        ratios = [bench.ratio(cell, contender, quantity, size) for size in sizes]
        points = [(i, ratio) for i, ratio in enumerate(ratios) if ratio is not None]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            color=colour,
            marker=marker,
            markersize=6,
            linewidth=0.8,
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color="0.87", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xticks(
        range(len(sizes)), [str(size).replace(",", ", ") for size in sizes], rotation=30, ha="right"
    )
    axes.set_xlim(-0.4, max(len(sizes) - 0.6, 0.4))
    axes.set_title(TITLES[quantity], fontsize="medium")
    axes.tick_params(labelsize="small")
