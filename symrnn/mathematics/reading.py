"""A derivation as a reader follows it: only what has a name in print, and where each term comes from.

The derivation works on the normal form, where every intermediate has a symbol. A reader wants the
author's quantities and the pre-activations; all other parts are put back in place here, forward (their
definitions) and backward (their adjoints).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sympy import Add, Eq, Expr, Mul, S

from symrnn.declaration.latex_names import name_latex, symbol_latex
from symrnn.declaration.normal_form import Definition, plain_name
from symrnn.declaration.operations import (
    Contract,
    PointwiseFunction,
    Slice,
    VectorFunction,
    concatenate,
    layer_norm,
    norm,
    rms_norm,
    where,
)
from symrnn.declaration.quantities import Parameter, Part, Quantity, Value
from symrnn.declaration.resolution import is_coefficient
from symrnn.derivation.derivation import (
    Adjoint,
    AdjointEquation,
    Derivation,
    LaterAdjoint,
    OutputAdjoint,
    sum_of,
)
from symrnn.notation.building import subscript, superscript, whole
from symrnn.notation.nodes import Fence, Node, Word
from symrnn.notation.parsing import parsed
from symrnn.notation.rendering.latex import latex

MANY = 12
"""How many terms a part without a name may bring into print before it is given one."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What the adjoint of one printed quantity gets through one other: `expr`, linear in its adjoint."""

    through: Quantity | None
    expr: Expr


@dataclass(frozen=True, slots=True)
class PrintedAdjoint:
    """The adjoint of a printed quantity as the sum of its contributions, first those of one step."""

    equation: AdjointEquation
    moving: tuple[Contribution, ...]
    fixed: tuple[Contribution, ...]

    @property
    def of(self) -> Quantity:
        """The quantity."""
        return self.equation.of

    @property
    def expr(self) -> Expr:
        """The sum of the contributions of one step."""
        return Add(*(contribution.expr for contribution in self.moving))


@dataclass(frozen=True, slots=True)
class ColumnBlock:
    """The columns of a matrix that meet one part of a stack; `symbol` stands for them."""

    matrix: Quantity
    stack: Expr
    position: int
    start: Expr
    stop: Expr
    symbol: Part


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that the document needs, in terms of printed quantities.

    `named` are the definitions of what the author left unnamed but print names (pre-activations first);
    `activations` pairs a quantity with the pre-activation whose function it is.
    """

    derivation: Derivation
    named: tuple[tuple[Part, Expr], ...]
    activations: tuple[tuple[Quantity, Part], ...]
    blocks: tuple[ColumnBlock, ...]
    names: tuple[tuple[Quantity, Node], ...]
    adjoints: tuple[PrintedAdjoint, ...]

    def in_print(self, quantity: Quantity) -> Expr:
        """A quantity, or what it stands for if print has no name for it."""
        shown = {symbol for symbol, _ in self.names}
        definitions = {d.symbol: d.expr for d in self.derivation.cell.definitions}

        def expanded(expr: Expr) -> Expr:
            if isinstance(expr, Part) and expr not in shown and expr in definitions:
                return expanded(definitions[expr])
            return expr.func(*map(expanded, expr.args)) if expr.args and expr.atoms(Part) else expr

        return expanded(quantity)


def read(derivation: Derivation, letter: str, taken: Iterable[str]) -> Reading:
    """The derivation in print; pre-activations are called `letter` with a subscript."""
    reader = _Reader(derivation)
    names: dict[Quantity, Node] = {
        part: subscript(parsed(letter), parsed(name_latex(plain_name(target))))
        for target, part in reader.activations
    }
    free = (c for c in "pqvwykabcdefghijlmnorstuxz" if c not in set(taken) | {letter})
    auxiliary = next(free, "p")
    extra = [part for part in reader.named if part not in names]
    names |= {part: subscript(Word(auxiliary), whole(number)) for number, part in enumerate(extra, 1)}
    for block in reader.blocks.values():
        names[block.symbol] = parsed(symbol_latex(block.symbol))
    adjoints = tuple(
        reader.printed(equation)
        for equation in derivation.equations
        if not isinstance(equation.of, Part) or equation.of in reader.named
    )
    return Reading(
        derivation,
        tuple((part, reader.forward(reader.definitions[part].expr)) for part in reader.in_order()),
        tuple(reader.activations),
        tuple(reader.blocks.values()),
        tuple(names.items()),
        adjoints,
    )


@dataclass(slots=True)
class _Reader:
    derivation: Derivation
    definitions: dict[Quantity, Definition] = field(init=False)
    activations: list[tuple[Quantity, Part]] = field(init=False)
    named: set[Quantity] = field(init=False)
    order: dict[Quantity, int] = field(init=False)
    blocks: dict[tuple[Quantity, Expr, Expr], ColumnBlock] = field(init=False)
    adjoints: dict[Adjoint, AdjointEquation] = field(init=False)
    expanded: dict[Adjoint, tuple[Expr, ...]] = field(init=False)

    def __post_init__(self) -> None:
        cell = self.derivation.cell
        self.definitions = {definition.symbol: definition for definition in cell.definitions}
        self.order = {symbol: number for number, symbol in enumerate(self.definitions)}
        self.activations = list(self._find_activations())
        self.named = {part for _, part in self.activations} | set(self._find_normalised())
        self.blocks = {}
        self.adjoints = {equation.symbol: equation for equation in self.derivation.equations}
        self.expanded = {}
        self._find_blocks()
        self._name_what_would_grow()

    def in_order(self) -> list[Part]:
        return [part for part in self.definitions if isinstance(part, Part) and part in self.named]

    def _find_activations(self) -> Iterable[tuple[Quantity, Part]]:
        found: set[Part] = set()
        for definition in self.definitions.values():
            call = definition.expr
            if isinstance(definition.symbol, Part) or not isinstance(
                call, PointwiseFunction | VectorFunction
            ):
                continue
            argument, *others = call.args
            told = not others or (call.facts.words.derivative and all(map(is_coefficient, others)))
            if told and isinstance(argument, Part) and argument not in found:
                found.add(argument)
                yield definition.symbol, argument

    def _find_normalised(self) -> Iterable[Part]:
        """What is normalised or measured, and what that gives: a derivative takes both several times."""
        for definition in self.definitions.values():
            if isinstance(definition.expr, layer_norm | norm | rms_norm):
                for part in (definition.symbol, definition.expr.args[0]):
                    if isinstance(part, Part):
                        yield part

    def _find_blocks(self) -> None:
        """A symbol for every column block of a fixed matrix that multiplies a stack."""
        for definition in self.definitions.values():
            product = definition.expr
            if not (isinstance(product, Contract) and product.spec == "ij,j->i"):
                continue
            matrix, stacked = product.operands
            source = self.definitions.get(stacked)
            if source is None or not isinstance(source.expr, concatenate):
                continue
            if not (
                isinstance(matrix, Parameter)
                or (isinstance(matrix, Value) and self.definitions[matrix].static)
            ):
                continue
            labels = self._labels(source.expr)
            start: Expr = S.Zero
            for position, part in enumerate(source.expr.args):
                stop = start + self.derivation.cell.shape_of(part)[0]
                key = (matrix, start, stop)
                if key not in self.blocks:
                    label = labels[position]
                    self.blocks[key] = self._block(key, source.expr, position, label)
                start = stop

    def _block(
        self, columns: tuple[Quantity, Expr, Expr], stack: Expr, position: int, label: str
    ) -> ColumnBlock:
        matrix, start, stop = columns
        others = {block.symbol.latex_name for block in self.blocks.values()}
        name = parsed(symbol_latex(matrix))
        while (marked := latex(superscript(name, Fence(parsed(label))))) in others:
            label += "'"
        rows = self.derivation.cell.shape_of(matrix)[0]
        symbol = Part(f"{matrix.name}__{position}_{len(self.blocks)}", rows, stop - start, latex=marked)
        return ColumnBlock(matrix, self.forward(stack), position, start, stop, symbol)

    def _labels(self, stack: concatenate) -> list[str]:
        """For each part the name of the one state or input in it, else its number."""
        carried = []
        for part in stack.args:
            atoms = [
                q for q in self.forward(part).atoms(Quantity) if q.role in ("state", "input", "next state")
            ]
            carried.append(plain_name(atoms[0]) if len(atoms) == 1 else plain_name(part))
            if isinstance(part, Part) and len(atoms) != 1:
                carried[-1] = ""
        if len(set(carried)) == len(carried) and all(carried):
            return [name_latex(name) for name in carried]
        return [str(position) for position in range(1, len(carried) + 1)]

    def _name_what_would_grow(self) -> None:
        """Give a name to parts whose adjoint would be repeated too often; uses come before definitions."""
        uses: dict[Adjoint, int] = {}
        for equation in self.derivation.equations:
            for term in equation.terms:
                for adjoint in term.expr.atoms(Adjoint):
                    uses[adjoint] = uses.get(adjoint, 0) + 1
        for equation in self.derivation.equations:
            if not isinstance(equation.of, Part) or equation.of in self.named:
                continue
            terms = len(self.expand(equation.symbol))
            stacked = isinstance(self.definitions[equation.of].expr, concatenate)
            if terms * uses.get(equation.symbol, 0) > (MANY if stacked else 3) and terms > 1:
                self.named.add(equation.of)

    def forward(self, expr: Expr) -> Expr:
        """`expr` with every part that print does not name replaced by what it is."""
        if isinstance(expr, Part) and expr not in self.named and expr in self.definitions:
            return self.forward(self.definitions[expr].expr)
        if not expr.args or not expr.atoms(Part):
            return expr
        return expr.func(*(self.forward(arg) for arg in expr.args))

    def expand(self, adjoint: Adjoint) -> tuple[Expr, ...]:
        """The terms of an adjoint that print does not name, in adjoints that it does."""
        if adjoint not in self.expanded:
            terms = [term.expr for term in self.adjoints[adjoint].terms]
            self.expanded[adjoint] = tuple(made for term in terms for made in self.terms(term))
        return self.expanded[adjoint]

    def terms(self, expr: Expr) -> Iterable[Expr]:
        """A term with the adjoints of unnamed parts replaced by theirs, and slices by column blocks."""
        expr = unguarded(expr)
        for adjoint in sorted(expr.atoms(Adjoint), key=str):
            unnamed = (
                isinstance(adjoint.of, Part) and adjoint.of not in self.named and adjoint in self.adjoints
            )
            if unnamed:
                for inner in self.expand(adjoint):
                    yield from self.terms(self.substituted(expr, adjoint, inner))
                return
        yield self.forward(expr)

    def substituted(self, expr: Expr, adjoint: Adjoint, inner: Expr) -> Expr:
        if expr == adjoint:
            return inner
        if isinstance(expr, Slice) and expr.args[0] == adjoint:
            return self.sliced(inner, expr.args[1], expr.args[2])
        if not expr.args or adjoint not in expr.atoms(Adjoint):
            return expr
        return expr.func(*(self.substituted(arg, adjoint, inner) for arg in expr.args))

    def sliced(self, expr: Expr, start: Expr, stop: Expr) -> Expr:
        """Rows of a product with a transposed matrix: the product with its column block."""
        if isinstance(expr, Mul):
            products = [factor for factor in expr.args if isinstance(factor, Contract)]
            scalars = [factor for factor in expr.args if factor not in products]
            if len(products) == 1 and all(not f.atoms(Quantity) for f in scalars):
                return Mul(*scalars, self.sliced(products[0], start, stop))
        if isinstance(expr, Contract) and len(expr.output) == 1:
            holders = [i for i, letters in enumerate(expr.letters) if expr.output in letters]
            if len(holders) == 1 and expr.letters[holders[0]].endswith(expr.output):
                block = self.blocks.get((expr.operands[holders[0]], start, stop))
                if block is not None:
                    operands = list(expr.operands)
                    operands[holders[0]] = block.symbol
                    return Contract(expr.spec, *operands)
        return Slice(expr, start, stop)

    def printed(self, equation: AdjointEquation) -> PrintedAdjoint:
        moving: dict[Quantity | None, list[Expr]] = {}
        fixed: dict[Quantity | None, list[Expr]] = {}
        for term in equation.terms:
            for expr in self.terms(term.expr):
                through = consumer(expr)
                is_fixed = equation.static and through is not None and self.is_static(through)
                (fixed if is_fixed else moving).setdefault(through, []).append(expr)
        return PrintedAdjoint(equation, self.in_turn(moving), self.in_turn(fixed))

    def in_turn(self, found: dict[Quantity | None, list[Expr]]) -> tuple[Contribution, ...]:
        """The output's own term, then pointwise ones, then products, each as the author, the later step's."""
        made = []
        for through in sorted(found, key=lambda q: -1 if q is None else self.order[q]):
            if through is None:
                made += [Contribution(None, expr) for expr in found[through]]
            else:
                made.append(Contribution(through, sum_of(found[through])))
        return tuple(sorted(made, key=_place))

    def is_static(self, quantity: Quantity) -> bool:
        definition = self.definitions.get(quantity)
        return definition is not None and definition.static


def consumer(expr: Expr) -> Quantity | None:
    """The quantity whose adjoint a term is linear in; None for what comes from outside the step."""
    for adjoint in sorted(expr.atoms(Adjoint), key=str):
        if not isinstance(adjoint, LaterAdjoint | OutputAdjoint):
            return adjoint.of
    return None


def _place(contribution: Contribution) -> int:
    if contribution.expr.atoms(OutputAdjoint):
        return 0
    if contribution.expr.atoms(LaterAdjoint):
        return 3
    return 2 if contribution.expr.atoms(Contract) else 1


def unguarded(expr: Expr) -> Expr:
    """`expr` without the guards against 0 times infinity, which numbers need and mathematics does not."""
    if isinstance(expr, where):
        condition, chosen, otherwise = expr.args
        if isinstance(condition, Eq) and isinstance(condition.lhs, Adjoint) and chosen == 0:
            return unguarded(otherwise)
    if not expr.args or not expr.atoms(where):
        return expr
    return expr.func(*(unguarded(arg) if isinstance(arg, Expr) else arg for arg in expr.args))
