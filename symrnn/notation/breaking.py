"""Where long formulas break, by one rule for papers, pages and terminals.

A formula is a row of pieces: what stands between its operators, the operators, and the brackets around some
of them. A line ends before an operator, the outermost whose left side fits; among equals at the last one.
It ends inside of brackets, but neither in fractions, roots and scripts nor in stacks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from symrnn.notation.characters import BESIDE, DOT, ELEMENTWISE, MINUS, NAMED_OPERATORS, PLUS
from symrnn.notation.nodes import (
    BigOperator,
    Bracket,
    Cases,
    Face,
    Fence,
    Fraction,
    Mark,
    Node,
    Number,
    Root,
    Row,
    Script,
    Sign,
    Space,
    Stack,
    Word,
    children,
    merged,
)
from symrnn.notation.spacing import base_of, has_room, is_prefix

Pieces: TypeAlias = Sequence[Node]
Measure: TypeAlias = Callable[[Pieces], list[float]]
"""The widths of the pieces of a row."""

BINDING = {PLUS: 0, MINUS: 0, ";": 0, ELEMENTWISE: 1, BESIDE: 3}
"""The operators before which a line may end, outermost first; a pair of brackets counts 2."""
LAST_RESORT = 1000
"""How deep a mere gap counts, where a line may end there at all: below every operator."""
TOO_SHORT = 0.15
"""A line that would be shorter than this share of the room is not ended if it can be helped."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place where a line may end: before this piece, how deep, and how wide what comes before it is."""

    position: int
    depth: int
    before: float


def lines(node: Node, room: float, measure: Measure | None = None, *, gaps: bool = False) -> tuple[Row, ...]:
    """A formula as lines of at most `room`, as far as operators allow; each after the first starts with one.

    The room is in points of print unless `measure` says what pieces take.
    With `gaps` a line may also end between what merely stands side by side, if nothing else helps.
    """
    pieces, start = tuple(flat(node)), 0
    widths = measure(pieces) if measure else list(map(points, pieces))
    made: list[Row] = []
    while (end := _end(pieces, widths, start, room, gaps)) is not None:
        made.append(_line(pieces[start:end]))
        start = end
    return (*made, _line(pieces[start:]))


def flat(node: Node) -> Iterator[Node]:
    """The pieces of a formula: rows and brackets are taken apart."""
    base = base_of(node)
    if isinstance(node, Row):
        for item in node.items:
            yield from flat(item)
    elif isinstance(base, Fence):
        opening, closing = _halves(base)
        yield opening
        yield from flat(base.inside)
        yield replace(node, base=closing) if isinstance(node, Script) else closing
    else:
        yield node


def deeper(piece: Node) -> int:
    """How many brackets a piece opens; less than none where it closes one."""
    base = base_of(piece)
    return (1 if base.opens else -1) if isinstance(base, Bracket) else 0


def places(pieces: Pieces, widths: Sequence[float], start: int, gaps: bool = False) -> Iterator[Place]:
    """The places from `start` on where a line may end."""
    depth, width = 0, 0.0
    for position in range(start, len(pieces)):
        piece = pieces[position]
        if position > start:
            if isinstance(piece, Sign) and piece.text in BINDING and not is_prefix(pieces, position):
                yield Place(position, 2 * depth + BINDING[piece.text], width)
            elif gaps and not isinstance(piece, Sign) and has_room(pieces, position):
                yield Place(position, LAST_RESORT + depth, width)
        depth += deeper(piece)
        width += widths[position]


def _end(pieces: Pieces, widths: Sequence[float], start: int, room: float, gaps: bool) -> int | None:
    """Where the line that begins at `start` ends; None where all of the rest fits or nothing can be done.

    It reads no further than the room goes, so that breaking a formula takes time in proportion to its length.
    """
    if _fits(widths, start, room):
        return None
    found: list[Place] = []
    for place in places(pieces, widths, start, gaps):
        if found and place.before > room:
            break
        found.append(place)
    fitting = [place for place in found if place.before <= room]
    good = [place for place in fitting if place.before >= TOO_SHORT * room] or fitting or found[:1]
    if not good:
        return None
    outermost = min(place.depth for place in good)
    return max(place.position for place in good if place.depth == outermost)


def _fits(widths: Sequence[float], start: int, room: float) -> bool:
    for position in range(start, len(widths)):
        room -= widths[position]
        if room < 0:
            return False
    return True


def _line(pieces: Pieces) -> Row:
    if pieces[0] != Sign(BESIDE):
        return Row(tuple(pieces))
    return Row((Sign(DOT), *pieces[1:]))  # a product without a sign has one at the start of a line


def indents(rows: Sequence[Row]) -> tuple[int, ...]:
    """For each line how many brackets the lines before it have left open, at most two."""
    made, depth = [], 0
    for row in rows:
        made.append(max(0, min(2, depth)))
        depth += sum(map(deeper, row.items))
    return tuple(made)


# widths in print

LETTER, NARROW = 6.4, 4.5
WIDE_LETTERS = {"Γ": 7.0, "⊤": 7.0, "∂": 6.5, " ": 0.0, **dict.fromkeys("()[].,|", NARROW)}
NAMES = {"tanh": 22.0, "exp": 18.0, "log": 16.0, "max": 20.0, "min": 19.0}
SIGNS = {"=": 16.0, DOT: 8.0, "↦": 20.0, ",": NARROW, BESIDE: 0.0} | dict.fromkeys("+−⊙<>≤≥≠", 14.0)
LARGER = (0.0, 0.0, 2.0, 3.5, 4.5)
"""What brackets of the larger sizes are wider than small ones."""
SCRIPT, COLUMN = 0.75, 11.0


def points(node: Node) -> float:
    """About how wide a formula is when TeX sets it at 11 pt, in points."""
    form = POINTS.get(type(node))
    return form(node) if form else sum(map(points, children(node)))


def _word(word: Word) -> float:
    if word.face is Face.NAME and word.text in NAMED_OPERATORS:
        return NAMES.get(word.text, 5.6 * len(word.text))
    return _letters(word.text)


def _letters(text: str, widths: Mapping[str, float] = WIDE_LETTERS) -> float:
    return sum(widths.get(character, LETTER) for character in text)


def _script(node: Script) -> float:
    node = merged(node)
    return points(node.base) + LETTER * node.primes + _scripts(node.below, node.above)


def _scripts(*scripts: Node | None) -> float:
    """The width of what stands one above the other in a smaller size."""
    return SCRIPT * max((points(script) for script in scripts if script is not None), default=0.0)


def _halves(fence: Fence) -> tuple[Bracket, Bracket]:
    """A fence's brackets."""
    return Bracket(fence.left, True, fence.size), Bracket(fence.right, False, fence.size)


POINTS: Mapping[type, Callable[[Any], float]] = {
    Word: _word,
    Number: lambda number: _letters(number.text),
    Sign: lambda sign: _letters(sign.text, SIGNS),
    Space: lambda space: COLUMN * (space.width // 18),
    Row: lambda row: sum(map(points, row.items)),
    Script: _script,
    Fraction: lambda node: max(points(node.above), points(node.below)) + 3.0,
    Root: lambda root: LETTER + points(root.inside),
    Fence: lambda fence: sum(map(points, (*_halves(fence), fence.inside))),
    Stack: lambda stack: 14.0 + max(sum(map(points, row)) + COLUMN * (len(row) - 1) for row in stack.rows),
    Cases: lambda cases: 14.0 + max(points(v) + NARROW + COLUMN + points(when) for v, when in cases.rows),
    BigOperator: lambda node: 24.0 + _scripts(node.below, node.above),
    Mark: lambda mark: LETTER + points(mark.inside),
    Bracket: lambda half: NARROW + LARGER[half.size] if half.text in "()[]⟨⟩" else LETTER,
}
"""The widths of nodes; of what is not here, those of the parts beside each other."""
