"""How gradients flow, as text for a terminal of 80 columns: step Jacobians, and norms against k."""

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from symrnn.console import plain_console, wrapped
from symrnn.gradients.flow import KEPT, GradientFlow
from symrnn.gradients.request import GradientRequest

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HELD = "\xa0"
"""A space at which no line is broken."""
LABELS = ("k", "per step", "")
BORDERS = 3
"""Columns of a terminal that a column of a table takes beside its text; a table takes one more."""


def print_gradients(
    flows: Sequence[GradientFlow], request: GradientRequest, console: "Console | None" = None
) -> None:
    """Print the step Jacobian of every cell, the norms of products of them, and what they are."""
    console = console or plain_console()
    for flow in flows:
        console.print(wrapped(_heading(flow), console.width), style="bold", soft_wrap=True)
        for line in flow.jacobian:
            console.print(_jacobian_text(line, console.width), soft_wrap=True)
        console.print()
    for group in _groups(flows, console.width):
        console.print(_table(group))
    console.print(textwrap.fill(_meaning(request), console.width), soft_wrap=True)


def _meaning(request: GradientRequest) -> str:
    steps = request.steps
    draws = "One draw" if request.samples == 1 else f"Median of {request.samples} draws"
    return (
        "Largest singular value of d h_T / d h_(T-k), where h_t is all states after step t; "
        f"T = {steps}, from the zero state, standard normal inputs, float64. {draws} of parameters and "
        f"inputs, seed {request.seed}. Per step: the norm at k = {steps} to the power 1/{steps}. It vanishes "
        f"below {1 / KEPT:g} and explodes above {KEPT:g} at k = {steps}."
    )


def _jacobian_text(line: str, width: int) -> str:
    """One step Jacobian, indented, broken outside of innermost brackets such as [:, 0:m]."""
    held = re.sub(r"[(\[][^()\[\]]*[)\]]", lambda found: found[0].replace(" ", HELD), line)
    return wrapped(f"  {held}", width).replace(HELD, " ")


def _heading(flow: GradientFlow) -> str:
    sizes = ", ".join(f"{axis} = {length}" for axis, length in flow.sizes)
    numbers = "1 number" if flow.width == 1 else f"{flow.width} numbers"
    conditions = "; ".join(part for part in (f"{numbers} in {', '.join(flow.states)}", sizes) if part)
    changes = "".join(f"; {change}" for change in flow.changes)
    return f"{flow.cell}: {conditions}{changes}"


def shown_distances(steps: int) -> tuple[int, ...]:
    """The k of a table: 1, 2, 5, 10, 20, 50, ... below `steps`, and `steps`."""
    decades = (10**exponent for exponent in range(len(str(steps))))
    return (*(k for decade in decades for k in (decade, 2 * decade, 5 * decade) if k < steps), steps)


def norm_text(log10_norm: float) -> str:
    """A norm in three digits, from its decimal logarithm: 0.0123, 1.20, 123, 1.23e-15, 1.23e+400."""
    if log10_norm == -math.inf:
        return "0"
    if -3 <= log10_norm < 3:
        return f"{10.0**log10_norm:#.3g}".removesuffix(".")
    exponent = math.floor(log10_norm)
    digits = f"{10.0 ** (log10_norm - exponent):.2f}"
    if digits == "10.00":
        digits, exponent = "1.00", exponent + 1
    return f"{digits}e{exponent:+03d}"


def _texts(flow: GradientFlow) -> list[str]:
    """A column: the cell, the norms, the factor per step, the verdict."""
    norms = [norm_text(flow.log10_norm(k)) for k in shown_distances(flow.steps)]
    factor = norm_text(flow.log10_norm(flow.steps) / flow.steps)
    return [flow.cell.replace("_", "_\n"), *norms, factor, flow.verdict]


def _groups(flows: Sequence[GradientFlow], width: int) -> Iterator[list[GradientFlow]]:
    """Cells whose columns fit beside each other."""
    group: list[GradientFlow] = []
    left = 0
    for flow in flows:
        needed = BORDERS + max(len(line) for text in _texts(flow) for line in text.splitlines())
        if group and needed > left:
            yield group
            group = []
        if not group:
            left = width - 1 - BORDERS - max(map(len, LABELS))
        group.append(flow)
        left -= needed
    yield group


def _table(flows: Sequence[GradientFlow]) -> "Table":
    from rich.table import Table

    columns = [_texts(flow) for flow in flows]
    distances = shown_distances(flows[0].steps)
    table = Table()
    for heading in (LABELS[0], *(column[0] for column in columns)):
        table.add_column(heading, justify="right")
    for row, label in enumerate((*map(str, distances), *LABELS[1:]), start=1):
        last = row == len(distances)
        table.add_row(label, *(column[row] for column in columns), end_section=last)
    return table
