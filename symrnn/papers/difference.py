r"""A comparison as LaTeX: aligned equations in which the terms that differ are marked, and the verdict.

`difference_rows` gives the equations as data, for a page or a notebook; `latex_difference` a document.
Marks are `\boxed{...}` (amsmath) in the data, and a tinted box in the document. They stand for no brackets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sympy import Expr

from symrnn.comparison.alignment import Partner
from symrnn.comparison.comparison import Comparison
from symrnn.comparison.forms import Form
from symrnn.comparison.specialisation import Held
from symrnn.comparison.wording import sentences
from symrnn.declaration.normal_form import Equation
from symrnn.mathematics.letters import free_signs, taken_letters
from symrnn.mathematics.printer import Notation, Printer
from symrnn.notation.layout import split_formula, width
from symrnn.papers.document import signature
from symrnn.papers.plain_text import latex_text
from symrnn.templates import render

Mark = Callable[[str], str]
ROOM = 300.0
"""The room for an equation beside its cell's name, in points."""


def boxed(latex: str) -> str:
    """A formula in a frame."""
    return rf"\boxed{{{latex}}}"


def tinted(latex: str) -> str:
    """A formula in the document's own box."""
    return rf"\differs{{{latex}}}"


@dataclass(frozen=True, slots=True)
class MarkingPrinter(Printer):
    """Prints expressions with some subexpressions marked."""

    marked: frozenset[Expr] = frozenset()
    mark: Mark = field(default=boxed)

    def printed(self, expr: Expr) -> tuple[str, int]:
        """The text of an expression, marked if it is to be, and how tightly it binds."""
        if expr not in self.marked:
            return Printer.printed(self, expr)
        text, binding = replace(self, marked=frozenset()).printed(expr)  # no frame within a frame
        if text.startswith("-"):
            return f"-{self.mark(text[1:])}", binding
        return self.mark(text), binding


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A pair of aligned equations, each as lines of an aligned environment; none where a cell has no such.

    `same` tells that nothing differs but names.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    same: bool


def printer_for(form: Form, marked: frozenset[Expr] = frozenset(), mark: Mark = boxed) -> MarkingPrinter:
    """A printer for the equations of a cell."""
    cell = form.cell
    static = frozenset(d.symbol for d in cell.definitions if d.static)
    notation = Notation(
        shapes=dict(cell.shapes),
        static=static | {block.symbol for block in form.blocks},
        roles=cell.roles,
        **free_signs(taken_letters(cell)),
    )
    return MarkingPrinter(notation, marked, mark)


def difference_rows(comparison: Comparison, mark: Mark = boxed) -> tuple[DifferenceRow, ...]:
    """The aligned equations, with `mark` around what the other cell does not have."""
    return tuple(
        DifferenceRow(
            _equation(aligned.left, comparison.left, aligned.left_marks, mark),
            _equation(aligned.right, comparison.right, aligned.right_marks, mark),
            aligned.same,
        )
        for aligned in comparison.equations
    )


def _equation(equation: Equation | None, form: Form, marks: frozenset[Expr], mark: Mark) -> tuple[str, ...]:
    if equation is None:
        return ()
    left, right = equation_sides(equation, form, marks, mark)
    first, *more = split_formula(right, ROOM - width(left))
    return (f"{left} &= {first}", *(rf"&\qquad {{}} {piece}" for piece in more))


def equation_sides(
    equation: Equation, form: Form, marks: frozenset[Expr], mark: Mark = boxed
) -> tuple[str, str]:
    """Both sides of a cell's equation, with `mark` around those of its subexpressions that are in `marks`."""
    printer = printer_for(form, marks, mark)
    return printer.symbol(equation.target), printer.text(equation.rhs)


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A pair of partners as formulas, and what they are; "" for no partner."""

    role: str
    left: str
    right: str


def partner_rows(comparison: Comparison) -> tuple[PartnerRow, ...]:
    """Which quantity stands for which, as formulas."""
    left, right = printer_for(comparison.left), printer_for(comparison.right)
    made = []
    for partner in comparison.partners:
        quantity = partner.left if partner.left is not None else partner.right
        assert quantity is not None
        role = "parameter" if quantity.role == "part" else quantity.role
        printer = left if partner.left is not None else right
        adds = rf" \quad (\text{{adds to }} {printer.symbol(partner.adds_to)})" if partner.adds_to else ""
        values = [rf" \quad ({value})" if value else "" for value in partner.values]
        one = left.symbol(partner.left) + values[0] + adds if partner.left is not None else ""
        two = _stand_in(partner, right) + values[1]
        made.append(PartnerRow(role, one, two + adds if partner.left is None else two))
    return tuple(made)


def _stand_in(partner: Partner, printer: Printer) -> str:
    if partner.right is None:
        return ""
    sign = "1 - " if partner.complement else "-" if partner.negative else ""
    return f"{sign}{printer.symbol(partner.right)}"


class LatexWords:
    """Sentences for TeX: formulas between dollar signs."""

    def name(self, name: str) -> str:
        """A cell's name."""
        return rf"\texttt{{{latex_text(name)}}}"

    def expr(self, expr: Expr, form: Form) -> str:
        """An expression in the quantities of a cell."""
        return f"${printer_for(form).text(expr)}$"

    def held(self, held: Held, form: Form) -> str:
        """The function of a cell that is held."""
        if held.quantity is None:
            return rf"\texttt{{{latex_text(str(held.call))}}}"
        return f"${printer_for(form).symbol(held.quantity)}$"

    def equal(self, left: str, right: str) -> str:
        """Two formulas that are equal."""
        return f"{left[:-1]} = {right[1:]}" if left.endswith("$") else f"{left} $=$ {right}"

    def becomes(self, left: str, right: str) -> str:
        """A formula and what it approaches."""
        return rf"{left[:-1]} \to {right[1:]}" if left.endswith("$") else rf"{left} $\to$ {right}"

    def infinity(self, *, negative: bool) -> str:
        """Infinity, or minus infinity."""
        return r"$-\infty$" if negative else r"$\infty$"

    def row(self, parts: list[str]) -> str:
        """Column blocks as one matrix."""
        inside = " & ".join(part.strip("$") for part in parts)
        return rf"$\begin{{bmatrix}} {inside} \end{{bmatrix}}$"

    def identity(self, text: str) -> str:
        """An equation between functions of a number, given in plain ASCII."""
        latex = text.replace("sigmoid", r"\operatorname{sigmoid}").replace("tanh", r"\tanh")
        return f"${latex}$"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A paragraph of the verdict, or an item of a list in it."""

    text: str
    item: bool


def verdict_sentences(comparison: Comparison) -> tuple[Sentence, ...]:
    """The verdict for TeX."""
    return tuple(Sentence(text.strip(), text.startswith(" ")) for text in sentences(comparison, LatexWords()))


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
            "partners": partner_rows(comparison),
            "lines": _display(comparison),
            "sentences": verdict_sentences(comparison),
        },
    )


def _title(form: Form) -> str:
    return ", ".join(text for text in (form.cell.title, form.cell.variant) if text)


def _display(comparison: Comparison) -> tuple[str, ...]:
    """All pairs as lines of one display, each with its cell's name before it and space between pairs."""
    pairs = []
    for row in difference_rows(comparison, tinted):
        lines = []
        for name, texts in zip(comparison.names, (row.left, row.right), strict=True):
            for number, text in enumerate(texts):
                before = "" if number else rf"\text{{\texttt{{{latex_text(name)}}}}}"
                lines.append(f"{before} && {text}")
        pairs.append([*(rf"{line} \\*" for line in lines[:-1]), rf"{lines[-1]} \\[6pt]"])
    *before_last, last = (line for pair in pairs for line in pair)
    return (*before_last, last.removesuffix(r" \\[6pt]"))
