"""Displayed equations as HTML that breaks to the width there is, outermost operators first.

A formula is cut before its operators into a tree of pieces: at the outermost first, in each piece at those
that are outermost there, and so on. Every leaf is a `<math>` element of its own in a `<span>`, and the page's
style lays the spans out as words of a line. (Browsers do not break lines inside a `<math>` element as a
mathematician would, and not all of them let a style sheet do it.) A mark is cut when nothing else can be: it
is then a span around its pieces.
"""

from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement

from symrnn.mathematics.parts import ALONE
from symrnn.notation.breaking import Pieces, deeper, flat, places, points
from symrnn.notation.characters import BESIDE
from symrnn.notation.nodes import Mark, Node, Row, Sign
from symrnn.notation.rendering.mathml import FRAMED, markup, math_of, mathml

NARROW = 120.0
"""A piece of at most this width, in points at 11 pt, is never cut: it fits on a telephone."""
WIDE = 110.0
"""A left side wider than this has a line of its own on a telephone."""


def equation_html(left: Node, rights: tuple[Node, ...]) -> str:
    """An equation: its left side, and its right sides, each on a new line."""
    formula = Element("div", {"class": "formula wide" if points(left) > WIDE else "formula"})
    SubElement(formula, "span", {"class": "left"}).append(_math([left]))
    sides = SubElement(formula, "span", {"class": "sides"})
    sign = [] if left == ALONE else [Sign("=")]
    for right in rights:
        sides.append(_cut([*sign, *flat(right)], "side"))
    return markup(formula)


def _cut(pieces: Pieces, name: str) -> Element:
    """A formula as a span of that class, cut where it is wide and can be cut."""
    widths = [points(piece) for piece in pieces]
    is_wide = sum(widths) > NARROW
    found = [p for p in places(pieces, widths, 0) if _may_begin(pieces[p.position :])] if is_wide else []
    if not found and is_wide and any(isinstance(piece, Mark) for piece in pieces):
        return _around(pieces, name)
    if not found:
        whole = Element("span", {"class": name})
        whole.append(_math(pieces))
        return whole
    outermost = min(place.depth for place in found)
    ends = [place.position for place in found if place.depth == outermost]
    made = Element("span", {"class": f"{name} cut"})
    for start, stop in pairwise([0, *ends, len(pieces)]):
        made.append(_cut(pieces[start:stop], "piece"))
    return made


def _may_begin(pieces: Pieces) -> bool:
    """Whether a piece may begin so: of factors without a sign only those in brackets."""
    return pieces[0] != Sign(BESIDE) or deeper(pieces[1]) > 0


def _around(pieces: Pieces, name: str) -> Element:
    """A formula as a span of that class, cut inside its marks alone; what touches them stays beside them."""
    made = Element("span", {"class": f"{name} tight"})
    beside: list[Node] = []
    for piece in pieces:
        if not isinstance(piece, Mark):
            beside.append(piece)
            continue
        if beside:
            made.append(_cut(beside, "piece"))
        beside = []
        made.append(_cut(tuple(flat(piece.inside)), f"piece {FRAMED}"))
    if beside:
        made.append(_cut(beside, "piece"))
    return made


def _math(pieces: Pieces) -> Element:
    made = mathml(Row(tuple(pieces)))
    first = made[0] if made.tag == "mrow" and len(made) else made
    if isinstance(pieces[0], Sign):  # alone at its row's beginning it would count as a sign
        first.set("form", "infix")
    return math_of(made, displaystyle="true")
