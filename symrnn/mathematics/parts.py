"""The parts of a derivation's document, as data: prose, equations, symbols.

Who sets them breaks long equations into lines.
"""

from dataclasses import dataclass

from symrnn.notation.nodes import Node, Row
from symrnn.notation.prose import NOTHING, Prose

ALONE = Row(())
"""Nothing, on the left of what stands alone."""


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """A line of the table of symbols."""

    symbol: Node
    meaning: Prose
    shape: Node


@dataclass(frozen=True, slots=True)
class Equation:
    """`left` equals every one of `rights`, which tell how it is worked out; no label, no number.

    With nothing on the left a formula stands alone.
    """

    left: Node
    rights: tuple[Node, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """Prose, the equations that it leads to, and what is said after them; any of these may be missing."""

    text: Prose = NOTHING
    equations: tuple[Equation, ...] = ()
    after: Prose = NOTHING

    @property
    def formulas(self) -> tuple[Node, ...]:
        """The formulas of the prose and the right sides."""
        rights = (right for equation in self.equations for right in equation.rights)
        return (*self.text.formulas(), *rights, *self.after.formulas())


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its passages; `name` is "forward", "backward", "recursion", "parameters", ...

    `level` is 1, or 2 for a part of the section before.
    """

    name: str
    heading: str
    passages: tuple[Passage, ...]
    level: int = 1


@dataclass(frozen=True, slots=True)
class Parts:
    """A derivation as it is told: title, symbols, sections in order, and all results in one place.

    `premises` are what a reader of the
    results alone must know.
    """

    name: str
    title: str
    variant: str
    source: str
    conventions: Prose
    symbols: tuple[SymbolRow, ...]
    sections: tuple[Section, ...]
    results: Section
    premises: tuple[Passage, ...]
