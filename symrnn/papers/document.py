r"""The derivation as LaTeX, a document or a fragment: ready text for the template, which only places it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from symrnn.declaration.digest import cell_digest
from symrnn.derivation.cost import StepCost
from symrnn.derivation.derivation import Derivation
from symrnn.diagrams.diagram import step_diagram
from symrnn.diagrams.latex import diagram_latex
from symrnn.errors import RequestError
from symrnn.mathematics.parts import Equation, Parts, Passage, Section, SymbolRow
from symrnn.mathematics.sections import derivation_parts, document_symbol
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.notation.breaking import points
from symrnn.notation.building import row
from symrnn.notation.nodes import Node, Sign
from symrnn.notation.prose import Prose, listed, say, together
from symrnn.notation.rendering.latex import latex
from symrnn.papers.lines import equation_lines, prose_latex
from symrnn.papers.plain_text import latex_text
from symrnn.templates import render
from symrnn.version import __version__

LONG = 6
"""An equation of more lines may break over pages, though not after its first nor before its last line."""

UNNUMBERED, FRAME = 20.0, 35.0
"""What an equation without a number has more room, and one inside of the frame less, in points."""

SIZES = ((0.91, r"\small"), (0.82, r"\footnotesize"), (0.73, r"\scriptsize"), (0.0, r"\tiny"))
"""Sizes of type, beside the one that they are relative to."""

CHOICES = ("all", "results")


@dataclass(frozen=True, slots=True)
class Form:
    """What kind of text it becomes: headings, room for a displayed formula in points, beginning of labels.

    `headings` are TeX's before and after the words, for sections and for parts of them. A form that
    `stands_alone` has the preamble's commands; one that does not has those of amsmath only.
    """

    headings: tuple[tuple[str, str], tuple[str, str]]
    room: float
    labels: str
    stands_alone: bool


DOCUMENT = Form(((r"\section{", "}"), (r"\subsection*{", "}")), 390.0, "eq:", True)
CHAPTER = Form(((r"\subsection{", "}"), (r"\subsubsection*{", "}")), 390.0, "eq:", True)
FRAGMENT = Form(((r"\paragraph{", ".}"), (r"\paragraph{", ".}")), 320.0, "symrnn:", False)


@dataclass(frozen=True, slots=True)
class TexPassage:
    """A passage as lines; an empty environment means that it has no equations."""

    text: str
    environment: str
    lines: tuple[str, ...]
    after: str
    has_equations: bool
    has_after: bool


@dataclass(frozen=True, slots=True)
class TexRow:
    """A line of the table of symbols."""

    symbol: str
    meaning: str
    shape: str


@dataclass(frozen=True, slots=True)
class TexSection:
    """A section: the line with its heading, and its passages."""

    heading: str
    passages: tuple[TexPassage, ...]


def latex_document(
    derivation: Derivation,
    style: Style = DEFAULT,
    cost: StepCost | None = None,
    *,
    fragment: bool = False,
    only: str = "all",
) -> str:
    r"""The LaTeX source of the derivation: a document that pdflatex compiles twice without a warning.

    With `fragment` it is text for \input into a paper that loads amsmath; with `only="results"` it has the
    equations of the step and all gradients, without the way that leads there. Without `cost` nothing is said
    of it.

    Raises:
        RequestError: `only` is something else.
    """
    if only not in CHOICES:
        raise RequestError(f"There is no only={only!r} of a derivation. Choose {' or '.join(CHOICES)}.")
    cell = derivation.cell
    name = cell.name if only == "all" else f"{cell.name}:{only}"
    form = replace(FRAGMENT, labels=f"symrnn:{name}:") if fragment else DOCUMENT
    whole = only == "all"
    setter = _Setter(derivation_parts(derivation, style, cost, form.labels), form)
    body = setter.body(diagram_of(derivation, style) if whole else ())
    parts = setter.parts
    heading = {
        "signature": signature(cell.name, cell_digest(cell)),
        "title": latex_text(parts.title),
        "variant": latex_text(parts.variant),
        "has_variant": bool(parts.variant),
        "source": latex_text(parts.source),
        "has_source": bool(parts.source),
    }
    if fragment:
        needs_fonts = any(font in render(BODY, body) for font in (r"\mathbb", r"\mathfrak"))
        return render(
            "derivation_fragment.tex.jinja",
            {**heading, **body, "label": f"symrnn:{name}", "needs_fonts": needs_fonts},
        )
    return render(
        "derivation.tex.jinja",
        {**heading, **body, "has_wide": setter.has_wide},
    )


BODY = "derivation_body.tex.jinja"


def derivation_chapter(
    derivation: Derivation, style: Style, cost: StepCost | None, labels: str
) -> tuple[str, bool]:
    r"""The derivation as a part of a document, and whether it needs the preamble's command `\fitted`."""
    form = replace(CHAPTER, labels=labels)
    setter = _Setter(derivation_parts(derivation, style, cost, labels), form)
    return render(BODY, setter.body(diagram_of(derivation, style))), setter.has_wide


def diagram_of(derivation: Derivation, style: Style) -> tuple[str, ...]:
    """The lines of the diagram of a step, in the notation of the document."""
    return diagram_latex(step_diagram(derivation.cell, symbol=document_symbol(derivation, style)))


def signature(name: str, digest: str) -> str:
    """The first line of an emitted file, without its comment sign."""
    return f"made by symrnn {__version__} from {name} ({digest}), do not edit"


class _Setter:
    """Sets parts in a form: breaks equations into lines, and ends these as TeX wants it."""

    def __init__(self, parts: Parts, form: Form) -> None:
        self.parts = parts
        self.form = form
        self.has_wide = False

    def body(self, diagram: tuple[str, ...]) -> dict[str, object]:
        """What the template needs: for the whole derivation, or without a diagram for its results."""
        parts, whole = self.parts, bool(diagram)
        return {
            "is_whole": whole,
            "symbols_heading": self.heading("Symbols", 1),
            "conventions": prose_latex(parts.conventions),
            "symbols": tuple(map(_tex_row, parts.symbols)),
            "symbol_sentence": prose_latex(symbol_sentence(parts.symbols)),
            "sections": tuple(self.section(section, self.form.room) for section in parts.sections)
            if whole
            else (),
            "premises": () if whole else self.passages(parts.premises, self.form.room),
            "results_words": parts.results.heading,
            "results": self.section(parts.results, self.form.room - FRAME),
            "stands_alone": self.form.stands_alone,
            "diagram": diagram,
        }

    def heading(self, words: str, level: int) -> str:
        before, after = self.form.headings[level - 1]
        return f"{before}{words}{after}"

    def section(self, section: Section, room: float) -> TexSection:
        heading = self.heading(section.heading, section.level)
        return TexSection(heading, self.passages(section.passages, room))

    def passages(self, passages: Iterable[Passage], room: float) -> tuple[TexPassage, ...]:
        return tuple(self.passage(passage, room) for passage in passages)

    def passage(self, passage: Passage, room: float) -> TexPassage:
        numbered = any(equation.label for equation in passage.equations)
        return TexPassage(
            prose_latex(passage.text),
            "align" if numbered else "align*",
            self.aligned(passage.equations, numbered, room),
            prose_latex(passage.after),
            bool(passage.equations),
            bool(passage.after),
        )

    def aligned(self, equations: tuple[Equation, ...], numbered: bool, room: float) -> tuple[str, ...]:
        """The lines of an align environment, each ending as it must."""
        made: list[str] = []
        room += 0.0 if numbered else UNNUMBERED
        column = max((points(equation.left) for equation in equations), default=0.0)
        for number, equation in enumerate(equations):
            *before, last = equation_lines(equation.left, equation.rights, room, self.fit, column)
            for position, line in enumerate(before):
                may_break = len(before) >= LONG and 0 < position < len(before) - 1
                notag = r" \notag" if numbered else ""
                made.append(f"{line}{notag} {BREAK if may_break else STAY}")
            label = rf" \label{{{equation.label}}}" if equation.label else ""
            alone = numbered and number in (0, len(equations) - 2)  # on its page, if a page ended here
            end = f" {STAY if alone else BREAK}" if number + 1 < len(equations) else ""
            made.append(f"{last}{label}{end}")
        return tuple(made)

    def fit(self, formula: str, width: float, room: float) -> str:
        """A formula that TeX measures and makes smaller, or in smaller type where it cannot."""
        if self.form.stands_alone:
            self.has_wide = True
            return rf"\fitted{{{min(room, WIDEST):.0f}pt}}{{{formula}}}"
        size = next(name for scale, name in SIZES if scale * width <= room or not scale)
        return rf"\text{{{size}$\displaystyle {formula}$}}"


BREAK, STAY = r"\\", r"\\*"
WIDEST = 340.0
"""Of formulas that are made smaller, in points: three quarters of a line."""


def _tex_row(row: SymbolRow) -> TexRow:
    return TexRow(latex(row.symbol), prose_latex(row.meaning), latex(row.shape))


def symbol_sentence(rows: tuple[SymbolRow, ...]) -> Prose:
    """The table of symbols as a sentence, for a paper: what each group is and which space it is from."""
    groups: dict[tuple[Prose, Node], list[Node]] = {}
    for line in rows:
        groups.setdefault((line.meaning, line.shape), []).append(line.symbol)
    made = []
    for (meaning, space), symbols in groups.items():
        *before, last = symbols
        shown = listed([*before, row(last, Sign("∈"), space)])
        made.append(say("{} ({})", shown, plural(meaning) if before else meaning))
    return say("The symbols are {}.", together(made, "; "))


def plural(meaning: Prose) -> Prose:
    """What several symbols of one meaning are: inputs, parameters that start as zeros."""
    first, *rest = meaning.pieces
    return Prose((_plural(first) if isinstance(first, str) else first, *rest))


def _plural(meaning: str) -> str:
    first, space, rest = meaning.partition(" ")
    if rest.startswith("result"):
        return f"{first} results"
    many = f"{first[:-1]}s," if first.endswith(",") else f"{first}s"
    return f"{many}{space}{rest}".replace("starts as", "start as")
