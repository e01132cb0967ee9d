r"""Displayed equations in MathML that the page's style can break, outermost operators first.

A formula is cut before its operators into a tree of rows: those that stand outside all brackets first, in
each of its pieces those inside one pair of brackets, and so on. The style lays a cut row out as words of a
line; a browser without that style sets the equation in one line, as the same formula.
"""

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from symrnn.emission.latex_layout import OPERATORS, TOKEN, width
from symrnn.emission.mathml import markup, row

LEADING = ("=", "+", "−", "⊙")
NARROW = 120.0
"""A piece of at most this width, in points at 11 pt, is never cut: it fits on a telephone."""

WIDE = 110.0
"""A left side wider than this has a line of its own on a telephone."""


def equation_math(left: str, rights: tuple[str, ...]) -> str:
    """An equation as one `<math>` element: its left side, and its right sides, each on a new line."""
    math = Element("math", {"display": "block"} | ({"class": "wide"} if width(left) > WIDE else {}))
    SubElement(math, "mrow", {"class": "left"}).extend(row(left, "block"))
    sides = SubElement(math, "mrow", {"class": "sides"})
    for right in rights:
        sides.append(_cut_row(f"= {right}", "side"))
    return markup(math)


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a line may end, and how deep inside brackets and products it lies."""

    position: int
    depth: int


def breaks(latex: str) -> tuple[Break, ...]:
    """The operators of a formula that a line may start with.

    None inside braces and environments, and none inside brackets that carry a script: the script belongs to
    the whole, which therefore stays one piece.
    """
    found: list[Break] = []
    opened: list[int] = []  # for each open bracket the number of breaks found before it
    position = braces = environments = 0
    tokens = TOKEN.findall(latex)
    for number, token in enumerate(tokens):
        following = tokens[number + 1] if number + 1 < len(tokens) else ""
        if token.startswith((r"\begin", r"\end")):
            environments += 1 if token.startswith(r"\begin") else -1
        elif token in ("{", "}"):
            braces += 1 if token == "{" else -1
        elif not braces and not environments:
            if token in ("(", "["):
                opened.append(len(found))
            elif token in (")", "]") and opened:
                before = opened.pop()
                if following in ("^", "_"):
                    del found[before:]
            elif token == " " and position:
                sign = next((o for o in OPERATORS if latex.startswith(o, position)), None)
                if sign is not None:
                    found.append(Break(position, 2 * len(opened) + (sign == r" \odot ")))
        position += len(token)
    return tuple(found)


def _cut_row(latex: str, name: str) -> Element:
    """A formula as a row of that class, cut where it is wide and can be cut."""
    found = breaks(latex)
    if not found or width(latex) <= NARROW:
        made = Element("mrow", {"class": name})
        made.extend(row(latex, "block"))
        if len(made) and made[0].text in LEADING:  # alone at its row's beginning it would count as a sign
            made[0].set("form", "infix")
        return made
    outermost = min(item.depth for item in found)
    ends = [item.position for item in found if item.depth == outermost]
    made = Element("mrow", {"class": f"{name} cut"})
    for start, stop in zip([0, *ends], [*ends, len(latex)], strict=True):
        made.append(_cut_row(latex[start:stop].strip(), "piece"))
    return made
