"""Mathematics as a tree: the kinds of its nodes, which know nothing of how they are set.

What makes mathematics (`mathematics/`, and `parsing` of what authors wrote) makes these; `rendering/` sets
them as LaTeX, MathML, pictures for terminals and plain text, and `breaking` ends lines in them.

    Word  Number  Sign  Space       letters, digits, operators and relations, room
    Row  Script  Accent             one beside another, below and above it, on top of it
    Fraction  Root  Fence           with a line, under a root, between brackets
    Stack  Cases  BigOperator       one under another, choices, sums with their limits
    Mark  Bracket                   a difference; half a fence, where a line ended inside
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar


class Face(StrEnum):
    """How letters look, by TeX's command for it. A `NAME` of one letter is not upright."""

    ITALIC = ""
    UPRIGHT = "mathrm"
    NAME = "operatorname"
    BOLD = "mathbf"
    BOLD_ITALIC = "boldsymbol"
    SLANTED = "mathit"
    SANS = "mathsf"
    MONO = "mathtt"
    BLACKBOARD = "mathbb"
    CALLIGRAPHIC = "mathcal"
    FRAKTUR = "mathfrak"
    TEXT = "text"
    TEXT_BOLD = "textbf"
    TEXT_ITALIC = "textit"


TEXTS = frozenset([Face.TEXT, Face.TEXT_BOLD, Face.TEXT_ITALIC])
"""The faces of words of a language, in which a space is one."""

BIG = 1
"""The size of a bracket around brackets; then come those around quotients, around sums and two rows, more."""


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of mathematics; `of` is what it stands for, such as an expression; equal nodes may differ."""

    of: object = field(default=None, kw_only=True, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Word(Node):
    """Letters or other characters of Unicode in one face; a name of several letters is one word."""

    text: str
    face: Face = Face.ITALIC


@dataclass(frozen=True, slots=True)
class Number(Node):
    """Digits."""

    text: str


@dataclass(frozen=True, slots=True)
class Sign(Node):
    """An operator, a relation or a comma; the first of a row stands before its operand."""

    text: str


@dataclass(frozen=True, slots=True)
class Space(Node):
    """Room, in eighteenths of the size of type."""

    width: int


@dataclass(frozen=True, slots=True)
class Row(Node):
    """Nodes beside each other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Script(Node):
    """A node with what stands below it, above it, and its primes."""

    base: Node
    below: Node | None = None
    above: Node | None = None
    primes: int = 0


@dataclass(frozen=True, slots=True)
class Accent(Node):
    """A node under a tilde, a bar, ...; `name` is TeX's command."""

    name: str
    base: Node


@dataclass(frozen=True, slots=True)
class Fraction(Node):
    """A quotient with its line."""

    above: Node
    below: Node


@dataclass(frozen=True, slots=True)
class Root(Node):
    """A square root."""

    inside: Node


@dataclass(frozen=True, slots=True)
class Fence(Node):
    """A node between brackets, which are at least of the size `least`; `size` is what it takes."""

    inside: Node
    left: str = "("
    right: str = ")"
    least: int = 0
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", max(self.least, _height(self.inside)))


@dataclass(frozen=True, slots=True)
class Stack(Node):
    """Rows of cells in square brackets."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Cases(Node):
    """Values behind a brace, each with when it is taken."""

    rows: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class BigOperator(Node):
    """The sign of a sum or an integral with its limits; what it acts on comes after it."""

    sign: str
    below: Node | None = None
    above: Node | None = None


@dataclass(frozen=True, slots=True)
class Mark(Node):
    """What differs from something else."""

    inside: Node


@dataclass(frozen=True, slots=True)
class Bracket(Node):
    """Half a fence: lines ended inside of it."""

    text: str
    opens: bool
    size: int


Kind = TypeVar("Kind", bound=Node)


def children(node: Node) -> list[Node]:
    """The nodes that a node is made of."""
    found: list[Node] = []
    kind: Any = type(node)
    for name in _parts(kind):
        _add_nodes(getattr(node, name), found)
    return found


@cache
def _parts(kind: Any) -> tuple[str, ...]:
    """The fields of a kind of node that may hold nodes: what it stands for, texts and numbers do not."""
    return tuple(part.name for part in fields(kind) if Node.__name__ in str(part.type))


def _add_nodes(value: object, found: list[Node]) -> None:
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, tuple):
        for item in value:
            _add_nodes(item, found)


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in the order in which they are read."""
    waiting = [node]
    while waiting:
        yield (reached := waiting.pop())
        waiting.extend(reversed(children(reached)))


def mapped(node: Kind, change: Callable[[Node], Node]) -> Kind:
    """The node with `change` made to each of its children."""

    def of(value: object) -> object:
        if isinstance(value, Node):
            return change(value)
        return tuple(map(of, value)) if isinstance(value, tuple) else value

    changed = {p.name: of(getattr(node, p.name)) for p in fields(node) if p.init and p.name != "of"}
    return replace(node, **changed)


def merged(node: Script) -> Script:
    """Scripts on what has scripts as those of one symbol, unless two of one kind would meet."""
    base = node.base
    if not isinstance(base, Script):
        return node
    base = merged(base)
    above = node.above is not None and (base.above is not None or base.primes > 0)
    if above or node.primes or (node.below is not None and base.below is not None):
        return node
    return Script(base.base, node.below or base.below, node.above or base.above, base.primes)


def _height(node: Node) -> int:
    """The size of a bracket around a node: it needs to look no further than into the fences inside."""
    match node:
        case Fence():
            return max(node.size, BIG * (node.left == "("))
        case Stack() | Cases():
            own = 4 if len(node.rows) > 2 else 3 * (len(node.rows) == 2)
        case BigOperator():
            own = 3
        case _:
            own = 2 * isinstance(node, Fraction)
    return max([own, *map(_height, children(node))])
