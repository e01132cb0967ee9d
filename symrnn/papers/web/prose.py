r"""The document's prose as HTML: words, mathematics in $...$, code in \texttt, references by \eqref."""

import re
from collections.abc import Mapping
from html import escape

from symrnn.errors import EmissionError
from symrnn.notation.mathml import inline_math

PIECE = re.compile(
    r"(?P<whole>(?P<before>\(?)"
    r"(?:\$(?P<math>[^$]+)\$|\\eqref\{(?P<label>[^}]+)\}|\\emph\{(?P<words>[^{}\\$]+)\}"
    r"|\\texttt\{(?P<code>[^{}\\$]+)\})"
    r"(?P<after>[.,;:)]*))"
)


def anchor(label: str) -> str:
    """The id of an equation on the page: its label without what a link would have to escape."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", label)


def prose_html(text: str, numbers: Mapping[str, str]) -> str:
    """LaTeX prose as HTML; `numbers` are those of the equations by label.

    Raises:
        EmissionError: a command that prose does not use, or a reference to an equation that is not there.

    """
    made, done = [], 0
    for piece in PIECE.finditer(text):
        made += [_words(text[done : piece.start("whole")]), _together(piece, numbers)]
        done = piece.end()
    return "".join([*made, _words(text[done:])])


def _together(piece: re.Match[str], numbers: Mapping[str, str]) -> str:
    """A piece and the punctuation that touches it, which a line may not separate from it."""
    inside = _words(piece["before"]) + _piece(piece, numbers) + _words(piece["after"])
    touched = piece["before"] or piece["after"]
    return f'<span class="together">{inside}</span>' if touched else inside


def _piece(piece: re.Match[str], numbers: Mapping[str, str]) -> str:
    if piece["math"]:
        return inline_math(piece["math"])
    if piece["words"]:
        return f"<em>{_words(piece['words'])}</em>"
    if piece["code"]:
        return f"<code>{escape(piece['code'], quote=False)}</code>"
    label = piece["label"]
    if label not in numbers:
        raise EmissionError(f"The text refers to the equation {label}, which is not on the page.")
    return f'<a class="ref" href="#{anchor(label)}">({numbers[label]})</a>'


def _words(text: str) -> str:
    if set(text) & set("\\{}$^_"):
        raise EmissionError(f"{text!r} has no HTML form. Prose is plain words, $mathematics$ and \\eqref.")
    return escape(
        text.replace("---", "—").replace("--", "–").replace("~", "\u00a0").replace("'", "’"), quote=False
    )
