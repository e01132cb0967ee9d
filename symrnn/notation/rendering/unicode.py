"""Mathematics for a terminal: pictures of Unicode's characters in two dimensions.

Stacks are columns in brackets, quotients have a line, sums their limits, time stands in c⟨t-1⟩. Lines end as
`breaking` has it, never inside a picture; what a bracket encloses decides how tall it is, on each line anew.

Pictures are SymPy's `stringPict`, which knows base lines and characters without width.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sympy.printing.pretty.stringpict import stringPict

from symrnn.notation import nodes
from symrnn.notation.alphabets import lettered
from symrnn.notation.breaking import Pieces, deeper, flat, lines
from symrnn.notation.building import bracketed, row
from symrnn.notation.characters import BESIDE, MINUS
from symrnn.notation.nodes import Bracket, Face, Fence, Node, Row, Script, Sign, Word, mapped
from symrnn.notation.rendering.latex import latex
from symrnn.notation.spacing import spaced

WIDEST = 10_000
PLAINER = str.maketrans({"ϵ": "ε", "ϕ": "φ", "⊤": "ᵀ", "⋅": "·", "∙": "•", MINUS: "-", BESIDE: ""})
"""Characters that terminals show better than others of the same meaning."""
FACES = {Face.BLACKBOARD: ("DOUBLE-STRUCK", "RNZCQEP"), Face.CALLIGRAPHIC: ("SCRIPT", "LEFHBMRI")}
"""Alphabets of Unicode, and the letters of them that terminals usually have."""
COMBINING = {
    **dict(zip(("grave", "acute", "hat", "tilde", "bar"), "\u0300\u0301\u0302\u0303\u0304", strict=True)),
    **dict(zip(("breve", "dot", "ddot", "mathring"), "\u0306\u0307\u0308\u030a", strict=True)),
    **dict(zip(("check", "vec", "underline"), "\u030c\u20d7\u0332", strict=True)),
    **dict(zip(("widehat", "widetilde", "overline"), "\u0302\u0303\u0304", strict=True)),
}
"""Accents as characters that take no room."""
BELOW = dict(
    zip(
        "0123456789+-=()aehijklmnoprstuvxβγρφχ",
        "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
"""The small letters and signs below the line that Unicode has: not c, f, g, z and others."""
ABOVE = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyz′ᵀ∗⋆†⟨⟩",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ′ᵀ∗⋆†⟨⟩",
        strict=True,
    )
)
"""The small letters and signs above the line that Unicode has."""
TALL = dict(zip("()[]{|‖", ("⎛⎜⎝", "⎞⎟⎠", "⎡⎢⎣", "⎤⎥⎦", "⎧⎨⎩", "│││", "║║║"), strict=True))
"""Brackets that span several lines: their top, their middle and their foot."""
CLINGING = frozenset("δ∇∂Δ")
"""Letters that stand close to the name after them."""


def picture_lines(node: Node, room: int, before: str = "") -> tuple[str, ...] | None:
    """A formula as lines of at most `room` columns, the first after `before`; None where there are none."""
    indent = columns(before)
    for shown in (node, in_one_row(node)):  # in one row there are more places for a line to end
        first, *more = lines(shown, room - indent, _widths, gaps=True)
        pictures = [_drawn(first.items), *(_drawn(line.items, goes_on=True) for line in more)]
        if all(picture.width() <= room - indent for picture in pictures):
            break
    else:
        return None
    made: list[str] = []
    for number, picture in enumerate(pictures):
        lead = before if number == 0 else " " * indent
        made += [str(line).rstrip() for line in _beside([stringPict(lead), picture]).picture]
    return tuple(made)


def inline(node: Node) -> str:
    """A formula as one line; as LaTeX where it needs more."""
    made = picture_lines(node, WIDEST)
    return made[0] if made is not None and len(made) == 1 else latex(node)


def columns(text: str) -> int:
    """How many columns a line of text takes."""
    return int(stringPict(text).width()) if text else 0


def in_one_row(node: Node) -> Node:
    """A formula without quotients, stacks and choices, which are set in one row."""
    node = mapped(node, in_one_row)
    if isinstance(node, nodes.Fraction):
        return Row((_enclosed(node.above), Sign("/"), _enclosed(node.below)))
    if isinstance(node, nodes.Stack | nodes.Cases):
        parts = [item for cells in node.rows for item in (Sign(";"), row(*cells))]
        return Fence(Row(tuple(parts[1:])), "[", "]")
    return node


def _enclosed(node: Node) -> Node:
    return bracketed(node) if isinstance(node, Row) else node


# rows


def _rooms(pieces: Pieces) -> Iterator[bool]:
    """For every piece of a row whether a column is left free before it."""
    for position, (piece, room) in enumerate(spaced(pieces)):
        before = pieces[position - 1]
        clings = isinstance(before, Word) and before.text in CLINGING and not isinstance(piece, Sign)
        has_own = isinstance(before, Word) and before.text.endswith(" ")
        yield room and piece != Sign(BESIDE) and not clings and not has_own


def _widths(pieces: Pieces) -> list[float]:
    """The columns of the pieces of a row, with what is left free before them."""
    at_start = 1  # the dot that a product without a sign gets at the start of a line
    return [
        float(room + (at_start if piece == Sign(BESIDE) else _picture(piece).width()))
        for piece, room in zip(pieces, _rooms(pieces), strict=True)
    ]


def _drawn(pieces: Pieces, *, goes_on: bool = False) -> stringPict:
    """Pieces as one picture; brackets that stay open or were opened on a line before are drawn too.

    A line that `goes_on` begins with an operator, which has room on either side.
    """
    open_rows: list[tuple[str, list[stringPict]]] = [("", [])]
    for position, (piece, room) in enumerate(zip(pieces, _rooms(pieces), strict=True)):
        open_rows[-1][1].extend([stringPict(" ")] * (room or (goes_on and position < 2)))
        depth = deeper(piece)
        if depth > 0 and isinstance(piece, Bracket):
            open_rows.append((piece.text, []))
        elif depth < 0:
            left, inside = open_rows.pop()
            if not open_rows:
                open_rows.append(("", []))
            open_rows[-1][1].append(_closed(left, _beside(inside), piece))
        else:
            open_rows[-1][1].append(_picture(piece))
    while len(open_rows) > 1:
        left, inside = open_rows.pop()
        open_rows[-1][1].append(_between(left, _beside(inside), ""))
    return _beside(open_rows[0][1])


def _closed(left: str, inside: stringPict, closing: Node) -> stringPict:
    """What brackets hold, with the scripts of the closing one."""
    base = closing.base if isinstance(closing, Script) else closing
    made = _between(left, inside, base.text if isinstance(base, Bracket) else "")
    return _scripted(made, closing) if isinstance(closing, Script) else made


def _beside(pictures: Iterable[stringPict]) -> stringPict:
    """Pictures in one row, their base lines level."""
    found = [picture for picture in pictures if picture.width()]
    return stringPict(*stringPict.next(*found)) if found else stringPict("")


def _between(left: str, inside: stringPict, right: str) -> stringPict:
    """A picture between brackets that are as tall as it."""
    return _beside([_bracket(left, inside), inside, _bracket(right, inside)])


def _bracket(character: str, like: stringPict) -> stringPict:
    height = like.height()
    if height == 1 or not character:
        return stringPict(character)
    top, middle, foot = tuple(TALL.get(character, character * 3))
    return stringPict("\n".join([top, *[middle] * (height - 2), foot]), like.baseline)


# pieces


def _picture(node: Node) -> stringPict:
    """The picture of a piece."""
    return PICTURES[type(node)](node)


def _word(node: Word) -> stringPict:
    if node.face in FACES:
        alphabet, known = FACES[node.face]
        return stringPict("".join(lettered(c, alphabet) if c in known else c for c in node.text))
    return stringPict(node.text.translate(PLAINER))


def _accent(node: nodes.Accent) -> stringPict:
    letters = _line(node.base)
    return stringPict(letters[:1] + COMBINING[node.name] + letters[1:])


def _line(node: Node) -> str:
    """A node in one line of text."""
    picture = _picture(node)
    return str(picture.picture[0]) if picture.height() == 1 else latex(node)


def _script(node: Script) -> stringPict:
    if isinstance(node.base, Fence):
        return _drawn(tuple(flat(node)))
    return _scripted(_picture(node.base), node)


def _scripted(base: stringPict, node: Script) -> stringPict:
    """A picture with primes and scripts: small characters, or a line lower or higher."""
    parts = [base, stringPict("′" * node.primes)]
    if node.below is not None:
        parts.append(_below(_picture(node.below)))
    if node.above is not None:
        parts.append(_above(_picture(node.above)))
    return _beside(parts)


def _below(script: stringPict) -> stringPict:
    text = _tidy(script)
    little = _small(text, BELOW)
    if little:
        return stringPict(little)
    if re.fullmatch(r"[^\W_]+[\u0300-\u036f]?", text):
        return stringPict(f"_{text}")
    return stringPict("\n".join([" ", *map(str, script.picture)]), 0)


def _above(script: stringPict) -> stringPict:
    text = _tidy(script)
    time = re.fullmatch(r"(⟨[^⟩]*⟩)(.*)", text)  # c⟨t-1⟩
    if time:
        return stringPict(time[1] + (_small(time[2], ABOVE) or time[2]))
    little = _small(text, ABOVE)
    if little:
        return stringPict(little)
    return stringPict("\n".join([*map(str, script.picture), " "]), script.height())


def _tidy(script: stringPict) -> str:
    """A script of one line without spaces; nothing where it has several."""
    return str(script.picture[0]).replace(" ", "") if script.height() == 1 else ""


def _small(text: str, table: Mapping[str, str]) -> str:
    """A script in small characters; nothing where one is missing."""
    return "".join(table[c] for c in text) if all(c in table for c in text) else ""


def _fraction(node: nodes.Fraction) -> stringPict:
    above, below = _picture(node.above), _picture(node.below)
    rows = [*above.picture, "─" * max(int(above.width()), int(below.width())), *below.picture]
    return stringPict("\n".join(map(str, rows)), above.height())


def _root(node: nodes.Root) -> stringPict:
    inside = _picture(node.inside)
    bare = inside.height() == 1 and len(str(inside.picture[0])) == 1
    return _beside([stringPict("√"), inside if bare else _between("(", inside, ")")])


def _big_operator(node: nodes.BigOperator) -> stringPict:
    limits = [_picture(limit).picture if limit is not None else [] for limit in (node.above, node.below)]
    above, below = ([str(line).replace(" = ", "=") for line in limit] for limit in limits)
    return stringPict("\n".join([*above, node.sign, *below]), len(above))


def _cases(node: nodes.Cases) -> stringPict:
    rows = [[_picture(row(value, Sign(","))), _picture(when)] for value, when in node.rows]
    return _between("{", _grid(rows, centred=False), "")


def _grid(rows: list[list[stringPict]], *, centred: bool) -> stringPict:
    """Rows of cells in columns."""
    widths = [max(int(cell.width()) for cell in column) for column in zip(*rows, strict=True)]
    made: list[str] = []
    for cells in rows:
        padded: list[stringPict] = []
        for width, cell in zip(widths, cells, strict=True):
            spare = width - int(cell.width())
            before = spare // 2 if centred else 0
            padded += [stringPict("  ")] if padded else []
            padded += [stringPict(" " * before), cell, stringPict(" " * (spare - before))]
        made += [str(line) for line in _beside(padded).picture]
    return stringPict("\n".join(made), (len(made) - 1) // 2)


def _stack(node: nodes.Stack) -> stringPict:
    return _between("[", _grid([list(map(_picture, cells)) for cells in node.rows], centred=True), "]")


def _drawn_whole(node: Node) -> stringPict:
    return _drawn(tuple(flat(node)))


def _characters(node: Any) -> stringPict:
    return stringPict(node.text.translate(PLAINER))


PICTURES: dict[type[Node], Callable[[Any], stringPict]] = {
    Word: _word,
    Row: _drawn_whole,
    Fence: _drawn_whole,
    Script: _script,
    Sign: _characters,
    Bracket: _characters,
    nodes.Number: _characters,
    nodes.Space: lambda space: stringPict(" " * (space.width > 0)),
    nodes.Accent: _accent,
    nodes.Fraction: _fraction,
    nodes.Root: _root,
    nodes.Stack: _stack,
    nodes.Cases: _cases,
    nodes.BigOperator: _big_operator,
    nodes.Mark: lambda mark: _picture(mark.inside),
}
"""What draws each kind of node."""
