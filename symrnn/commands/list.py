"""The command `symrnn list`: what is shipped, of which nothing is declared to list it."""

from collections.abc import Mapping

from symrnn.console import plain_console, table_of
from symrnn.zoo import MODELS, SHIPPED
from symrnn.zoo.shelf import Entry


def list_cells() -> None:
    """List the shipped cells and models."""
    print_entries(("cell", "title", "variant"), SHIPPED.entries)
    print_entries(("model", "title", "layers"), MODELS.entries)


def print_entries(headings: tuple[str, str, str], entries: Mapping[str, Entry]) -> None:
    """Print a table of the entries of a shelf."""
    table = table_of(headings)
    for name, entry in entries.items():
        table.add_row(name, entry.title, entry.note)
    plain_console().print(table)
