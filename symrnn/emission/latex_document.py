r"""The derivation as a complete LaTeX document: ready text for the template, which only places it."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.digest import cell_digest
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.quantities import Quantity
from symrnn.declaration.reading_order import reading_roles
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.jacobian import step_jacobian
from symrnn.emission.latex_jacobian import jacobian_text
from symrnn.emission.latex_layout import indents, is_sum, split_formula, width
from symrnn.emission.latex_printer import Notation, Printer, bracketed, joined
from symrnn.emission.latex_reading import ColumnBlock, Contribution, PrintedAdjoint, Reading, read
from symrnn.emission.latex_words import conventions, reason, sentence_list, symbol_rows
from symrnn.emission.templates import render
from symrnn.version import __version__

TEXT_WIDTH = 390.0
"""The room for a displayed formula beside its number, in points."""

ESCAPES = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A numbered equation as lines of an align environment; every line ends as it must."""

    label: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One step of the backward pass: what is asked, why, and the equation that answers it."""

    reason: str
    row: Row


def latex_document(derivation: Derivation) -> str:
    """The LaTeX source of the derivation, a document that pdflatex compiles twice without a warning."""
    return _Document(derivation).text()


def derivation_body(derivation: Derivation, heading: str, lower_heading: str) -> tuple[str, bool]:
    r"""The derivation without preamble and title, and whether it needs the preamble's command `\\fitted`.

    The headings are the names of TeX's commands, such as "section" and "subsection".
    """
    document = _Document(derivation)
    text = render("derivation_body.tex.jinja", document.body(heading, lower_heading))
    return text, document.has_wide


def signature(name: str, digest: str) -> str:
    """The first line of an emitted file, without its comment sign."""
    return f"made by symrnn {__version__} from {name} ({digest}), do not edit"


def escaped(text: str) -> str:
    """Plain text for TeX; letters that pdflatex does not know lose their accents or become question marks."""
    made = []
    for character in text:
        plain = ESCAPES.get(character, character)
        if ord(character) > 0x17F:
            plain = unicodedata.normalize("NFKD", character).encode("ascii", "replace").decode()
        made.append(plain)
    return "".join(made)


def label_of(quantity: Quantity) -> str:
    """The label of a quantity's defining equation."""
    return f"eq:{quantity.name.replace('.next', '')}"


class _Document:
    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.cell: Cell = derivation.cell
        self.has_wide = False
        self.jacobians = step_jacobian(self.cell)
        static = frozenset(d.symbol for d in self.cell.definitions if d.static)
        used = {symbol_latex(q)[:1] for q in self.quantities()} | {
            symbol_latex(q).lstrip("\\").partition("_")[0] for q in self.quantities()
        }
        letter = next((c for c in "azsegl" if c not in used), "a")
        self.reading: Reading = read(derivation, letter, used)
        blocks = frozenset(block.symbol for block in self.reading.blocks)
        self.printer = Printer(
            Notation(
                shapes=dict(self.cell.shapes),
                static=static | blocks,
                names=dict(self.reading.names),
                roles=reading_roles(self.cell),
                delta=r"\delta" if "delta" not in used else r"\nabla\!",
                sigma=r"\sigma" if "sigma" not in used else r"\operatorname{sigmoid}",
            )
        )

    def quantities(self) -> tuple[Quantity, ...]:
        cell = self.cell
        return (*cell.inputs, *cell.states, *cell.values, *cell.parameters, *cell.constants)

    def text(self) -> str:
        cell = self.cell
        body = self.body("section", "subsection")
        return render(
            "derivation.tex.jinja",
            {
                "signature": signature(cell.name, cell_digest(cell)),
                "title": escaped(cell.title),
                "variant": escaped(cell.variant),
                "has_variant": bool(cell.variant),
                "source": escaped(cell.source),
                "has_source": bool(cell.source),
                **body,
                "has_wide": self.has_wide,  # known when everything has been laid out
            },
        )

    def body(self, heading: str, lower_heading: str) -> dict[str, object]:
        """What the template of the derivation itself needs; the headings are the names of TeX's commands."""
        cell = self.cell
        step = [adjoint for adjoint in self.reading.adjoints if not adjoint.equation.static]
        fixed = [adjoint for adjoint in self.reading.adjoints if adjoint.equation.static]
        named = [self.row(label_of(part), part, self.printer.text(expr)) for part, expr in self.reading.named]
        return {
            "heading": heading,
            "lower_heading": lower_heading,
            "conventions": conventions(cell, self.printer),
            "symbols": symbol_rows(cell, self.reading, self.printer),
            "forward": _ended(self.forward_rows()),
            "output": self.printer.symbol(cell.output),
            "activations": _ended(named),
            "has_activations": bool(named),
            "has_blocks": bool(self.reading.blocks),
            "blocks": self.block_lines(),
            "delta": self.printer.notation.delta,
            "adjoint_notes": self.notes(),
            "steps": tuple(self.paragraph(adjoint) for adjoint in step),
            "starts": self.starts(),
            "parameters": _ended([self.parameter_row(adjoint) for adjoint in fixed]),
            "has_parameters": bool(fixed),
            "jacobians": self.jacobian_lines(),
            "has_maps": any(not jacobian.is_matrix for jacobian in self.jacobians),
            "has_states": bool(cell.states),
            "results": self.results(step, fixed),
        }

    # forward

    def row(self, label: str, left: Quantity, right: str) -> Row:
        return Row(label, tuple(self.lines(self.printer.symbol(left), right)))

    def lines(self, left: str, right: str, room: float = TEXT_WIDTH) -> list[str]:
        """An equation as lines aligned at its sign; continued lines are indented."""
        return [f"{left} {line}" if i == 0 else line for i, line in enumerate(self.sides(left, right, room))]

    def sides(self, left: str, right: str, room: float = TEXT_WIDTH) -> list[str]:
        """The right side of an equation as lines that start at the alignment sign."""
        room -= width(left) + 16.0
        pieces = split_formula(right, room)
        made: list[str] = []
        for piece, depth in zip(pieces, indents(pieces), strict=True):
            fitted = piece
            if width(piece) > room + 10.0:  # nowhere to break: TeX measures it and makes it smaller
                self.has_wide, fitted = True, rf"\fitted{{{piece}}}"
            indent = "&" + r"\qquad" * (depth + 1) + " {}"
            made.append(f"{indent}{fitted}" if made else f"&= {fitted}")
        return made

    def forward_rows(self) -> list[Row]:
        return [
            self.row(label_of(equation.target), equation.target, self.printer.text(equation.rhs))
            for equation in self.cell.equations
        ]

    def block_lines(self) -> tuple[str, ...]:
        by_matrix: dict[Quantity, list[ColumnBlock]] = {}
        for block in self.reading.blocks:
            by_matrix.setdefault(block.matrix, []).append(block)
        made = []
        for matrix, found in by_matrix.items():
            inside = " & ".join(self.printer.symbol(block.symbol) for block in found)
            products = joined(self.block_product(block) for block in found)
            name = self.printer.symbol(matrix)
            stack = self.printer.text(found[0].stack)
            made.append(
                rf"{name} &= \begin{{bmatrix}} {inside} \end{{bmatrix}}, & {name} {stack} &= {products}"
            )
        return _with_ends(made)

    def block_product(self, block: ColumnBlock) -> str:
        part = block.stack.args[block.position]
        return f"{self.printer.symbol(block.symbol)} {self.printer.text(part, 2)}"

    # backward

    def notes(self) -> str:
        given, output = self.printer.symbol(self.derivation.output), self.printer.symbol(self.cell.output)
        notes = [f"${given}$ is what the loss takes directly from the output ${output}$ of step $t$"]
        for state, later in self.derivation.later:
            symbol = self.printer.symbol(later)
            notes.append(rf"${symbol}$ is what step $t+1$ hands back to ${self.printer.symbol(state.next)}$")
        return sentence_list(notes)

    def chain(self, contributions: Iterable[Contribution], of: Quantity) -> str:
        """The chain rule before its derivatives are worked out."""
        delta, terms = self.printer.notation.delta, []
        below = self.printer.symbol(of)
        for item in contributions:
            if item.through is None:
                terms.append(self.printer.text(item.expr))
                continue
            above = self.printer.symbol(item.through)
            terms.append(
                rf"\Bigl(\frac{{\partial {above}}}{{\partial {below}}}\Bigr)^{{\!\top}} {delta} {above}"
            )
        return joined(terms)

    def paragraph(self, adjoint: PrintedAdjoint) -> Paragraph:
        of, symbol = adjoint.of, self.printer.symbol(adjoint.equation.symbol)
        result = self.sum_text(adjoint.moving)
        if any(item.through is not None for item in adjoint.moving):
            lines = self.lines(symbol, self.chain(adjoint.moving, of))
            lines += self.sides(symbol, result)
        else:
            lines = self.lines(symbol, result)
        label = f"eq:adjoint:{of.name}"
        why = reason(self.cell, adjoint, self.printer, self.reading, label_of)
        return Paragraph(why, _split(label, lines))

    def sum_text(self, contributions: Iterable[Contribution]) -> str:
        return joined(self.printer.text(item.expr) for item in contributions)

    def starts(self) -> tuple[str, ...]:
        r"""The recursion's start: what is handed back at t = T."""
        made = []
        for _, later in self.derivation.later:
            symbol = self.printer.symbol(later)
            last = symbol.replace(r"\langle t\rangle", r"\langle T\rangle")
            name = self.printer.symbol(later.of).replace(r"\langle t\rangle", r"\langle T\rangle")
            made.append(rf"{last} &= \frac{{\partial \mathcal{{L}}_{{\mathrm{{end}}}}}}{{\partial {name}}}")
        return _with_ends(made)

    def parameter_row(self, adjoint: PrintedAdjoint) -> Row:
        symbol = self.printer.symbol(adjoint.equation.symbol)
        lines = list(self.lines(symbol, self.static_text(adjoint)))
        return Row(f"eq:adjoint:{adjoint.of.name}", tuple(lines))

    def static_text(self, adjoint: PrintedAdjoint) -> str:
        """The gradient of what all steps share: a sum over time, and what does not depend on time."""
        terms = []
        if adjoint.moving:
            body = self.sum_text(adjoint.moving)
            if is_sum(body) or body.startswith("-"):
                body = bracketed(body) if "(" in body or "begin" in body else rf"\bigl({body}\bigr)"
            terms.append(rf"\sum_{{t=1}}^{{T}} {body}")
        if adjoint.fixed:
            terms.append(self.sum_text(adjoint.fixed))
        return joined(terms)

    def jacobian_lines(self) -> tuple[str, ...]:
        lines: list[str] = []
        for jacobian in self.jacobians:
            left, right = jacobian_text(jacobian, self.printer, self.reading.blocks)
            made = list(self.lines(left, right, TEXT_WIDTH + 20.0))
            lines += made
        return _with_ends(lines)

    def results(self, step: list[PrintedAdjoint], fixed: list[PrintedAdjoint]) -> tuple[str, ...]:
        lines: list[str] = []
        for adjoint in step:
            symbol = self.printer.symbol(adjoint.equation.symbol)
            lines += self.lines(symbol, self.sum_text(adjoint.moving), TEXT_WIDTH)
        for adjoint in fixed:
            symbol = self.printer.symbol(adjoint.equation.symbol)
            lines += self.lines(symbol, self.static_text(adjoint), TEXT_WIDTH)
        return _with_ends(lines)


def _with_ends(lines: list[str]) -> tuple[str, ...]:
    r"""Lines of an unnumbered display, all but the last with \\."""
    return tuple(f"{line} \\\\" if i + 1 < len(lines) else line for i, line in enumerate(lines))


def _split(label: str, lines: list[str]) -> Row:
    return Row(label, _with_ends(lines))


def _ended(rows: list[Row]) -> tuple[Row, ...]:
    r"""Rows of one align environment: labels at the last line of each, \notag before it, \\ between."""
    made = []
    for number, row in enumerate(rows):
        *before, last = row.lines
        end = r" \\" if number + 1 < len(rows) else ""
        lines = [rf"{line} \notag \\" for line in before]
        made.append(Row(row.label, (*lines, rf"{last} \label{{{row.label}}}{end}")))
    return tuple(made)
