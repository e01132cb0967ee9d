"""Lowering the forward pass: arrays for quantities, and a statement for every definition of a cell."""

from collections.abc import Callable
from functools import cached_property, singledispatchmethod

from sympy import Add, Eq, Expr, Gt, S, Symbol

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.normal_form import Definition
from symrnn.declaration.operations import (
    Contract,
    Operation,
    VectorFunction,
    absolute,
    concatenate,
    exp,
    largest,
    layer_norm,
    log,
    logsumexp,
    norm,
    one_hot,
    ones,
    power,
    rms_norm,
    softmax,
    sqrt,
    where,
)
from symrnn.declaration.quantities import Part, Quantity
from symrnn.derivation.derivation import Derivation
from symrnn.planning.ir import (
    Block,
    Buffer,
    Contraction,
    Fill,
    Gather,
    Largest,
    Pointwise,
    Scatter,
    Stack,
    Statement,
    Window,
    array_symbol,
)
from symrnn.planning.names import Names

VECTOR_FORMS: dict[type[VectorFunction], Callable[[Symbol, Symbol, Symbol], Expr]] = {
    softmax: lambda top, powers, total: powers / total,
    # Where the largest element is infinite, the sum is NaN and the largest element the answer.
    logsumexp: lambda top, powers, total: where(Gt(total, 0), top + log(total), top),
}
"""A function of a vector a in terms of t = largest(a), exp(a - t) and the sum of that."""

LARGE = 1e15
"""Squares of what is at most this, and sums of many of them, do not overflow; to divide it would round it."""

NORM_FORMS: dict[type[VectorFunction], tuple[Callable[[Symbol], Expr], Callable[..., Expr]]] = {
    norm: (
        lambda top: where(Eq(top, 0), S.One, top),
        lambda small, scale, squares, n: where(
            Eq(squares, 0), S.Zero, scale * sqrt(where(Eq(squares, 0), S.One, squares))
        ),
    ),
    **dict.fromkeys(
        (rms_norm, layer_norm),
        (
            lambda top: where(Gt(top, LARGE), top, S.One),
            lambda small, scale, squares, eps, n: small / sqrt(squares / n + eps / scale / scale),
        ),
    ),
}
"""A function of a vector a: a positive number to divide a by, in terms of the largest |a|; and the function
in terms of what that gives, of the number, of the sum of squares, of its other arguments and of the size."""


class Definitions:
    """Lays down a cell's definitions; the derived equations are laid down with the same means."""

    def __init__(self, derivation: Derivation) -> None:
        """Start with no array at all."""
        self.derivation = derivation
        self.cell: Cell = derivation.cell
        self.names = Names()
        self.buffers: dict[str, Buffer] = {}
        self.array_of: dict[Quantity, str] = {}
        self.static: set[str] = set()
        self.exponentials: dict[str, tuple[str, str, str]] = {}
        self.indices = {d.symbol: d.expr.index for d in self.cell.definitions if isinstance(d.expr, one_hot)}
        self.unit = ""
        self.pending: list[Statement] = []  # temporaries of the statement being laid down
        self.extra: list[Statement] = []  # what derived equations need of parameters alone

    # -- arrays -------------------------------------------------------------------------------

    def declare(
        self,
        quantity: Quantity,
        kind: str,
        lead: str,
        shape: Shape,
        window: Window | None = None,
        extended: bool = False,
    ) -> str:
        """The name of a new array for `quantity`."""
        name = quantity.name.replace(".", "_")
        made = self.new(name, kind, lead, shape, window, extended)
        self.array_of[quantity] = made
        return made

    def new(
        self,
        name: str,
        kind: str,
        lead: str,
        shape: Shape,
        window: Window | None = None,
        extended: bool = False,
    ) -> str:
        """The name of a new array."""
        made = self.names.fresh(name)
        self.buffers[made] = Buffer(made, lead, shape, kind, window, extended)
        if not lead:
            self.static.add(made)
        return made

    def temporary(self, name: str, expr: Expr, shape: Shape) -> tuple[str, list[Statement]]:
        """An array for a part of a derived term, and where the statement that makes it belongs."""
        reads = [self.buffers[self.array_of[q]] for q in expr.atoms(Quantity)]
        if any(buffer.lead for buffer in reads):
            return self.new(name, "adjoint", "TB", shape), self.pending
        if any(buffer.kind == "gradient" for buffer in reads):
            return self.new(name, "gradient", "", shape), self.pending
        return self.new(name, "prepared", "", shape), self.extra

    # -- forward ------------------------------------------------------------------------------

    def definition_blocks(self, static: bool) -> tuple[Block, ...]:
        """One block per equation, in dependency order."""
        blocks: dict[int, list[Statement]] = {}
        for definition in self.cell.definitions:
            if definition.static == static and definition.symbol not in self.inlined:
                blocks.setdefault(definition.equation, []).extend(self.definition(definition))
        made = []
        for number, statements in blocks.items():
            equation = self.cell.equations[number - 1]
            title = self.array_of[equation.target]
            made.append(Block(title, tuple(statements), (f"({number}) {self.cell.text(equation)}",)))
        return tuple(made)

    @cached_property
    def inlined(self) -> dict[Quantity, Contract]:
        """The products that stand only as a plain summand, so that they can be added where they are used."""
        backward = {atom for e in self.derivation.equations for atom in e.expr.atoms(Quantity)}
        uses: dict[Quantity, list[Definition]] = {}
        for definition in self.cell.definitions:
            for quantity in definition.reads:
                uses.setdefault(quantity, []).append(definition)
        found: dict[Quantity, Contract] = {}
        for definition in self.cell.definitions:
            symbol, product = definition.symbol, definition.expr
            if not (isinstance(symbol, Part) and isinstance(product, Contract)) or definition.static:
                continue
            users = uses.get(symbol, [])
            if symbol in backward or len(users) != 1 or users[0].static:
                continue
            reading = [term for term in Add.make_args(users[0].expr) if symbol in term.atoms(Quantity)]
            if users[0].shape == definition.shape and reading == [symbol]:
                found[symbol] = product
        return found

    def output(self) -> tuple[str, tuple[Block, ...]]:
        """The output's array; one that parameters alone determine is repeated over time and batch."""
        output = self.array_of[self.cell.output]
        if self.buffers[output].lead:
            return output, ()
        whole = self.new(f"{output}_output", "value", "TB", self.buffers[output].shape)
        return whole, (Block(whole, (Pointwise(whole, array_symbol(output)),)),)

    def definition(self, definition: Definition) -> list[Statement]:
        """The statements that compute one definition."""
        out, expr = self.array_of[definition.symbol], definition.expr
        structural = isinstance(expr, Operation) and not expr.is_elementwise
        if structural and not definition.static and not self.moves(expr):
            # A state may be set to what parameters alone determine.
            fixed = self.new(f"{out}_fixed", "prepared", "", definition.shape)
            self.extra.extend(self.structural(expr, fixed))
            return [Pointwise(out, array_symbol(fixed))]
        if structural:
            return self.structural(expr, out)
        terms = Add.make_args(expr)
        products = [self.inlined[term] for term in terms if term in self.inlined]
        rest = Add(*(term for term in terms if term not in self.inlined))
        statements: list[Statement] = []
        for product in products:
            statements.append(self.contraction(out, product, update=bool(statements)))
        if rest != 0 or not statements:
            statements.append(Pointwise(out, self.pointwise(rest), update=bool(statements)))
        return statements

    def moves(self, expr: Expr) -> bool:
        """Whether anything in `expr` has a time axis or a batch axis."""
        return any(self.array_of[q] not in self.static for q in expr.atoms(Quantity))

    @singledispatchmethod
    def structural(self, expr: Operation, out: str) -> list[Statement]:
        """The statements of a product, a function of a vector, a stack or a constant array."""
        return [Fill(out, expr.name)]

    @structural.register
    def _(self, expr: Contract, out: str) -> list[Statement]:
        return [self.contraction(out, expr)]

    @structural.register
    def _(self, expr: one_hot, out: str) -> list[Statement]:
        return [Scatter(out, self.number_one(), self.array_of[expr.index])]

    @structural.register
    def vector_function(self, call: VectorFunction, out: str) -> list[Statement]:
        """The statements of a function of a vector; those of one vector share the exponentials."""
        operand = self.array_of[call.args[0]]
        if isinstance(call, largest):
            return [Largest(out, operand)]
        if type(call) in NORM_FORMS:
            return self.scaled(call, operand, out)
        made = [] if operand in self.exponentials else self.exponentials_of(operand)
        top, powers, total = (array_symbol(name) for name in self.exponentials[operand])
        return [*made, Pointwise(out, VECTOR_FORMS[type(call)](top, powers, total))]

    def exponentials_of(self, operand: str) -> list[Statement]:
        """The statements that make the largest element of a vector, exp(a - largest(a)), and the sum of that.

        So the largest exponential is 1: nothing overflows, and the sum is at least 1.
        """
        top, total = (self.like(operand, what, ()) for what in ("largest", "total_exp"))
        powers = self.like(operand, "exp", self.buffers[operand].shape)
        self.exponentials[operand] = top, powers, total
        batch = "B" if self.buffers[operand].lead else ""
        return [
            Largest(top, operand),
            Pointwise(powers, exp(array_symbol(operand) - array_symbol(top))),
            Contraction(total, f"{batch}i->{batch}", (powers,)),
        ]

    def scaled(self, call: VectorFunction, operand: str, out: str) -> list[Statement]:
        """The statements of a function of the sum of squares, all of which are at most 1.

        The elements are divided by the largest of them. It is written as the square of its root: thus it is
        known to be positive where the plan is proved, on a prime field.
        """
        shape = self.buffers[operand].shape
        scale, form = NORM_FORMS[type(call)]
        sizes, small = (self.like(operand, what, shape) for what in ("abs", "scaled"))
        top, root, squares = (self.like(operand, what, ()) for what in ("largest_abs", "root", "squares"))
        made: list[Statement] = [
            Pointwise(sizes, absolute(array_symbol(operand))),
            Largest(top, sizes),
            Pointwise(root, sqrt(scale(array_symbol(top)))),
            Pointwise(small, array_symbol(operand) / array_symbol(root) ** 2),
        ]
        batch = "B" if self.buffers[operand].lead else ""
        if isinstance(call, layer_norm):
            total, centred = self.like(operand, "total", ()), self.like(operand, "centred", shape)
            mean = array_symbol(total) / shape[0]
            made += [
                Contraction(total, f"{batch}i->{batch}", (small,)),
                Pointwise(centred, array_symbol(small) - mean),
            ]
            small = centred
        numbers = array_symbol(small), array_symbol(root) ** 2, array_symbol(squares)
        return [
            *made,
            Contraction(squares, f"{batch}i,{batch}i->{batch}", (small, small)),
            Pointwise(out, form(*numbers, *call.args[1:], *shape)),
        ]

    def like(self, operand: str, what: str, shape: Shape) -> str:
        """The name of a new array that is as fixed as an operand, or moves as that does."""
        kind, lead = ("value", "TB") if self.buffers[operand].lead else ("prepared", "")
        return self.new(f"{what}_{operand}", kind, lead, shape)

    @structural.register
    def stack(self, expr: concatenate, out: str) -> list[Statement]:
        """A stack; parts that parameters alone determine are repeated over a moving one's batch."""
        made: list[Statement] = []
        parts = [self.array_of[part] for part in expr.args]
        for position, part in enumerate(parts):
            if part in self.static and out not in self.static:
                parts[position] = self.new(f"{part}_repeated", "value", "TB", self.buffers[part].shape)
                made.append(Pointwise(parts[position], array_symbol(part)))
        return [*made, Stack(out, tuple(parts))]

    def contraction(self, out: str, product: Contract, update: bool = False) -> Statement:
        """The statement for a product of arrays; the batch letter goes where a sample's data are."""
        picked = self.picked(out, product, update)
        if picked is not None:
            return picked
        operands = [self.operand(op, out) for op in product.operands]
        letters = [
            ("" if name in self.static else "B") + part
            for name, part in zip(operands, product.letters, strict=True)
        ]
        batch = "" if out in self.static else "B"
        return Contraction(out, f"{','.join(letters)}->{batch}{product.output}", tuple(operands), update)

    def picked(self, out: str, product: Contract, update: bool) -> Gather | Scatter | None:
        """The statement for the product of a unit vector and one other array; None for any other product."""
        at = next((i for i, op in enumerate(product.operands) if op in self.indices), None)
        if at is None or len(product.operands) != 2:
            return None
        letter, index = product.letters[at], self.array_of[self.indices[product.operands[at]]]
        other, letters = product.operands[1 - at], product.letters[1 - at]
        if letters == letter + product.output and out not in self.static:
            return Gather(out, self.operand(other, out), index, update)
        if product.output == letter + letters and self.moves(other):
            return Scatter(out, self.operand(other, out), index, update)
        return None

    def number_one(self) -> str:
        """The array that holds the number 1."""
        if not self.unit:
            self.unit = self.new("unit", "prepared", "", ())
            self.extra.append(Fill(self.unit, "ones"))
        return self.unit

    def operand(self, expr: Expr, out: str) -> str:
        """The array of an operand; an expression gets a temporary one, laid down before the statement."""
        if isinstance(expr, Quantity):
            return self.array_of[expr]
        if isinstance(expr, ones):
            return self.array_of_ones(expr)
        name, before = self.temporary(f"{out}_terms", expr, self.shape_of(expr))
        before.append(Pointwise(name, self.pointwise(expr)))
        return name

    def array_of_ones(self, expr: ones) -> str:
        """The array of ones of a shape; there is one of each."""
        shape = tuple(expr.args)
        for statement in self.extra:
            if isinstance(statement, Fill) and self.buffers[statement.out].shape == shape:
                return statement.out
        name = self.new("ones", "prepared", "", shape)
        self.extra.append(Fill(name, "ones"))
        return name

    def shape_of(self, expr: Expr) -> Shape:
        """The shape per sample of a pointwise expression."""
        for quantity in sorted(expr.atoms(Quantity), key=lambda q: q.name):
            if shape := self.buffers[self.array_of[quantity]].shape:
                return shape
        return ()

    def pointwise(self, expr: Expr) -> Expr:
        """`expr` over array symbols; a repeated scalar needs no array of ones, a half power is a root."""
        table: dict[Expr, Expr] = {q: array_symbol(self.array_of[q]) for q in expr.atoms(Quantity)}
        table |= dict.fromkeys(expr.atoms(ones), S.One)
        made = expr.xreplace(table)
        halves = [call for call in made.atoms(power) if is_half(call.args[1])]
        return made.xreplace({call: rooted(*call.args) for call in halves})


def is_half(exponent: Expr) -> bool:
    """Whether a number is 3/2, 5/2, ..."""
    return bool(exponent.is_Rational and exponent.q == 2 and exponent > 1)


def rooted(base: Expr, exponent: Expr) -> Expr:
    """A power with such an exponent by products and a root, which are faster than a power."""
    return base ** (exponent - S.Half) * sqrt(base)
