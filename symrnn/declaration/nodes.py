"""Walks over expressions of any depth, without recursion and once to what stands in many places; tables."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from sympy import Basic

Entry = TypeVar("Entry")


def entry(table: Mapping[type, Entry], node: object) -> Entry | None:
    """What a table by class has for a node: for its class, else for the nearest base; None for neither."""
    return next((table[kind] for kind in type(node).__mro__ if kind in table), None)


def nodes_of(expr: Basic) -> Iterator[Basic]:
    """Every node of an expression, arguments before what is made of them; a shared one comes once."""
    stack, seen = [(expr, False)], set()
    while stack:
        node, is_done = stack.pop()
        if is_done:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.args))


def atoms_of(expr: Basic, *kinds: type) -> set[Any]:
    """The nodes of the given kinds, as SymPy's `atoms`, at any depth."""
    return {node for node in nodes_of(expr) if isinstance(node, kinds)}


def depth_of(expr: Basic) -> int:
    """How many levels an expression has; a symbol has one."""
    depths: dict[int, int] = {}
    for node in nodes_of(expr):
        depths[id(node)] = 1 + max((depths[id(arg)] for arg in node.args), default=0)
    return depths[id(expr)]
