"""Source code as HTML: one element per line, and a class for each kind of word that the page colours."""

from html import escape
from typing import Any

from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

KINDS = (
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "k"),
    (Operator.Word, "k"),
    (Name.Decorator, "d"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Builtin, "b"),
)
"""Kinds of tokens, the class of each; everything else is plain."""


def highlighted(source: str, name: str) -> str:
    """The lines of a Python source as HTML, with the ids `name`-1, `name`-2 and so on."""
    lines = [""]
    for kind, text in PythonLexer(stripnl=False).get_tokens(source):
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append("")
            if part:
                lines[-1] += _marked(kind, part)
    while lines and not lines[-1]:
        del lines[-1]
    return "".join(f'<span id="{name}-{i}">{line}\n</span>' for i, line in enumerate(lines, 1))


def _marked(kind: Any, text: str) -> str:
    found = next((css for known, css in KINDS if kind in known), "")
    plain = escape(text, quote=False)
    return f'<span class="{found}">{plain}</span>' if found and text.strip() else plain
