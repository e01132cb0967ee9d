"""Two cells compared: what corresponds, what differs, and whether one is a case of the other."""

from dataclasses import dataclass

from sympy import Expr, S

from symrnn.comparison.alignment import AlignedEquation, Alignment, Partner, align
from symrnn.comparison.forms import Form, form_of
from symrnn.comparison.numbers import Evidence, measure
from symrnn.comparison.pairing import Pairing, pairings
from symrnn.comparison.specialisation import MOST_STEPS, Specialisation, specialise
from symrnn.comparison.verdict import (
    APART,
    EQUIVALENT,
    IDENTICAL,
    LIMIT,
    RENAMED,
    SPECIAL,
    UNDECIDED,
    Verdict,
)
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Quantity
from symrnn.errors import RequestError, shown
from symrnn.models.model import Model
from symrnn.printing import Printed


@dataclass(frozen=True, slots=True)
class Comparison(Printed):
    """Two cells side by side: partners, aligned equations, and the verdict."""

    left: Form
    right: Form
    alignment: Alignment
    verdict: Verdict

    @property
    def names(self) -> tuple[str, str]:
        """What to call the cells; cells of one name are told apart by their place."""
        left, right = self.left.cell.name, self.right.cell.name
        return (left, right) if left != right else (f"{left} (first)", f"{right} (second)")

    @property
    def equations(self) -> tuple[AlignedEquation, ...]:
        """The aligned equations, in the left cell's order, those of the right alone last."""
        return self.alignment.equations

    @property
    def partners(self) -> tuple[Partner, ...]:
        """Which quantity stands for which: inputs, states, values, parameters."""
        return self.alignment.partners


def compare(left: object, right: object) -> Comparison:
    """The comparison of two cells.

    Raises:
        RequestError: one of them is a model, or nothing of the kind.

    """
    one, other = (form_of(_checked(cell)) for cell in (left, right))
    alignment = align(one, other)
    return Comparison(one, other, alignment, _verdict(one, other, alignment))


def _checked(cell: object) -> Cell:
    if isinstance(cell, Cell):
        return cell
    if isinstance(cell, Model):
        names = ", ".join(dict.fromkeys(run.layer.cell.name for run in cell.runs))
        raise RequestError(
            f"diff compares two cells, and {cell.name!r} is a model. "
            f"Compare its cells, such as layer.cell: {names}."
        )
    raise RequestError(
        f"diff compares two cells, not {shown(cell)}. A shipped cell is symrnn.zoo.cell('gru')."
    )


def _verdict(left: Form, right: Form, alignment: Alignment) -> Verdict:
    if left.cell.equations == right.cell.equations and left.cell.output == right.cell.output:
        return Verdict(IDENTICAL, (), None, True)
    first, possible = alignment.pairing, pairings(left.cell, right.cell)
    if possible.apart:
        return Verdict(APART, (), None, True)
    if not first.whole:
        return Verdict(UNDECIDED, (), None, False)
    ways = [first, *(pairing for pairing in possible.ways if pairing != first)]
    exact, searched = _both_directions(left, right, ways, limits=False)
    complete = possible.complete and searched
    approached: tuple[Specialisation, ...] = ()
    if not exact or any(found.held for found in exact):
        approached, searched = _both_directions(left, right, ways, limits=True)
        approached = tuple(found for found in approached if found.limit)
        complete = complete and searched
    everything = (*exact, *approached)
    if len(exact) == 2:
        kind = RENAMED if all(found.renames for found in exact) else EQUIVALENT
        return Verdict(kind, exact, None, True)
    if exact or approached:
        return Verdict(SPECIAL if exact else LIMIT, everything, None, complete)
    return Verdict(UNDECIDED, (), _evidence(left, right, alignment), complete)


def _both_directions(
    left: Form, right: Form, ways: list[Pairing], *, limits: bool
) -> tuple[tuple[Specialisation, ...], bool]:
    """The left cell as a case of the right, and the right as a case of the left, as far as they are found."""
    made: list[Specialisation] = []
    complete = True
    for special, general, turned in ((left, right, False), (right, left, True)):
        left_over = MOST_STEPS  # for all pairings together
        for pairing in ways:
            way = pairing.reversed() if turned else pairing
            outcome = specialise(special, general, way, limits=limits, most=left_over)
            left_over -= outcome.steps
            complete = complete and outcome.complete
            if outcome.found is not None:
                made.append(outcome.found)
            if outcome.found is not None or not outcome.complete:
                break
    return tuple(made), complete


def identified(alignment: Alignment) -> tuple[dict[Quantity, Expr], tuple[Quantity, ...]]:
    """The right cell's parameters as the left's that they stand for, and the left's without a partner."""
    choices: dict[Quantity, Expr] = {}
    alone = []
    for partner in alignment.partners:
        if partner.left is None or partner.left.role not in ("parameter", "part"):
            continue
        if partner.right is None:
            alone.append(partner.left)
        else:
            choices[partner.right] = -partner.left if partner.negative else partner.left * S.One
    return choices, tuple(alone)


def _evidence(left: Form, right: Form, alignment: Alignment) -> Evidence | None:
    choices, alone = identified(alignment)
    if (left.symbols or right.symbols) and not choices:
        return None
    axes: dict[Expr, Expr] = {theirs: mine for mine, theirs in alignment.pairing.axes}
    if left.cell.output_shape != tuple(size.xreplace(axes) for size in right.cell.output_shape):
        return None
    return measure(left, right, alignment.pairing, choices, zero=alone)
