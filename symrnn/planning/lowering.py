"""Naive lowering: a derivation as a plan that keeps everything and moves nothing.

Every definition becomes a statement in the time loop, every adjoint equation one or more; the passes then
move, merge and share. Sums of products are laid down as one contraction and updates, because that is the form
in which parts of them can move out of the loop.
"""

from sympy import Add, Expr, Mul, S

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.digest import cell_digest
from symrnn.declaration.normal_form import Definition
from symrnn.declaration.operations import Contract, Operation, Slice, concatenate, identity, ones, sigmoid
from symrnn.declaration.quantities import NextState, Part, Quantity
from symrnn.declaration.reading_order import reading_roles
from symrnn.derivation.derivation import Adjoint, AdjointEquation, Derivation
from symrnn.errors import PlanError
from symrnn.planning.ir import (
    Block,
    Buffer,
    Carry,
    Contraction,
    Fill,
    Loop,
    Pass,
    Pointwise,
    Stack,
    Statement,
    Window,
    array_symbol,
)
from symrnn.planning.names import Names
from symrnn.planning.plan import Header, Plan


def lower(derivation: Derivation) -> Plan:
    """The naive plan of a derivation: all in the loops, all saved.

    Raises:
        PlanError: a derived equation has a form that the loop IR cannot say.
    """
    return _Lowering(derivation).run()


class _Lowering:
    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.cell: Cell = derivation.cell
        self.names = Names()
        self.buffers: dict[str, Buffer] = {}
        self.array_of: dict[Quantity, str] = {}
        self.static: set[str] = set()
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
        forward = Pass((), Loop(blocks, tuple(carries)), ())
        backward, finish, gradients = self.backward()
        if self.extra:
            prepare = (*prepare, Block("for the gradients", tuple(self.extra)))
        used = _used([*prepare, *forward.blocks, *backward.blocks, *finish], self.buffers)
        keep = {*inputs, *parameters, *constants, output, *(c.here for c in carries)}
        keep |= {name for c in (*carries, *backward.loop.carries) for name in (c.here, c.there, c.initial)}
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
        )

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
        given = (*cell.inputs, *cell.states, *cell.parameters, *cell.constants)
        return Header(
            title=cell.title,
            variant=cell.variant,
            source=cell.source,
            digest=cell_digest(cell),
            equations=tuple(cell.text(equation) for equation in cell.equations),
            output=str(cell.output),
            fresh=tuple(fresh),
            fields=tuple((self.array_of[q], q.name) for q in given if self.array_of[q] != q.name),
        )

    def reasons(self, equation: AdjointEquation) -> tuple[str, ...]:
        """A derived equation with what it follows from; pointwise ones show themselves in the code."""
        roles = reading_roles(self.cell)
        origins = [self.cell.text(term.definition) for term in equation.terms if term.definition is not None]
        origins += ["what step t + 1 hands back" for term in equation.terms if term.rule == "later"]
        origins += ["the output's cotangent" for term in equation.terms if term.rule == "output"]
        told = "; ".join(dict.fromkeys(origins)) or "nothing"
        if equation.static or equation.expr.atoms(Contract, Slice):
            return (equation.text(roles), f"    from {told}")
        return (f"{equation.symbol} from {told}",)

    # -- forward ------------------------------------------------------------------------------

    def definition_blocks(self, static: bool) -> tuple[Block, ...]:
        """One block per equation, in dependency order."""
        blocks: dict[int, list[Statement]] = {}
        for definition in self.cell.definitions:
            if definition.static == static and not self.is_inlined(definition):
                blocks.setdefault(definition.equation, []).extend(self.definition(definition))
        made = []
        for number, statements in blocks.items():
            equation = self.cell.equations[number - 1]
            title = self.array_of[equation.target]
            made.append(Block(title, tuple(statements), (f"({number}) {self.cell.text(equation)}",)))
        return tuple(made)

    def is_inlined(self, definition: Definition) -> bool:
        """Whether a product stands only as a plain summand, so that it can be added where it is used."""
        if not (isinstance(definition.symbol, Part) and isinstance(definition.expr, Contract)):
            return False
        if definition.static:
            return False
        uses = [d for d in self.cell.definitions if definition.symbol in d.expr.atoms(Quantity)]
        if any(definition.symbol in e.expr.atoms(Quantity) for e in self.derivation.equations):
            return False
        if len(uses) != 1 or uses[0].static or uses[0].shape != definition.shape:
            return False
        return definition.symbol in Add.make_args(uses[0].expr)

    def output(self) -> tuple[str, tuple[Block, ...]]:
        """The output's array; one that parameters alone determine is repeated over time and batch."""
        output = self.array_of[self.cell.output]
        if self.buffers[output].lead:
            return output, ()
        whole = self.new(f"{output}_output", "value", "TB", self.buffers[output].shape)
        return whole, (Block(whole, (Pointwise(whole, array_symbol(output)),)),)

    def definition(self, definition: Definition) -> list[Statement]:
        out, expr = self.array_of[definition.symbol], definition.expr
        structural = isinstance(expr, Contract | concatenate | ones | identity)
        if structural and not definition.static and not self.moves(expr):
            # A state may be set to what parameters alone determine.
            fixed = self.new(f"{out}_fixed", "prepared", "", definition.shape)
            self.extra.extend(self.structural(fixed, expr))
            return [Pointwise(out, array_symbol(fixed))]
        if structural:
            return self.structural(out, expr)
        inlined = {d.symbol: d.expr for d in self.cell.definitions if self.is_inlined(d)}
        terms = Add.make_args(expr)
        products = [inlined[term] for term in terms if term in inlined]
        rest = Add(*(term for term in terms if term not in inlined))
        statements: list[Statement] = []
        for product in products:
            statements.append(self.contraction(out, product, update=bool(statements)))
        if rest != 0 or not statements:
            statements.append(Pointwise(out, self.pointwise(rest), update=bool(statements)))
        return statements

    def moves(self, expr: Expr) -> bool:
        """Whether anything in `expr` has a time axis or a batch axis."""
        return any(self.array_of[q] not in self.static for q in expr.atoms(Quantity))

    def structural(self, out: str, expr: Expr) -> list[Statement]:
        if isinstance(expr, Contract):
            return [self.contraction(out, expr)]
        if isinstance(expr, concatenate):
            return self.stack(out, [self.array_of[part] for part in expr.args])
        return [Fill(out, expr.name)]

    def stack(self, out: str, parts: list[str]) -> list[Statement]:
        """A stack; parts that parameters alone determine are repeated over a moving one's batch."""
        made: list[Statement] = []
        for position, part in enumerate(parts):
            if part in self.static and out not in self.static:
                parts[position] = self.new(f"{part}_repeated", "value", "TB", self.buffers[part].shape)
                made.append(Pointwise(parts[position], array_symbol(part)))
        return [*made, Stack(out, tuple(parts))]

    def contraction(self, out: str, product: Contract, update: bool = False) -> Contraction:
        """The statement for a product of arrays; the batch letter goes where a sample's data are."""
        operands = [self.operand(op, out) for op in product.operands]
        letters = [
            ("" if name in self.static else "B") + part
            for name, part in zip(operands, product.letters, strict=True)
        ]
        batch = "" if out in self.static else "B"
        return Contraction(out, f"{','.join(letters)}->{batch}{product.output}", tuple(operands), update)

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
        shape = tuple(expr.args)
        for statement in self.extra:
            if isinstance(statement, Fill) and self.buffers[statement.out].shape == shape:
                return statement.out
        name = self.new("ones", "prepared", "", shape)
        self.extra.append(Fill(name, "ones"))
        return name

    def shape_of(self, expr: Expr) -> Shape:
        for quantity in sorted(expr.atoms(Quantity), key=lambda q: q.name):
            if shape := self.buffers[self.array_of[quantity]].shape:
                return shape
        return ()

    def pointwise(self, expr: Expr) -> Expr:
        """`expr` over array symbols; a repeated scalar needs no array of ones."""
        table: dict[Expr, Expr] = {q: array_symbol(self.array_of[q]) for q in expr.atoms(Quantity)}
        table |= dict.fromkeys(expr.atoms(ones), S.One)
        return expr.xreplace(table)

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
        rest = [self.without_products(term, out) for term in terms if not isinstance(term, Contract)]
        statements: list[Statement] = []
        if rest or not (products or update):
            statements.append(Pointwise(out, Add(*rest), update=update))
        for product in products:
            made = self.contraction(out, product, update=update or bool(statements))
            statements.append(made)
        statements = [*self.pending, *statements]
        self.pending = []
        return statements

    def without_products(self, term: Expr, out: str) -> Expr:
        """`term` as a pointwise expression: slices become windows, inner products temporaries."""
        table: dict[Expr, Expr] = {}
        for piece in term.atoms(Slice):
            table[piece] = array_symbol(self.window_of(piece))
        for product in term.atoms(Contract):
            shape = tuple(
                _size_of_letter(letter, product, self.buffers, self.array_of) for letter in product.output
            )
            name, before = self.temporary(f"{out}_product", product, shape)
            before.append(self.contraction(name, product))
            table[product] = array_symbol(name)
        return self.pointwise(term.xreplace(table))

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


def _used(blocks: list[Block], buffers: dict[str, Buffer]) -> set[str]:
    names = {name for block in blocks for name in (*block.reads, *block.writes)}
    queue = list(names)
    while queue:
        window = buffers[queue.pop()].window
        if window is not None and window.base not in names:
            names.add(window.base)
            queue.append(window.base)
    return names
