r"""An author's words in LaTeX, in which they are words and nothing else.

HTML needs no function: its templates escape every string, and what is written without a template goes
through `html.escape`.
"""

import unicodedata

LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
"""What stands for the characters that mean something to TeX."""

PLAINER = dict(zip("ÐðĐđĦħŊŋŦŧĸ«»‐‑−", 'DdDdHhNnTtk""---', strict=True)) | {
    "Þ": "Th",
    "þ": "th",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
}
"""What pdflatex sets in place of characters that its usual fonts lack, or that ASCII has commands for."""

LOST = frozenset("ĄąĘęĮįŲųĿŀŉſ")
"""Other characters up to U+017F that its usual fonts lack."""


def latex_text(text: str) -> str:
    """Plain text for TeX; letters that pdflatex does not know lose their accents or become question marks."""
    known = (_known(character) for character in unicodedata.normalize("NFC", text))
    return "".join(LATEX.get(character, character) for part in known for character in part)


def _known(character: str) -> str:
    """The character in those that pdflatex knows."""
    if character in PLAINER or (character <= "\u017f" and character not in LOST):
        return PLAINER.get(character, character)
    parts = unicodedata.normalize("NFKD", character)
    base = "".join(part for part in parts if not unicodedata.combining(part))
    return base.encode("ascii", "replace").decode()
