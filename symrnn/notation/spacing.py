"""Where room is left between neighbours in a row."""

from collections.abc import Iterator, Sequence

from symrnn.notation.characters import MINUS, PLUS
from symrnn.notation.nodes import Bracket, Face, Fence, Node, Script, Sign, Space, Word

CLOSE = frozenset(",;:/")
"""Signs that stand close to what is before them; the last one to what is after it, too."""
PREFIXES = frozenset([PLUS, MINUS, "±", "∓"])


def spaced(items: Sequence[Node]) -> Iterator[tuple[Node, bool]]:
    """The nodes of a row, each with whether room is left before it."""
    for position, item in enumerate(items):
        yield item, has_room(items, position)


def has_room(items: Sequence[Node], position: int) -> bool:
    """Whether room is left before a node of a row."""
    return position > 0 and not _touch(items, position)


def is_prefix(items: Sequence[Node], position: int) -> bool:
    """Whether a plus or minus is the sign of what follows it, and no operator."""
    item = items[position]
    if not (isinstance(item, Sign) and item.text in PREFIXES):
        return False
    before = items[position - 1] if position else None
    return before is None or isinstance(before, Sign) or (isinstance(before, Bracket) and before.opens)


def base_of(node: Node) -> Node:
    """What carries the scripts of a node, or the node itself."""
    return node.base if isinstance(node, Script) else node


def is_function(node: Node) -> bool:
    """Whether a node is the name of a function."""
    base = base_of(node)
    return isinstance(base, Word) and base.face == Face.NAME


def _touch(items: Sequence[Node], position: int) -> bool:
    before, after = items[position - 1], items[position]
    if isinstance(before, Space) or isinstance(after, Space) or _touches_bracket(before, base_of(after)):
        return True
    if isinstance(before, Sign):
        return before.text == "/" or is_prefix(items, position - 1)
    return isinstance(after, Sign) and after.text in CLOSE


def _touches_bracket(before: Node, after: Node) -> bool:
    if isinstance(before, Bracket) and before.opens:
        return True
    if isinstance(after, Bracket) and not after.opens:
        return True
    return isinstance(after, Fence | Bracket) and is_function(before)
