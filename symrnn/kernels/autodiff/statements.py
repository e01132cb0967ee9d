"""The statements of a plan as lines of a framework that differentiates: named values, nothing in place."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from sympy import Add, Expr

from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.operations import where
from symrnn.declaration.reading_order import Roles, is_number
from symrnn.kernels.autodiff.library import PRODUCTS, Library
from symrnn.kernels.autodiff.values import Held, Piece, Ranges, Values
from symrnn.kernels.expressions import ATOM, Dialect, ExpressionPrinter
from symrnn.kernels.interface import listed, tuple_text
from symrnn.kernels.layout import Layout
from symrnn.kernels.names import Namer
from symrnn.planning.ir import (
    FORWARD,
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
    array_symbol,
)
from symrnn.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a first writing finds out for the second.

    `parts`: which parts are read of which variables (by key). `moved`: the variables that are read across
    the border of the loop. `shared`: the shared arrays that the functions read, perhaps transposed.
    """

    parts: dict[int, dict[Ranges, str]] = field(default_factory=dict)
    moved: dict[int, None] = field(default_factory=dict)
    shared: dict[tuple[tuple[str, ...], bool], str] = field(default_factory=dict)


class _Printer(ExpressionPrinter):
    """Expressions; a choice between two numbers is one between numbers of the arrays' type."""

    def __init__(self, dialect: Dialect, roles: Roles, library: Library) -> None:
        super().__init__(dialect, roles)
        self.library = library

    def print(self, expr: Expr) -> tuple[str, int]:
        """The text of `expr` and how strongly its outermost operation binds."""
        if isinstance(expr, where) and all(map(is_number, expr.args[1:])):
            condition, *numbers = expr.args
            chosen, otherwise = map(self.text, numbers)
            typed = self.library.number.format(chosen)
            return self.dialect.choose.format(self.condition(condition), typed, otherwise), ATOM
        return super().print(expr)


class StatementWriter:
    """Writes statements of a plan, one function after the other; `lines` are those of the function at hand.

    `times` are the leading axes of what moves in time at this place: "TB" before the loop, "B" in it and in
    `step`, "" in `prepare`.
    """

    def __init__(self, plan: Plan, library: Library, namer: Namer, wishes: Wishes) -> None:
        self.layout = Layout(plan, namer)
        self.plan, self.table = self.layout.plan, self.layout.table
        self.library = library
        self.wishes = wishes
        # Ranges are ordered alike for all sizes, and equal for these only if they are for all.
        sizes = {axis: 10007 * 101**i for i, axis in enumerate(plan.axes)}
        self.number = cache(lambda size: int(size.subs(sizes)))
        self.taken = set(self.layout.taken)
        self.keys = 0
        self.begin("")

    def begin(self, times: str) -> None:
        """Start a function."""
        self.times = times
        self.values = Values(self.table, self.number)
        self.lines: list[str] = []
        self.row_names: dict[str, str] = {}
        self.marked: set[int] = set()
        self.part_names: dict[int, dict[Ranges, str]] = {}
        self.joined: dict[Statement, str] = {}

    # -- values ---------------------------------------------------------------------------------------

    def lead(self, buffer: Buffer) -> str:
        """The leading axes of an array at this place."""
        return self.times if "T" in buffer.lead else buffer.lead

    def hold(self, name: str, variable: str) -> Held:
        """Note that `variable` holds the array `name`; parts of it that are read get names at once."""
        self.keys += 1
        held = self.values.write(name, variable, self.keys, len(self.lead(self.table[name])))
        parts = self.wishes.parts.get(held.key, {})
        axis = self.values.cut_axis(held, list(parts))
        if axis is not None:
            ordered = sorted(parts, key=lambda ranges: self.number(ranges[axis][0]))
            starts = [self.layout.size(ranges[axis][0]) for ranges in ordered[1:]]
            sizes = [self.layout.size(ranges[axis][1] - ranges[axis][0]) for ranges in ordered]
            places = tuple_text(starts if self.library.cut_at else sizes)
            names = listed([parts[ranges] for ranges in ordered])
            self.lines.append(f"{names} = {self.library.cut.format(variable, places, held.lead + axis)}")
            self.part_names[held.key] = parts
        return held

    def read(self, name: str) -> str:
        """The text of an array's current value."""
        if self.times and not self.table[name].lead:
            return self.shared(name)
        root, ranges = self.values.place(name)
        return self.range_text(root, ranges, name)

    def shared(self, *names: str, transposed: bool = False) -> str:
        """The variable of what `prepare` makes for the other functions; several arrays are stacked."""
        variable = "_and_".join(name for name in names)
        if transposed or len(names) > 1:
            variable = unique_name(f"{variable}_T" if transposed else variable, self.taken)
        self.wishes.shared[names, transposed] = variable
        return variable

    def range_text(self, root: str, ranges: Ranges, name: str) -> str:
        """The text of a range; if it lies in several variables, it is put together in one."""
        found = self.values.find(root, ranges)
        whole = ranges == self.values.place(name)[1]
        if isinstance(found, Piece):
            return self.piece(found, name, whole=whole)
        parts = [self.range_text(root, part, name) for part in (found.low, found.high)]
        axis = len(self.lead(self.table[name])) + found.axis
        text = self.library.stack.format(", ".join(parts), axis)
        return self.bind(name, text) if whole else text

    def piece(self, piece: Piece, name: str, *, whole: bool) -> str:
        """The text of a variable or of a part of it; that is the `whole` array `name`, or part of it."""
        held = piece.held
        if held.key in self.marked:
            self.wishes.moved[held.key] = None
        number = self.number
        sizes = tuple(stop - start for start, stop in held.ranges)
        if all(
            number(a) == 0 and number(b) == number(size)
            for (a, b), size in zip(piece.ranges, sizes, strict=True)
        ):
            return held.variable
        parts = self.wishes.parts.setdefault(held.key, {})
        if piece.ranges not in parts:
            parts[piece.ranges] = name if whole else unique_name(name, self.taken)
            self.taken.add(parts[piece.ranges])
        if held.key in self.part_names:
            return self.part_names[held.key][piece.ranges]
        rows = [self.layout.rows(*pair, size) for pair, size in zip(piece.ranges, sizes, strict=True)]
        return f"{held.variable}[{', '.join([':'] * held.lead + rows)}]"

    def bind(self, name: str, text: str) -> str:
        """The variable that a new line gives the array `name`."""
        variable = self.row_names.get(name, name)
        self.lines.append(f"{variable} = {text}")
        self.hold(name, variable)
        return variable

    # -- statements -----------------------------------------------------------------------------------

    def blocks(self, blocks: Iterable[Block]) -> None:
        """The lines of blocks, each under its equations."""
        flat = [(block, statement) for block in blocks for statement in block.statements]
        groups = self.products_that_share([statement for _, statement in flat])
        said: Block | None = None
        position = 0
        while position < len(flat):
            block, statement = flat[position]
            if block is not said:
                self.lines += [f"# {source}" for source in block.sources]
                said = block
            if position in groups:
                self.join(groups[position])
            following = [statement for _, statement in flat[position + 1 : position + 2]]
            text = self.affine(statement, following)
            position += 1 if text is None else 2
            self.bind(statement.out, self.right_side(statement) if text is None else text)

    def products_that_share(self, statements: list[Statement]) -> dict[int, list[Contraction]]:
        """Products of weights with one operand that the plan keeps apart, by the place of the first.

        The plan does not join a product that an array starts with and one that is added to an array; here
        they may be one product, which `split` cuts.
        """
        found: dict[str, list[int]] = {}
        for position, statement in enumerate(statements):
            if isinstance(statement, Contraction) and self.is_projection(statement):
                found.setdefault(statement.operands[1], []).append(position)
        groups: dict[int, list[Contraction]] = {}
        for operand, positions in found.items():
            root = self.values.place(operand)[0]
            between = statements[positions[0] : positions[-1]]
            if len(positions) > 1 and all(self.values.place(s.out)[0] != root for s in between):
                chosen = (statements[position] for position in positions)
                groups[positions[0]] = [s for s in chosen if isinstance(s, Contraction)]
        return groups

    def is_projection(self, statement: Contraction) -> bool:
        """Whether a statement is weights times an operand that moves in time."""
        weights = self.table[statement.operands[0]]
        return bool(self.times) and statement.spec in FORWARD and not weights.lead

    def join(self, products: list[Contraction]) -> None:
        """One product for several of one operand; their right sides become parts of it."""
        operand = products[0].operands[1]
        weights = [product.operands[0] for product in products]
        rows = [self.table[name].shape[0] for name in weights]
        starts = [self.layout.size(Add(*rows[:i])) for i in range(1, len(rows))]
        places = tuple_text(starts if self.library.cut_at else [self.layout.size(size) for size in rows])
        names = [unique_name(f"{name}_{operand}", self.taken) for name in weights]
        whole = f"({self.read(operand)} @ {self.shared(*weights, transposed=True)})"
        axis = len(self.lead(self.table[operand]))
        self.lines.append(f"{listed(names)} = {self.library.cut.format(whole, places, axis)}")
        self.joined |= dict(zip(products, names, strict=True))

    def affine(self, statement: Statement, following: list[Statement]) -> str | None:
        """The text of a product with weights and of the bias that the next statement adds, if it does."""
        if not (self.times and isinstance(statement, Contraction) and not statement.update):
            return None
        for bias in following:
            if not (isinstance(bias, Pointwise) and bias.out == statement.out and bias.expr.is_Symbol):
                return None
            weights, x = statement.operands[0], statement.operands[-1]
            added = self.table[bias.expr.name]
            apart = self.is_projection(statement) and statement not in self.joined
            if apart and not added.lead and added.shape:
                texts = {"x": self.read(x), "W": self.read(weights), "b": self.read(added.name)}
                return self.library.affine.format(**texts)
        return None

    def right_side(self, statement: Statement) -> str:
        """What a statement computes, with what the array held before if it updates."""
        buffer = self.table[statement.out]
        match statement:
            case Pointwise():
                text = self.expression(statement, buffer)
            case Contraction():
                text = self.contraction(statement)
            case Largest():
                text = self.library.largest.format(self.read(statement.operand))
            case Stack():
                parts = ", ".join(self.read(part) for part in statement.parts)
                text = self.library.stack.format(parts, len(self.lead(buffer)))
            case Gather() | Scatter():
                text = (
                    self.gathered(statement) if isinstance(statement, Gather) else self.scattered(statement)
                )
                text = f"{self.read(statement.out)} + {text}" if statement.update else text
            case Fill():
                text = self.filled(statement.what, buffer)
        return text

    def filled(self, what: str, buffer: Buffer) -> str:
        """The text of an array of zeros, of ones, or of identity matrices."""
        if what == "identity":
            eye = self.library.identity.format(self.layout.size(buffer.shape[0]))
            return self.library.broadcast.format(eye, self.shape(buffer)) if buffer.lead else eye
        if what == "zeros":
            return self.library.zeros.format(self.shape(buffer))
        return self.library.full.format(self.shape(buffer), "1.0")

    def gathered(self, statement: Gather) -> str:
        """The text of the rows that an index picks: of a shared array, or of one of every sample."""
        operand, index = self.table[statement.operand], self.read(statement.index)
        if not self.lead(operand):
            return f"{self.read(statement.operand)}[{index}]"
        rank = len(operand.shape)
        index = f"{index}[{', '.join(['...', *['None'] * rank])}]"
        return self.library.pick.format(self.read(statement.operand), index, -rank)

    def scattered(self, statement: Scatter) -> str:
        """The text of zeros with something in the row that an index picks, as an outer product."""
        operand, out = self.table[statement.operand], self.table[statement.out]
        text, rank = self.read(statement.operand), len(operand.shape)
        unit = self.library.one_hot.format(self.read(statement.index), self.layout.size(out.shape[0]))
        if rank:
            unit = f"{unit}[{', '.join(['...', *['None'] * rank])}]"
        if self.lead(operand):
            text = f"{text}[{', '.join([':'] * len(self.lead(operand)) + ['None'])}]"
        return f"{unit} * {text}"

    def shape(self, buffer: Buffer) -> str:
        """The text of an array's shape at this place."""
        return tuple_text([*self.lead(buffer), *(self.layout.size(size) for size in buffer.shape)])

    def contraction(self, statement: Contraction) -> str:
        """The text of a product; weights come transposed from `prepare`."""
        spec = statement.spec if self.times == "TB" else statement.spec.replace("T", "")
        if statement in self.joined:
            text = self.joined[statement]
        elif self.is_projection(statement):
            x, weights = self.read(statement.operands[1]), self.shared(statement.operands[0], transposed=True)
            if statement.update and spec == FORWARD[0]:
                return self.library.added.format(a=self.read(statement.out), x=x, W=weights)
            text = f"{x} @ {weights}"
        else:
            operands = [self.read(name) for name in statement.operands]
            form = PRODUCTS.get(spec.replace("T", ""))
            text = form.format(*operands) if form else self.library.einsum.format(spec, ", ".join(operands))
        return f"{self.read(statement.out)} + {text}" if statement.update else text

    def expression(self, statement: Pointwise, out: Buffer) -> str:
        """The text of a pointwise expression."""

        def array(name: str) -> str:
            buffer, text = self.table[name], self.read(name)
            if out.shape and not buffer.shape and buffer.lead:
                return f"{text}[{', '.join([':'] * len(self.lead(buffer)) + ['None'] * len(out.shape))}]"
            return text

        expr = statement.expr
        if statement.update:
            expr = Add(array_symbol(out.name), expr)
        dialect = Dialect(
            array,
            number=_as_float,
            functions=self.library.functions,
            choose=self.library.choose,
            logic=("&", "|", "~"),
            axis=lambda name: self.layout.axis_names[name],
        )
        text = _Printer(dialect, dict(self.plan.roles), self.library).text(expr)
        reads = [self.table[name] for name in Pointwise(out.name, expr).reads]
        if not reads:
            return self.library.full.format(self.shape(out), text)
        leads = not out.lead or any(buffer.lead for buffer in reads)
        shapes = not out.shape or any(buffer.shape for buffer in reads)
        return text if leads and shapes else self.library.broadcast.format(text, self.shape(out))


def _as_float(number: str) -> str:
    """A number as text that makes no integer array."""
    return f"{number}.0" if number.isdigit() else number
