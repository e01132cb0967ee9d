"""Letters for what the explanation speaks of in general, so that none is a name of the cell."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Letters:
    """A letter each for: an argument, a quantity, what depends on it, two indices, a class, a proposition."""

    argument: str
    quantity: str
    result: str
    first: str
    second: str
    position: str
    proposition: str

    def put(self, text: str) -> str:
        """`text` with the letters in the places of <a>, <q>, <y>, <i>, <j>, <k> and <P>."""
        marks = ("<a>", "<q>", "<y>", "<i>", "<j>", "<k>", "<P>")
        chosen = (
            self.argument,
            self.quantity,
            self.result,
            self.first,
            self.second,
            self.position,
            self.proposition,
        )
        for mark, letter in zip(marks, chosen, strict=True):
            text = text.replace(mark, letter)
        return text


def free_letters(used: Collection[str]) -> Letters:
    """Letters that are not in `used`, each from a list of those that mathematicians would take."""
    taken = set(used)
    made = []
    for candidates in ("azsegl", "qpvwg", "yzwvu", "ijrspl", "jkrspl", "kjlmn", "PQRAX"):
        letter = next((c for c in candidates if c not in taken), None)
        letter = letter or next(
            (c for c in "abcdefghklmnopqrsuvwxyzABCDEFGHKLMNOPQRSUVWXYZ" if c not in taken), "a"
        )
        taken.add(letter)
        made.append(letter)
    return Letters(*made)
