"""Letters for what the explanation speaks of in general, so that none is a name of the cell."""

from collections.abc import Collection
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Letters:
    """A letter each for an argument, a quantity, what depends on it, two indices, a class, and so on."""

    argument: str
    quantity: str
    result: str
    first: str
    second: str
    position: str
    proposition: str
    time: str
    batch: str

    def put(self, text: str) -> str:
        """`text` with the letters in the places of <a>, <q>, <y>, <i>, <j>, <k>, <P>, <t> and <B>."""
        marks = ("<a>", "<q>", "<y>", "<i>", "<j>", "<k>", "<P>", "<t>", "<B>")
        chosen = (
            self.argument,
            self.quantity,
            self.result,
            self.first,
            self.second,
            self.position,
            self.proposition,
            self.time,
            self.batch,
        )
        for mark, letter in zip(marks, chosen, strict=True):
            text = text.replace(mark, letter)
        return text


CANDIDATES = ("azsegl", "qpvwg", "yzwvu", "ijrspl", "jkrspl", "kjlmn", "PQRAX", "tskp", "BNSD")
"""What mathematicians would take, for each."""


def free_letters(used: Collection[str]) -> Letters:
    """Letters that are not in `used`, each from the first candidates that are free."""
    taken = set(used)
    made = []
    for candidates in CANDIDATES:
        free = (c for c in candidates + "abcdefghklmnopqrsuvwxyzACDEFGHKLMNOPQRSUVWXYZ" if c not in taken)
        letter = next(free, candidates[0])
        taken.add(letter)
        made.append(letter)
    letters = Letters(*made)
    return replace(letters, time=r"\tau") if letters.time != "t" and "tau" not in used else letters
