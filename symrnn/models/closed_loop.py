"""A cell in a closed loop: what it gives at a step is what it takes at the next.

The loop is closed in the equations, so that derivation, kernels and proof need to know nothing of it: the
input becomes a value, which is either given (teacher forcing) or the last output, and the last output is a
state.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sympy import Eq, Expr, Symbol

from symrnn.declaration.arguments import require_cell
from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.normal_form import plain_name, unique_name
from symrnn.declaration.operations import where
from symrnn.declaration.quantities import (
    Index,
    Input,
    NextState,
    Quantity,
    State,
    Value,
)
from symrnn.errors import DeclarationError
from symrnn.models.equal_sizes import EqualSizes, own_axis


def closed_loop(cell: Cell, head: Cell | None = None, *, input: str = "", name: str = "") -> Cell:
    """The cell whose input is its own last output, wherever nothing else is forced on it.

    `head` is a cell that takes the output of `cell` and gives what is fed back, such as `zoo.dense()`.
    `input` names the input that is closed; it may be left out if there is one. For an input x, the closed
    cell has instead

    - the input `x_given` of the same shape, and the scalar input `forced`: where `forced` is above 0, a step
      takes `x_given` (teacher forcing, or the first step of a sequence that is grown), elsewhere the output
      of the step before;
    - the state `x_back`, which holds that output, unless it is a state already.

    A sequence grown from one input is one with `forced` = 1, 0, 0, ...; gradients flow through what is fed
    back. Teacher forcing is of Williams and Zipser 1989, doi:10.1162/neco.1989.1.2.270.

    Raises:
        DeclarationError: the input or the head does not fit, or class numbers would be fed back.
        RequestError: `cell` or `head` is no Cell.
    """
    require_cell(cell, "closed_loop()")
    if head is not None:
        require_cell(head, "closed_loop(..., head)")
    joined = cell if head is None else _stacked(cell, head)
    closed = _chosen_input(cell, input)
    sizes = EqualSizes()
    what = f"In the closed loop of {joined.name!r}, the output {joined.output} becomes the input {closed}"
    sizes.unify(what, joined.output_shape, closed.shape)
    renaming = _Renaming({axis: sizes.known(axis) for axis in joined.axes})
    return _closed(joined, renaming, closed, name or f"{cell.name}_closed_loop")


def _chosen_input(cell: Cell, name: str) -> Input:
    """The input that is closed."""
    names = ", ".join(q.name for q in cell.inputs)
    if not name and len(cell.inputs) != 1:
        raise DeclarationError(
            f"The cell {cell.name!r} has {len(cell.inputs)} inputs. Name the one that its output is fed back "
            f"to: closed_loop(..., input=...), one of {names}."
        )
    found = [q for q in cell.inputs if q.name == name or not name]
    if not found:
        raise DeclarationError(f"The cell {cell.name!r} has no input {name!r}. Its inputs: {names}.")
    if isinstance(found[0], Index):
        raise DeclarationError(
            f"The input {found[0]} of the cell {cell.name!r} is a class number, and no gradient flows "
            "through a choice of classes. Close an input that is an array, or let generate() of a model feed "
            "classes back."
        )
    return found[0]


def _closed(cell: Cell, renaming: "_Renaming", input_: Input, name: str) -> Cell:
    """The cell with its input fed from its output, both of one shape after the renaming."""
    taken = {q.name for q in _quantities(cell)}
    closed, output = renaming.quantity(input_), renaming.quantity(cell.output)
    assert isinstance(closed, Input)
    assert isinstance(output, Value | State | NextState)

    def partner(suffix: str) -> tuple[str, str | None]:
        """A name made from that of the input, and a printed one if the author gave it one."""
        taken.add(made := unique_name(f"{closed.name}_{suffix}", taken))
        latex = rf"{{{symbol_latex(closed)}}}_{{\mathrm{{{suffix}}}}}"
        return made, latex if closed.latex_name is not None else None

    given_name, given_latex = partner("given")
    given = Input(given_name, *closed.shape, latex=given_latex)
    forced = Input(unique_name("forced", taken))
    feeding = []
    if isinstance(output, NextState):
        back = output.state
    else:
        back_name, back_latex = partner("back")
        back = State(back_name, *closed.shape, latex=back_latex)
        feeding = [Eq(back.next, output, evaluate=False)]
    value = Value(closed.name, latex=closed.latex_name)
    return Cell.derived(
        name,
        Eq(value, where(forced > 0, given, back), evaluate=False),
        *renaming.equations(cell, {closed: value}),
        *feeding,
        output=output,
        title=f"{cell.title}, closed loop",
        variant=cell.variant,
        source=cell.source,
    )


def _stacked(lower: Cell, upper: Cell) -> Cell:
    """Both cells as one: what the lower gives is what the upper takes."""
    if len(upper.inputs) != 1 or isinstance(upper.inputs[0], Index):
        names = ", ".join(q.name for q in upper.inputs)
        raise DeclarationError(
            f"The head {upper.name!r} takes {names}, and a head takes one array: the output of "
            f"{lower.name!r}. Give a cell such as zoo.dense()."
        )
    (taken,) = upper.inputs
    axes = _joined_axes(lower, upper, taken)
    below = _Renaming({axis: axes[axis] for axis in lower.axes})
    above = _Renaming(
        {axis: axes[own_axis(upper.name, axis)] for axis in upper.axes}, _names_beside(lower, upper)
    )
    output = above.quantity(upper.output)
    assert isinstance(output, Value | State | NextState)
    return Cell.derived(
        f"{lower.name}_{upper.name}",
        *below.equations(lower),
        *above.equations(upper, {above.quantity(taken): below.quantity(lower.output)}),
        output=output,
        title=f"{lower.title} with a {upper.title[:1].lower()}{upper.title[1:]}",
        variant=", ".join(filter(None, (lower.variant, upper.variant))),
        source="; ".join(filter(None, (lower.source, upper.source))),
    )


def _joined_axes(lower: Cell, upper: Cell, taken: Input) -> dict[Expr, Expr]:
    """What every axis of both cells is in the joined one; those of the lower keep their names."""
    local = {axis: own_axis(upper.name, axis) for axis in upper.axes}
    wanted = tuple(size.xreplace(local) for size in taken.shape)
    sizes = EqualSizes()
    what = f"The head {upper.name!r} takes the output of {lower.name!r} as {taken}"
    sizes.unify(what, lower.output_shape, wanted)
    pairs = [*zip(lower.axes, lower.axes, strict=True), *local.items()]
    names: dict[Expr, Axis] = {}
    for axis, symbol in pairs:
        root = sizes.known(symbol)
        if isinstance(root, Symbol) and root not in names:
            names[root] = Axis(unique_name(axis.name, [made.name for made in names.values()]))
    return {symbol: sizes.known(symbol).xreplace(names) for _, symbol in pairs}


def _names_beside(lower: Cell, upper: Cell) -> dict[str, str]:
    """New names for what in the upper cell is called as something in the lower one; no two become one."""
    below, own = ({q.name for q in _quantities(cell)} for cell in (lower, upper))
    made: dict[str, str] = {}
    for name in (q.name for q in _quantities(upper)):
        if name in below:
            made[name] = unique_name(name, {*below, *own, *made.values()})
    return made


def _quantities(cell: Cell) -> tuple[Quantity, ...]:
    return (*cell.given, *cell.values)


@dataclass(frozen=True, slots=True)
class _Renaming:
    """Other axes for the quantities of a cell, and other names for some of them."""

    axes: Mapping[Expr, Expr]
    names: Mapping[str, str] = field(default_factory=dict)

    def quantity(self, quantity: Quantity) -> Quantity:
        """The quantity that stands for another one."""
        own = plain_name(quantity)
        name = self.names.get(own, own)
        renamed: Quantity = quantity.renamed(name, quantity.latex_name if name == own else None, self.axes)
        return renamed

    def equations(self, cell: Cell, more: Mapping[Quantity, Quantity] | None = None) -> list[Eq]:
        """The equations of a cell; `more` then replaces quantities on their right sides."""
        known = (*_quantities(cell), *(state.next for state in cell.states))
        renamed = {**{q: self.quantity(q) for q in known}, **self.axes}
        return [
            Eq(renamed[eq.target], eq.rhs.xreplace(renamed).xreplace(dict(more or {})), evaluate=False)
            for eq in cell.equations
        ]
