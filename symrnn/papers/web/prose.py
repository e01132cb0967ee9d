"""The document's prose as HTML: words, formulas, code, and references as links."""

import re
from collections.abc import Mapping
from html import escape

from symrnn.errors import EmissionError
from symrnn.notation.nodes import Node
from symrnn.notation.prose import Code, Piece, Prose, Reference
from symrnn.notation.rendering.mathml import inline_math

AFTER = re.compile(r"[.,;:)]*")


def anchor(label: str) -> str:
    """The id of an equation on the page: its label without what a link would have to escape."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", label)


def prose_html(prose: Prose, numbers: Mapping[str, str]) -> str:
    """Prose as HTML; `numbers` are those of the equations by label.

    A formula and the punctuation that touches it stand together, so that no line separates them.

    Raises:
        EmissionError: a reference to an equation that is not there.

    """
    made, pieces = "", ("", *prose.pieces, "")
    for before, piece, after in zip(pieces, pieces[1:], pieces[2:], strict=False):
        if isinstance(piece, str):
            start = len(_touching(piece)) if before else 0
            made += _words(piece[start:].removesuffix("(" if after else ""))
            continue
        opened = "(" if isinstance(before, str) and before.endswith("(") else ""
        closed = _touching(after)
        inside = f"{opened}{_html(piece, numbers)}{closed}"
        made += f'<span class="together">{inside}</span>' if opened or closed else inside
    return made


def _touching(piece: Piece) -> str:
    """The punctuation at the beginning of a piece."""
    found = AFTER.match(piece) if isinstance(piece, str) else None
    return found[0] if found else ""


def _html(piece: Node | Reference | Code, numbers: Mapping[str, str]) -> str:
    match piece:
        case Code():
            return f"<code>{escape(piece.text, quote=False)}</code>"
        case Reference():
            if piece.label not in numbers:
                raise EmissionError(
                    f"The text refers to the equation {piece.label}, which is not on the page."
                )
            return f'<a class="ref" href="#{anchor(piece.label)}">({numbers[piece.label]})</a>'
    return inline_math(piece)


def _words(text: str) -> str:
    return escape(text.replace("--", "–").replace("'", "’"), quote=False)
