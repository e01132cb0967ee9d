r"""The derivation of a whole model: what layers take, the loss, what flows back between them, every cell."""

from collections.abc import Iterable, Iterator, Mapping

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.quantities import NextState, Quantity
from symrnn.derivation.cost import StepCost
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.model_derivation import (
    At,
    Held,
    ModelDerivation,
    ParameterAdjoint,
    Rule,
    Wire,
    WireAdjoint,
    WireTerm,
    mirrored,
)
from symrnn.mathematics.parts import Equation
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.models.layers import ONCE, TIME, Feed
from symrnn.models.model import Run, model_digest
from symrnn.notation.breaking import lines, points
from symrnn.notation.building import (
    COMMA,
    JUXTAPOSED,
    ONE,
    ZERO,
    indexed,
    joined,
    negative,
    row,
    subscript,
    superscript,
    text,
    upright,
)
from symrnn.notation.nodes import Face, Fence, Fraction, Node, Sign, Space, Word
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Prose, listed, say, together
from symrnn.notation.rendering.latex import latex
from symrnn.papers.document import derivation_chapter, signature
from symrnn.papers.lines import line_latex, prose_latex
from symrnn.papers.plain_text import latex_text
from symrnn.records import dataclass
from symrnn.templates import render

DELTA, NOW, SAMPLE = Word("δ"), Word("t"), Word("b")
TEXT_WIDTH = 420.0
"""How wide a displayed equation may be, in points; the estimate of its width may be a little low."""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A line of the table of layers."""

    name: str
    cell: str
    parameters: str


@dataclass(frozen=True, slots=True)
class CellText:
    """The derivation of one cell, and who runs it."""

    title: str
    layers: str
    body: str


def latex_model(
    derivation: ModelDerivation, style: Style = DEFAULT, costs: Mapping[Cell, StepCost] | None = None
) -> str:
    """The LaTeX source of a model's derivation, a document that pdflatex compiles twice without a warning.

    `costs` are those of a step of its cells.
    """
    model, wiring = derivation.model, WiringText(derivation, style)
    loss = derivation.adjoints[0].of
    runs = [layer.run for layer in derivation.layers]
    shared = [equation for adjoint in derivation.parameters for equation in shared_equations(adjoint)]
    chapters = [
        cell_chapter(of_cell, runs, style, (costs or {}).get(of_cell.cell)) for of_cell in derivation.of_cells
    ]
    return render(
        "model.tex.jinja",
        {
            "signature": signature(model.name, model_digest(model)),
            "title": latex_text(model.title),
            "source": latex_text(model.source),
            "has_source": bool(model.source),
            "count": str(len(runs)),
            "layers": tuple(layer_row(run) for run in runs),
            "steps": prose_latex(listed(steps_of(time) for time in model.times if time != ONCE)),
            "forward": _aligned(wiring.forward()),
            "forward_notes": tuple(map(prose_latex, wiring.forward_notes())),
            "loss_name": breakable(loss.layer),
            "loss_symbol": latex(wiring.of_sample(loss)),
            "loss_steps": latex(steps_of(loss.time)),
            "delta": latex(DELTA),
            "backward": _aligned(wiring.backward()),
            "backward_notes": tuple(map(prose_latex, wiring.backward_notes())),
            "shared_note": shared_note(bool(shared)),
            "shared": _aligned(shared),
            "has_shared": bool(shared),
            "cells": tuple(chapter for chapter, _ in chapters),
            "has_wide": any(has_wide for _, has_wide in chapters),
        },
    )


@dataclass(frozen=True, slots=True)
class WiringText:
    """What joins the layers, as equations in a style: what they take, and the adjoints of what they give."""

    derivation: ModelDerivation
    style: Style

    def symbol(self, held: Held, time: Node) -> Node:
        """A layer's quantity at a time."""
        quantity = held.quantity
        bare = name_of(quantity.state if isinstance(quantity, NextState) else quantity)
        label = Fence(upright(held.layer))
        if self.style.time == "subscript":
            return superscript(subscript(bare, time), label)
        return superscript(bare, row(label, Fence(time, "⟨", "⟩")))

    def of_sample(self, held: Held) -> Node:
        """A layer's quantity for one sample, at the time of its own step."""
        if self.style.time == "subscript":
            return self.symbol(held, row(NOW, COMMA, SAMPLE))
        return indexed(self.symbol(held, NOW), SAMPLE)

    def fed(self, feed: Feed, time: Node) -> Node:
        """What the batch brings at a time: named as the input that takes it first, if it is called so."""
        quantity = next(q for known, q, _ in self.derivation.model.feeds if known == feed)
        bare = name_of(quantity) if quantity.name == feed.name else letter_or_word(feed.name)
        if feed.over == ONCE:
            return bare
        if self.style.time == "subscript":
            return subscript(bare, time)
        return superscript(bare, Fence(time, "⟨", "⟩"))

    # -- forwards -----------------------------------------------------------------------------

    def forward(self) -> list[Equation]:
        """What every layer takes."""
        return [self.taken(wire) for layer in self.derivation.layers for wire in layer.wires]

    def taken(self, wire: Wire) -> Equation:
        """What a layer takes, at its own step."""
        taker, source = wire.taker, wire.source
        left = self.symbol(taker, ZERO if taker.at == At.START else NOW)
        if isinstance(source, Feed):
            return Equation(left, (self.fed(source, step_of(taker, source)),))
        step = step_of(source, taker) if source.at == At.EVERY else steps_of(source.time)
        return Equation(left, (self.symbol(source, step),))

    def forward_notes(self) -> Iterator[Prose]:
        """What is to be said of these equations."""
        layers = self.derivation.layers
        reverse = [breakable(layer.label) for layer in layers if layer.run.layer.reverse]
        if reverse:
            yield say(
                "Running from a sample's last step to its first, step $t$ of {} belongs to step {} of the "
                "sample.",
                listed(reverse),
                turned_around(TIME),
            )
        if any(wire.taker.at == At.FIRST for layer in layers for wire in layer.wires):
            yield say("What is read at the end of a sequence is a sequence of one step.")
        yield say("States that start from nothing named here start from what the caller gives, or from zero.")

    # -- backwards ----------------------------------------------------------------------------

    def backward(self) -> list[Equation]:
        """The adjoints of what the layers hand on; that of the loss stands elsewhere, unless it is all."""
        loss, *others = self.derivation.adjoints
        return [self.handed_on(adjoint) for adjoint in others or [loss]]

    def handed_on(self, adjoint: WireAdjoint) -> Equation:
        """An adjoint as the sum of its terms."""
        of = adjoint.of
        left = row(DELTA, self.symbol(of, steps_of(of.time) if of.at == At.END else NOW))
        right = joined(self.term(term, of) for term in adjoint.terms)
        return Equation(left, (row(right, Space(18), text("(at the end)")) if of.at == At.END else right,))

    def term(self, term: WireTerm, of: Held) -> Node:
        """One summand of the adjoint of what a layer hands on."""
        taker = term.taker
        if taker is None:
            assert term.rule == Rule.MEAN
            return Fraction(ONE, Word("N"))
        if term.rule == Rule.TAKEN:
            return row(DELTA, self.symbol(taker, step_of(taker, of)))
        assert term.rule == Rule.READ
        read = row(DELTA, self.symbol(taker, ZERO if taker.at == At.START else ONE))
        if of.at == At.END:
            return read
        return row(Fence(row(NOW, Sign("="), steps_of(of.time)), "[", "]"), JUXTAPOSED, read)

    def backward_notes(self) -> Iterator[Prose]:
        """What is to be said of these equations."""
        adjoints = self.derivation.adjoints
        if any(term.rule == Rule.READ and a.of.at != At.END for a in adjoints for term in a.terms):
            yield say(r"The bracket $[\,\cdot\,]$ is 1 where it holds and 0 elsewhere.")


# ---- Layers, parameters and cells --------------------------------------------------------------------


def layer_row(run: Run) -> LayerRow:
    """The line of a layer in the table."""
    names = [name_of(q) for q, _ in run.parameters]
    few = names if len(names) <= 6 else [*names[:4], Word("…"), names[-1]]
    shown = prose_latex(together(few, ", ")) or "none"
    if run.layer.name and names:
        shown += rf", with the prefix \texttt{{{breakable(run.layer.name)}\_}}"
    return LayerRow(breakable(run.label), latex_text(run.layer.cell.title), shown)


def shared_equations(adjoint: ParameterAdjoint) -> Iterator[Equation]:
    """The gradient of a parameter, if several layers use it."""
    if len(adjoint.terms) > 1:
        _, quantity = adjoint.terms[0]
        name = name_of(quantity) if quantity.name == adjoint.name else Word(adjoint.name, Face.MONO)
        terms = (row(DELTA, superscript(name_of(q), Fence(upright(label)))) for label, q in adjoint.terms)
        yield Equation(row(DELTA, name), (joined(terms),))


def shared_note(shared: bool) -> str:
    """What is said of the gradients of parameters; `shared` if several layers use one."""
    own = (
        "A parameter's gradient is the sum over the steps of its layer and over the samples, as its cell "
        "derives it."
    )
    if not shared:
        return own
    return f"{own} Where several layers use one parameter, the sum over the layers as well:"


def cell_chapter(
    derivation: Derivation, runs: Iterable[Run], style: Style, cost: StepCost | None
) -> tuple[CellText, bool]:
    r"""The derivation of a cell that some of the layers run, and whether it needs the command `\fitted`."""
    cell = derivation.cell
    # Labels of several cells stand in one document.
    body, has_wide = derivation_chapter(derivation, style, cost, f"eq:{cell.name}:")
    users = listed(breakable(run.label) for run in runs if run.layer.cell == cell)
    title = cell.title + (f" ({cell.variant})" if cell.variant else "")
    return CellText(latex_text(title), prose_latex(users), body.rstrip()), has_wide


# ---- Texts -------------------------------------------------------------------------------------------


def name_of(quantity: Quantity) -> Node:
    """The name of a quantity."""
    return parsed(symbol_latex(quantity))


def letter_or_word(name: str) -> Node:
    """A name as a letter, or as an upright word."""
    return Word(name) if len(name) == 1 else upright(name)


def steps_of(time: str) -> Node:
    """The number of steps of sample b: `T_b`."""
    return ONE if time == ONCE else subscript(letter_or_word(time), SAMPLE)


def turned_around(time: str) -> Node:
    """The step of the sample in which a layer that runs from its end is at its own step t."""
    return joined([steps_of(time), ONE, negative(NOW)])


def step_of(held: Held, other: Held | Feed) -> Node:
    """The step of one end of a wire at step t of the other."""
    return turned_around(held.time) if mirrored(held, other) else NOW


def breakable(name: str) -> str:
    """A name that may be broken behind its underscores, in LaTeX."""
    return latex_text(name).replace(r"\_", r"\_\allowbreak{}")


def _aligned(equations: Iterable[Equation]) -> tuple[str, ...]:
    """Equations as lines of a display, sums broken where the page ends."""
    equations = tuple(equations)
    room = TEXT_WIDTH - max((points(equation.left) for equation in equations), default=0.0)
    broken = []
    for equation in equations:
        first, *others = lines(equation.rights[0], room)
        goes_on = (rf"&\quad {line_latex(line, first=False)}" for line in others)
        broken += [f"{latex(equation.left)} &= {latex(first)}", *goes_on]
    *before, last = broken or [""]
    return (*(rf"{line} \\" for line in before), last)
