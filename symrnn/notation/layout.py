r"""Where a long formula breaks: widths are estimated from the LaTeX text, breaks fall before operators.

The printer writes ` + `, ` - `, ` \odot ` and ` \, ` with one space on either side, and sizes its brackets
explicitly (`\bigl`, never `\left`), so that a line may end before any of them.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from symrnn.notation.syntax import NAMED_OPERATORS

Fit: TypeAlias = Callable[[str, float], str]
"""Makes a piece of a formula smaller, given the room that it has in points."""

TOKEN = re.compile(r"\\begin\{\w+\}|\\end\{\w+\}|\\[a-zA-Z]+|\\.|.", re.DOTALL)
OPERATORS = {" + ": 0, " - ": 0, r" \odot ": 1, r" \, ": 3}
"""Where a line may end, and how much less willingly than at a sum; a pair of brackets counts 2."""
NARROW = frozenset(
    [
        "\\,",
        "\\!",
        "\\;",
        "\\bigl",
        "\\bigr",
        "\\mathrm",
        "\\mathbf",
        "\\mathcal",
        "\\mathbb",
        "\\operatorname",
        "\\text",
        "\\tilde",
        "\\hat",
        "\\bar",
        "\\dot",
        "\\displaystyle",
        "\\limits",
    ]
)
WIDE = {
    "\\odot": 14.0,
    "\\cdot": 8.0,
    "+": 14.0,
    "-": 14.0,
    "=": 16.0,
    "\\sum": 24.0,
    "\\top": 7.0,
    "\\qquad": 22.0,
    "\\quad": 11.0,
    "\\mapsto": 20.0,
    "\\Gamma": 7.0,
    "\\langle": 4.5,
    "\\rangle": 4.5,
    "\\partial": 6.5,
    "\\tanh": 22.0,
    "\\exp": 18.0,
    "\\log": 16.0,
    "\\max": 20.0,
    "\\min": 19.0,
    "<": 14.0,
    ">": 14.0,
    "\\le": 14.0,
    "\\ge": 14.0,
    "\\ne": 14.0,
    **dict.fromkeys(["\\Bigl", "\\Bigr"], 2.0),  # what a large bracket is wider than a small one
    **dict.fromkeys(["\\biggl", "\\biggr"], 3.5),
    **dict.fromkeys(["\\Biggl", "\\Biggr"], 4.5),
}
LETTER = 6.4
_SPACE = r"\, "


def width(latex: str) -> float:
    """About how wide a formula is when set at 11 pt, in points."""
    return _group(_Tokens(latex))


class _Tokens:
    """The tokens of a formula one after the other, with the place where the next one begins."""

    def __init__(self, latex: str) -> None:
        self.found = TOKEN.finditer(latex)
        self.place = 0

    def next(self) -> str:
        """The next token; nothing at the end."""
        found = next(self.found, None)
        if found is None:
            return ""
        self.place = found.end()
        return found[0]


class _Line:
    """The width of what has been read so far; subscript and superscript share their place."""

    def __init__(self) -> None:
        self.widest = self.row = self.above = self.below = 0.0

    @property
    def width(self) -> float:
        return max(self.widest, self.row + max(self.above, self.below))

    def add(self, token: str, tokens: _Tokens) -> None:
        """Go on by a token, and by those of a group that it opens."""
        if token == "^":
            self.above = 0.75 * _atom(tokens.next(), tokens)
            return
        if token == "_":
            self.below = 0.75 * _atom(tokens.next(), tokens)
            return
        self.row += max(self.above, self.below)
        self.above = self.below = 0.0
        if token == r"\\":
            self.widest, self.row = max(self.widest, self.row), 0.0
        elif token == r"\frac":
            self.row += max(_atom(tokens.next(), tokens), _atom(tokens.next(), tokens)) + 3.0
        else:
            self.row += _atom(token, tokens)


def _group(tokens: _Tokens, closing: str = "") -> float:
    """The width up to the closing token."""
    line = _Line()
    while (token := tokens.next()) != closing and token:
        line.add(token, tokens)
    return line.width


def _atom(token: str, tokens: _Tokens) -> float:
    if not token:
        return 0.0
    if token == "{":
        return _group(tokens, "}")
    if token.startswith(r"\begin"):
        return _group(tokens, token.replace("begin", "end")) + 14.0
    if token in WIDE:
        return WIDE[token]
    if token.isspace() or token in NARROW or token == "}":
        return 0.0
    if token[1:] in NAMED_OPERATORS:
        return 5.6 * len(token[1:])
    if token in "()[].,|":
        return 4.5
    if token == "&":
        return 11.0
    return LETTER


def split_formula(latex: str, room: float) -> tuple[str, ...]:
    """A formula as lines of at most about `room` points; each after the first starts with an operator."""
    lines = []
    while (at := _best_break(latex, room)) is not None:
        lines.append(latex[:at].rstrip())
        latex = latex[at:].strip()
        if latex.startswith(_SPACE):  # what was a space between factors is said at the start of a line
            latex = rf"\cdot {latex.removeprefix(_SPACE)}"
    return (*lines, latex)


def is_sum(latex: str) -> bool:
    """Whether a formula has a plus or a minus outside all brackets."""
    return any(depth == 0 for _, depth in _operators(latex))


def indents(lines: tuple[str, ...]) -> tuple[int, ...]:
    """For each line how many brackets the lines before it have left open, at most two."""
    made, open_brackets = [], 0
    for line in lines:
        made.append(max(0, min(2, open_brackets)))
        open_brackets += sum(line.count(b) for b in "([") - sum(line.count(b) for b in ")]")
    return tuple(made)


def _best_break(latex: str, room: float) -> int | None:
    """The outermost operator whose left side fits, the last one among equals; None where all of it fits.

    It reads no further than the room goes, so that breaking a formula takes time in proportion to its length.
    """
    tokens, line, brackets = _Tokens(latex), _Line(), 0
    found: list[tuple[int, int, float]] = []
    while not (found and line.width > room):
        place = tokens.place
        token = tokens.next()
        if not token:
            break
        if token == " " and place:
            standing = next((o for o in OPERATORS if latex.startswith(o, place)), None)
            if standing is not None:
                found.append((2 * brackets + OPERATORS[standing], place, line.width))
        brackets += (token in "([") - (token in ")]")
        line.add(token, tokens)
    if line.width <= room:
        return None
    fitting = [item for item in found if item[2] <= room]
    good = [item for item in fitting if item[2] >= 0.15 * room] or fitting or found[:1]
    if not good:
        return None
    outermost = min(depth for depth, _, _ in good)
    return max(place for depth, place, _ in good if depth == outermost)


def _operators(latex: str) -> list[tuple[int, int]]:
    """Positions where a line may end, with the bracket depth there; products bind closer than sums."""
    found: list[tuple[int, int]] = []
    position = braces = brackets = environments = 0
    for token in TOKEN.findall(latex):
        if token.startswith((r"\begin", r"\end")):
            environments += 1 if token.startswith(r"\begin") else -1
        elif token in "{}":
            braces += 1 if token == "{" else -1
        elif token in "()[]":
            brackets += 1 if token in "([" else -1
        elif token == " " and not braces and not environments and position:
            standing = next((o for o in OPERATORS if latex.startswith(o, position)), None)
            if standing is not None:
                found.append((position, 2 * brackets + OPERATORS[standing]))
        position += len(token)
    return found


def equation_lines(left: str, rights: Iterable[str], room: float, fit: Fit, column: float = 0.0) -> list[str]:
    """An equation as lines aligned at its signs; `fit` makes smaller what cannot be broken.

    `column` is the width of the widest left side that it is aligned with, and where smaller formulas begin.
    """
    rest = room - width(left) - WIDE["="]
    made: list[str] = []
    for right in rights:
        pieces = split_formula(right, rest)
        for position, (piece, depth) in enumerate(zip(pieces, indents(pieces), strict=True)):
            indent = (depth + 1) * WIDE[r"\qquad"] if position else 0.0
            beside = room - max(column, width(left)) - WIDE["="] - indent
            fitted = fit(piece, beside) if width(piece) > rest + 10.0 else piece
            made.append("&" + r"\qquad" * (depth + 1) + f" {{}}{fitted}" if position else f"&= {fitted}")
    return [f"{left} {made[0]}", *made[1:]]
