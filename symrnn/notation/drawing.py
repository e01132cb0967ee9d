"""Pieces of mathematics put together to pictures, and rows of them broken into lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, takewhile

from sympy.printing.pretty.stringpict import stringPict

PIECE, OPERATOR, OPEN, CLOSE = range(4)
TALL: dict[str, tuple[str, str, str]] = {
    "(": ("⎛", "⎜", "⎝"),
    ")": ("⎞", "⎟", "⎠"),
    "[": ("⎡", "⎢", "⎣"),
    "]": ("⎤", "⎥", "⎦"),
    "{": ("⎧", "⎨", "⎩"),
}
"""Brackets that span several lines: their top, their middle and their foot."""

LAST_RESORT = 1000
"""How deep a mere space counts as a place for a line to end: below every operator."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a row: a picture, an operator before which a line may end, or a bracket (its character)."""

    kind: int
    picture: stringPict
    bracket: str = ""
    binding: int = 0

    @property
    def width(self) -> int:
        """Its columns."""
        return int(self.picture.width())


def sign(text: str) -> Piece:
    """Text that stands close to its neighbours."""
    return Piece(PIECE, stringPict(text))


def is_blank(piece: Piece) -> bool:
    """Whether there is nothing but space in a piece."""
    return piece.kind == PIECE and all(str(line).isspace() or not line for line in piece.picture.picture)


def tidied(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces without spaces that stand at an end, beside another, beside an operator or inside a bracket."""
    made: list[Piece] = []
    for piece in pieces:
        if is_blank(piece) and (not made or is_blank(made[-1]) or made[-1].kind in (OPEN, OPERATOR)):
            continue
        if piece.kind in (OPERATOR, CLOSE) and made and is_blank(made[-1]):
            made.pop()
        made.append(piece)
    while made and is_blank(made[-1]):
        made.pop()
    return made


def beside(pictures: Iterable[stringPict]) -> stringPict:
    """Pictures in one row, their base lines level."""
    found = list(pictures)
    return stringPict(*stringPict.next(*found)) if found else stringPict("")


def bracket(character: str, like: stringPict) -> stringPict:
    """A bracket as tall as a picture."""
    height = like.height()
    if height == 1:
        return stringPict(character)
    top, middle, foot = TALL[character]
    return stringPict("\n".join([top, *[middle] * (height - 2), foot]), like.baseline)


def drawn(pieces: Iterable[Piece]) -> stringPict:
    """Pieces as one picture; brackets that stay open or were opened on a line before are drawn too."""
    open_rows: list[tuple[str, list[stringPict]]] = [("", [])]
    for piece in pieces:
        if piece.kind == OPEN:
            open_rows.append((piece.bracket, []))
        elif piece.kind == CLOSE:
            opened, inside = open_rows.pop() if len(open_rows) > 1 else ("", open_rows.pop()[1])
            picture = beside(inside)
            closed = [
                *([bracket(opened, picture)] if opened else []),
                picture,
                bracket(piece.bracket, picture),
            ]
            if not open_rows:
                open_rows.append(("", []))
            open_rows[-1][1].append(beside(closed))
        else:
            open_rows[-1][1].append(piece.picture)
    while len(open_rows) > 1:
        opened, inside = open_rows.pop()
        picture = beside(inside)
        open_rows[-1][1].append(beside([bracket(opened, picture), picture]))
    return beside(open_rows[0][1])


def enclosed(pieces: list[Piece]) -> list[Piece]:
    """Pieces in brackets, unless they are one."""
    if len(pieces) == 1:
        return pieces
    return [Piece(OPEN, stringPict("("), "("), *pieces, Piece(CLOSE, stringPict(")"), ")")]


def one_row(rows: list[list[list[Piece]]]) -> list[Piece]:
    """A stack or a choice in one row, its parts between semicolons."""
    made = [Piece(OPEN, stringPict("["), "[")]
    for number, row in enumerate(rows):
        made += [Piece(OPERATOR, stringPict("; "), binding=0)] if number else []
        for position, cell in enumerate(row):
            made += [sign(" ")] if position else []
            made += cell
    return [*made, Piece(CLOSE, stringPict("]"), "]")]


def fraction(above: stringPict, below: stringPict) -> Piece:
    """A quotient with its line."""
    width = max(above.width(), below.width())
    rows = [*above.picture, "─" * int(width), *below.picture]
    return Piece(PIECE, stringPict("\n".join(map(str, rows)), above.height()))


def root(inside: list[Piece]) -> Piece:
    """A square root."""
    picture = drawn(inside)
    if picture.height() == 1:
        text = str(picture.picture[0])
        return sign(f"√{text}" if len(text) == 1 else f"√({text})")
    rooted = beside([bracket("(", picture), picture, bracket(")", picture)])
    return Piece(PIECE, beside([stringPict("√"), rooted]))


def grid(rows: list[list[stringPict]], left: str, right: str) -> Piece:
    """Rows of cells in columns, between brackets."""
    count = max(len(row) for row in rows)
    widths = [max(int(row[i].width()) for row in rows if i < len(row)) for i in range(count)]
    lines: list[str] = []
    for row in rows:
        padded = []
        for i, cell in enumerate(row):
            spare = widths[i] - int(cell.width())
            before = spare // 2 if left == "[" else 0
            padded += [stringPict(" " * before), cell, stringPict(" " * (spare - before))]
            padded += [stringPict("  ")] if i + 1 < len(row) else []
        lines += [str(line) for line in beside(p for p in padded if p.width()).picture]
    inside = stringPict("\n".join(lines), (len(lines) - 1) // 2)
    sides = [bracket(left, inside), inside, *([bracket(right, inside)] if right else [])]
    return Piece(PIECE, beside(sides))


def row_width(pieces: Iterable[Piece]) -> int:
    """The columns of a row."""
    return sum(piece.width for piece in pieces)


def split_row(pieces: list[Piece], room: int) -> list[list[Piece]]:
    """Rows of at most `room` columns, as far as operators allow; each after the first starts with one."""
    rows = []
    while any(total > room for total in accumulate(piece.width for piece in pieces)):
        at = _best_break(pieces, room)
        if at is None:
            break
        rows.append(pieces[:at])
        pieces = pieces[at:]
    return [*rows, pieces]


def _best_break(pieces: list[Piece], room: int) -> int | None:
    """The outermost operator whose left side fits, the last one among equals."""
    found = list(takewhile(lambda item: item[2] <= room, _breaks(pieces)))
    good = [item for item in found if item[2] >= 0.15 * room] or found
    if not good:
        return None
    outermost = min(depth for depth, _, _ in good)
    return max(position for depth, position, _ in good if depth == outermost)


def _breaks(pieces: list[Piece]) -> Iterator[tuple[int, int, int]]:
    """Depth, position and columns before it of every place where a line may end."""
    depth = width = 0
    for position, piece in enumerate(pieces):
        if piece.kind == OPERATOR and position:
            yield 2 * depth + piece.binding, position, width
        elif is_blank(piece) and position:
            yield LAST_RESORT + depth, position, width
        depth += (piece.kind == OPEN) - (piece.kind == CLOSE)
        width += piece.width
