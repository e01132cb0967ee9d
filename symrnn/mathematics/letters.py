"""Letters for what the explanation speaks of in general, so that none is a name of the cell."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TypedDict

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import name_latex, symbol_latex
from symrnn.notation.building import named, upright
from symrnn.notation.characters import COMMAND
from symrnn.notation.nodes import TEXTS, Face, Node, Script, Word, children
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Insert, Prose, say


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

    def say(self, words: str, *inserts: Insert) -> Prose:
        """Words with these letters in the places of their marks, and inserts as `say` takes them."""
        return say(self.put(words), *inserts)


CANDIDATES = ("azsegl", "qpvwg", "yzwvu", "ijrspl", "jkrspl", "kjlmn", "PQRAX", "tskp", "BNSD")
"""What mathematicians would take, for each."""


def taken_letters(cell: Cell) -> frozenset[str]:
    """The letters and commands that the names of a cell's quantities and axes are made of."""
    quantities = (*cell.inputs, *cell.states, *cell.values, *cell.parameters, *cell.constants)
    names = [parsed(symbol_latex(quantity)) for quantity in quantities]
    names += [parsed(name_latex(axis.name)) for axis in cell.axes]
    return frozenset(letter for name in names for letter in letters_of(name))


def letters_of(name: Node) -> set[str]:
    """The letters and commands that a name is made of, its scripts and words left out."""
    if isinstance(name, Script):
        return letters_of(name.base)
    if isinstance(name, Word):
        is_word = len(name.text) > 1 and name.face in (Face.UPRIGHT, Face.NAME, *TEXTS)
        return set() if is_word else {COMMAND.get(letter, letter) for letter in name.text}
    return {letter for child in children(name) for letter in letters_of(child)}


def sigmoid_sign(used: Collection[str]) -> Node:
    """How the sigmoid is written where the letters of `used` are names."""
    return named("sigmoid") if "sigma" in used else named("σ")


class Signs(TypedDict):
    """The signs of a notation that may be names of a cell."""

    sigma: Node
    pi: Node | None
    e: Node


def free_signs(used: Collection[str]) -> Signs:
    """A notation's `sigma`, `pi` (none: in digits) and `e` where the letters of `used` are names."""
    return {
        "sigma": sigmoid_sign(used),
        "pi": None if "pi" in used else Word("π"),
        "e": upright("e") if "e" in used else Word("e"),
    }


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
