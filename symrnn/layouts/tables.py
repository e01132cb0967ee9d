"""Imported weights in the terminal: what each parameter is, and what was done."""

from symrnn.console import plain_console, table_of, wrapped
from symrnn.layouts.records import Weights


def print_weights(weights: Weights) -> None:
    """Print the parameters of the first layer with their shapes and origins, and the notes."""
    console = plain_console()
    place, parameters = next(iter(weights.layers.items()))
    table = table_of((f"parameter of {place}", "shape", "is"))
    for name, array in parameters.items():
        table.add_row(name, " x ".join(map(str, array.shape)), weights.origins.get(name, ""))
    console.print(table)
    for note in weights.notes:
        console.print(wrapped(note, console.width), soft_wrap=True)
