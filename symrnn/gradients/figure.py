"""How gradients flow, as a picture: the norm against k, on a logarithmic axis."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from symrnn.gradients.flow import GradientFlow
from symrnn.publishing.pictures import picture_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "black")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Of different number, so that fifty-six cells differ in one or the other; markers do without colour."""


def gradients_figure(flows: Sequence[GradientFlow], suffix: str) -> bytes:
    """A PNG or SVG file: one line per cell, the median of its draws, in a band from the least to the most."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    picture = Figure(figsize=(7.2, 4.5), layout="constrained")
    axes = picture.subplots()
    for number, flow in enumerate(flows):
        _line(axes, flow, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    low, high = axes.get_ylim()  # at least from one power of ten to the next
    axes.set_ylim(min(low, math.ceil(high) - 1.1), max(high, math.floor(low) + 1.1))
    # The logarithms are drawn on a linear axis: a norm may be too small or too large for a float.
    axes.yaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:.0f}}}$")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("k, steps back from the end")
    axes.set_ylabel(r"norm of $\mathrm{d}\,h_T\,/\,\mathrm{d}\,h_{T-k}$")
    axes.legend(frameon=False)
    return picture_bytes(picture, suffix)


def _line(axes: "Axes", flow: GradientFlow, colour: str, marker: str) -> None:
    """The logarithms of one cell's norms; a product that is zero has no point."""
    finite = [k for k in range(1, flow.steps + 1) if math.isfinite(flow.log10_norm(k))]
    ranges = [flow.log10_range(k) for k in finite]
    label = "; ".join((flow.cell, *flow.changes))
    apart = max(1, flow.steps // 10)
    axes.plot(
        finite,
        [flow.log10_norm(k) for k in finite],
        color=colour,
        marker=marker,
        markevery=(apart - 1, apart),
        markersize=5,
        linewidth=1.5,
        label=label,
    )
    if all(math.isfinite(low) for low, _ in ranges):
        low, high = ([pair[side] for pair in ranges] for side in (0, 1))
        axes.fill_between(finite, low, high, color=colour, alpha=0.15, linewidth=0)
