r"""Mathematics as LaTeX that needs amsmath alone.

Brackets have explicit sizes (`\bigl`, never `\left`), so that a line may end inside of them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from symrnn.notation import nodes
from symrnn.notation.characters import COMMAND, NAMED_OPERATORS, SPACES, WIDE_SPACES
from symrnn.notation.nodes import Face, Fence, Node, Row, Script, Sign, Word, merged
from symrnn.notation.spacing import is_function, spaced

SIZES = ("", r"\big", r"\Big", r"\bigg", r"\Bigg")
SIZED = frozenset("()[]")
"""Brackets whose size is written; angles and bars are as large as letters."""
SIDES = {"|": (r"\lvert", r"\rvert"), "‖": (r"\lVert", r"\rVert"), "{": (r"\{", r"\}")}
ROOM = {width: f"\\{name}" for name, width in (SPACES | WIDE_SPACES).items()}


def latex(node: Node, tight: bool = False) -> str:
    """A node in LaTeX; `tight`, as in scripts, without spaces in the source."""
    return WRITERS[type(node)](node, tight)


def characters(text: str) -> str:
    """Characters of Unicode in TeX's commands."""
    made = ""
    for character in text:
        made = _beside(made, f"\\{COMMAND[character]}" if character in COMMAND else character)
    return made.replace("−", "-")


def _word(node: Word, _: bool) -> str:
    if node.face == Face.NAME and node.text in NAMED_OPERATORS:
        return f"\\{node.text}"
    inside = characters(node.text)
    plain = not node.face or (node.face == Face.NAME and len(node.text) == 1)
    return inside if plain else rf"\{node.face}{{{inside}}}"


def _row(node: Row, tight: bool) -> str:
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


def _script(node: Script, tight: bool) -> str:
    base = latex(node.base, tight)
    inner = node.base
    if isinstance(inner, Row) and len(inner.items) != 1:
        base = f"{{{base}}}"
    elif isinstance(inner, Script) and merged(node) is node:
        # An empty atom first: TeX drops the braces around a lone accent, and the scripts would meet.
        base = f"{{{{}}{base}}}"
    below = f"_{{{latex(node.below, True)}}}" if node.below is not None else ""
    above = f"^{{{latex(node.above, True)}}}" if node.above is not None else ""
    primes = "'" * node.primes
    return f"{base}{below}{primes}{above}"


def _fence(node: Fence, tight: bool) -> str:
    left, right = (_half(text, opens, node.size) for text, opens in ((node.left, True), (node.right, False)))
    inside = latex(node.inside, tight)
    if node.left in SIDES and not tight:
        return f"{left} {inside} {right}"
    return _beside(_beside(left, inside), right)


def _half(text: str, opens: bool, size: int) -> str:
    """A bracket in its size."""
    if text in SIDES:
        return SIDES[text][not opens]
    sized = f"{SIZES[size]}{'l' if opens else 'r'}" if size and text in SIZED else ""
    return sized + characters(text)


def _environment(name: str, rows: Iterable[tuple[Node, ...]], between: str) -> str:
    inside = r" \\ ".join(between.join(map(latex, cells)) for cells in rows)
    return rf"\begin{{{name}}} {inside} \end{{{name}}}"


WRITERS: dict[type[Node], Callable[[Any, bool], str]] = {
    Word: _word,
    Row: _row,
    Script: _script,
    Fence: _fence,
    Sign: lambda sign, _: characters(sign.text),
    nodes.Number: lambda number, _: number.text,
    nodes.Space: lambda space, _: ROOM[space.width],
    nodes.Accent: lambda accent, _: rf"\{accent.name}{{{latex(accent.base, True)}}}",
    nodes.Fraction: lambda fraction, _: rf"\frac{{{latex(fraction.above)}}}{{{latex(fraction.below)}}}",
    nodes.Root: lambda root, _: rf"\sqrt{{{latex(root.inside)}}}",
    nodes.Bracket: lambda bracket, _: _half(bracket.text, bracket.opens, bracket.size),
    nodes.Stack: lambda stack, _: _environment("bmatrix", stack.rows, " & "),
    nodes.Cases: lambda cases, _: _environment("cases", cases.rows, ", & "),
    nodes.BigOperator: lambda big, _: latex(Script(Sign(big.sign), big.below, big.above)),
    nodes.Mark: lambda mark, _: rf"\boxed{{{latex(mark.inside)}}}",
}
"""What writes each kind of node."""
