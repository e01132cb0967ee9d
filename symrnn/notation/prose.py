"""Prose: words, formulas between them, references to equations, and code."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from symrnn.notation.nodes import Node
from symrnn.notation.parsing import parsed

PART = re.compile(r"\$([^$]+)\$|(\{\})")


@dataclass(frozen=True, slots=True)
class Reference:
    """The number of the equation of this label."""

    label: str


@dataclass(frozen=True, slots=True)
class Code:
    """A name in a program."""

    text: str


Piece: TypeAlias = "str | Node | Reference | Code"


@dataclass(frozen=True, slots=True)
class Prose:
    """Pieces of a text in order; none: no text."""

    pieces: tuple[Piece, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def formulas(self) -> tuple[Node, ...]:
        """The formulas in it."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Node))

    def changed(self, change: Callable[[Node], Node]) -> "Prose":
        """The prose with `change` made to its formulas."""
        return Prose(tuple(change(p) if isinstance(p, Node) else p for p in self.pieces))


NOTHING = Prose()
Insert: TypeAlias = "Piece | Prose"


def say(words: str, *inserts: Insert) -> Prose:
    """Words, in which formulas stand as LaTeX in `$...$`, with each `{}` in turn filled by an insert."""
    made: list[Piece] = []
    left, done = iter(inserts), 0
    for part in PART.finditer(words):
        made.append(words[done : part.start()])
        insert: Insert = next(left) if part[2] else parsed(part[1])
        made += insert.pieces if isinstance(insert, Prose) else (insert,)
        done = part.end()
    made.append(words[done:])
    return Prose(tuple(_merged(made)))


def _merged(pieces: Iterable[Piece]) -> Iterable[Piece]:
    """Pieces with words beside words as one, and none that are empty."""
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            yield text
        text = ""
        yield piece
    if text:
        yield text


def together(parts: Iterable[Insert], between: str = " ") -> Prose:
    """Parts one after the other, without those that are empty."""
    told = [part for part in parts if part]
    return say(between.join(["{}"] * len(told)), *told)


def listed(items: Iterable[Insert]) -> Prose:
    """Items joined by commas and a last 'and'."""
    *before, last = list(items) or [""]
    return say("{} and {}", together(before, ", "), last) if before else say("{}", last)
