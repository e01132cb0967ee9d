r"""Mathematics as LaTeX that needs amsmath alone.

Brackets have explicit sizes (`\bigl`, never `\left`), so that a line may end inside of them.
"""

from collections.abc import Iterable
from functools import singledispatch

from symrnn.notation.characters import COMMAND, NAMED_OPERATORS, SPACES, WIDE_SPACES
from symrnn.notation.nodes import (
    TEXTS,
    Accent,
    BigOperator,
    Bracket,
    Cases,
    Face,
    Fence,
    Fraction,
    Mark,
    Node,
    Number,
    Root,
    Row,
    Script,
    Sign,
    Space,
    Stack,
    Word,
    merged,
)
from symrnn.notation.spacing import is_function, spaced

SIZES = ("", r"\big", r"\Big", r"\bigg", r"\Bigg")
SIZED = frozenset("()[]")
"""Brackets whose size is written; angles and bars are as large as letters."""
SIDES = {"|": (r"\lvert", r"\rvert"), "‖": (r"\lVert", r"\rVert"), "{": (r"\{", r"\}")}
ROOM = {width: f"\\{name}" for name, width in (SPACES | WIDE_SPACES).items()}


@singledispatch
def latex(node: Node, tight: bool = False) -> str:
    """A node in LaTeX; `tight`, as in scripts, without spaces in the source."""
    raise TypeError(f"{type(node).__name__} is no node of mathematics")


@latex.register
def _word(node: Word, tight: bool = False) -> str:
    if node.face in TEXTS:
        return rf"\{node.face}{{{characters(node.text)}}}"
    if node.face == Face.NAME and node.text in NAMED_OPERATORS:
        return f"\\{node.text}"
    inside = characters(node.text)
    plain = not node.face or (node.face == Face.NAME and len(node.text) == 1)
    return inside if plain else rf"\{node.face}{{{inside}}}"


def characters(text: str) -> str:
    """Characters of Unicode in TeX's commands."""
    made = ""
    for character in text:
        made = _beside(made, f"\\{COMMAND[character]}" if character in COMMAND else character)
    return made.replace("−", "-")


@latex.register
def _number(node: Number, tight: bool = False) -> str:
    return node.text


@latex.register
def _sign(node: Sign, tight: bool = False) -> str:
    return characters(node.text)


@latex.register
def _space(node: Space, tight: bool = False) -> str:
    return ROOM[node.width]


@latex.register
def _row(node: Row, tight: bool = False) -> str:
    made, beside_command = "", False
    for item, room in spaced(node.items):
        written = latex(item, tight)
        is_command = isinstance(item, Sign) and written.startswith("\\")
        apart = room and (not tight or is_command or beside_command)
        made = f"{made} {written}" if apart else _beside(made, written)
        beside_command = is_command
    alone = len(node.items) == 1 and (isinstance(node.items[0], Sign) or is_function(node.items[0]))
    return f"{{{made}}}" if alone else made


def _beside(before: str, after: str) -> str:
    """Texts one after the other, with a space where a command would swallow a letter."""
    return f"{before} {after}" if _ends_in_command(before) and after[:1].isalnum() else before + after


def _ends_in_command(text: str) -> bool:
    return "\\" in text and text.rpartition("\\")[2].isalpha()


@latex.register
def _script(node: Script, tight: bool = False) -> str:
    base = latex(node.base, tight)
    inner = node.base
    if isinstance(inner, Row) and len(inner.items) != 1:
        base = f"{{{base}}}"
    elif isinstance(inner, Script) and merged(node) is node:
        # An empty atom first: TeX drops the braces around a lone accent, and the scripts would meet.
        base = f"{{{{}}{base}}}"
    below = f"_{{{latex(node.below, True)}}}" if node.below is not None else ""
    above = f"^{{{latex(node.above, True)}}}" if node.above is not None else ""
    return f"{base}{below}{_primes(node)}{above}"


def _primes(node: Script) -> str:
    return "'" * node.primes


@latex.register
def _accent(node: Accent, tight: bool = False) -> str:
    return rf"\{node.name}{{{latex(node.base, True)}}}"


@latex.register
def _fraction(node: Fraction, tight: bool = False) -> str:
    return rf"\frac{{{latex(node.above)}}}{{{latex(node.below)}}}"


@latex.register
def _root(node: Root, tight: bool = False) -> str:
    return rf"\sqrt{{{latex(node.inside)}}}"


@latex.register
def _fence(node: Fence, tight: bool = False) -> str:
    left, right = (_half(text, opens, node.size) for text, opens in ((node.left, True), (node.right, False)))
    inside = latex(node.inside, tight)
    if node.left in SIDES and not tight:
        return f"{left} {inside} {right}"
    return _beside(_beside(left, inside), right)


@latex.register
def _bracket(node: Bracket, tight: bool = False) -> str:
    return _half(node.text, node.opens, node.size)


def _half(text: str, opens: bool, size: int) -> str:
    """A bracket in its size."""
    if text in SIDES:
        return SIDES[text][not opens]
    sized = f"{SIZES[size]}{'l' if opens else 'r'}" if size and text in SIZED else ""
    return sized + characters(text)


@latex.register
def _stack(node: Stack, tight: bool = False) -> str:
    return _environment("bmatrix", node.rows, " & ")


@latex.register
def _cases(node: Cases, tight: bool = False) -> str:
    return _environment("cases", node.rows, ", & ")


def _environment(name: str, rows: Iterable[tuple[Node, ...]], between: str) -> str:
    inside = r" \\ ".join(between.join(map(latex, cells)) for cells in rows)
    return rf"\begin{{{name}}} {inside} \end{{{name}}}"


@latex.register
def _big_operator(node: BigOperator, tight: bool = False) -> str:
    return latex(Script(Sign(node.sign), node.below, node.above))


@latex.register
def _mark(node: Mark, tight: bool = False) -> str:
    return rf"\boxed{{{latex(node.inside)}}}"
