r"""Mathematics for a terminal: the LaTeX that the printer writes, as a two-dimensional picture in Unicode.

The picture is made from the printer's own LaTeX, so that terminal and paper say the same in the same order:
stacks are columns in brackets, quotients have a line, sums their limits, time stands in c⟨t-1⟩. A formula is
a flat row of pieces; lines end before operators, the outermost that fits, never inside a picture. What a
bracket encloses decides how tall it is, on each line anew.

Pictures are SymPy's `stringPict`, which knows base lines and characters without width.
"""

import re
from dataclasses import dataclass

from sympy.printing.pretty.stringpict import stringPict

from symrnn.errors import EmissionError
from symrnn.notation.drawing import (
    CLOSE,
    OPEN,
    OPERATOR,
    PIECE,
    Piece,
    beside,
    drawn,
    enclosed,
    fraction,
    grid,
    is_blank,
    one_row,
    root,
    row_width,
    sign,
    split_row,
    tidied,
)
from symrnn.notation.signs import (
    ABOVE,
    ACCENTS,
    BELOW,
    FONTS,
    LETTER_FACES,
    OPERATORS,
    RELATIONS,
    SIGNS,
    small,
)
from symrnn.notation.syntax import NAMED_OPERATORS

TOKEN = re.compile(r"\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\[a-zA-Z]+\s?|\\.|.", re.DOTALL)
SIZED = re.compile(r"\\(?:big|Big|bigg|Bigg)[lrm]?")
THIN = frozenset([",", ";", ":", " ", "quad", "qquad"])
NOTHING = frozenset(["!", "displaystyle", "limits", "nolimits", "left", "right"])


def picture_lines(latex: str, room: int, before: str = "") -> tuple[str, ...] | None:
    """A formula as lines of at most `room` columns, the first after `before`; None where none can be found.

    Raises:
        EmissionError: the formula has a command that has no picture.
    """
    lead = stringPict(before) if before else None
    indent = int(lead.width()) if lead is not None else 0
    for flat in (False, True):  # in one row there are more places for a line to end
        rows = split_row(_read(latex, flat), room - indent)
        if all(row_width(row) <= room - indent for row in rows):
            break
    else:
        return None
    made: list[str] = []
    for number, row in enumerate(rows):
        picture = drawn(row)
        if lead is not None:
            picture = beside([lead if number == 0 else stringPict(" " * indent), picture])
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


def _read(latex: str, flat: bool) -> list[Piece]:
    reader = _Reader([token for token in TOKEN.findall(latex) if token], flat)
    return tidied(reader.row(()))


@dataclass(slots=True)
class _Reader:
    """Reads tokens from `at` on; with `flat`, quotients, stacks and choices are set in one row."""

    tokens: list[str]
    flat: bool
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
            made.append(sign(" "))
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
            made += [sign(" "), sign(RELATIONS[command]), sign(" ")]
        elif token == "'":
            made.append(sign("′"))
        elif token.startswith("\\"):
            made += self.command(token, command)
        elif token == "{":
            made += self.row(("}",))
        else:
            made.append(sign(token))

    def operator(self, command: str, made: list[Piece]) -> Piece:
        mark = "⊙" if command == "odot" else "-" if command == "-" else "+"
        before, after = self.tokens[max(self.at - 2, 0)], self.tokens[self.at : self.at + 1]
        spaced = command == "odot" or (before[-1:].isspace() and after == [" "])  # else it is a sign
        if spaced and not all(is_blank(piece) for piece in made):
            return Piece(OPERATOR, stringPict(f" {mark} "), binding=OPERATORS[command])
        return sign(mark)

    def group(self) -> list[Piece]:
        """The next argument: what is in braces, or one token."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        if self.at >= len(self.tokens):
            return []
        token = self.tokens[self.at].rstrip()
        self.at += 1
        if token == "{":
            return tidied(self.row(("}",)))
        made: list[Piece] = []
        self.piece(token, made)
        return made

    def line(self) -> str:
        """The next argument as text of one line."""
        picture = drawn(self.group())
        if picture.height() > 1:
            raise EmissionError("A subscript or an accent has several lines, which a terminal cannot show.")
        return str(picture.picture[0])

    def command(self, token: str, command: str) -> list[Piece]:
        if command in SIGNS:
            return [sign(SIGNS[command])]
        if command in NAMED_OPERATORS:
            return [sign(command)]
        if command in FONTS:
            return self.words()
        if command in LETTER_FACES:
            letter = self.line()
            return [sign(LETTER_FACES[command].get(letter, letter))]
        if command in ACCENTS:
            letters = self.line()
            return [sign(letters[:1] + ACCENTS[command] + letters[1:])]
        if command in ("frac", "dfrac", "tfrac"):
            above, below = self.group(), self.group()
            if self.flat:
                return [*enclosed(above), sign(" / "), *enclosed(below)]
            return [fraction(drawn(above), drawn(below))]
        if command == "sqrt":
            return [root(self.group())]
        if command == "sum":
            return [self.summation()]
        if command == "boxed":
            return self.group()
        if token.startswith("\\begin"):
            return self.environment(token[7:-1])
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
            return _read(text, self.flat)
        ends = [sign(" ")] if text.endswith(" ") else []
        starts = [sign(" ")] if text.startswith(" ") else []
        return [*starts, sign(text.strip().replace(r"\_", "_")), *ends]

    def script(self, token: str, made: list[Piece]) -> None:
        """A subscript or superscript of what comes before it: small characters, or a line lower or higher."""
        inside = drawn(self.group())
        text = str(inside.picture[0]) if inside.height() == 1 else ""
        if token == "^" and re.fullmatch(r"⟨[^⟩]*⟩.*", text):  # time: c⟨t-1⟩
            time, mark, rest = text.partition("⟩")
            made.append(sign(time.replace(" ", "") + mark + (small(rest, ABOVE) or rest)))
            return
        tidy = text.replace(" ", "")
        little = small(tidy, ABOVE if token == "^" else BELOW) if text else None
        if little is not None:
            made.append(sign(little))
        elif token == "_" and re.fullmatch(r"[^\W_]+[\u0300-\u036f]?", tidy):
            made.append(sign(f"_{tidy}"))
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
            limits[which] = drawn(self.group())
        rows = [*limits["^"].picture, "∑", *limits["_"].picture]
        rows = [row for row in rows if row.strip()]
        tidy = [str(row).replace(" = ", "=") for row in rows]
        return Piece(PIECE, stringPict("\n".join(tidy), tidy.index("∑")))

    def environment(self, name: str) -> list[Piece]:
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
            cells.append(tidied(cell))
            if token != "&":
                rows.append(cells)
                cells = []
            closed = token == end
        if self.flat:
            return one_row(rows)
        cells_drawn = [[drawn(cell) for cell in row] for row in rows]
        return [grid(cells_drawn, "{", "") if name == "cases" else grid(cells_drawn, "[", "]")]
