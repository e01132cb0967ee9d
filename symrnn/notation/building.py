"""How mathematics is put together: sums, products, brackets, and marks below and above a name."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction as Ratio

from symrnn.notation.characters import BESIDE, DOT, ELEMENTWISE, MINUS, PLUS
from symrnn.notation.nodes import Face, Fence, Fraction, Node, Number, Row, Script, Sign, Space, Stack, Word

ONE, ZERO = Number("1"), Number("0")
COMMA, THIN = Sign(","), Space(3)
TOP = Word("⊤")
HADAMARD, JUXTAPOSED = Sign(ELEMENTWISE), Sign(BESIDE)


def row(*nodes: Node) -> Node:
    """Nodes beside each other; one alone is itself."""
    return nodes[0] if len(nodes) == 1 else Row(nodes)


def between(sign: Node, nodes: Iterable[Node]) -> Node:
    """Nodes with a sign between any two."""
    items = [item for node in nodes for item in (sign, node)]
    return row(*items[1:])


def bracketed(inside: Node) -> Fence:
    """A node in round brackets."""
    return Fence(inside)


def function(name: Node, *arguments: Node) -> Row:
    """A function of arguments."""
    *before, last = arguments
    return Row((name, Fence(row(*(item for node in before for item in (node, COMMA, THIN)), last))))


def named(name: str) -> Word:
    """The name of a function."""
    return Word(name, Face.NAME)


def upright(name: str) -> Word:
    """An upright word."""
    return Word(name, Face.UPRIGHT)


def text(words: str) -> Word:
    """Words of the language."""
    return Word(words, Face.TEXT)


def matrix(*cells: Node) -> Stack:
    """A matrix of one row."""
    return Stack((cells,))


# sums


def is_negative(node: Node) -> bool:
    """Whether a node begins with a minus sign."""
    return (
        isinstance(node, Row)
        and bool(node.items)
        and (_is(node.items[0], MINUS) or is_negative(node.items[0]))
    )


def is_sum(node: Node) -> bool:
    """Whether a node has a plus or a minus between two others, outside all brackets."""
    if not isinstance(node, Row):
        return False
    return any(_is(item, PLUS, MINUS) for item in node.items[1:]) or any(map(is_sum, node.items))


def negative(node: Node) -> Row:
    """A node after a minus sign."""
    return Row((Sign(MINUS), node))


def positive(node: Node) -> Node:
    """A node without the minus sign that it begins with."""
    if not (isinstance(node, Row) and is_negative(node)):
        return node
    first, *rest = node.items
    return row(*([] if isinstance(first, Sign) else [positive(first)]), *rest)


def joined(terms: Iterable[Node]) -> Node:
    """A sum of terms, with the minus signs that they bring."""
    items: list[Node] = []
    for term in terms:
        if items:
            items += [Sign(MINUS if is_negative(term) else PLUS), positive(term)]
        else:
            items.append(term)
    return row(*items) if items else ZERO


def _is(node: Node, *signs: str) -> bool:
    return isinstance(node, Sign) and node.text in signs


# numbers


def quotient(above: Node, below: Node, *, minus: bool = False) -> Node:
    """A fraction, after a minus sign if it is to have one."""
    made = Fraction(above, below)
    return negative(made) if minus else made


def whole(number: int) -> Node:
    """A whole number."""
    return negative(Number(str(-number))) if number < 0 else Number(str(number))


def ratio(number: Ratio) -> Node:
    """A fraction of whole numbers."""
    return quotient(whole(abs(number.numerator)), whole(number.denominator), minus=number < 0)


def decimal(number: float) -> Node:
    """A number in as few digits as are that number, or the fraction that it is; powers of ten are set."""
    digits = f"{number:.10g}"
    if abs(float(digits) - number) > 1e-15 * abs(number):
        exact = Ratio(number).limit_denominator(9999)
        if abs(float(exact) - number) <= 1e-15 * abs(number):
            return ratio(exact)
        digits = repr(number)
    size, mark, exponent = digits.removeprefix("-").partition("e")
    made: Node = Number(size)
    if mark:
        made = Row((made, Sign(DOT), Script(Number("10"), above=whole(int(exponent)))))
    return negative(made) if number < 0 else made


# scripts


def superscript(name: Node, above: Node) -> Node:
    """A name with something above; what has a superscript or a prime already becomes the base of another."""
    if isinstance(name, Row) and name.items:
        return replace(name, items=(*name.items[:-1], superscript(name.items[-1], above)))
    if isinstance(name, Script) and name.above is None and not name.primes:
        return replace(name, above=above)
    return Script(name, above=above)


def subscript(name: Node, below: Node) -> Node:
    """A name with something below: after a comma if it has a subscript already."""
    if isinstance(name, Row) and name.items:
        return replace(name, items=(*name.items[:-1], subscript(name.items[-1], below)))
    if isinstance(name, Script):
        return replace(name, below=below if name.below is None else row(name.below, COMMA, below))
    return Script(name, below=below)


def indexed(name: Node, index: Node) -> Node:
    """An element of what a name with all its scripts stands for."""
    if isinstance(name, Row) and name.items:
        return replace(name, items=(*name.items[:-1], indexed(name.items[-1], index)))
    return Script(name, below=index)


def transposed(node: Node) -> Node:
    """A node with the sign of the transpose above, beside what stands there already."""
    if isinstance(node, Row) and node.items:
        return replace(node, items=(*node.items[:-1], transposed(node.items[-1])))
    if isinstance(node, Script) and node.above is not None:
        return replace(node, above=row(node.above, TOP))
    return superscript(node, TOP)
