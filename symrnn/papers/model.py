r"""The derivation of a whole model: what layers take, the loss, what flows back between them, every cell."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.quantities import NextState
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
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.mathematics.words import sentence_list
from symrnn.models.layers import ONCE, TIME, Feed
from symrnn.models.model import Run, model_digest
from symrnn.notation.layout import split_formula, width
from symrnn.notation.marks import subscript, superscript
from symrnn.papers.document import derivation_chapter, signature
from symrnn.papers.plain_text import latex_text
from symrnn.templates import render

DELTA = r"\delta"
NOW = "t"
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
    shared = [line for adjoint in derivation.parameters for line in shared_lines(adjoint)]
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
            "steps": sentence_list([f"${steps_of(time)}$" for time in model.times if time != ONCE]),
            "forward": _aligned(wiring.forward_lines()),
            "forward_notes": tuple(wiring.forward_notes()),
            "loss_name": breakable(loss.layer),
            "loss_symbol": wiring.of_sample(loss),
            "loss_steps": steps_of(loss.time),
            "delta": DELTA,
            "backward": _aligned(wiring.backward_lines()),
            "backward_notes": tuple(wiring.backward_notes()),
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

    def symbol(self, held: Held, time: str) -> str:
        """A layer's quantity at a time."""
        quantity = held.quantity
        bare = symbol_latex(quantity.state if isinstance(quantity, NextState) else quantity)
        label = f"({_upright(held.layer)})"
        if self.style.time == "subscript":
            return superscript(subscript(bare, time), label)
        bare = f"{{{bare}}}" if "^" in bare else bare
        return rf"{bare}^{{{label}\langle {time}\rangle}}"

    def of_sample(self, held: Held) -> str:
        """A layer's quantity for one sample, at the time of its own step."""
        if self.style.time == "subscript":
            return self.symbol(held, f"{NOW},b")
        return f"{self.symbol(held, NOW)}_b"

    def fed(self, feed: Feed, time: str) -> str:
        """What the batch brings at a time: named as the input that takes it first, if it is called so."""
        quantity = next(q for known, q, _ in self.derivation.model.feeds if known == feed)
        bare = feed.name if len(feed.name) == 1 else _upright(feed.name)
        if quantity.name == feed.name:
            bare = symbol_latex(quantity)
        if feed.over == ONCE:
            return bare
        if self.style.time == "subscript":
            return subscript(bare, time)
        return rf"{bare}^{{\langle {time}\rangle}}"

    # -- forwards -----------------------------------------------------------------------------

    def forward_lines(self) -> list[str]:
        """What every layer takes."""
        return [self.forward_line(wire) for layer in self.derivation.layers for wire in layer.wires]

    def forward_line(self, wire: Wire) -> str:
        """What a layer takes, at its own step."""
        taker, source = wire.taker, wire.source
        left = self.symbol(taker, "0" if taker.at == At.START else NOW)
        if isinstance(source, Feed):
            return f"{left} &= {self.fed(source, step_of(taker, source))}"
        step = step_of(source, taker) if source.at == At.EVERY else steps_of(source.time)
        return f"{left} &= {self.symbol(source, step)}"

    def forward_notes(self) -> Iterator[str]:
        """What is to be said of these equations."""
        layers = self.derivation.layers
        reverse = [breakable(layer.label) for layer in layers if layer.run.layer.reverse]
        if reverse:
            yield (
                f"Running from a sample's last step to its first, step $t$ of {sentence_list(reverse)} "
                f"belongs to step ${steps_of(TIME)} + 1 - t$ of the sample."
            )
        if any(wire.taker.at == At.FIRST for layer in layers for wire in layer.wires):
            yield "What is read at the end of a sequence is a sequence of one step."
        yield "States that start from nothing named here start from what the caller gives, or from zero."

    # -- backwards ----------------------------------------------------------------------------

    def backward_lines(self) -> list[str]:
        """The adjoints of what the layers hand on; that of the loss stands elsewhere, unless it is all."""
        loss, *others = self.derivation.adjoints
        return [self.backward_line(adjoint) for adjoint in others or [loss]]

    def backward_line(self, adjoint: WireAdjoint) -> str:
        """An adjoint as the sum of its terms."""
        of = adjoint.of
        left = self.symbol(of, steps_of(of.time) if of.at == At.END else NOW)
        right = " + ".join(self.term(term, of) for term in adjoint.terms)
        note = r" \quad\text{(at the end)}" if of.at == At.END else ""
        return rf"{DELTA} {left} &= {right}{note}"

    def term(self, term: WireTerm, of: Held) -> str:
        """One summand of the adjoint of what a layer hands on."""
        taker = term.taker
        if taker is None:
            assert term.rule == Rule.MEAN
            return r"\frac{1}{N}"
        if term.rule == Rule.TAKEN:
            return f"{DELTA} {self.symbol(taker, step_of(taker, of))}"
        assert term.rule == Rule.READ
        read = f"{DELTA} {self.symbol(taker, '0' if taker.at == At.START else '1')}"
        return read if of.at == At.END else rf"[t = {steps_of(of.time)}]\, {read}"

    def backward_notes(self) -> Iterator[str]:
        """What is to be said of these equations."""
        adjoints = self.derivation.adjoints
        if any(term.rule == Rule.READ and a.of.at != At.END for a in adjoints for term in a.terms):
            yield r"The bracket $[\,\cdot\,]$ is 1 where it holds and 0 elsewhere."


# ---- Layers, parameters and cells --------------------------------------------------------------------


def layer_row(run: Run) -> LayerRow:
    """The line of a layer in the table."""
    names = [rf"${symbol_latex(q)}$" for q, _ in run.parameters]
    shown = ", ".join(names if len(names) <= 6 else [*names[:4], r"\dots", names[-1]]) or "none"
    if run.layer.name and names:
        shown += rf", with the prefix \texttt{{{breakable(run.layer.name)}\_}}"
    return LayerRow(breakable(run.label), latex_text(run.layer.cell.title), shown)


def shared_lines(adjoint: ParameterAdjoint) -> Iterator[str]:
    """The gradient of a parameter, if several layers use it."""
    if len(adjoint.terms) > 1:
        _, quantity = adjoint.terms[0]
        own = quantity.name == adjoint.name
        left = symbol_latex(quantity) if own else rf"\mathtt{{{latex_text(adjoint.name)}}}"
        terms = [rf"{DELTA} {symbol_latex(q)}^{{({_upright(label)})}}" for label, q in adjoint.terms]
        yield rf"{DELTA} {left} &= {' + '.join(terms)}"


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
    users = [breakable(run.label) for run in runs if run.layer.cell == cell]
    title = cell.title + (f" ({cell.variant})" if cell.variant else "")
    return CellText(latex_text(title), sentence_list(users), body.rstrip()), has_wide


# ---- Texts -------------------------------------------------------------------------------------------


def steps_of(time: str) -> str:
    """The number of steps of sample b: `T_b`."""
    if time == ONCE:
        return "1"
    return f"{time}_b" if len(time) == 1 else f"{_upright(time)}_b"


def step_of(held: Held, other: Held | Feed) -> str:
    """The step of one end of a wire at step t of the other."""
    return f"{steps_of(held.time)} + 1 - t" if mirrored(held, other) else NOW


def breakable(name: str) -> str:
    """A name that may be broken behind its underscores."""
    return latex_text(name).replace(r"\_", r"\_\allowbreak{}")


def _upright(name: str) -> str:
    return rf"\mathrm{{{latex_text(name)}}}"


def _aligned(lines: Iterable[str]) -> tuple[str, ...]:
    """Equations as lines of a display, sums broken where the page ends."""
    pairs = [line.partition(" &= ") for line in lines]
    room = TEXT_WIDTH - max((width(left) for left, _, _ in pairs), default=0.0)
    broken = []
    for left, sign, right in pairs:
        first, *others = split_formula(right, room)
        broken += [f"{left}{sign}{first}", *(rf"&\quad {other}" for other in others)]
    *before, last = broken or [""]
    return (*(rf"{line} \\" for line in before), last)
