"""Mathematics as MathML that browsers set as TeX would.

Scripts stand on whole brackets, which grow with fractions, sums and tables only; letters are those of
Unicode's alphabets, since browsers know no other faces; a mark is a row of a class, and the page's style says
how it looks.
"""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from symrnn.notation import nodes
from symrnn.notation.alphabets import lettered
from symrnn.notation.characters import ACCENTS, BESIDE
from symrnn.notation.nodes import TEXTS, Face, Node, Row, Script, Sign, Word, merged
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


def mathml(node: Node) -> Element:
    """The element of a node."""
    return MAKERS[type(node)](node)


def _made(tag: str, *children: Element, **attributes: str) -> Element:
    made = Element(tag, attributes)
    made.extend(children)
    return made


def _token(tag: str, text: str, **attributes: str) -> Element:
    made = Element(tag, attributes)
    made.text = text
    return made


def _word(node: Word) -> Element:
    text, face = node.text, node.face
    if face in TEXTS:
        variant = face.value.removeprefix("text").replace("bf", "bold").replace("it", "italic")
        return _token("mtext", text.replace(" ", "\u00a0"), **({"mathvariant": variant} if variant else {}))
    if face in ALPHABETS:
        styled = "".join(lettered(character, ALPHABETS[face]) for character in text)
        return _token("mn" if text.isdigit() else "mi", styled)
    if text in BRACKETS:
        return _token("mo", text, stretchy="false")
    if text in TIGHT:
        return _token("mo", text, lspace="0", rspace="0")
    is_upright = face == Face.UPRIGHT or text == "∇" or "GREEK CAPITAL" in unicodedata.name(text[0], "")
    return _token("mi", text, **({"mathvariant": "normal"} if len(text) == 1 and is_upright else {}))


def _sign(node: Sign) -> Element:
    if node.text == BESIDE:
        return Element("mspace", width=THIN)
    if node.text in TIGHT:
        return _token("mo", node.text, lspace="0", rspace="0")
    return _token("mo", node.text, **({"largeop": "false"} if node.text in PRODUCTS else {}))


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


def _script(node: Script) -> Element:
    node = merged(node)
    base = mathml(node.base)
    if node.primes:  # beside the letter, of usual size: fonts have raised it already
        prime = {"form": "postfix", "lspace": "0", "rspace": "0"}
        base = _made("mrow", base, *(_token("mo", "′", **prime) for _ in range(node.primes)))
    return _limited("sub", "sup", base, node.below, node.above)


def _limited(low: str, high: str, base: Element, below: Node | None, above: Node | None) -> Element:
    """An element with what stands below and above it, if anything does."""
    parts = [(name, mathml(script)) for name, script in ((low, below), (high, above)) if script is not None]
    return (
        _made(f"m{''.join(name for name, _ in parts)}", base, *(part for _, part in parts)) if parts else base
    )


def _accent(node: nodes.Accent) -> Element:
    under = node.name == UNDERLINE
    sign = VECTOR if node.name == "vec" else ACCENTS[node.name]
    accent = _token("mo", sign, stretchy="true")  # else WebKit leaves a line's height below it
    kind = {"accentunder" if under else "accent": "true"}
    return _made("munder" if under else "mover", mathml(node.base), accent, **kind)


def _inside(node: Node) -> list[Element]:
    """The elements of a node, without a row around them."""
    made = mathml(node)
    return list(made) if made.tag == "mrow" and not made.attrib else [made]


def _fence(node: nodes.Fence) -> Element:
    fixed = {} if node.size > 1 else {"stretchy": "false"}
    left = _token("mo", node.left, **fixed, form="prefix")
    return _made("mrow", left, *_inside(node.inside), _token("mo", node.right, **fixed, form="postfix"))


def _bracket(node: nodes.Bracket) -> Element:
    size = SIZES[node.size]
    sized = {"minsize": size, "maxsize": size} if size else {"stretchy": "false"}
    return _token("mo", node.text, **sized, form="prefix" if node.opens else "postfix")


def _table(rows: Iterable[Iterable[Element]], **attributes: str) -> Element:
    lines = (_made("mtr", *(_made("mtd", cell, **attributes) for cell in cells)) for cells in rows)
    return _made("mtable", *lines)


def _stack(node: nodes.Stack) -> Element:
    table = _table(map(mathml, cells) for cells in node.rows)
    return _made("mrow", _token("mo", "[", form="prefix"), table, _token("mo", "]", form="postfix"))


def _cases(node: nodes.Cases) -> Element:
    rows = ((mathml(Row((value, Sign(",")))), mathml(when)) for value, when in node.rows)
    brace = _token("mo", "{", stretchy="true", form="prefix")
    return _made("mrow", brace, _table(rows, columnalign="left"))


def _big_operator(node: nodes.BigOperator) -> Element:
    low, high = ("under", "over") if node.sign == "∑" else ("sub", "sup")
    return _limited(low, high, _token("mo", node.sign), node.below, node.above)


MAKERS: dict[type[Node], Callable[[Any], Element]] = {
    Word: _word,
    Row: _row,
    Script: _script,
    Sign: _sign,
    nodes.Number: lambda number: _token("mn", number.text),
    nodes.Space: lambda space: Element("mspace", width=f"{max(space.width, 0) / 18:.3f}em"),
    nodes.Accent: _accent,
    nodes.Fraction: lambda quotient: _made("mfrac", mathml(quotient.above), mathml(quotient.below)),
    nodes.Root: lambda root: _made("msqrt", mathml(root.inside)),
    nodes.Fence: _fence,
    nodes.Bracket: _bracket,
    nodes.Stack: _stack,
    nodes.Cases: _cases,
    nodes.BigOperator: _big_operator,
    nodes.Mark: lambda mark: _made("mrow", *_inside(mark.inside), **{"class": FRAMED}),
}
"""What makes the element of each kind of node."""
