"""What a comparison can conclude."""

from dataclasses import dataclass

from symrnn.comparison.numbers import Evidence
from symrnn.comparison.specialisation import Specialisation

IDENTICAL = "identical"
RENAMED = "renamed"
EQUIVALENT = "equivalent"
SPECIAL = "special case"
LIMIT = "limit"
UNDECIDED = "undecided"
APART = "different states or inputs"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about two cells as functions.

    `kind` is "identical" (the same equations), "renamed" (the same under a renaming of quantities, divided
    matrices and signs included), "equivalent" (each is a special case of the other), "special case" (one of
    the other), "limit" (one is approached by the other, and not reached), "undecided" (no choice was found),
    or "different states or inputs" (their numbers or shapes differ, and nothing was tried). The first four
    are proved, in the symbols; of a limit it is proved that the cells agree once the functions that are only
    approached have their limits. `evidence` is there where nothing is: numbers, with parameters identified as
    in the alignment. `complete` tells that no search was given up.
    """

    kind: str
    specialisations: tuple[Specialisation, ...]
    evidence: Evidence | None
    complete: bool

    @property
    def proved(self) -> bool:
        """Whether equality, or that one is a case of the other, is proved."""
        return self.kind in (IDENTICAL, RENAMED, EQUIVALENT, SPECIAL)
