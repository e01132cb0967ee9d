"""Shipped declarations by name, each declared when it is first asked for: all take a quarter second.

So the list of all declares none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from symrnn.places import found_at

Declared = TypeVar("Declared")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a declaration is, and what a list says of it: its title; a cell's variant, a model's layers."""

    place: str
    title: str
    note: str


class Shelf(Mapping[str, Declared], Generic[Declared]):
    """Cells or models by name."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        """Nothing is declared yet."""
        self.entries = dict(entries)

    def __getitem__(self, name: str) -> Declared:
        declared: Declared = found_at(self.entries[name].place)
        return declared

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)
