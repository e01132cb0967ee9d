"""A comparison in the terminal: in its width, and in colour where there is colour."""

from rich.text import Text

from symrnn.comparison.comparison import Comparison
from symrnn.comparison.printout import Line, comparison_lines
from symrnn.console import plain_console

STYLES = {"-": "red", "+": "green"}


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison in the width of the terminal, in colour where there is colour."""
    console = plain_console()
    for line in comparison_lines(comparison, console.width):
        console.print(styled(line), soft_wrap=True)
        if line.marks:
            console.print(line.signs, soft_wrap=True, style="bold")


def styled(line: Line) -> Text:
    """A line in colour: whose it is, and what is marked."""
    text = Text(line.text)
    sign = line.text[2:3] if line.text.startswith("  ") else ""
    for start, stop in line.marks:
        text.stylize(f"bold reverse {STYLES.get(sign, '')}".strip(), start, stop)
    if sign in STYLES and line.text[3:4] == " ":
        text.stylize(STYLES[sign], 2, 3)
    return text
