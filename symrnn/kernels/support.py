"""What a module brings along: of the functions and imports that any may need, those that this one uses.

They are plain Python in pieces two empty lines apart. A piece is used if the module names what it defines, or
if a piece that is used does; an import, if anything names what it binds.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from symrnn.templates import render

WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some lines of Python, the global names that they define, and all names that they use."""

    text: str
    defines: frozenset[str]
    uses: frozenset[str]


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
            **{name: tuple(p.text for p in group if p in used) for name, group in groups.items()},
            "imports": tuple(lines),
        }

    def rendered(self, template: str, context: Mapping[str, object]) -> str:
        """A template's text with what it uses."""
        own = render(template, {**context, **self.nothing})
        return render(template, {**context, **self.used_by([own])})


def _used(pieces: list[_Piece], named: set[str]) -> tuple[set[_Piece], set[str]]:
    """The pieces that define what is named, or what a used piece names; and everything that is named then."""
    used: set[_Piece] = set()
    while more := [piece for piece in pieces if piece not in used and piece.defines & named]:
        used.update(more)
        named = named.union(*(piece.uses for piece in more))
    return used, named


def _is_needed(line: str, named: set[str]) -> bool:
    """Whether an import binds a name that is used; empty lines part groups."""
    bound = {alias.asname or alias.name for node in ast.parse(line).body for alias in node.names}  # type: ignore[attr-defined]
    return not bound or not bound.isdisjoint(named)


@lru_cache
def _pieces(text: str) -> tuple[_Piece, ...]:
    texts = text.strip("\n").split("\n\n\n") if text else []
    return tuple(_Piece(piece, *map(frozenset, _names(ast.parse(piece)))) for piece in texts)


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What a piece defines, and what it uses."""
    uses = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {name for statement in tree.body for name in _defined(statement)}, uses


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
