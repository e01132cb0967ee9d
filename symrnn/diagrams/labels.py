"""Formulas as placed pieces of text, for what is drawn without TeX, and the room they take.

It sets names of quantities and the signs of operations: letters in their fonts, accents, sub- and
superscripts. Lengths are in units of the font size, y points down, and the baseline is 0. Widths are
estimates that fit Computer Modern and Times.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from symrnn.notation import nodes
from symrnn.notation.alphabets import lettered
from symrnn.notation.characters import ACCENTS
from symrnn.notation.nodes import Accent, Face, Node, Script, Word, merged

SCRIPT, SUBSCRIPT_DROP, SUPERSCRIPT_RISE = 0.7, 0.27, 0.46

FONTS = {
    Face.ITALIC: "italic",
    Face.SLANTED: "italic",
    Face.TEXT_ITALIC: "italic",
    Face.BOLD: "bold",
    Face.TEXT_BOLD: "bold",
    Face.BOLD_ITALIC: "bold-italic",
    Face.SANS: "sans",
    Face.MONO: "mono",
}
"""Fonts by face; the others are roman."""
ALPHABETS = {Face.BLACKBOARD: "DOUBLE-STRUCK", Face.CALLIGRAPHIC: "SCRIPT", Face.FRAKTUR: "FRAKTUR"}
PRIME, GAP = 0.31, 0.04
ADVANCES = {
    **dict.fromkeys("ijl,.:;|!'′ı⋅", 0.29),
    **dict.fromkeys("ftr[]()I⟨⟩ ", 0.36),
    **dict.fromkeys("scezJ", 0.43),
    **dict.fromkeys("ΓEFLPS", 0.6),
    **dict.fromkeys("wm", 0.78),
    **dict.fromkeys("MW", 0.92),
    **dict.fromkeys("+−=×±∓→←<>⊙⊕⊗∘∞…⋯", 0.78),
}
"""Widths of characters in units of their size, the mean of two fonts'; others have a width by their kind."""
LOWER_CASE, UPPER_CASE = 0.51, 0.7


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one font at one place: `x` is their left edge, `y` their baseline below the label's."""

    text: str
    x: float
    y: float
    size: float
    font: str
    width: float


@dataclass(frozen=True, slots=True)
class TypesetLabel:
    """A label as runs from left to right, its width, and how far it reaches above and below the baseline."""

    runs: tuple[Run, ...]
    width: float
    above: float
    below: float


def typeset_label(label: Node) -> TypesetLabel:
    """The placed pieces of a label."""
    runs, width = _placed(label)
    above = max((run.size * 0.75 - run.y for run in runs), default=0.0)
    below = max((run.size * 0.22 + run.y for run in runs), default=0.0)
    return TypesetLabel(tuple(_merged(runs)), width, above, below)


def label_text(label: Node) -> str:
    """A label as plain text in one line, for those who hear it or search for it."""
    text, before = "", ""
    for run in typeset_label(label).runs:
        mark = "_" if run.y > 0.05 else "^" if run.y < -0.05 and run.size < 1 else ""
        text += run.text if mark == before else mark + run.text
        before = mark
    return text


def _merged(runs: list[Run]) -> list[Run]:
    """Neighbours of one font and baseline as one run."""
    merged: list[Run] = []
    for run in runs:
        last = merged[-1] if merged else None
        if (
            last is not None
            and (last.y, last.size, last.font) == (run.y, run.size, run.font)
            and abs(last.x + last.width - run.x) < 1e-6
        ):
            merged[-1] = replace(last, text=last.text + run.text, width=last.width + run.width)
        else:
            merged.append(run)
    return merged


def _advance(character: str) -> float:
    if character in ADVANCES:
        return ADVANCES[character]
    return UPPER_CASE if character.isupper() else LOWER_CASE


def _moved(runs: list[Run], x: float, y: float = 0.0, scale: float = 1.0) -> list[Run]:
    return [
        replace(
            run,
            x=x + scale * run.x,
            y=y + scale * run.y,
            size=scale * run.size,
            width=scale * run.width,
        )
        for run in runs
    ]


def _word(text: str, font: str = "roman") -> list[Run]:
    """Characters of one font."""
    return [Run(text, 0.0, 0.0, 1.0, font, sum(map(_advance, text)))] if text else []


def _placed(node: Node) -> tuple[list[Run], float]:
    """The runs of a formula from x = 0 and its width."""
    return PLACERS[type(node)](node)


def _beside(parts: Iterable[tuple[list[Run], float]]) -> tuple[list[Run], float]:
    runs: list[Run] = []
    width = 0.0
    for made, advance in parts:
        runs += _moved(made, width)
        width += advance
    return runs, width


def _measured(runs: list[Run]) -> tuple[list[Run], float]:
    return runs, sum(run.width for run in runs)


def _word_placed(node: Word) -> tuple[list[Run], float]:
    if node.face in ALPHABETS:
        return _measured(_word("".join(lettered(c, ALPHABETS[node.face]) for c in node.text)))
    font = FONTS.get(node.face, "roman")
    if node.face == Face.ITALIC and _is_upright(node.text):
        font = "roman"
    return _measured(_word(node.text, font))


def _is_upright(text: str) -> bool:
    """Whether TeX sets a character of mathematics upright: capitals of Greek, and signs."""
    return not text.isalpha() or "GREEK CAPITAL" in unicodedata.name(text[0], "")


def _script(node: Script) -> tuple[list[Run], float]:
    """A symbol with its scripts, one above the other."""
    node = merged(node)
    runs, base = _placed(node.base)
    primes = [Run("′", base + PRIME * number, 0.0, 1.0, "roman", PRIME) for number in range(node.primes)]
    width = beside = base + PRIME * node.primes
    for script, left, rise, more in (
        (node.below, base + GAP, SUBSCRIPT_DROP, primes),
        (node.above, beside + GAP, -SUPERSCRIPT_RISE, []),
    ):
        if script is not None:
            made, advance = _placed(script)
            runs = [*runs, *_moved(made, left, rise, SCRIPT)]
            width = max(width, left + SCRIPT * advance)
        runs = [*runs, *more]
    return runs, width


def _accented(node: Accent) -> tuple[list[Run], float]:
    """A symbol with an accent above its middle, or a line below it."""
    runs, width = _placed(node.base)
    accent = ACCENTS[node.name]
    first = next((run.text[0] for run in runs), "x")
    tall = first.isupper() or first in "bdfhklt"
    rise = 0.12 if accent == "_" else -0.22 if tall else 0.0
    advance = 0.33 if accent != "→" else 0.5
    if accent == "→":
        rise -= 0.5
    lean = 0.06 if runs and runs[0].font == "italic" and accent != "_" else 0.0
    size = 1.0 if accent != "→" else 0.6
    return [*runs, Run(accent, (width - advance) / 2 + lean, rise, size, "roman", advance)], width


def _signs(text: str) -> tuple[list[Run], float]:
    return _measured(_word(text.replace("\u2062", "")))


PLACERS: dict[type[Node], Callable[[Any], tuple[list[Run], float]]] = {
    Word: _word_placed,
    Script: _script,
    Accent: _accented,
    nodes.Number: lambda number: _signs(number.text),
    nodes.Sign: lambda sign: _signs(sign.text),
    nodes.Space: lambda space: ([], round(space.width / 18, 2)),
    nodes.Row: lambda row: _beside(map(_placed, row.items)),
    nodes.Fence: lambda f: _beside([_signs(f.left), _placed(f.inside), _signs(f.right)]),
}
"""What places the parts of each kind of node that a label has."""
