r"""LaTeX mathematics as MathML that a browser sets as TeX would: one converter, and what it does not do.

latex2mathml translates the commands. What is mended here, on the way in and on the tree that comes out:

- it gives a script of an environment or of a bracket to the closing bracket alone: pairs of brackets become
  one row, which the script then belongs to, and they grow with what they hold;
- it forgets that a single letter in \mathrm is upright and takes longer words apart;
- it writes angle brackets, the sign of a derivative and `\pm` as letters or the other way round, names of
  functions as operators, accents as the characters of a keyboard, and bold and Fraktur words as attributes
  that browsers ignore;
- it draws frames with `menclose`, which MathML Core has not: they are rows of a class, and the page's style
  says how these look;
- it passes on what it does not know: here that is an error.
"""

import re
import unicodedata
from html import unescape
from xml.etree.ElementTree import Element, SubElement, tostring

from latex2mathml.converter import convert_to_element

from symrnn.errors import EmissionError

TOKENS = ("mi", "mn", "mo", "mtext")
ROWS = ("mrow", "mtd", "msqrt")
SCRIPTS = ("msup", "msub", "msubsup")
ENVIRONMENTS = frozenset(["bmatrix", "cases", "aligned"])

OPENING, CLOSING, BARS = tuple("([{⟨⌊⌈"), tuple(")]}⟩⌋⌉"), ("|", "‖")
OPERATORS = frozenset("±∓⟂")
"""Signs between two operands, with space around them; the converter makes letters of these."""
IDENTIFIERS = frozenset("∂∇")
"""Signs that stand before a name, as letters do; the converter makes operators of these."""
TIGHT = frozenset("⊤⊥∞…⋯")
"""Signs that are no operators either, but are not set in italics."""
PRODUCTS = frozenset("⊙⊗⊕")
"""Signs that some browsers enlarge in displayed equations, as if they stood for products of many."""
SIGNS = frozenset("+−")
PRIMES = ("′", "″", "‴")
ACCENTS = {"~": "˜", "^": "ˆ", "→": "\u20d7"}
BAR_OVER, BAR_UNDER = "¯", "_"
BIG = "1.2em"
"""The converter's size of a bracket with \\big."""
THIN = "0.167em"
FRAMED = "framed"
"""The class of what stands in \\boxed{...}."""
ALPHABETS = {
    "bold": "BOLD",
    "italic": "ITALIC",
    "bold-italic": "BOLD ITALIC",
    "double-struck": "DOUBLE-STRUCK",
    "script": "SCRIPT",
    "fraktur": "FRAKTUR",
    "sans-serif": "SANS-SERIF",
    "monospace": "MONOSPACE",
}
"""What a converter's attribute is called in Unicode, where browsers take the letters of a font from."""


def inline_math(latex: str) -> str:
    """A formula in a line of text, as a `<math>` element."""
    made = row(latex)
    if len(made) == 1 and made[0].tag == "mo":  # a sign that the text speaks of, with nothing beside it
        made[0].attrib |= {"lspace": "0", "rspace": "0"}
    return markup(math_of(made))


def math_of(elements: list[Element], **attributes: str) -> Element:
    """A `<math>` element of one child: some browsers break lines between several."""
    math = Element("math", attributes)
    inside = math if len(elements) == 1 else SubElement(math, "mrow")
    inside.extend(elements)
    return math


def row(latex: str, display: str = "inline") -> list[Element]:
    """The mended elements of a formula; with display="block" sums carry their limits above and below.

    Raises:
        EmissionError: a command or an environment that has no form here.

    """
    unknown = set(re.findall(r"\\begin\{([^}]*)\}", latex)) - ENVIRONMENTS
    if unknown:
        raise _no_form(latex, f"the environment {min(unknown)}")
    try:
        made = convert_to_element(_prepared(latex), display=display)
    except Exception as error:  # the converter's own errors have no common family
        raise _no_form(latex, f"{type(error).__name__} {error}") from error
    [top] = list(made)
    _mend(top)
    _require_known(top, latex)
    return list(top)


def markup(element: Element) -> str:
    """An element as text for an HTML page."""
    return tostring(element, encoding="unicode")


def _prepared(latex: str) -> str:
    r"""LaTeX as the converter understands it: braces around environments, upright words in one piece."""
    latex = re.sub(r"\\mathrm\{([A-Za-z]+)\}", r"\\operatorname{\1}", latex)
    latex = re.sub(r"\\operatorname\{(?![A-Za-z]+\})", r"\\mathrm{", latex)  # it loses these
    latex = re.sub(r"\\begin\{", r"{\\begin{", latex)
    return re.sub(r"\\end\{(\w+)\}", r"\\end{\1}}", latex)


def _require_known(top: Element, latex: str) -> None:
    for element in top.iter():
        text = element.text or ""
        if "\\" in text or (text == "&" and r"\&" not in latex):
            raise _no_form(latex, text)


def _no_form(latex: str, what: str) -> EmissionError:
    return EmissionError(f"{latex} has no MathML form, because of {what}. Choose another LaTeX name.")


def _mend(element: Element) -> None:
    """Mend an element and all below it."""
    for child in list(element):
        if child.tag == "mspace" and not child.get("width", "").endswith("em"):
            element.remove(child)  # negative space, which MathML Core has not
        else:
            _mend(child)
    if element.tag == "menclose" and element.get("notation") == "box":
        element.tag, element.attrib = "mrow", {"class": FRAMED}
    if element.tag in TOKENS:
        _mend_token(element)
    elif element.tag in ("mover", "munder"):
        _mend_accent(element)
    elif element.tag == "msup" and element[1].text in PRIMES:
        _mend_prime(element)
    elif element.tag in ROWS:
        element[:] = _spaced(_paired([child for child in element if child.tag != "mrow" or len(child)]))
        if element.tag == "mrow" and len(element) == 1 and element[0].tag == "mrow" and not element[0].attrib:
            element[:] = list(element[0])


def _mend_token(token: Element) -> None:
    text = token.text = unescape(token.text or "")
    if text in (*OPENING, *CLOSING, *BARS):
        token.tag = "mo"
        token.attrib.pop("fence", None)
        if token.get("minsize") == BIG:  # hardly larger than usual, and with room left for larger ones
            del token.attrib["minsize"], token.attrib["maxsize"], token.attrib["stretchy"]
        token.attrib.setdefault("stretchy", "false")
    elif text in OPERATORS:
        token.tag = "mo"
    elif text in PRODUCTS:
        token.set("largeop", "false")
    elif text in TIGHT or text == "/":
        token.tag = "mo"
        token.attrib |= {"lspace": "0", "rspace": "0"}
    elif text in IDENTIFIERS or (token.tag == "mo" and text.isalpha()):
        token.tag = "mi"
        if len(text) == 1 and text != "∂":
            token.set("mathvariant", "normal")
    elif token.tag == "mi" and len(text) == 1 and "GREEK CAPITAL" in unicodedata.name(text, ""):
        token.attrib.setdefault("mathvariant", "normal")  # as TeX sets them
    variant = token.get("mathvariant")
    if variant in ALPHABETS and token.tag != "mtext":
        del token.attrib["mathvariant"]
        token.text = "".join(_styled(character, ALPHABETS[variant]) for character in text)


def _styled(character: str, alphabet: str) -> str:
    """A letter or digit of another alphabet of Unicode, or the character itself where there is none."""
    name = unicodedata.name(character, "").replace("LATIN ", "").replace("GREEK ", "").replace(" LETTER", "")
    kind, _, letter = name.partition(" ")
    for wanted in (f"MATHEMATICAL {alphabet} {name}", f"{alphabet} {kind} {letter}", f"BLACK-LETTER {name}"):
        try:
            return unicodedata.lookup(wanted)
        except KeyError:
            continue
    return character


def _mend_accent(element: Element) -> None:
    accent, is_under = element[1], element.tag == "munder"
    if accent.tag != "mo":
        return
    element.set("accentunder" if is_under else "accent", "true")
    if accent.text == "―":
        accent.text = BAR_UNDER if is_under else BAR_OVER
    accent.text = ACCENTS.get(accent.text or "", accent.text)
    accent.set("stretchy", "true")  # else WebKit leaves the height of a line between accent and letter


def _mend_prime(power: Element) -> None:
    """Set a prime beside its letter, of usual size: fonts have raised it already."""
    power.tag = "mrow"
    power[1].tag = "mo"
    power[1].attrib |= {"form": "postfix", "lspace": "0", "rspace": "0"}


def _paired(children: list[Element]) -> list[Element]:
    """The children with every pair of brackets and what it holds in one row, scripts on the whole row."""
    done: list[Element] = []
    opened: list[int] = []  # where in `done` a bracket waits for its other half
    inside_bars = False
    for child in children:
        base = _base(child)
        text = base.text if base.tag == "mo" else ""
        inside_bars ^= text in BARS
        if text in OPENING or (text in BARS and inside_bars):
            base.set("form", "prefix")
            opened.append(len(done))
        elif text in CLOSING or text in BARS:
            base.set("form", "postfix")
            if opened:
                start = opened.pop()
                group = Element("mrow")
                group.extend(_spaced([*done[start:], base]))
                _stretch(group)
                done[start:] = [_scripted(child, group)]
                continue
        done.append(child)
    return done


def _base(element: Element) -> Element:
    """What carries the scripts of an element, or the element itself."""
    return element[0] if element.tag in SCRIPTS else element


def _stretch(group: Element) -> None:
    """Let brackets grow that hold a table, a fraction or a sum; TeX's author sized the others."""
    is_tall = any(child.tag in ("mtable", "mfrac", "munderover") for child in group.iter())
    for bracket in (group[0], group[-1]):
        for name in ("stretchy", "minsize", "maxsize") if is_tall else ("maxsize",):
            bracket.attrib.pop(name, None)


def _scripted(child: Element, group: Element) -> Element:
    """The group with the scripts that stood on its closing bracket."""
    if child.tag not in SCRIPTS:
        return group
    made = Element(child.tag)
    made.extend([group, *child[1:]])
    return made


def _spaced(children: list[Element]) -> list[Element]:
    """The children with signs told from operators, and thin spaces around names of functions."""
    made: list[Element] = []
    for child in children:
        before = made[-1] if made else None
        if child.tag == "mo" and child.text in SIGNS and _opens(before):
            child.set("form", "prefix")
        if before is not None and _need_space(before, child):
            made.append(Element("mspace", width=THIN))
        made.append(child)
    return made


def _opens(before: Element | None) -> bool:
    """Whether a plus or minus after this element is a sign."""
    if before is None:
        return True
    return before.tag == "mo" and before.get("form") != "postfix" and before.text not in TIGHT


def _need_space(before: Element, after: Element) -> bool:
    """Whether the name of a function stands beside something that does not keep its distance itself."""
    if any(element.tag in ("mo", "mspace", "mtext") for element in (before, after)):
        return False
    in_brackets = after.tag in ("mrow", *SCRIPTS) and _first_text(after) in (*OPENING, *BARS)
    return _is_word(after) or (_is_word(before) and not in_brackets)


def _first_text(element: Element) -> str:
    return next((text for text in element.itertext()), "")


def _is_word(element: Element) -> bool:
    base = _base(element)
    text = base.text or ""
    return base.tag == "mi" and len(text) > 1 and text.isalpha()
