r"""Displayed equations as HTML that breaks to the width there is, outermost operators first.

A formula is cut before its operators into a tree of pieces: at those that stand outside all brackets first,
in each piece at those inside one pair of brackets, and so on. Every leaf is a `<math>` element of its own in
a `<span>`, and the page's style lays the spans out as words of a line. (Browsers do not break lines inside
a `<math>` element as a mathematician would, and not all of them let a style sheet do it.) A frame is cut
when nothing else can be: it is then a span around its pieces.
"""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from symrnn.notation.layout import TOKEN, width
from symrnn.notation.mathml import FRAMED, markup, math_of, row

RANKS = ((r" [+-] ", 0), (r" \\odot ", 1), (r" \\, (\\boxed\{)?(\\[bB]igg?l)?[(\[]", 2))
"""What a piece may begin with, and how closely it binds; of factors without a sign only those in brackets."""
BREAKING = tuple((re.compile(pattern), rank) for pattern, rank in RANKS)
LEADING = ("=", "+", "−", "⊙")
FRAME = r"\boxed"
NARROW = 120.0
"""A piece of at most this width, in points at 11 pt, is never cut: it fits on a telephone."""
WIDE = 110.0
"""A left side wider than this has a line of its own on a telephone."""


def equation_html(left: str, rights: tuple[str, ...]) -> str:
    """An equation: its left side, and its right sides, each on a new line."""
    formula = Element("div", {"class": "formula wide" if width(left) > WIDE else "formula"})
    SubElement(formula, "span", {"class": "left"}).append(_math(left))
    sides = SubElement(formula, "span", {"class": "sides"})
    for right in rights:
        sides.append(_cut(f"= {right}", "side"))
    return markup(formula)


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
                rank = next((rank for sign, rank in BREAKING if sign.match(latex, position)), None)
                if rank is not None:
                    found.append(Break(position, len(RANKS) * len(opened) + rank))
        position += len(token)
    return tuple(found)


def _cut(latex: str, name: str) -> Element:
    """A formula as a span of that class, cut where it is wide and can be cut."""
    found, is_wide = breaks(latex), width(latex) > NARROW
    frames = _frames(latex) if is_wide and not found else ()
    if frames:
        return _around(latex, frames, name)
    if not found or not is_wide:
        whole = Element("span", {"class": name})
        whole.append(_math(latex))
        return whole
    outermost = min(item.depth for item in found)
    ends = [item.position for item in found if item.depth == outermost]
    made = Element("span", {"class": f"{name} cut"})
    for start, stop in zip([0, *ends], [*ends, len(latex)], strict=True):
        made.append(_cut(latex[start:stop].strip(), "piece"))
    return made


def _frames(latex: str) -> tuple[tuple[int, int], ...]:
    """Where frames begin and end that stand outside braces and environments and carry no script."""
    found: list[tuple[int, int]] = []
    position = begun = braces = 0
    is_frame = False
    tokens = TOKEN.findall(latex)
    for number, token in enumerate(tokens):
        if token == FRAME and not braces:
            begun = position
        opening = token == "{" or token.startswith(r"\begin")
        closing = token == "}" or token.startswith(r"\end")
        if opening and not braces:
            is_frame = number > 0 and tokens[number - 1] == FRAME
        braces += opening - closing
        position += len(token)
        if token == "}" and not braces and is_frame and latex[position : position + 1] not in ("^", "_"):
            found.append((begun, position))
    return tuple(found)


def _around(latex: str, frames: tuple[tuple[int, int], ...], name: str) -> Element:
    """A formula as a span of that class, cut inside its frames alone; what touches them stays beside them."""
    made = Element("span", {"class": f"{name} tight"})
    done = 0
    for start, stop in (*frames, (len(latex), len(latex))):
        if latex[done:start].strip():
            made.append(_cut(latex[done:start].strip(), "piece"))
        if start < stop:
            made.append(_cut(latex[start + len(FRAME) + 1 : stop - 1].strip(), f"piece {FRAMED}"))
        done = stop
    return made


def _math(latex: str) -> Element:
    made = row(latex, "block")
    if made[0].text in LEADING:  # alone at its row's beginning it would count as a sign
        made[0].set("form", "infix")
    return math_of(made, displaystyle="true")
