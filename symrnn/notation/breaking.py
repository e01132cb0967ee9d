"""Where long formulas break, by one rule for papers, pages and terminals.

A formula is a row of pieces: what stands between its operators, the operators, and the brackets around some
of them. A line ends before an operator, the outermost whose left side fits; among equals at the last one.
It ends inside of brackets, but neither in fractions, roots and scripts nor in stacks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TypeAlias

from symrnn.notation.characters import BESIDE, DOT, ELEMENTWISE, MINUS, NAMED_OPERATORS, PLUS
from symrnn.notation.nodes import (
    Accent,
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
    merged,
)
from symrnn.notation.spacing import base_of, is_prefix, spaced

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
        yield Bracket(base.left, True, base.size)
        yield from flat(base.inside)
        closing = Bracket(base.right, False, base.size)
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
    room_before = [room for _, room in spaced(pieces)] if gaps else []
    for position in range(start, len(pieces)):
        piece = pieces[position]
        if position > start:
            if isinstance(piece, Sign) and piece.text in BINDING and not is_prefix(pieces, position):
                yield Place(position, 2 * depth + BINDING[piece.text], width)
            elif gaps and room_before[position] and not isinstance(piece, Sign):
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
SCRIPT = 0.75


@singledispatch
def points(node: Node) -> float:
    """About how wide a formula is when TeX sets it at 11 pt, in points."""
    raise TypeError(f"{type(node).__name__} is no node of mathematics")


def _letters(text: str) -> float:
    return sum(WIDE_LETTERS.get(character, LETTER) for character in text)


@points.register
def _word(node: Word) -> float:
    if node.face == Face.NAME and node.text in NAMED_OPERATORS:
        return NAMES.get(node.text, 5.6 * len(node.text))
    return _letters(node.text)


@points.register
def _number(node: Number) -> float:
    return _letters(node.text)


@points.register
def _sign(node: Sign) -> float:
    return SIGNS.get(node.text, LETTER)


@points.register
def _space(node: Space) -> float:
    return 11.0 * node.width / 18 if node.width >= 18 else 0.0


@points.register
def _row(node: Row) -> float:
    return sum(map(points, node.items))


@points.register
def _script(node: Script) -> float:
    node = merged(node)
    scripts = [points(script) for script in (node.below, node.above) if script is not None]
    return points(node.base) + LETTER * node.primes + SCRIPT * max(scripts, default=0.0)


@points.register
def _accent(node: Accent) -> float:
    return points(node.base)


@points.register
def _fraction(node: Fraction) -> float:
    return max(points(node.above), points(node.below)) + 3.0


@points.register
def _root(node: Root) -> float:
    return LETTER + points(node.inside)


@points.register
def _fence(node: Fence) -> float:
    return _half(node.left, node.size) + points(node.inside) + _half(node.right, node.size)


@points.register
def _bracket(node: Bracket) -> float:
    return _half(node.text, node.size)


def _half(text: str, size: int) -> float:
    return NARROW + LARGER[size] if text in "()[]⟨⟩" else LETTER


@points.register
def _stack(node: Stack) -> float:
    return max(sum(map(points, cells)) + 11.0 * (len(cells) - 1) for cells in node.rows) + 14.0


@points.register
def _cases(node: Cases) -> float:
    return max(points(value) + NARROW + 11.0 + points(when) for value, when in node.rows) + 14.0


@points.register
def _big_operator(node: BigOperator) -> float:
    return 24.0 + SCRIPT * max((points(limit) for limit in (node.below, node.above) if limit), default=0.0)


@points.register
def _mark(node: Mark) -> float:
    return LETTER + points(node.inside)
