r"""The derivation of a whole model: what layers take, the loss, what flows back between them, every cell."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.quantities import NextState, Quantity
from symrnn.derivation.cost import StepCost
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.model_derivation import (
    NOW,
    At,
    Held,
    ModelDerivation,
    ParameterAdjoint,
    Rule,
    Step,
    Wire,
    WireAdjoint,
    WireTerm,
)
from symrnn.mathematics.parts import Equation
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.models.layers import ONCE, Feed
from symrnn.models.model import Run, model_digest
from symrnn.notation.breaking import lines, points
from symrnn.notation.building import (
    COMMA,
    JUXTAPOSED,
    ONE,
    between,
    indexed,
    joined,
    negative,
    row,
    subscript,
    superscript,
    text,
    upright,
    whole,
)
from symrnn.notation.nodes import Face, Fence, Fraction, Node, Sign, Space, Word
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Prose, listed, say, together
from symrnn.notation.rendering.latex import latex
from symrnn.papers.document import derivation_chapter, signature
from symrnn.papers.lines import line_latex, prose_latex
from symrnn.papers.plain_text import latex_text
from symrnn.templates import render

DELTA, SAMPLE = Word("δ"), Word("b")
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
            "loss_symbol": latex(wiring.symbol(loss, loss.seen(NOW), SAMPLE)),
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

    def symbol(self, held: Held, step: Step, *sample: Node) -> Node:
        """A layer's quantity at a step, for a sample if one is named."""
        quantity, time = held.quantity, step_node(step)
        bare = name_of(quantity.state if isinstance(quantity, NextState) else quantity)
        label = Fence(upright(held.layer))
        if self.style.time == "subscript":
            below = between(COMMA, (time, *sample))
            return superscript(subscript(bare, below), label)
        timed = superscript(bare, row(label, Fence(time, "⟨", "⟩")))
        return indexed(timed, *sample) if sample else timed

    def fed(self, feed: Feed, step: Step) -> Node:
        """What the batch brings at a step: named as the input that takes it first, if it is called so."""
        quantity = next(q for known, q, _ in self.derivation.model.feeds if known == feed)
        bare = name_of(quantity) if quantity.name == feed.name else letter_or_word(feed.name)
        if feed.over == ONCE:
            return bare
        if self.style.time == "subscript":
            return subscript(bare, step_node(step))
        return superscript(bare, Fence(step_node(step), "⟨", "⟩"))

    # -- forwards -----------------------------------------------------------------------------

    def forward(self) -> list[Equation]:
        """What every layer takes."""
        return [self.taken(wire) for layer in self.derivation.layers for wire in layer.wires]

    def taken(self, wire: Wire) -> Equation:
        """What a layer takes, at its own step."""
        source, (step, source_step) = wire.source, wire.steps
        left = self.symbol(wire.taker, step)
        if isinstance(source, Feed):
            return Equation(left, (self.fed(source, source_step),))
        return Equation(left, (self.symbol(source, source_step),))

    def forward_notes(self) -> Iterator[Prose]:
        """What is to be said of these equations."""
        layers = self.derivation.layers
        turned = [layer.run for layer in layers if layer.run.layer.reverse and layer.run.layer.time != ONCE]
        for time in dict.fromkeys(run.layer.time for run in turned):
            yield say(
                "Running from a sample's last step to its first, step $t$ of {} belongs to step {} of the "
                "sample.",
                listed(breakable(run.label) for run in turned if run.layer.time == time),
                step_node(Step(time, -1, 1)),
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
        right = joined(self.term(term, of) for term in adjoint.terms)
        if of.at == At.END:
            right = row(right, Space(18), text("(at the end)"))
        return Equation(row(DELTA, self.symbol(of, adjoint.step)), (right,))

    def term(self, term: WireTerm, of: Held) -> Node:
        """One summand of the adjoint of what a layer hands on."""
        if term.taker is None:
            assert term.rule == Rule.MEAN
            return Fraction(ONE, Word("N"))
        taken = row(DELTA, self.symbol(term.taker, term.step(of)))
        if not term.is_last(of):
            return taken
        return row(Fence(row(step_node(NOW), Sign("="), step_node(of.end)), "[", "]"), JUXTAPOSED, taken)

    def backward_notes(self) -> Iterator[Prose]:
        """What is to be said of these equations."""
        adjoints = self.derivation.adjoints
        if any(term.is_last(adjoint.of) for adjoint in adjoints for term in adjoint.terms):
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


def step_node(step: Step) -> Node:
    """A step as mathematics."""
    now: Node = Word("t")
    return joined(t if added else negative(t) for added, t in step.terms(steps_of, now, whole))


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
