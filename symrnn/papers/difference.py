"""A comparison as LaTeX: aligned equations in which the terms that differ are marked, and the verdict.

`difference_rows` gives the equations as data, for a page or a notebook; `latex_difference` a document. Marks
stand for no brackets.
"""

import re
from dataclasses import dataclass, field

from sympy import Expr

from symrnn.comparison.alignment import Partner
from symrnn.comparison.comparison import Comparison
from symrnn.comparison.forms import Form
from symrnn.comparison.specialisation import Held
from symrnn.comparison.wording import sentences
from symrnn.declaration.normal_form import Equation
from symrnn.mathematics.letters import free_signs, taken_letters
from symrnn.mathematics.naming import Notation
from symrnn.mathematics.printer import Printer
from symrnn.notation.breaking import lines, points
from symrnn.notation.building import is_negative, matrix, negative, positive, row, text
from symrnn.notation.nodes import Fence, Mark, Node, Sign, Space, mapped
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Code, Piece, Prose
from symrnn.notation.rendering.latex import latex
from symrnn.papers.document import signature
from symrnn.papers.lines import line_latex, prose_latex
from symrnn.papers.plain_text import latex_text
from symrnn.templates import render

ROOM = 300.0
"""The room for an equation beside its cell's name, in points."""


def marked(node: Node, marks: frozenset[Expr]) -> Node:
    """A formula with marks around what stands for one of these expressions, none within another."""
    if node.of not in marks:
        return mapped(node, lambda child: marked(child, marks))
    return negative(Mark(positive(node))) if is_negative(node) else Mark(node)


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A pair of aligned equations, each as lines of an aligned environment; none where a cell has no such.

    `same` tells that nothing differs but names.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    same: bool


def printer_for(form: Form) -> Printer:
    """A printer for the equations of a cell."""
    cell = form.cell
    static = frozenset(d.symbol for d in cell.definitions if d.static)
    notation = Notation(
        shapes=dict(cell.shapes),
        static=static | {block.symbol for block in form.blocks},
        roles=cell.roles,
        **free_signs(taken_letters(cell)),
    )
    return Printer(notation)


def difference_rows(comparison: Comparison) -> tuple[DifferenceRow, ...]:
    """The aligned equations, with marks around what the other cell does not have."""
    return tuple(
        DifferenceRow(
            _equation(aligned.left, comparison.left, aligned.left_marks),
            _equation(aligned.right, comparison.right, aligned.right_marks),
            aligned.same,
        )
        for aligned in comparison.equations
    )


def _equation(equation: Equation | None, form: Form, marks: frozenset[Expr]) -> tuple[str, ...]:
    if equation is None:
        return ()
    left, right = equation_sides(equation, form, marks)
    first, *more = lines(right, ROOM - points(left))
    goes_on = (rf"&\qquad {{}} {line_latex(line, first=False)}" for line in more)
    return (f"{latex(left)} &= {latex(first)}", *goes_on)


def equation_sides(equation: Equation, form: Form, marks: frozenset[Expr]) -> tuple[Node, Node]:
    """Both sides of a cell's equation, with those of its subexpressions marked that are in `marks`."""
    printer = printer_for(form)
    return printer.symbol(equation.target), marked(printer.tree(equation.rhs), marks)


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A pair of partners as formulas, and what they are; None for no partner."""

    role: str
    left: Node | None
    right: Node | None


def partner_rows(comparison: Comparison) -> tuple[PartnerRow, ...]:
    """Which quantity stands for which, as formulas."""
    left, right = printer_for(comparison.left), printer_for(comparison.right)
    made = []
    for partner in comparison.partners:
        quantity = partner.left if partner.left is not None else partner.right
        assert quantity is not None
        role = "parameter" if quantity.role == "part" else quantity.role
        printer = left if partner.left is not None else right
        adds = [row(text("adds to "), printer.symbol(partner.adds_to))] if partner.adds_to else []
        one, two = ([parsed(value)] if value else [] for value in partner.values)
        first = None if partner.left is None else left.symbol(partner.left)
        second = None if partner.right is None else _stand_in(partner, right.symbol(partner.right))
        if first is None:
            made.append(PartnerRow(role, None, _with(second, [*two, *adds])))
        else:
            made.append(PartnerRow(role, _with(first, [*one, *adds]), _with(second, two)))
    return tuple(made)


def _with(symbol: Node | None, remarks: list[Node]) -> Node | None:
    """A symbol and remarks on it in brackets."""
    if symbol is None or not remarks:
        return symbol
    return row(symbol, *(item for remark in remarks for item in (Space(18), Fence(remark))))


def _stand_in(partner: Partner, symbol: Node) -> Node:
    if partner.complement:
        return row(parsed("1"), Sign("−"), symbol)
    return negative(symbol) if partner.negative else symbol


@dataclass(slots=True)
class _Words:
    """Sentences in which one character of Unicode's private area stands for each formula and name."""

    pieces: list[Piece] = field(default_factory=list)

    def put(self, piece: Piece) -> str:
        """What stands for a piece until the sentence is whole."""
        if piece not in self.pieces:
            self.pieces.append(piece)
        return chr(PRIVATE + self.pieces.index(piece))

    def formula(self, mark: str) -> Node:
        """The formula that a character stands for; a name becomes a word of mathematics."""
        piece = self.pieces[ord(mark) - PRIVATE]
        return (
            piece if isinstance(piece, Node) else text(piece.text if isinstance(piece, Code) else str(piece))
        )

    def related(self, left: str, sign: str, right: str) -> str:
        """Two formulas with a sign between them."""
        return self.put(row(self.formula(left), Sign(sign), self.formula(right)))

    def whole(self, sentence: str) -> Prose:
        """A sentence with the pieces in their places."""
        parts = re.split(f"([{chr(PRIVATE)}-\uf8ff])", sentence)
        return Prose(tuple(self.pieces[ord(p) - PRIVATE] if n % 2 else p for n, p in enumerate(parts) if p))

    def name(self, name: str) -> str:
        """A cell's name."""
        return self.put(Code(name))

    def expr(self, expr: Expr, form: Form) -> str:
        """An expression in the quantities of a cell."""
        return self.put(printer_for(form).tree(expr))

    def held(self, held: Held, form: Form) -> str:
        """The function of a cell that is held."""
        if held.quantity is None:
            return self.put(Code(str(held.call)))
        return self.put(printer_for(form).symbol(held.quantity))

    def equal(self, left: str, right: str) -> str:
        """Two formulas that are equal."""
        return self.related(left, "=", right)

    def becomes(self, left: str, right: str) -> str:
        """A formula and what it approaches."""
        return self.related(left, "→", right)

    def infinity(self, *, negative: bool) -> str:
        """Infinity, or minus infinity."""
        return self.put(parsed(r"-\infty" if negative else r"\infty"))

    def row(self, parts: list[str]) -> str:
        """Column blocks as one matrix."""
        return self.put(matrix(*map(self.formula, parts)))

    def identity(self, text: str) -> str:
        """An equation between functions of a number, given in plain ASCII."""
        return self.put(parsed(text.replace("sigmoid", r"\operatorname{sigmoid}").replace("tanh", r"\tanh")))


PRIVATE = 0xE000


@dataclass(frozen=True, slots=True)
class Sentence:
    """A paragraph of the verdict, or an item of a list in it."""

    text: Prose
    item: bool


def verdict_sentences(comparison: Comparison) -> tuple[Sentence, ...]:
    """The verdict."""
    words = _Words()
    return tuple(
        Sentence(words.whole(sentence.strip()), sentence.startswith(" "))
        for sentence in sentences(comparison, words)
    )


def latex_difference(comparison: Comparison) -> str:
    """The LaTeX source of a document that shows the comparison; pdflatex compiles it without a warning."""
    left, right = comparison.names
    names = f"{left} and {right}"
    return render(
        "difference.tex.jinja",
        {
            "signature": signature(names, "diff"),
            "left": latex_text(left),
            "right": latex_text(right),
            "left_title": latex_text(_title(comparison.left)),
            "right_title": latex_text(_title(comparison.right)),
            "partners": tuple(map(_tex_row, partner_rows(comparison))),
            "lines": _display(comparison),
            "sentences": tuple(
                TexSentence(prose_latex(told.text), told.item) for told in verdict_sentences(comparison)
            ),
        },
    )


@dataclass(frozen=True, slots=True)
class TexPartners:
    """A line of the table of partners."""

    role: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class TexSentence:
    """A sentence of the verdict."""

    text: str
    item: bool


def _tex_row(partners: PartnerRow) -> TexPartners:
    left, right = (latex(side) if side is not None else "" for side in (partners.left, partners.right))
    return TexPartners(partners.role, left, right)


def _title(form: Form) -> str:
    return ", ".join(text for text in (form.cell.title, form.cell.variant) if text)


def _display(comparison: Comparison) -> tuple[str, ...]:
    """All pairs as lines of one display, each with its cell's name before it and space between pairs."""
    pairs = []
    for pair in difference_rows(comparison):
        lines = []
        for name, texts in zip(comparison.names, (pair.left, pair.right), strict=True):
            for number, line in enumerate(texts):
                before = "" if number else rf"\text{{\texttt{{{latex_text(name)}}}}}"
                lines.append(f"{before} && {line}")
        pairs.append([*(rf"{line} \\*" for line in lines[:-1]), rf"{lines[-1]} \\[6pt]"])
    *before_last, last = (line for pair in pairs for line in pair)
    return (*before_last, last.removesuffix(r" \\[6pt]"))
