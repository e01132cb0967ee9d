r"""An author's words in the syntaxes of emitted files, in which they are words and nothing else.

HTML needs no function here: its templates escape every string, and what is written without a template goes
through `html.escape`.
"""

import unicodedata
from collections.abc import Iterable

from symrnn.emission.layout import Layout

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


def python_docstring(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines of a docstring in Python that reads as the given ones, its quotes included."""
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', r"\"\"\"")
    if "\n" not in text and not text.endswith('"'):
        return (f'"""{text}"""',)
    return (*f'"""{text}'.split("\n"), '"""')


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


def module_docstring(layout: Layout, language: str, version: str, note: str = "") -> tuple[str, ...]:
    """The lines of a kernel's docstring, its equations among them; `note` is a last sentence."""
    plan, header = layout.plan, layout.plan.header
    variant = f" ({header.variant})" if header.variant else ""
    lines = [
        f"{header.title}{variant}: forward and backward pass over a sequence, in {language}.",
        "",
        f"made by symrnn {version} from {plan.name} ({header.digest}), do not edit.",
    ]
    if header.source:
        lines += ["", f"Source: {header.source}"]
    lines += ["", "The step (a bare state is its value at t-1, .next the one at t):", ""]
    lines += [f"    {equation}" for equation in header.equations]
    lines += ["", f"The output is {header.output}. Arrays carry time T first, then the batch B."]
    return python_docstring([*lines, *([note] if note else [])])
