r"""LaTeX mathematics as MathML that a browser sets as TeX would: one converter, and what it does not do.

latex2mathml translates the commands. What is mended here, on the way in and on the tree that comes out:

- it gives a script of an environment or of a bracket to the closing bracket alone: pairs of brackets become
  one row, which the script then belongs to, and they grow with what they hold;
- it forgets that a single letter in \mathrm is upright and takes longer words apart;
- it writes angle brackets, the sign of a derivative and `\pm` as letters or the other way round, names of
  functions as operators, accents as the characters of a keyboard, and bold and Fraktur words as attributes
  that browsers ignore;
- it passes on what it does not know: here that is an error.
"""

import re
import unicodedata
from html import unescape
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import convert_to_element

from symrnn.errors import EmissionError

OPENING, CLOSING = "([{⟨⌊⌈", ")]}⟩⌋⌉"
ENVIRONMENTS = frozenset(["bmatrix", "cases", "aligned"])
SCRIPTS = ("msup", "msub", "msubsup")
OPERATORS = frozenset("±∓⟂")
IDENTIFIERS = frozenset("∂∇⊤⊥∞…⋯/")
SIGNS = frozenset("+−")
PRIMES = ("′", "″", "‴")
ACCENTS = {"~": "˜", "^": "ˆ", "`": "ˋ", "―": "¯", "\u00af": "¯"}
BIG = "1.2em"
THIN = "0.167em"
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

GREEK_NAMES = {"LAMBDA": "LAMDA"}


def inline_math(latex: str) -> str:
    """A formula in a line of text, as a `<math>` element."""
    math = Element("math")
    math.extend(row(latex))
    if len(math) == 1 and math[0].tag == "mo":  # a sign that the text speaks of, with nothing beside it
        math[0].attrib |= {"lspace": "0", "rspace": "0"}
    return markup(math)


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
            continue
        _mend(child)
        if child.tag == "mrow" and len(child) == 1 and child[0].tag == "mrow":
            child[:] = list(child[0])
        if child.tag == "msup" and child[1].text in PRIMES:
            _mend_prime(child)
    if element.tag in ("mi", "mn", "mo", "mtext"):
        _mend_token(element)
    elif element.tag in ("mover", "munder"):
        _mend_accent(element)
    elif element.tag in ("mrow", "mtd", "msqrt", "math"):
        children = _spaced(_paired([c for c in element if c.tag != "mrow" or len(c)]))
        for child in list(element):
            element.remove(child)
        element.extend(children)


def _mend_token(token: Element) -> None:
    text = token.text = unescape(token.text or "")
    if text in (*OPENING, *CLOSING, "|", "‖"):
        token.tag = "mo"
        token.attrib.pop("fence", None)
        if token.get("minsize") == BIG:  # hardly larger than usual, and with room left for larger ones
            del token.attrib["minsize"], token.attrib["maxsize"], token.attrib["stretchy"]
        token.attrib.setdefault("stretchy", "false")
    elif text in OPERATORS:
        token.tag = "mo"
    elif text in IDENTIFIERS or (token.tag == "mo" and text.isalpha()):
        token.tag = "mi"
        if len(text) == 1 and text not in "∂":
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
    accent = element[1]
    if accent.tag == "mo":
        element.set("accentunder" if element.tag == "munder" else "accent", "true")
        accent.text = ACCENTS.get(accent.text or "", accent.text or "")


def _mend_prime(power: Element) -> None:
    """Set a prime beside its letter, of usual size: fonts have raised it already."""
    power.tag = "mrow"
    power[1].tag = "mo"
    power[1].attrib |= {"form": "postfix", "lspace": "0", "rspace": "0"}


def _paired(children: list[Element]) -> list[Element]:
    """The children with every pair of brackets and what it holds in one row, scripts on the whole row."""
    done: list[Element] = []
    opened: list[int] = []
    bar = 0
    for child in children:
        base = child[0] if child.tag in SCRIPTS and len(child) else child
        text = base.text or "" if base.tag == "mo" else ""
        if text in ("|", "‖"):
            bar = 1 - bar
        if text and (text in OPENING or (text in ("|", "‖") and bar)):
            base.set("form", "prefix")
            opened.append(len(done))
            done.append(child)
        elif text and (text in CLOSING or text in ("|", "‖")):
            base.set("form", "postfix")
            if not opened:
                done.append(child)
                continue
            start = opened.pop()
            group = Element("mrow")
            group.extend(_spaced([*done[start:], base]))
            for bracket in (group[0], base):
                bracket.attrib.pop("maxsize", None)
            _stretch(group)
            done[start:] = [_scripted(child, group)]
        else:
            done.append(child)
    return done


def _stretch(group: Element) -> None:
    """Let brackets grow that hold a table, a fraction or a sum; TeX's author sized the others."""
    if any(child.tag in ("mtable", "mfrac", "munderover") for child in group.iter()):
        for bracket in (group[0], group[-1]):
            bracket.attrib.pop("stretchy", None)
            bracket.attrib.pop("minsize", None)


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
    for position, child in enumerate(children):
        before = made[-1] if made else None
        if child.tag == "mo" and child.text in SIGNS and _opens(before):
            child.set("form", "prefix")
        if _is_word(child) and before is not None and before.tag not in ("mo", "mspace", "mtext"):
            made.append(Element("mspace", width=THIN))
        made.append(child)
        after = children[position + 1] if position + 1 < len(children) else None
        if (
            _is_word(child)
            and after is not None
            and after.tag not in ("mo", "mspace")
            and not _is_group(after)
        ):
            made.append(Element("mspace", width=THIN))
    return made


def _opens(before: Element | None) -> bool:
    """Whether a plus or minus after this element is a sign."""
    if before is None:
        return True
    return before.tag == "mo" and before.get("form") != "postfix" and before.text != "!"


def _is_word(element: Element) -> bool:
    base = element[0] if element.tag in SCRIPTS and len(element) else element
    return base.tag == "mi" and len(base.text or "") > 1 and (base.text or "").isalpha()


def _is_group(element: Element) -> bool:
    base = element[0] if element.tag in SCRIPTS and len(element) else element
    return base.tag == "mrow" and len(base) > 0 and (base[0].text or "") in (*OPENING, "|")
