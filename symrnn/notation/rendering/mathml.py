"""Mathematics as MathML that browsers set as TeX would.

Scripts stand on whole brackets, which grow with fractions, sums and tables only; letters are those of
Unicode's alphabets, since browsers know no other faces; a mark is a row of a class, and the page's style says
how it looks.
"""

import unicodedata
from collections.abc import Iterable
from functools import singledispatch
from xml.etree.ElementTree import Element, SubElement, tostring

from symrnn.notation.alphabets import lettered
from symrnn.notation.characters import ACCENTS, BESIDE
from symrnn.notation.nodes import (
    TEXTS,
    Accent,
    BigOperator,
    Bracket,
    Cases,
    Face,
    Fence,
    Fraction,
    Mark,
    Node,
    Number,
    Root,
    Row,
    Script,
    Sign,
    Space,
    Stack,
    Word,
    merged,
)
from symrnn.notation.spacing import base_of, is_prefix, spaced

TIGHT = frozenset("⊤⊥∞…⋯/")
"""Signs without space around them, though they are no letters."""
BRACKETS = frozenset("()[]{}⟨⟩|‖")
PRODUCTS = frozenset("⊙⊗⊕")
"""Signs that some browsers enlarge in displayed equations, as if they stood for products of many."""
VECTOR, UNDERLINE = "\u20d7", "underline"
THIN = "0.167em"
SIZES = ("", "", "1.623em", "2.047em", "2.470em")
"""The sizes of half a pair of brackets, which has nothing to grow with."""
FRAMED = "framed"
"""The class of what is marked."""
ALPHABETS = {
    Face.BOLD: "BOLD",
    Face.SLANTED: "ITALIC",
    Face.BOLD_ITALIC: "BOLD ITALIC",
    Face.BLACKBOARD: "DOUBLE-STRUCK",
    Face.CALLIGRAPHIC: "SCRIPT",
    Face.FRAKTUR: "FRAKTUR",
    Face.SANS: "SANS-SERIF",
    Face.MONO: "MONOSPACE",
}
"""What a face is called in Unicode, where browsers take its letters from."""


def inline_math(node: Node) -> str:
    """A formula in a line of text, as a `<math>` element."""
    made = mathml(node)
    if made.tag == "mo":  # a sign that the text speaks of, with nothing beside it
        made.attrib |= {"lspace": "0", "rspace": "0"}
    return markup(math_of(made))


def math_of(element: Element, **attributes: str) -> Element:
    """A `<math>` element of one child: some browsers break lines between several."""
    math = Element("math", attributes)
    math.append(element)
    return math


def markup(element: Element) -> str:
    """An element as text for an HTML page."""
    return tostring(element, encoding="unicode")


@singledispatch
def mathml(node: Node) -> Element:
    """The element of a node."""
    raise TypeError(f"{type(node).__name__} is no node of mathematics")


def _made(tag: str, *children: Node, **attributes: str) -> Element:
    made = Element(tag, attributes)
    made.extend(map(mathml, children))
    return made


def _token(tag: str, text: str, **attributes: str) -> Element:
    made = Element(tag, attributes)
    made.text = text
    return made


@mathml.register
def _word(node: Word) -> Element:
    text, face = node.text, node.face
    if face in TEXTS:
        variant = face.value.removeprefix("text").replace("bf", "bold").replace("it", "italic")
        return _token("mtext", text, **({"mathvariant": variant} if variant else {}))
    if face in ALPHABETS:
        styled = "".join(lettered(character, ALPHABETS[face]) for character in text)
        return _token("mn" if text.isdigit() else "mi", styled)
    if text in BRACKETS:
        return _token("mo", text, stretchy="false")
    if text in TIGHT:
        return _token("mo", text, lspace="0", rspace="0")
    is_upright = face == Face.UPRIGHT or text == "∇" or "GREEK CAPITAL" in unicodedata.name(text[0], "")
    return _token("mi", text, **({"mathvariant": "normal"} if len(text) == 1 and is_upright else {}))


@mathml.register
def _number(node: Number) -> Element:
    return _token("mn", node.text)


@mathml.register
def _sign(node: Sign) -> Element:
    if node.text == BESIDE:
        return Element("mspace", width=THIN)
    if node.text in TIGHT:
        return _token("mo", node.text, lspace="0", rspace="0")
    return _token("mo", node.text, **({"largeop": "false"} if node.text in PRODUCTS else {}))


@mathml.register
def _space(node: Space) -> Element:
    return Element("mspace", width=f"{max(node.width, 0) / 18:.3f}em")


@mathml.register
def _row(node: Row) -> Element:
    made = Element("mrow")
    for position, (item, room) in enumerate(spaced(node.items)):
        if room and (_is_word(item) or _is_word(node.items[position - 1])):
            SubElement(made, "mspace", width=THIN)
        element = mathml(item)
        if is_prefix(node.items, position):
            element.set("form", "prefix")
        made.append(element)
    return made[0] if len(made) == 1 else made


def _is_word(node: Node) -> bool:
    """Whether a node is a name of several letters, which does not keep its distance itself."""
    base = base_of(node)
    return isinstance(base, Word) and len(base.text) > 1 and base.text.isalpha() and base.face not in TEXTS


@mathml.register
def _script(node: Script) -> Element:
    node = merged(node)
    base = mathml(node.base)
    if node.primes:  # beside the letter, of usual size: fonts have raised it already
        whole = Element("mrow")
        whole.append(base)
        for _ in range(node.primes):
            whole.append(_token("mo", "′", form="postfix", lspace="0", rspace="0"))
        base = whole
    scripts = [script for script in (node.below, node.above) if script is not None]
    if not scripts:
        return base
    tag = "msubsup" if len(scripts) > 1 else "msub" if node.below is not None else "msup"
    made = Element(tag)
    made.append(base)
    made.extend(map(mathml, scripts))
    return made


@mathml.register
def _accent(node: Accent) -> Element:
    under = node.name == UNDERLINE
    made = _made("munder" if under else "mover", node.base, **{"accentunder" if under else "accent": "true"})
    sign = VECTOR if node.name == "vec" else ACCENTS[node.name]
    made.append(_token("mo", sign, stretchy="true"))  # else WebKit leaves a line's height below it
    return made


@mathml.register
def _fraction(node: Fraction) -> Element:
    return _made("mfrac", node.above, node.below)


@mathml.register
def _root(node: Root) -> Element:
    return _made("msqrt", node.inside)


@mathml.register
def _fence(node: Fence) -> Element:
    made = Element("mrow")
    fixed = {} if node.size > 1 else {"stretchy": "false"}
    inside = mathml(node.inside)
    made.append(_token("mo", node.left, **fixed, form="prefix"))
    made.extend(list(inside) if inside.tag == "mrow" and not inside.attrib else [inside])
    made.append(_token("mo", node.right, **fixed, form="postfix"))
    return made


@mathml.register
def _bracket(node: Bracket) -> Element:
    size = SIZES[node.size]
    sized = {"minsize": size, "maxsize": size} if size else {"stretchy": "false"}
    return _token("mo", node.text, **sized, form="prefix" if node.opens else "postfix")


def _table(rows: Iterable[Iterable[Element]], **attributes: str) -> Element:
    made = Element("mtable")
    for cells in rows:
        line = SubElement(made, "mtr")
        for cell in cells:
            SubElement(line, "mtd", attributes).append(cell)
    return made


@mathml.register
def _stack(node: Stack) -> Element:
    made = Element("mrow")
    table = _table(map(mathml, cells) for cells in node.rows)
    made.extend([_token("mo", "[", form="prefix"), table, _token("mo", "]", form="postfix")])
    return made


@mathml.register
def _cases(node: Cases) -> Element:
    made = Element("mrow")
    rows = ((mathml(Row((value, Sign(",")))), mathml(when)) for value, when in node.rows)
    made.extend([_token("mo", "{", stretchy="true", form="prefix"), _table(rows, columnalign="left")])
    return made


@mathml.register
def _big_operator(node: BigOperator) -> Element:
    sign = _token("mo", node.sign)
    limits = [limit for limit in (node.below, node.above) if limit is not None]
    if not limits:
        return sign
    under, over = ("under", "over") if node.sign == "∑" else ("sub", "sup")
    parts = (under if node.below is not None else "", over if node.above is not None else "")
    made = Element(f"m{''.join(parts)}")
    made.append(sign)
    made.extend(map(mathml, limits))
    return made


@mathml.register
def _mark(node: Mark) -> Element:
    made = Element("mrow", {"class": FRAMED})
    inside = mathml(node.inside)
    made.extend(list(inside) if inside.tag == "mrow" and not inside.attrib else [inside])
    return made
