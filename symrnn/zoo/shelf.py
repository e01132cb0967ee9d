"""Shipped declarations by name, each declared when it is first asked for: all take a quarter second."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

Declared = TypeVar("Declared")


class Shelf(Mapping[str, Declared], Generic[Declared]):
    """Cells or models by name; `places` says where each is: module and name in it, with a colon between."""

    def __init__(self, places: Mapping[str, str]) -> None:
        """Nothing is declared yet."""
        self.places = dict(places)

    def __getitem__(self, name: str) -> Declared:
        module, _, attribute = self.places[name].partition(":")
        declared: Declared = getattr(import_module(f"symrnn.zoo.{module}"), attribute)
        return declared

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
