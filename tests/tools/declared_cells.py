"""Cells that a test declares from text, as a user's file does."""

from typing import Any

from symrnn import Cell


def declared(text: str, name: str) -> Cell:
    """The cell that has a name in a file of this text."""
    names: dict[str, Any] = {}
    exec(text, names)
    cell = names[name]
    assert isinstance(cell, Cell)
    return cell
