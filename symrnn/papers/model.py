r"""The derivation of a whole model: what layers take, the loss, what flows back between them, every cell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.quantities import NextState, Quantity
from symrnn.derivation.cost import StepCost
from symrnn.derivation.reverse import derive
from symrnn.kernels.models.code import ModelWriter
from symrnn.kernels.models.module import model_digest
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.models.layers import ONCE, TIME, Feed, Layer, Reading, Sequence
from symrnn.models.model import Model, Run
from symrnn.models.stepping import layer_of
from symrnn.notation.layout import split_formula, width
from symrnn.notation.marks import subscript, superscript
from symrnn.notation.prose import listed
from symrnn.papers.document import derivation_chapter, signature
from symrnn.papers.lines import prose_latex
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


def latex_model(model: Model, style: Style = DEFAULT, costs: Mapping[Cell, StepCost] | None = None) -> str:
    """The LaTeX source of a model's derivation, a document that pdflatex compiles twice without a warning.

    `costs` are those of a step of its cells.
    """
    return _ModelDocument(model, style, costs or {}).text()


class _ModelDocument:
    def __init__(self, model: Model, style: Style, costs: Mapping[Cell, StepCost]) -> None:
        self.model = model
        self.style = style
        self.costs = costs
        self.labels = {run.layer: run.label for run in model.runs}
        self.reaching = ModelWriter(model, {}).needed(model.loss)  # the others have no part in the loss
        self.has_wide = False

    def text(self) -> str:
        model = self.model
        loss = model.loss
        cells = tuple(self.cell_text(cell) for cell in dict.fromkeys(run.layer.cell for run in model.runs))
        shared = self.shared_lines()
        return render(
            "model.tex.jinja",
            {
                "signature": signature(model.name, model_digest(model)),
                "title": latex_text(model.title),
                "source": latex_text(model.source),
                "has_source": bool(model.source),
                "count": str(len(model.runs)),
                "layers": tuple(self.layer_row(run) for run in model.runs),
                "steps": sentence_list([f"${steps_of(time)}$" for time in model.times if time != ONCE]),
                "forward": _aligned(self.forward_lines()),
                "forward_notes": self.forward_notes(),
                "loss_name": breakable(self.labels[loss]),
                "loss_symbol": self.of_sample(loss.cell.output, loss),
                "loss_steps": steps_of(loss.time),
                "delta": DELTA,
                "backward": _aligned(self.backward_lines()),
                "backward_notes": self.backward_notes(),
                "shared_note": self.shared_note(bool(shared)),
                "shared": _aligned(shared),
                "has_shared": bool(shared),
                "cells": cells,
                "has_wide": self.has_wide,  # known when the cells have been laid out
            },
        )

    # -- symbols ------------------------------------------------------------------------------

    def symbol(self, quantity: Quantity, layer: Layer, time: str = NOW) -> str:
        """A layer's quantity at a time."""
        bare = symbol_latex(quantity.state if isinstance(quantity, NextState) else quantity)
        label = f"({_upright(self.labels[layer])})"
        if self.style.time == "subscript":
            return superscript(subscript(bare, time), label)
        bare = f"{{{bare}}}" if "^" in bare else bare
        return rf"{bare}^{{{label}\langle {time}\rangle}}"

    def of_sample(self, quantity: Quantity, layer: Layer) -> str:
        """A layer's quantity for one sample, at the time of its own step."""
        if self.style.time == "subscript":
            return self.symbol(quantity, layer, f"{NOW},b")
        return f"{self.symbol(quantity, layer)}_b"

    def source(self, source: Sequence, time: str) -> str:
        """What a sequence holds at a time of the layer that takes it."""
        if isinstance(source, Feed):
            bare = self.fed(source)
            if source.over == ONCE:
                return bare
            if self.style.time == "subscript":
                return subscript(bare, time)
            return rf"{bare}^{{\langle {time}\rangle}}"
        layer = layer_of(source)
        assert layer is not None
        if isinstance(source, Reading):
            quantity = source.state if source.state is not None else layer.cell.output
            return self.symbol(quantity, layer, steps_of(layer.time))
        return self.symbol(layer.cell.output, layer, turned(layer, time))

    def fed(self, feed: Feed) -> str:
        """The symbol of what the batch brings: that of the input it is named after, else its name."""
        quantity = next(q for known, q, _ in self.model.feeds if known == feed)
        if quantity.name == feed.name:
            return symbol_latex(quantity)
        return feed.name if len(feed.name) == 1 else _upright(feed.name)

    # -- forwards -----------------------------------------------------------------------------

    def layer_row(self, run: Run) -> LayerRow:
        names = [rf"${symbol_latex(q)}$" for q, _ in run.parameters]
        shown = ", ".join(names if len(names) <= 6 else [*names[:4], r"\dots", names[-1]]) or "none"
        if run.layer.name and names:
            shown += rf", with the prefix \texttt{{{breakable(run.layer.name)}\_}}"
        return LayerRow(breakable(run.label), latex_text(run.layer.cell.title), shown)

    def forward_lines(self) -> list[str]:
        lines = []
        for run in self.model.runs:
            layer = run.layer
            for quantity, source in layer.inputs:
                taken = self.source(source, turned(layer, NOW))
                lines.append(f"{self.symbol(quantity, layer)} &= {taken}")
            lines += [
                f"{self.symbol(state, layer, '0')} &= {self.source(reading, NOW)}"
                for state, reading in layer.initial
            ]
        return lines

    def forward_notes(self) -> tuple[str, ...]:
        notes = []
        reverse = [breakable(run.label) for run in self.model.runs if run.layer.reverse]
        if reverse:
            notes.append(
                f"Running from a sample's last step to its first, step $t$ of {sentence_list(reverse)} "
                f"belongs to step ${steps_of(TIME)} + 1 - t$ of the sample."
            )
        if any(isinstance(source, Reading) for run in self.model.runs for _, source in run.layer.inputs):
            notes.append("What is read at the end of a sequence is a sequence of one step.")
        notes.append(
            "States that start from nothing named here start from what the caller gives, or from zero."
        )
        return tuple(notes)

    # -- backwards ----------------------------------------------------------------------------

    def backward_lines(self) -> list[str]:
        lines = []
        for run in reversed(self.model.runs):
            layer = run.layer
            terms = [
                rf"{DELTA} {self.symbol(q, taker, turned(taker, turned(layer, NOW)))}"
                for taker, q, source in self.takers()
                if source == layer
            ]
            terms += [
                rf"[t = {steps_of(layer.time)}]\, {DELTA} {self.symbol(q, taker, '1')}"
                for taker, q, source in self.takers()
                if source == Reading(layer, None)
            ]
            if terms:
                left = rf"{DELTA} {self.symbol(layer.cell.output, layer)}"
                lines.append(f"{left} &= {' + '.join(terms)}")
            for state in layer.cell.states:
                ends = [
                    rf"{DELTA} {self.symbol(q, taker, '0' if q in taker.cell.states else '1')}"
                    for taker, q, source in self.takers()
                    if source == Reading(layer, state)
                ]
                if ends:
                    left = rf"{DELTA} {self.symbol(state, layer, steps_of(layer.time))}"
                    lines.append(rf"{left} &= {' + '.join(ends)} \quad\text{{(at the end)}}")
        return lines or [
            rf"{DELTA} {self.symbol(self.model.loss.cell.output, self.model.loss)} &= \frac{{1}}{{N}}"
        ]

    def takers(self) -> list[tuple[Layer, Quantity, Sequence]]:
        """Who takes what on the way to the loss: layer, its input or state, and the source."""
        return [
            (run.layer, quantity, source)
            for run in self.reaching
            for quantity, source in (*run.layer.inputs, *run.layer.initial)
        ]

    def backward_notes(self) -> tuple[str, ...]:
        read = [source for _, _, source in self.takers() if isinstance(source, Reading)]
        if any(source.state is None for source in read):
            return (r"The bracket $[\,\cdot\,]$ is 1 where it holds and 0 elsewhere.",)
        return ()

    # -- parameters and cells -----------------------------------------------------------------

    def shared_lines(self) -> list[str]:
        """The gradients of what several layers use."""
        users: dict[str, list[tuple[Run, Quantity]]] = {}
        for run in self.reaching:
            for quantity, name in run.parameters:
                users.setdefault(name, []).append((run, quantity))
        lines = []
        for name, found in users.items():
            if len(found) > 1:
                quantity = found[0][1]
                left = symbol_latex(quantity) if quantity.name == name else rf"\mathtt{{{latex_text(name)}}}"
                terms = [rf"{DELTA} {symbol_latex(q)}^{{({_upright(run.label)})}}" for run, q in found]
                lines.append(rf"{DELTA} {left} &= {' + '.join(terms)}")
        return lines

    def shared_note(self, shared: bool) -> str:
        own = (
            "A parameter's gradient is the sum over the steps of its layer and over the samples, as its cell "
            "derives it."
        )
        return (
            f"{own} Where several layers use one parameter, the sum over the layers as well:"
            if shared
            else own
        )

    def cell_text(self, cell: Cell) -> CellText:
        # Labels of several cells stand in one document.
        body, has_wide = derivation_chapter(
            derive(cell), self.style, self.costs.get(cell), f"eq:{cell.name}:"
        )
        self.has_wide = self.has_wide or has_wide
        users = [breakable(run.label) for run in self.model.runs if run.layer.cell == cell]
        title = cell.title + (f" ({cell.variant})" if cell.variant else "")
        return CellText(latex_text(title), sentence_list(users), body.rstrip())


def sentence_list(items: Iterable[str]) -> str:
    return prose_latex(listed(items))


def steps_of(time: str) -> str:
    """The number of steps of sample b: `T_b`."""
    if time == ONCE:
        return "1"
    return f"{time}_b" if len(time) == 1 else f"{_upright(time)}_b"


def turned(layer: Layer, time: str) -> str:
    """The step of the sample in which a layer is at its own step `time`, and the other way round."""
    if not layer.reverse:
        return time
    steps = f"{steps_of(layer.time)} + 1 - t"
    return NOW if time == steps else steps


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
