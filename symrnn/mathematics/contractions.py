r"""How contractions are set: as matrix products where they are such, with indices where they are not."""

from abc import ABC, abstractmethod

from sympy import Expr, Pow

from symrnn.declaration.operations import Contract, identity
from symrnn.notation.building import COMMA, JUXTAPOSED, between, bracketed, indexed, named, row, transposed
from symrnn.notation.nodes import BIG, BigOperator, Fence, Node, Row, Script, Word, walk

PRODUCT, POWER, ATOM = 1, 2, 3


class ContractionPrinter(ABC):
    """The part of the printer that knows matrix products; the rest supplies `tree`."""

    __slots__ = ()

    @property
    @abstractmethod
    def rows(self) -> bool:
        """Whether vectors are rows."""

    @abstractmethod
    def tree(self, expr: Expr, needed: int = 0) -> Node:
        """The tree of `expr`, in brackets where it binds less closely than `needed`."""

    def contraction(self, expr: Contract) -> tuple[Node, int]:
        """A contraction and how closely it binds."""
        expr = flattened(expr)
        trace = _traced(expr)
        if trace is not None:
            return row(named("tr"), self.tree(trace, ATOM)), PRODUCT
        chain = self.chained(expr)
        if chain is not None:
            return chain, PRODUCT if isinstance(chain, Row) or len(expr.operands) > 1 else ATOM
        return self.indexed(expr), PRODUCT

    def chained(self, expr: Contract) -> Node | None:
        """A contraction as a product of matrices and vectors, or None if it is no such product."""
        letters, operands, output = list(expr.letters), list(expr.operands), expr.output
        if len(operands) == 1:
            return self.transposed(operands[0]) if expr.spec == "ij->ji" else None
        if any(len(text) > 2 for text in letters) or len(output) > 2:
            return None
        order = _chain_order(letters, output)
        if order is None:
            return None
        if self.rows:
            order = _as_rows(order, letters, output)
        pieces = []
        for position, flipped in order:
            operand = operands[position]
            pieces.append(self.transposed(operand) if flipped else self.tree(operand, POWER))
        return row(*pieces)

    def transposed(self, operand: Expr) -> Node:
        """The transpose of a matrix, or of a vector as vectors are written."""
        if isinstance(operand, Contract) and operand.spec == "ij->ji":
            return self.tree(operand.operands[0], POWER)
        tree = self.tree(operand, ATOM)
        return transposed(bracketed(tree) if isinstance(operand, Pow) else tree)

    def indexed(self, expr: Contract) -> Node:
        """A contraction with its indices: (sum over j of A_hij v_j) with h, i free."""
        free = expr.output
        summed = sorted(set("".join(expr.letters)) - set(free))
        factors = between(
            JUXTAPOSED,
            (
                self.element(operand, letters)
                for operand, letters in zip(expr.operands, expr.letters, strict=True)
            ),
        )
        body = row(BigOperator("∑", between(COMMA, map(Word, summed))), factors) if summed else factors
        return Script(Fence(body, "[", "]", least=3), below=indices(free)) if free else body

    def element(self, operand: Expr, letters: str) -> Node:
        """One element of an array."""
        tree = self.tree(operand, ATOM)
        if not letters:
            return tree
        if isinstance(tree, Fence) or not any(
            isinstance(n, Script) and n.below is not None for n in walk(tree)
        ):
            return indexed(tree, indices(letters))
        return indexed(Fence(tree, least=BIG), indices(letters))


def indices(letters: str) -> Node:
    """Letters that count, side by side."""
    return row(*map(Word, letters))


def flattened(expr: Contract) -> Contract:
    """A contraction with the outer products among its operands taken apart, so that v^T A w shows."""
    letters: list[str] = []
    operands: list[Expr] = []
    for operand, text in zip(expr.operands, expr.letters, strict=True):
        if isinstance(operand, Contract) and operand.spec == "i,j->ij" and not expr.output:
            letters += list(text)
            operands += list(operand.operands)
        else:
            letters.append(text)
            operands.append(operand)
    if len(operands) == len(expr.operands):
        return expr
    return Contract(f"{','.join(letters)}->{expr.output}", *operands)


def _traced(expr: Contract) -> Expr | None:
    """The matrix whose trace a contraction is, if it is one."""
    if expr.spec != "ij,ij->" or not any(isinstance(operand, identity) for operand in expr.operands):
        return None
    return next((op for op in expr.operands if not isinstance(op, identity)), None)


def _chain_order(letters: list[str], output: str) -> list[tuple[int, bool]] | None:
    """The operands in the order of a matrix product, each with whether it is transposed.

    A vector is a column here; at the left end it is a row. None where the letters do not form a chain from
    the first free index to the last.
    """
    for start in range(len(letters)):
        for flip_start in (False, True) if len(letters[start]) == 2 else (False,):
            order = _follow(letters, output, start, flip_start)
            if order is not None:
                return order
    return None


def _as_rows(order: list[tuple[int, bool]], letters: list[str], output: str) -> list[tuple[int, bool]]:
    """The same product where vectors are rows: the vector first, then the transposes of its matrices."""
    is_vector = [len(letters[position]) == 1 for position, _ in order]
    if len(output) == 1:
        turned = [
            (position, flipped != (not vector))
            for (position, flipped), vector in zip(order, is_vector, strict=True)
        ]
        return turned[::-1]
    return [
        (position, flipped != vector) for (position, flipped), vector in zip(order, is_vector, strict=True)
    ]


def _follow(letters: list[str], output: str, start: int, flip: bool) -> list[tuple[int, bool]] | None:
    first = letters[start]
    if len(output) == 2 and all(len(text) == 1 for text in letters):  # v w^T
        if sorted(letters) != sorted(output) or len(letters) != 2:
            return None
        row = letters.index(output[0])
        return [(row, False), (1 - row, True)]
    if len(first) == 2:
        outer, open_letter = (first[1], first[0]) if flip else (first[0], first[1])
        if not output or outer != output[0]:
            return None
        order, free = [(start, flip)], outer
    else:  # a row at the left end: only for scalars
        if output:
            return None
        order, open_letter, free = [(start, True)], first, ""
    left = set(range(len(letters))) - {start}
    while left:
        found = [i for i in left if open_letter in letters[i]]
        if len(found) != 1 or sum(open_letter in text for text in letters) != 2 or open_letter in output:
            return None
        text = letters[found[0]]
        left.discard(found[0])
        if len(text) == 1:
            order.append((found[0], False))
            open_letter = ""
            break
        order.append((found[0], text[1] == open_letter))
        open_letter = text[0] if text[1] == open_letter else text[1]
    ends = free + open_letter
    return order if not left and ends == output else None
