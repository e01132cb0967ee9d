"""Where arrays lie: which share memory, which of them contain others, and which lie in one place."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from symrnn.declaration.axes import Size
from symrnn.planning.ir import Buffer, Window


def root_of(name: str, table: Mapping[str, Buffer]) -> str:
    """The array in whose memory `name` lies; itself, if it has its own."""
    window = table[name].window
    return root_of(window.base, table) if window is not None else name


def with_bases(names: Iterable[str], table: Mapping[str, Buffer]) -> set[str]:
    """Arrays, and all in whose memory they lie."""
    found = set(names)
    queue = list(found)
    while queue:
        window = table[queue.pop()].window
        if window is not None and window.base not in found:
            found.add(window.base)
            queue.append(window.base)
    return found


def in_one_place(buffers: Iterable[Buffer]) -> dict[Window, list[str]]:
    """By window the arrays that are this range of memory, in order."""
    found: dict[Window, list[str]] = {}
    for buffer in buffers:
        if buffer.window is not None:
            found.setdefault(buffer.window, []).append(buffer.name)
    return found


def shift_of(name: str, table: Mapping[str, Buffer]) -> int:
    """By how many steps an array is later than the memory in which it lies."""
    window = table[name].window
    return 0 if window is None else window.shift + shift_of(window.base, table)


def overlap(one: str, other: str, table: Mapping[str, Buffer]) -> bool:
    """Whether two arrays may share an element."""
    if root_of(one, table) != root_of(other, table):
        return False
    first, second = table[one].window, table[other].window
    if first is None or second is None or (first.base, first.axis) != (second.base, second.axis):
        return True
    if first.rows is None or second.rows is None:
        return True
    (start, stop), (begin, end) = first.rows, second.rows
    return not (at_most(stop, begin) or at_most(end, start))


def contains(one: str, other: str, table: Mapping[str, Buffer]) -> bool:
    """Whether an array that is no range, or is a range of the same axis, has all of another one's memory."""
    if one == other or root_of(one, table) != root_of(other, table):
        return False
    outer, inner = table[one].window, table[other].window
    if outer is None:
        return True
    if inner is None or (outer.base, outer.axis) != (inner.base, inner.axis):
        return False
    if outer.rows is None or inner.rows is None:
        return False
    (start, stop), (begin, end) = outer.rows, inner.rows
    return at_most(start, begin) and at_most(end, stop)


@lru_cache(maxsize=1 << 14)
def at_most(one: Size, other: Size) -> bool:
    """Whether a size is at most another one, however long the axes are; the same are compared very often."""
    return bool((one - other).is_nonpositive)
