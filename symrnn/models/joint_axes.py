"""What the axes of a model are called: those of its layers that turned out to be equal are one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr

from symrnn.declaration.axes import Axis
from symrnn.declaration.normal_form import unique_name


@dataclass(frozen=True, slots=True)
class Bearer:
    """An axis of one layer: its name, the layer's name if its author gave one, and the layer's label."""

    axis: str
    layer: str
    label: str


def axis_for_each(
    groups: Mapping[Expr, Sequence[Bearer]], feeds: Mapping[Expr, str], taken: Collection[str]
) -> dict[Expr, Axis]:
    """An axis for every group of equal axes, of a name that one of them has and nothing else.

    Where there is none left, who has the axis is put before its name: a layer that the author named, else
    the feed (`feeds` has these names), else a layer by its label.
    """
    choices = {root: list(dict.fromkeys(b.axis for b in bearers)) for root, bearers in groups.items()}
    used = set(taken)
    made: dict[Expr, Axis] = {}
    for root in sorted(groups, key=lambda root: len(choices[root])):  # those with one name first
        free = [choice for choice in choices[root] if choice not in used]
        long = _long_name(groups[root], feeds.get(root, ""))
        chosen = free[0] if free else unique_name(long, used)
        used.add(chosen)
        made[root] = Axis(chosen)
    return {root: made[root] for root in groups}


def _long_name(bearers: Sequence[Bearer], fed: str) -> str:
    named = [f"{bearer.layer}_{bearer.axis}" for bearer in bearers if bearer.layer]
    return named[0] if named else fed or f"{bearers[0].label}_{bearers[0].axis}"
