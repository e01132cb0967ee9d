"""The reverse sweep: from a cell's definitions to the adjoints of everything they use."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from sympy import Eq, Expr, Mul, S

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.nodes import entry
from symrnn.declaration.normal_form import Definition, plain_name, unique_name
from symrnn.declaration.operations import (
    Contract,
    Leaf,
    NamedFunction,
    Operation,
    PointwiseFunction,
    VectorFunction,
    concatenate,
    one_hot,
    ones,
    where,
)
from symrnn.declaration.quantities import (
    Index,
    NextState,
    Part,
    Quantity,
)
from symrnn.declaration.resolution import is_coefficient
from symrnn.derivation.derivation import (
    Adjoint,
    AdjointEquation,
    Derivation,
    LaterAdjoint,
    OutputAdjoint,
    Term,
)
from symrnn.derivation.rules import (
    algebraic_term,
    contraction_term,
    derivative_of,
    pointwise_term,
    stack_term,
    vector_term,
    where_term,
)
from symrnn.errors import DerivationError, RequestError, shown

REMEMBERED = 64
"""So many derivations, plans and texts are remembered."""

PREFIXES = ("d_", "grad_", "adjoint_")


def derive(cell: Cell) -> Derivation:
    """Backpropagation through time of `cell`: the adjoint of every quantity, with its origin.

    Raises:
        DerivationError: an operation of the cell has no vector-Jacobian rule.
        RequestError: `cell` is no Cell.
    """
    if not isinstance(cell, Cell):
        raise RequestError(
            f"derive() got {shown(cell)}, which is neither a Cell nor a Model. "
            "A shipped cell is symrnn.zoo.cell('gru')."
        )
    return derived(cell)


@lru_cache(maxsize=REMEMBERED)
def derived(cell: Cell) -> Derivation:
    """The derivation, made once of equal cells: who shows, checks or emits a cell asks for it again."""
    return _Sweep(cell).run()


class _Sweep:
    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.terms: dict[Quantity, list[Term]] = {}
        self.taken = {quantity.name for quantity in self.everything}
        self.prefix = next(
            (p for p in PREFIXES if not any(f"{p}{plain_name(q)}" in self.taken for q in self.everything)),
            PREFIXES[-1],
        )
        self.static = {d.symbol for d in cell.definitions if d.static}
        self.static |= {*cell.parameters, *cell.constants}

    @cached_property
    def given(self) -> set[Quantity]:
        """What no gradient is asked for: constants, indices, what is made of them and of numbers alone."""
        found: set[Quantity] = {*self.cell.constants, *self.indices}
        for definition in self.cell.definitions:
            fixed = definition.static or isinstance(definition.expr, one_hot)
            if fixed and set(definition.reads) <= found:
                found.add(definition.symbol)
        return found

    @cached_property
    def indices(self) -> set[Quantity]:
        """The inputs that are classes, which have no gradient."""
        return {quantity for quantity in self.cell.inputs if isinstance(quantity, Index)}

    @cached_property
    def computed(self) -> dict[tuple[Expr, bool], Quantity]:
        """What the cell computes anyway: the symbol by expression, and whether it is static."""
        found: dict[tuple[Expr, bool], Quantity] = {}
        for definition in self.cell.definitions:
            found.setdefault((definition.expr, definition.static), definition.symbol)
        return found

    @cached_property
    def everything(self) -> tuple[Quantity, ...]:
        return (*(d.symbol for d in self.cell.definitions), *self.cell.given)

    @cached_property
    def before_choice(self) -> set[Quantity]:
        """What a branch of a `where` is made of: there an adjoint of zero must stay zero.

        The branch that was not taken may be infinite or undefined, and 0 times that is NaN.
        """
        found: set[Quantity] = set()
        for definition in reversed(self.cell.definitions):
            if isinstance(definition.expr, where) or definition.symbol in found:
                found.update(definition.reads)
        return found

    def name(self, of: Quantity, suffix: str = "") -> str:
        made = unique_name(f"{self.prefix}{plain_name(of)}{suffix}", self.taken)
        self.taken.add(made)
        return made

    def run(self) -> Derivation:
        cell = self.cell
        output = OutputAdjoint(self.name(cell.output, "_output"), cell.output, cell.output_shape)
        later = tuple((s, LaterAdjoint(self.name(s, "_later"), s.next, s.shape)) for s in cell.states)
        for state, symbol in later:
            self.add(state.next, Term(symbol, "later"))
        self.add(cell.output, Term(output, "output"))
        step = [self.finish(d.symbol, d) for d in reversed(cell.definitions) if not d.static]
        step += [self.finish(q) for q in (*cell.states, *cell.inputs) if q not in self.indices]
        static = [self.finish(d.symbol, d) for d in reversed(cell.definitions) if d.static]
        static += [self.finish(q) for q in cell.parameters]
        return Derivation(
            cell,
            output,
            later,
            tuple(equation for equation in step if equation is not None),
            tuple(equation for equation in static if equation is not None),
        )

    def add(self, to: Quantity, term: Term) -> None:
        self.terms.setdefault(to, []).append(term)

    def finish(self, of: Quantity, definition: Definition | None = None) -> AdjointEquation | None:
        """The adjoint equation of `of`, all of whose uses are done; then hand it to what `of` is made of.

        None for an unnamed part whose adjoint equals another one: that one serves for both.
        """
        terms = tuple(self.terms.get(of, ()))
        shape = self.cell.shape_of(of)
        if definition is not None and not terms:
            return None  # nothing depends on it
        alike = len(terms) == 1 and isinstance(terms[0].expr, Adjoint)
        if isinstance(of, Part) and alike and (of not in self.static or _is_static(terms[0])):
            self.hand_back(terms[0].expr, definition)
            return None
        if isinstance(of, Part) and definition is not None and self.passes_multiples(definition):
            factor, d = terms[0].expr.as_coeff_Mul()
            if len(terms) == 1 and isinstance(d, Adjoint):
                self.hand_back(d, definition, factor)
                return None
        suffix = "_next" if isinstance(of, NextState) else ""
        symbol = Adjoint(self.name(of, suffix), of, shape)
        if definition is not None:
            self.hand_back(symbol, definition)
        return AdjointEquation(of, symbol, terms, shape, of in self.static)

    def passes_multiples(self, definition: Definition) -> bool:
        """Whether a number is all that arises, times arrays of a sample: its adjoint needs no symbol then."""
        call = definition.expr
        if any(argument in self.static for argument in definition.reads):
            return False  # what all samples share gets sums of products with an adjoint
        if isinstance(call, VectorFunction):
            return not call.gives_vector
        return isinstance(call, Contract) and not call.output and len(set(call.letters)) == 1

    def hand_back(self, d: Adjoint, definition: Definition | None, factor: Expr = S.One) -> None:
        """Add to the arguments of a definition what they get of the adjoint `factor` * `d` of its result."""
        if definition is None:
            return
        for argument in _arguments(definition):
            if argument in self.given:
                continue
            for rule, expr in self.contributions(d, definition, argument):
                self.add(argument, Term(factor * expr, rule, definition))

    def contributions(
        self, d: Adjoint, definition: Definition, argument: Quantity
    ) -> Iterable[tuple[str, Expr]]:
        """The rule and the term for each place where `argument` stands in the definition."""
        call, shape = definition.expr, self.cell.shape_of(argument)
        if not isinstance(call, Operation):
            handed = [("algebraic", algebraic_term(d, call, argument))]
        else:
            rule = entry(RULES, call)
            if rule is None:
                raise DerivationError(f"{type(call).__name__} has no rule in reverse.py. Add one to RULES.")
            places = [position for position, operand in enumerate(call.operands) if operand == argument]
            told = "contraction" if isinstance(call, Contract) else call.noun
            handed = [(told, rule(self, call, position, d, definition)) for position in places]
        for name, term in handed:
            if term is None or term == 0:
                continue
            guarded = self.guard(d, term, definition.symbol)
            if not isinstance(call, Operation) or call.is_elementwise:
                yield name, self.to_shape(guarded, definition.shape, shape)
            else:
                yield name, guarded if isinstance(call, VectorFunction) and not call.gives_vector else term

    def called(
        self, call: PointwiseFunction | VectorFunction, position: int, d: Adjoint, definition: Definition
    ) -> Expr | None:
        """What a function hands to an argument: its derivative may be at hand."""
        held = self.derivative_at_hand(definition)
        if held is not None:
            return d * held
        if isinstance(call, VectorFunction):
            return vector_term(d, definition.symbol, call, self.cell.shape_of(call.args[0])[0])
        return pointwise_term(d, definition.symbol, call, position)

    def derivative_at_hand(self, definition: Definition) -> Quantity | None:
        """The symbol that the cell defines as the derivative of a function that it calls, if it does."""
        if not isinstance(definition.expr, Operation):
            return None
        derivative = derivative_of(definition.expr)
        return None if derivative is None else self.computed.get((derivative, definition.static))

    def to_shape(self, term: Expr, have: Shape, want: Shape) -> Expr:
        """`term` in the shape of the argument: a scalar that was repeated collects a sum."""
        if have == want:
            return term
        return summed(term, have, self.cell)

    def guard(self, d: Adjoint, expr: Expr, result: Quantity) -> Expr:
        """`expr`, an element of `d` times something, but zero where `d` is, inside a branch of a choice."""
        if result not in self.before_choice or not isinstance(expr, Mul):
            return expr
        return where(Eq(d, 0), S.Zero, expr)


RULES: Mapping[type, Callable[[_Sweep, Any, int, Adjoint, Definition], Expr | None]] = {
    Leaf: lambda sweep, *_: None,
    NamedFunction: _Sweep.called,
    where: lambda sweep, call, position, d, _: where_term(d, call, position + 1),
    Contract: lambda sweep, call, position, d, _: contraction_term(
        d, call, position, sweep.cell.shape_of(call.operands[position])
    ),
    concatenate: lambda sweep, call, position, d, _: stack_term(
        d, call, position, [sweep.cell.shape_of(part)[0] for part in call.args]
    ),
}
"""What operations hand to the operand at a position, by their kind."""


def _is_static(term: Term) -> bool:
    return term.definition is not None and term.definition.static


def _arguments(definition: Definition) -> tuple[Quantity, ...]:
    """What a definition reads, in the order in which gradients are handed back."""
    call = definition.expr
    if not isinstance(call, Operation):
        return definition.reads
    return tuple(dict.fromkeys(operand for operand in call.operands if isinstance(operand, Quantity)))


def summed(expr: Expr, shape: Shape, cell: Cell) -> Expr:
    """The sum of a pointwise expression over all its axes, as a contraction of its factors."""
    letters = "ijklmnop"[: len(shape)]
    outside: list[Expr] = []
    inside: list[Expr] = []
    for factor in Mul.make_args(expr):
        scalar = is_coefficient(factor) or not any(_shape(q, cell) for q in factor.atoms(Quantity))
        (outside if scalar else inside).append(factor)
    if not inside:  # constant along the axes
        inside = [ones(*shape)]
    if all(isinstance(factor, Quantity) for factor in inside):
        inside.sort(key=lambda q: (not isinstance(q, Adjoint), q.name))
        return Mul(*outside, Contract(f"{','.join([letters] * len(inside))}->", *inside))
    return Mul(*outside, Contract(f"{letters}->", Mul(*inside)))


def _shape(quantity: Quantity, cell: Cell) -> Shape:
    return quantity.shape if isinstance(quantity, Adjoint) else cell.shape_of(quantity)
