"""What is loaded when it is first asked for: by its place, a module and a name in it with a colon between.

Who loads so does it by an explicit table of places: the package's face, the command line, the printing of
records, and the shelves of shipped cells. Everything else imports at its top.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def places_of(names: Mapping[str, str]) -> dict[str, str]:
    """The places of names that are listed by module, with spaces between them."""
    return {name: f"{module}:{name}" for module, listed in names.items() for name in listed.split()}


def found_at(place: str) -> Any:
    """What stands at a place such as "symrnn.pipeline:emit"; without a colon, the module itself."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name) if name else import_module(module)


def attributes(owner: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for the module `owner`: what stands at the places of its names."""

    def attribute(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        return found_at(places[name])

    return attribute
