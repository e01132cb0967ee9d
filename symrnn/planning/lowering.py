"""Naive lowering: a derivation as a plan that keeps everything and moves nothing.

Every definition becomes a statement in the time loop, every adjoint equation one or more; the passes then
move, merge and share. Sums of products are laid down as one contraction and updates, because that is the form
in which parts of them can move out of the loop.
"""

from collections.abc import Iterator
from dataclasses import replace

from sympy import Add, Expr, Mul, preorder_traversal

from symrnn.declaration.digest import cell_digest
from symrnn.declaration.normal_form import Definition
from symrnn.declaration.operations import Contract, Operation, Slice, ones, sigmoid
from symrnn.declaration.quantities import Index, NextState, Part, Quantity
from symrnn.derivation.derivation import Adjoint, AdjointEquation, Derivation, sum_of
from symrnn.errors import PlanError
from symrnn.planning.definitions import Definitions
from symrnn.planning.ir import (
    Block,
    Buffer,
    Carry,
    Contraction,
    Fill,
    Loop,
    Pass,
    Pointwise,
    Scatter,
    Statement,
    Window,
    array_symbol,
)
from symrnn.planning.memory import with_bases
from symrnn.planning.plan import Header, Plan

QUOTED = 200
"""Up to how many characters of an equation stand wherever something follows from it."""


def lower(derivation: Derivation) -> Plan:
    """The naive plan of a derivation: all in the loops, all saved.

    Raises:
        PlanError: a derived equation has a form that the loop IR cannot say.
    """
    return _Lowering(derivation).run()


class _Lowering(Definitions):
    # -- the whole ----------------------------------------------------------------------------

    def run(self) -> Plan:
        cell = self.cell
        inputs = tuple(self.declare(q, "input", "TB", q.shape) for q in cell.inputs)
        parameters = tuple(self.declare(q, "parameter", "", q.shape) for q in cell.parameters)
        constants = tuple(self.declare(q, "constant", "", q.shape) for q in cell.constants)
        carries = []
        for state in cell.states:
            here = self.declare(state, "value", "TB", state.shape, extended=True)
            there = self.declare(state.next, "value", "TB", state.shape, Window(here, shift=1))
            initial = self.new(f"{state.name}_0", "initial state", "B", state.shape)
            carries.append(Carry(here, there, initial))
        for definition in cell.definitions:
            if not isinstance(definition.symbol, NextState):
                kind, lead = ("prepared", "") if definition.static else ("value", "TB")
                self.declare(definition.symbol, kind, lead, definition.shape)
        prepare = self.definition_blocks(static=True)
        output, repeated = self.output()
        blocks = (*self.definition_blocks(static=False), *repeated)
        backward, finish, gradients = self.backward()
        read = {name for block in (*blocks, *backward.blocks) for s in block.statements for name in s.reads}
        blocks = self.without_idle(blocks, read | {output})
        forward = Pass((), Loop(blocks, tuple(carries)), ())
        if self.unit and not any(self.unit in block.reads for block in blocks):
            self.extra.remove(Fill(self.unit, "ones"))
        if self.extra:
            prepare = (*prepare, Block("for the gradients", tuple(self.extra)))
        everything = (*prepare, *forward.blocks, *backward.blocks, *finish)
        touched = {name for block in everything for s in block.statements for name in s.arrays}
        used = with_bases(touched, self.buffers)
        keep = {*inputs, *parameters, *constants, output, *(c.here for c in carries)}
        keep |= {name for c in (*carries, *backward.loop.carries) for name in c.arrays}
        keep |= {name for _, name in gradients} | {self.array_of[self.derivation.output]}
        return Plan(
            name=cell.name,
            buffers=tuple(b for b in self.buffers.values() if b.name in used | keep),
            inputs=inputs,
            states=tuple(self.array_of[state] for state in cell.states),
            parameters=parameters,
            constants=constants,
            output=output,
            output_cotangent=self.array_of[self.derivation.output],
            gradients=gradients,
            prepare=prepare,
            forward=forward,
            backward=backward,
            finish=finish,
            roles=self.roles(),
            axes=cell.axes,
            header=self.header(),
            applied=("lowered",),
            classes=tuple((self.array_of[q], q.classes) for q in cell.inputs if isinstance(q, Index)),
            quantities=tuple((name, quantity.name) for quantity, name in self.array_of.items()),
        )

    def without_idle(self, blocks: tuple[Block, ...], read: set[str]) -> tuple[Block, ...]:
        """The blocks without unit vectors that nothing reads: most are nothing but picks of rows."""
        idle = {self.array_of[unit] for unit in self.indices if isinstance(unit, Part)} - read
        kept = (replace(b, statements=tuple(s for s in b.statements if s.out not in idle)) for b in blocks)
        return tuple(block for block in kept if block.statements)

    def roles(self) -> tuple[tuple[str, str], ...]:
        """What reading order goes by: a quantity's role, with gates and products told apart."""
        roles = {name: quantity.role for quantity, name in self.array_of.items()}
        for definition in self.cell.definitions:
            if isinstance(definition.expr, sigmoid):
                roles[self.array_of[definition.symbol]] = "gate"
            elif isinstance(definition.expr, Contract):
                roles[self.array_of[definition.symbol]] = "contraction"
        return tuple(roles.items())

    def header(self) -> Header:
        cell = self.cell
        fresh = [(self.array_of[q], q.init) for q in cell.parameters]
        fresh += [(self.array_of[q], q.value) for q in cell.constants]
        return Header(
            title=cell.title,
            variant=cell.variant,
            source=cell.source,
            digest=cell_digest(cell),
            equations=tuple(cell.text(equation) for equation in cell.equations),
            rewritten=tuple(f"({e.number}) {cell.text(e)}" for e in cell.equations if e.is_rewritten),
            output=str(cell.output),
            fresh=tuple(fresh),
            fields=tuple((self.array_of[q], q.name) for q in cell.given if self.array_of[q] != q.name),
        )

    def quoted(self, definition: Definition) -> str:
        """A definition as a line of text; a long one, which many adjoints may follow from, by its number."""
        text = self.cell.text(definition)
        return text if len(text) <= QUOTED else f"{definition.symbol} = ... in ({definition.equation})"

    def reasons(self, equation: AdjointEquation) -> tuple[str, ...]:
        """A derived equation with what it follows from; pointwise ones show themselves in the code."""
        roles = self.cell.roles
        origins = [self.quoted(term.definition) for term in equation.terms if term.definition is not None]
        origins += ["what step t + 1 hands back" for term in equation.terms if term.rule == "later"]
        origins += ["the output's cotangent" for term in equation.terms if term.rule == "output"]
        if not origins:
            return (f"{equation.symbol} is zero: nothing that reaches the loss reads {equation.of}",)
        told = "; ".join(dict.fromkeys(origins))
        if equation.static or equation.expr.atoms(Contract, Slice):
            return (equation.text(roles), f"    from {told}")
        return (f"{equation.symbol} from {told}",)

    # -- backward -----------------------------------------------------------------------------

    def backward(self) -> tuple[Pass, tuple[Block, ...], tuple[tuple[str, str], ...]]:
        derivation, cell = self.derivation, self.cell
        self.declare(derivation.output, "output cotangent", "TB", cell.output_shape)
        for state, symbol in derivation.later:
            self.declare(symbol, "adjoint", "B", state.shape)
        adjoints: dict[Quantity, str] = {}
        for equation in derivation.equations:
            adjoints[equation.of] = self.adjoint_array(equation)
        loop_blocks = [self.step_block(equation) for equation in derivation.step]
        zero_fills: list[Statement] = []
        finish: list[Block] = []
        for equation in derivation.static:
            moving, fixed = self.static_blocks(equation)
            zero_fills.append(Fill(adjoints[equation.of], "zeros"))
            loop_blocks += moving
            finish += fixed
        carries = []
        for state, symbol in derivation.later:
            final = self.new(f"{self.array_of[symbol]}_final", "final cotangent", "B", state.shape)
            carries.append(Carry(self.array_of[symbol], adjoints[state], final))
        before = [Block("gradients start at zero", tuple(zero_fills))] if zero_fills else []
        gradients = tuple(
            (self.array_of[q], adjoints[q]) for q in (*cell.inputs, *cell.parameters) if q in adjoints
        )
        loop = Loop(tuple(block for block in loop_blocks if block.statements), tuple(carries), True)
        return Pass(tuple(before), loop, ()), tuple(finish), gradients

    def adjoint_array(self, equation: AdjointEquation) -> str:
        if equation.static:
            return self.declare(equation.symbol, "gradient", "", equation.shape)
        if equation.of in self.cell.inputs:
            return self.declare(equation.symbol, "gradient", "TB", equation.shape)
        lead = "B" if equation.of in self.cell.states else "TB"
        return self.declare(equation.symbol, "adjoint", lead, equation.shape)

    def step_block(self, equation: AdjointEquation) -> Block:
        out = self.array_of[equation.symbol]
        statements = self.sum_of(out, [term.expr for term in equation.terms])
        return Block(out, tuple(statements), self.reasons(equation))

    def sum_of(self, out: str, terms: list[Expr], update: bool = False) -> list[Statement]:
        """Statements that make `out` the sum of derived terms: pointwise first, then products."""
        products = [term for term in terms if isinstance(term, Contract)]
        scattered = [made for term in terms if (made := self.put(out, term)) is not None]
        others = [t for t in terms if not isinstance(t, Contract) and self.one_place(t) is None]
        if not any(term.atoms(Contract) for term in others):
            others = [sum_of(others)] if others else []
        rest = [self.without_products(term, out) for term in others]
        statements: list[Statement] = []
        if rest or not (products or update):
            statements.append(Pointwise(out, Add(*rest), update=update))
        for product in products:
            statements.append(self.contraction(out, product, update=update or bool(statements)))
        statements = [*self.pending, *statements, *scattered]
        self.pending = []
        return statements

    def one_place(self, term: Expr) -> tuple[Quantity, Expr] | None:
        """The unit vector and the number per sample whose product a term is; None if it is none."""
        factors = Mul.make_args(term)
        unit = next((factor for factor in factors if factor in self.indices), None)
        number = Mul(*(factor for factor in factors if factor != unit))
        if unit is None or len(factors) < 2 or term.atoms(Operation) or not self.moves(number):
            return None
        return None if self.shape_of(number) else (unit, number)

    def put(self, out: str, term: Expr) -> Scatter | None:
        """The statement that adds to `out` a number per sample in the place that its index tells."""
        place = self.one_place(term)
        if place is None:
            return None
        unit, number = place
        index = self.array_of[self.indices[unit]]
        if isinstance(number, Quantity):
            return Scatter(out, self.array_of[number], index, update=True)
        name, before = self.temporary(f"{out}_at_{index}", number, ())
        before.append(Pointwise(name, self.pointwise(number)))
        return Scatter(out, name, index, update=True)

    def without_products(self, term: Expr, out: str) -> Expr:
        """`term` as a pointwise expression: slices become windows, inner products temporaries."""
        table: dict[Expr, Expr] = {}
        nodes = tuple(dict.fromkeys(_outermost(term)))  # in their order: it decides on names
        for piece in (node for node in nodes if isinstance(node, Slice)):
            table[piece] = array_symbol(self.window_of(piece))
        for product in (node for node in nodes if isinstance(node, Contract)):
            shape = tuple(
                _size_of_letter(letter, product, self.buffers, self.array_of) for letter in product.output
            )
            name, before = self.temporary(f"{out}_product", product, shape)
            before.append(self.contraction(name, product))
            table[product] = array_symbol(name)
        return self.pointwise(term.xreplace(table))

    def operand(self, expr: Expr, out: str) -> str:
        """The array of an operand, which may have products inside."""
        if not expr.atoms(Contract) or isinstance(expr, Quantity):
            return super().operand(expr, out)
        name, before = self.temporary(f"{out}_terms", expr, self.shape_of(expr))
        before.append(Pointwise(name, self.without_products(expr, out)))
        return name

    def window_of(self, piece: Slice) -> str:
        """The array that is rows start to stop of a stack's adjoint."""
        of, start, stop = piece.args
        base = self.array_of[of]
        window = Window(base, 0, start, stop)
        for buffer in self.buffers.values():
            if buffer.window == window:
                return buffer.name
        parent = self.buffers[base]
        shape = (stop - start, *parent.shape[1:])
        return self.new(f"{base}_part", parent.kind, parent.lead, shape, window)

    def static_blocks(self, equation: AdjointEquation) -> tuple[list[Block], list[Block]]:
        """The gradient of a shared quantity: what each step adds, and what is added once at the end."""
        out = self.array_of[equation.symbol]
        moving = [t for t in equation.terms if t.definition is None or not t.definition.static]
        fixed = [t for t in equation.terms if t not in moving]
        statements: list[Statement] = []
        for term in moving:
            statements += self.summed_over_batch(out, term.expr)
        blocks = [Block(out, tuple(statements), self.reasons(equation))] if statements else []
        ends = self.sum_of(out, [term.expr for term in fixed], update=True) if fixed else []
        return blocks, [Block(out, tuple(ends), self.reasons(equation))] if ends else []

    def summed_over_batch(self, out: str, term: Expr) -> list[Statement]:
        """`out` += the sum over the batch of a term of one step."""
        shape = self.buffers[out].shape
        letters = "ijklmnop"[: len(shape)]
        if isinstance(term, Contract):
            made: list[Statement] = [self.contraction(out, term, update=True)]
        elif (put := self.put(out, term)) is not None:
            made = [put]
        elif factors := self.plain_factors(term):
            parts = [
                ("" if name in self.static else "B") + letters[: len(self.buffers[name].shape)]
                for name in factors
            ]
            made = [Contraction(out, f"{','.join(parts)}->{letters}", factors, update=True)]
        else:
            expr = self.without_products(term, out)
            name, before = self.temporary(f"{out}_terms", term, shape)
            before.append(Pointwise(name, expr))
            made = [Contraction(out, f"B{letters}->{letters}", (name,), update=True)]
        made = [*self.pending, *made]
        self.pending = []
        return made

    def plain_factors(self, term: Expr) -> tuple[str, ...]:
        """The arrays whose product `term` is; nothing if it is not a plain product with a sample's data."""
        factors = Mul.make_args(term)
        if term.atoms(Operation) or not all(isinstance(f, Quantity) for f in factors):
            return ()
        ordered = sorted(factors, key=lambda q: (not isinstance(q, Adjoint), q.name))
        names = tuple(self.array_of[factor] for factor in ordered)
        full = any(self.buffers[name].shape for name in names) or not self.shape_of(term)
        return names if full and any(name not in self.static for name in names) else ()


def _outermost(term: Expr) -> Iterator[Expr]:
    """The parts of a term, but for those of products."""
    walk = preorder_traversal(term)
    for node in walk:
        yield node
        if isinstance(node, Contract):
            walk.skip()


def _size_of_letter(
    letter: str, product: Contract, buffers: dict[str, Buffer], array_of: dict[Quantity, str]
) -> Expr:
    for letters, operand in zip(product.letters, product.operands, strict=True):
        if letter in letters:
            position = letters.index(letter)
            if isinstance(operand, Quantity):
                return buffers[array_of[operand]].shape[position]
            if isinstance(operand, ones):
                return operand.args[position]
    raise PlanError(f"the letter {letter} of {product.spec} belongs to no array")
