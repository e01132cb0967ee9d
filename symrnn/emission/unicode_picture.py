r"""Mathematics for a terminal: the LaTeX that the printer writes, as a two-dimensional picture in Unicode.

The picture is made from the printer's own LaTeX, so that terminal and paper say the same in the same order:
stacks are columns in brackets, quotients have a line, sums their limits, time stands in c⟨t-1⟩. A formula is
a flat row of pieces; lines end before operators, the outermost that fits, never inside a picture. What a
bracket encloses decides how tall it is, on each line anew.

Pictures are SymPy's `stringPict`, which knows base lines and characters without width.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sympy.printing.pretty.stringpict import stringPict

from symrnn.emission.unicode_names import (
    ABOVE,
    ACCENTS,
    BELOW,
    FONTS,
    LETTER_FACES,
    OPERATORS,
    RELATIONS,
    SIGNS,
    WORDS,
    small,
)
from symrnn.errors import EmissionError

TOKEN = re.compile(r"\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\[a-zA-Z]+\s?|\\.|.", re.DOTALL)
SIZED = re.compile(r"\\(?:big|Big|bigg|Bigg)[lrm]?")
THIN = frozenset([",", ";", ":", " ", "quad", "qquad"])
NOTHING = frozenset(["!", "displaystyle", "limits", "nolimits", "left", "right"])

PIECE, OPERATOR, OPEN, CLOSE = range(4)
TALL: dict[str, tuple[str, str, str]] = {
    "(": ("⎛", "⎜", "⎝"),
    ")": ("⎞", "⎟", "⎠"),
    "[": ("⎡", "⎢", "⎣"),
    "]": ("⎤", "⎥", "⎦"),
    "{": ("⎧", "⎨", "⎩"),
}
"""Brackets that span several lines: their top, their middle and their foot."""


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


def picture_lines(latex: str, room: int, before: str = "") -> tuple[str, ...] | None:
    """A formula as lines of at most `room` columns, the first after `before`; None where none can be found.

    Raises:
        EmissionError: the formula has a command that has no picture.
    """
    pieces = _read(latex)
    lead = stringPict(before) if before else None
    indent = int(lead.width()) if lead is not None else 0
    rows = _split(pieces, room - indent)
    if any(_width(row) > room - indent for row in rows):
        return None
    made: list[str] = []
    for number, row in enumerate(rows):
        picture = _drawn(row)
        if lead is not None:
            picture = _beside([lead if number == 0 else stringPict(" " * indent), picture])
        made += [str(line).rstrip() for line in picture.picture]
    return tuple(made)


def inline(latex: str) -> str:
    """A formula as one line; as LaTeX where it needs more."""
    lines = picture_lines(latex, 10_000)
    return lines[0] if lines is not None and len(lines) == 1 else latex


def columns(text: str) -> int:
    """How many columns a line of text takes."""
    return int(stringPict(text).width()) if text else 0


# Reading


def _read(latex: str) -> list[Piece]:
    reader = _Reader([token for token in TOKEN.findall(latex) if token])
    return _tidy(reader.row(()))


@dataclass(slots=True)
class _Reader:
    tokens: list[str]
    at: int = 0

    def row(self, closing: tuple[str, ...]) -> list[Piece]:
        """The pieces up to a closing token, which is passed over."""
        made: list[Piece] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at].rstrip() or " "
            self.at += 1
            if token in closing:
                return made
            self.piece(token, made)
        return made

    def piece(self, token: str, made: list[Piece]) -> None:
        command = token[1:] if token.startswith("\\") and len(token) > 1 else token
        if token.isspace() or (token.startswith("\\") and command in THIN):
            made.append(_text(" "))
        elif (token.startswith("\\") and (command in NOTHING)) or SIZED.fullmatch(token):
            return
        elif token in ("^", "_"):
            self.script(token, made)
        elif token in ("(", "["):
            made.append(Piece(OPEN, stringPict(token), token))
        elif token in (")", "]"):
            made.append(Piece(CLOSE, stringPict(token), token))
        elif command in OPERATORS:
            made.append(self.operator(command, made))
        elif command in RELATIONS:
            made += [_text(" "), _text(RELATIONS[command]), _text(" ")]
        elif token == "'":
            made.append(_text("′"))
        elif token.startswith("\\"):
            made += self.command(token, command)
        elif token == "{":
            made += self.row(("}",))
        else:
            made.append(_text(token))

    def operator(self, command: str, made: list[Piece]) -> Piece:
        sign = "⊙" if command == "odot" else "-" if command == "-" else "+"
        before, after = self.tokens[max(self.at - 2, 0)], self.tokens[self.at : self.at + 1]
        spaced = command == "odot" or (before[-1:].isspace() and after == [" "])  # else it is a sign
        if spaced and not all(_blank(piece) for piece in made):
            return Piece(OPERATOR, stringPict(f" {sign} "), binding=OPERATORS[command])
        return _text(sign)

    def group(self) -> list[Piece]:
        """The next argument: what is in braces, or one token."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        if self.at >= len(self.tokens):
            return []
        token = self.tokens[self.at].rstrip()
        self.at += 1
        if token == "{":
            return _tidy(self.row(("}",)))
        made: list[Piece] = []
        self.piece(token, made)
        return made

    def flat(self) -> str:
        """The next argument as text of one line."""
        picture = _drawn(self.group())
        if picture.height() > 1:
            raise EmissionError("A subscript or an accent has several lines, which a terminal cannot show.")
        return str(picture.picture[0])

    def command(self, token: str, command: str) -> list[Piece]:
        if command in SIGNS:
            return [_text(SIGNS[command])]
        if command in WORDS:
            return [_text(command)]
        if command in FONTS:
            return self.words()
        if command in LETTER_FACES:
            letter = self.flat()
            return [_text(LETTER_FACES[command].get(letter, letter))]
        if command in ACCENTS:
            letters = self.flat()
            return [_text(letters[:1] + ACCENTS[command] + letters[1:])]
        if command in ("frac", "dfrac", "tfrac"):
            return [_fraction(_drawn(self.group()), _drawn(self.group()))]
        if command == "sqrt":
            return [_root(self.group())]
        if command == "sum":
            return [self.summation()]
        if command == "boxed":
            return self.group()
        if token.startswith("\\begin"):
            return [self.environment(token[7:-1])]
        raise EmissionError(f"{token} has no picture. Add it to unicode_names.py.")

    def words(self) -> list[Piece]:
        """Letters in another face, with their spaces."""
        if self.tokens[self.at : self.at + 1] != ["{"]:
            return self.group()
        self.at += 1
        text, depth = "", 1
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            depth += (token == "{") - (token == "}")
            if depth == 0:
                break
            text += token
        if "\\" in text.replace(r"\_", ""):
            return _read(text)
        ends = [_text(" ")] if text.endswith(" ") else []
        starts = [_text(" ")] if text.startswith(" ") else []
        return [*starts, _text(text.strip().replace(r"\_", "_")), *ends]

    def script(self, token: str, made: list[Piece]) -> None:
        """A subscript or superscript of what comes before it: small characters, or a line lower or higher."""
        inside = _drawn(self.group())
        text = str(inside.picture[0]) if inside.height() == 1 else ""
        if token == "^" and re.fullmatch(r"⟨[^⟩]*⟩.*", text):  # time: c⟨t-1⟩
            time, mark, rest = text.partition("⟩")
            made.append(_text(time.replace(" ", "") + mark + (small(rest, ABOVE) or rest)))
            return
        tidy = text.replace(" ", "")
        little = small(tidy, ABOVE if token == "^" else BELOW) if text else None
        if little is not None:
            made.append(_text(little))
        elif token == "_" and re.fullmatch(r"[^\W_]+[\u0300-\u036f]?", tidy):
            made.append(_text(f"_{tidy}"))
        elif token == "^":
            made.append(
                Piece(PIECE, stringPict("\n".join([*map(str, inside.picture), " "]), inside.height()))
            )
        else:
            made.append(Piece(PIECE, stringPict("\n".join([" ", *map(str, inside.picture)]), 0)))

    def summation(self) -> Piece:
        """A sum with its limits above and below."""
        limits = {"_": stringPict(" "), "^": stringPict(" ")}
        while self.tokens[self.at : self.at + 1] in (["_"], ["^"]):
            which = self.tokens[self.at]
            self.at += 1
            limits[which] = _drawn(self.group())
        rows = [*limits["^"].picture, "∑", *limits["_"].picture]
        rows = [row for row in rows if row.strip()]
        tidy = [str(row).replace(" = ", "=") for row in rows]
        return Piece(PIECE, stringPict("\n".join(tidy), tidy.index("∑")))

    def environment(self, name: str) -> Piece:
        """A column of rows, in brackets or behind a brace."""
        end, rows, cells = f"\\end{{{name}}}", [], []
        closed = False
        while not closed:
            cell: list[Piece] = []
            while True:
                if self.at >= len(self.tokens):
                    raise EmissionError(f"The environment {name} does not end.")
                token = self.tokens[self.at].rstrip() or " "
                self.at += 1
                if token in ("&", "\\\\", end):
                    break
                self.piece(token, cell)
            cells.append(_drawn(_tidy(cell)))
            if token != "&":
                rows.append(cells)
                cells = []
            closed = token == end
        return _grid(rows, "{" if name == "cases" else "[", "" if name == "cases" else "]")


# Drawing


def _text(text: str) -> Piece:
    return Piece(PIECE, stringPict(text))


def _blank(piece: Piece) -> bool:
    return piece.kind == PIECE and all(str(line).isspace() or not line for line in piece.picture.picture)


def _tidy(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces without spaces that stand at an end, beside another, beside an operator or inside a bracket."""
    made: list[Piece] = []
    for piece in pieces:
        if _blank(piece) and (not made or _blank(made[-1]) or made[-1].kind in (OPEN, OPERATOR)):
            continue
        if piece.kind in (OPERATOR, CLOSE) and made and _blank(made[-1]):
            made.pop()
        made.append(piece)
    while made and _blank(made[-1]):
        made.pop()
    return made


def _beside(pictures: Iterable[stringPict]) -> stringPict:
    found = list(pictures)
    return stringPict(*stringPict.next(*found)) if found else stringPict("")


def _bracket(character: str, like: stringPict) -> stringPict:
    """A bracket as tall as a picture."""
    height = like.height()
    if height == 1:
        return stringPict(character)
    top, middle, foot = TALL[character]
    return stringPict("\n".join([top, *[middle] * (height - 2), foot]), like.baseline)


def _drawn(pieces: Iterable[Piece]) -> stringPict:
    """Pieces as one picture; brackets that stay open or were opened on a line before are drawn too."""
    open_rows: list[tuple[str, list[stringPict]]] = [("", [])]
    for piece in pieces:
        if piece.kind == OPEN:
            open_rows.append((piece.bracket, []))
        elif piece.kind == CLOSE:
            opened, inside = open_rows.pop() if len(open_rows) > 1 else ("", open_rows.pop()[1])
            picture = _beside(inside)
            closed = [
                *([_bracket(opened, picture)] if opened else []),
                picture,
                _bracket(piece.bracket, picture),
            ]
            if not open_rows:
                open_rows.append(("", []))
            open_rows[-1][1].append(_beside(closed))
        else:
            open_rows[-1][1].append(piece.picture)
    while len(open_rows) > 1:
        opened, inside = open_rows.pop()
        picture = _beside(inside)
        open_rows[-1][1].append(_beside([_bracket(opened, picture), picture]))
    return _beside(open_rows[0][1])


def _fraction(above: stringPict, below: stringPict) -> Piece:
    width = max(above.width(), below.width())
    rows = [*above.picture, "─" * int(width), *below.picture]
    return Piece(PIECE, stringPict("\n".join(map(str, rows)), above.height()))


def _root(inside: list[Piece]) -> Piece:
    picture = _drawn(inside)
    if picture.height() == 1:
        text = str(picture.picture[0])
        return _text(f"√{text}" if len(text) == 1 else f"√({text})")
    rooted = _beside([_bracket("(", picture), picture, _bracket(")", picture)])
    return Piece(PIECE, _beside([stringPict("√"), rooted]))


def _grid(rows: list[list[stringPict]], left: str, right: str) -> Piece:
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
        lines += [str(line) for line in _beside(p for p in padded if p.width()).picture]
    inside = stringPict("\n".join(lines), (len(lines) - 1) // 2)
    sides = [_bracket(left, inside), inside, *([_bracket(right, inside)] if right else [])]
    return Piece(PIECE, _beside(sides))


# Breaking


def _width(pieces: Iterable[Piece]) -> int:
    return sum(piece.width for piece in pieces)


def _split(pieces: list[Piece], room: int) -> list[list[Piece]]:
    """Rows of at most `room` columns, as far as operators allow; each after the first starts with one."""
    rows = []
    while _width(pieces) > room:
        at = _best_break(pieces, room)
        if at is None:
            break
        rows.append(pieces[:at])
        pieces = pieces[at:]
    return [*rows, pieces]


def _best_break(pieces: list[Piece], room: int) -> int | None:
    """The outermost operator whose left side fits, the last one among equals."""
    found = [item for item in _breaks(pieces) if item[2] <= room]
    good = [item for item in found if item[2] >= 0.15 * room] or found
    if not good:
        return None
    outermost = min(depth for depth, _, _ in good)
    return max(position for depth, position, _ in good if depth == outermost)


def _breaks(pieces: list[Piece]) -> Iterator[tuple[int, int, int]]:
    """Depth, position and columns before it of every operator but a first one."""
    depth = width = 0
    for position, piece in enumerate(pieces):
        if piece.kind == OPERATOR and position:
            yield 2 * depth + piece.binding, position, width
        depth += (piece.kind == OPEN) - (piece.kind == CLOSE)
        width += piece.width
