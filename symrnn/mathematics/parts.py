r"""The parts of a derivation's document, as data: prose, equations, symbols.

Prose is LaTeX text: mathematics stands in $...$, references are \eqref{label}, and no other command is used
but \emph. The sides of equations are LaTeX mathematics in one piece; who sets them breaks them into lines.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """A line of the table of symbols."""

    symbol: str
    meaning: str
    shape: str


@dataclass(frozen=True, slots=True)
class Equation:
    """`left` equals every one of `rights`, which tell how it is worked out; no label, no number."""

    left: str
    rights: tuple[str, ...]
    label: str = ""

    @property
    def latex(self) -> str:
        """The equation as mathematics in one piece, a line for every right side."""
        if len(self.rights) == 1:
            return f"{self.left} = {self.rights[0]}"
        lines = [f"{'' if number else self.left} &= {right}" for number, right in enumerate(self.rights)]
        inside = r" \\ ".join(lines)
        return rf"\begin{{aligned}} {inside} \end{{aligned}}"


@dataclass(frozen=True, slots=True)
class Passage:
    """Prose, the equations that it leads to, and what is said after them; any of these may be missing."""

    text: str
    equations: tuple[Equation, ...] = ()
    after: str = ""


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

    `title`, `variant` and `source` are plain text, all else is LaTeX. `premises` are what a reader of the
    results alone must know.
    """

    name: str
    title: str
    variant: str
    source: str
    conventions: str
    symbols: tuple[SymbolRow, ...]
    sections: tuple[Section, ...]
    results: Section
    premises: tuple[Passage, ...]
