"""What a module brings along: of the functions and imports that any may need, those that this one uses.

They are plain Python in pieces two empty lines apart. A piece is used if the module names what it defines, or
if a piece that is used does; an import, if anything names what it binds.
"""

import re
import symtable
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from symrnn.templates import render

WORD = re.compile(r"\w+")
DEFINITION = re.compile(r"^(?:def|class) (\w+)|^(\w[\w, ]*) = ", re.MULTILINE)
"""What begins a statement that defines global names."""


@dataclass(frozen=True, slots=True)
class Support:
    """What texts may bring along: pieces, by a template's name for the group, and lines of `imports`."""

    pieces: Mapping[str, str]
    imports: str

    @property
    def nothing(self) -> dict[str, object]:
        """What the template gets of a text that brings nothing along."""
        return dict.fromkeys([*self.pieces, "imports"], ())

    def used_by(self, texts: Iterable[str]) -> dict[str, object]:
        """What the template gets of texts that stand in one module."""
        groups = {name: _pieces(text) for name, text in self.pieces.items()}
        words = {word for text in texts for word in WORD.findall(text)}
        used, named = _used([piece for group in groups.values() for piece in group], words)
        lines = (line for line in self.imports.split("\n")[:-1] if _is_needed(line, named))
        return {
            **{name: tuple(piece for piece in group if piece in used) for name, group in groups.items()},
            "imports": tuple(lines),
        }

    def rendered(self, template: str, context: Mapping[str, object]) -> str:
        """A template's text with what it uses."""
        own = render(template, {**context, **self.nothing})
        return render(template, {**context, **self.used_by([own])})


def _used(pieces: list[str], named: set[str]) -> tuple[set[str], set[str]]:
    """The pieces that define what is named, or what a used piece names; and everything that is named then."""
    used: set[str] = set()
    while more := [piece for piece in pieces if piece not in used and not named.isdisjoint(_defined(piece))]:
        used.update(more)
        named = named.union(*map(_uses, more))
    return used, named


def _is_needed(line: str, named: set[str]) -> bool:
    """Whether an import binds a name that is used; empty lines part groups."""
    bound = {alias.split(" as ")[-1] for alias in line.partition("import ")[2].split(", ")}
    return not line or not bound.isdisjoint(named)


def _pieces(text: str) -> list[str]:
    return text.strip("\n").split("\n\n\n") if text else []


def _defined(piece: str) -> set[str]:
    """The global names that a piece defines."""
    return {name for names in DEFINITION.findall(piece) for name in WORD.findall("".join(names))}


@cache
def _uses(piece: str) -> frozenset[str]:
    """The global names that a piece uses; of a few pieces of many is it asked."""
    return frozenset(_globals(symtable.symtable(piece, "piece", "exec")))


def _globals(scope: symtable.SymbolTable) -> Iterator[str]:
    yield from (symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global())
    for inner in scope.get_children():
        yield from _globals(inner)
