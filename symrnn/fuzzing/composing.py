"""Terms composed of constructs, with given terms in some of their places and drawn ones elsewhere."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import Add, Expr, Rational

from symrnn.declaration.axes import Shape
from symrnn.declaration.operations import (
    Contract,
    concatenate,
    dot,
    einsum,
    matmul,
    outer,
    softplus,
    take,
    tanh,
    total,
    transpose,
    where,
)
from symrnn.fuzzing.constructs import BINARY, LEAVES, PLACES, POSITIVE, RESULTS, UNARY, VECTOR
from symrnn.fuzzing.forms import FORMS
from symrnn.fuzzing.quantities import INNER_SIZES, SIZES, Pick, Quantities
from symrnn.fuzzing.specs import SPECS, fitting_specs
from symrnn.fuzzing.terms import (
    LIMIT,
    VECTORS,
    NoTermError,
    Term,
    added,
    applied,
    multiplied,
    number,
    number_of,
    of_two,
    of_vector,
    scaled,
    times,
)

Given = Mapping[str, Term]
NOTHING: Given = {}
FREE = -math.inf

OPERATORS: dict[str, Callable[..., Expr]] = {"dot": dot, "total": total, "transpose": transpose}


class Composer:
    """Makes terms of quantities; `static` terms have parameters and constants alone.

    A subclass says what `value`, `next state`, `state` and `derived parameter` are.
    """

    def __init__(self, pick: Pick, positive: bool) -> None:
        self.pick = pick
        self.quantities = Quantities(pick, positive)
        self.static = False
        self.known: list[Term] = []  # values and next states with their equations made
        self.derived: list[Term] = []
        self.owed: list[Term] = []  # parameters that are to be used once more

    def choose(self, alternatives: Any) -> Any:
        """One of some alternatives, the simplest of which is the first."""
        return alternatives[self.pick(len(alternatives))]

    # -- leaves -------------------------------------------------------------------------------

    def equated(self, kind: str, shape: Shape, low: float) -> Term:
        """A quantity with an equation of its own."""
        raise NotImplementedError

    def named(self, kind: str, shape: Shape, low: float) -> Term:
        """A leaf of a kind of `LEAVES`."""
        made: Term | None
        if self.static and kind in ("input", "state", "next state", "value", "one hot"):
            raise NoTermError
        if kind == "input":
            made = self.quantities.input(shape)
        elif kind in ("state", "next state", "value", "derived parameter"):
            made = self.equated(kind, shape, low)
        elif kind == "constant":
            made = self.quantities.constant(shape)
        elif kind in ("parameter", "shared parameter"):
            made = self.quantities.parameter(shape)
            if kind == "shared parameter":
                self.owed.append(made)
        elif kind == "number":
            made = number(self.choose((1, 2, Rational(1, 2), 0.75))) if not shape else None
        else:
            made = self.quantities.array(kind, shape)
        if made is None or made.low < low:
            raise NoTermError
        return made

    def leaf(self, shape: Shape, low: float = FREE) -> Term:
        """Something at hand, or a fresh parameter, input, constant or array."""
        known = [*self.derived, *([] if self.static else [*self.known, *self.quantities.states])]
        fitting = [term for term in known if term.shape == shape and term.low >= low]
        kind = self.pick(8)
        if kind < 4 and fitting:
            return fitting[self.pick(len(fitting))]
        if kind == 0 or kind > 5:
            return self.lifted(self.quantities.parameter(shape), low)
        others = {
            1: "input",
            2: "input",
            3: "state",
            4: "constant",
            5: self.choose(("ones", "identity", "one hot")),
        }
        try:
            return self.named(others[kind], shape, low)
        except NoTermError:
            return self.lifted(self.quantities.parameter(shape), low)

    def lifted(self, term: Term, low: float) -> Term:
        """A term whose elements are at least `low`, made of one that may be less."""
        if term.low >= low:
            return term
        kind = self.pick(4)
        if kind == 0:
            made = added([number(1), applied("square", term, 0)])
        elif kind == 1:
            made = added(
                [Term(softplus(term.expr), term.shape, 0.0, term.size + 0.7), number(Rational(1, 2))]
            )
        elif kind == 2:
            made = Term(2 - tanh(term.expr), term.shape, 1.0, 3.0)
        else:
            made = added([applied("abs", term, 0), number(1)])
        return made if made.low >= low else added([made, number(2)])

    # -- terms --------------------------------------------------------------------------------

    def term(self, shape: Shape, depth: int, low: float = FREE) -> Term:
        """A drawn term of a shape, so many constructs deep at most."""
        if depth <= 0 or self.pick(5) == 0:
            return self.leaf(shape, low)
        fitting = [name for name, ranks in RESULTS.items() if len(shape) in ranks]
        fitting += FORMS if fitting else ()
        if shape and isinstance(shape[0], Add) and self.pick(2):
            fitting = ["stack"]
        if not fitting:
            return self.leaf(shape, low)
        try:
            return self.tame(self.make(self.choose(fitting), shape, NOTHING, depth - 1, low), low)
        except NoTermError:
            return self.leaf(shape, low)

    def tame(self, term: Term, low: float = FREE) -> Term:
        """A term no larger than the limit."""
        if term.size <= LIMIT:
            return term
        kind = self.pick(3)
        if kind == 0 or low > FREE:
            factor = Rational(1, math.ceil(term.size / LIMIT))
            made = Term(term.expr * factor, term.shape, term.low * float(factor), term.high * float(factor))
        elif kind == 1:
            made = Term(tanh(term.expr / 4), term.shape, -1.0, 1.0)
        else:
            scale = math.ceil(term.size / LIMIT)
            size = INNER_SIZES[0]
            divisors = (sympy.sqrt(size), size**0.3, sympy.log(size + 2), 2**size)  # none is less than 1
            made = Term(term.expr / (scale * divisors[scale % 4]), term.shape, -LIMIT, LIMIT)
        if made.low < low:
            raise NoTermError
        return made

    def make(self, name: str, shape: Shape | None, given: Given, depth: int, low: float = FREE) -> Term:
        """A construct with given terms in some places; with `low`, of elements that are at least that.

        Raises:
            NoTermError: some draws gave none.
        """
        floors = (FREE,) if low == FREE else (FREE, 0.2, 1.1, 2.1)
        for floor in floors:
            for _ in range(3):
                try:
                    made = self.made(name, shape, given, depth, floor)
                except NoTermError:
                    continue
                as_wanted = made.low >= low and (shape is None or made.shape == shape)
                if as_wanted and (not made.shape or _keeps_shape(made.expr)):
                    return made
        raise NoTermError

    def made(self, name: str, shape: Shape | None, given: Given, depth: int, low: float) -> Term:
        """One draw of a construct, with drawn operands of at least `low`."""
        if shape is None:
            shape = self.shape_around(name, given)
        if name in LEAVES:
            return self.named(name, shape, low)
        if name in FORMS:
            return FORMS[name](self.pick, lambda wanted: self.term(wanted, depth, low), shape)
        if name in SPECS:
            return self.contraction(name, shape, given, depth, low)
        if name == "stack":
            return self.stack(shape, given, depth, low)
        return self.function(name, shape, given, depth, low)

    def function(self, name: str, shape: Shape, given: Given, depth: int, low: float) -> Term:
        """A function, a multiple, or what goes element by element."""
        if name in VECTOR:
            size = self.choose(INNER_SIZES) if not VECTORS[name].gives_vector else shape[0]
            inside = given["of"] if given else self.term((size,), depth, low)
            return of_vector(name, inside, number_of(inside.shape[0], SIZES))
        if name in UNARY:
            needed = max(low, 0.5 if name in POSITIVE else FREE)
            return applied(name, given["of"] if given else self.term(shape, depth, needed), self.pick(12))
        if name == "scaled":
            return scaled(given["of"] if given else self.term(shape, depth, low), self.pick(7), low > 0)
        return self.elementwise(name, shape, given, depth, low)

    def shape_around(self, name: str, given: Given) -> Shape:
        """A shape for what has some terms inside, or for anything if there are none."""
        inside = next(iter(given.values()), None)
        if inside is None or name in SPECS or name == "stack":
            return ()  # worked out by the construct
        if inside.shape or name not in ("sum", "product", "where", *BINARY):
            return inside.shape
        m, _, k, _ = INNER_SIZES
        shapes: tuple[Shape, ...] = ((), (), (m,), (m, k))
        return shapes[self.pick(len(shapes))]

    # -- element by element -------------------------------------------------------------------

    def elementwise(self, name: str, shape: Shape, given: Given, depth: int, low: float) -> Term:
        """A sum, a product, a choice, or the larger or smaller of two."""
        places = list(PLACES[name])
        if name in LINES_OF and not (set(given) & {"middle"}) and self.pick(2) == 0:
            places.remove("middle")
        whole = [place for place in places if place not in given and place != "condition"]
        spare = self.choose(whole) if whole else ""
        needs_array = bool(shape) and not any(term.shape for term in given.values())
        drawn: dict[str, Term] = dict(given)
        for place in places:
            if place not in drawn:
                scalar = self.pick(6) == 5 and not (needs_array and place == spare)
                drawn[place] = self.term(() if scalar else shape, depth, low)
        terms = [drawn[place] for place in places]
        if name == "where":
            made = self.choice(*terms)
        elif name in BINARY:
            made = of_two(name, *terms)
        else:
            made = added(terms) if name == "sum" else multiplied(terms)
        if made.shape != shape:
            raise NoTermError
        return made

    def choice(self, condition: Term, chosen: Term, otherwise: Term) -> Term:
        """One of two terms, by a third."""
        c, kind = condition.expr, self.pick(5)
        shape = chosen.shape or otherwise.shape or condition.shape
        low, high = min(chosen.low, otherwise.low), max(chosen.high, otherwise.high)
        if c.is_number:
            c, kind = self.leaf(()).expr - c, 0
        if kind == 4 and not c.has(sympy.Piecewise):  # of one in a condition SymPy makes no end
            chosen_first = sympy.Piecewise((chosen.expr, c > 0), (otherwise.expr, True))
            return Term(chosen_first, shape, low, high)
        within = sympy.And(c < Rational(1, 2), sympy.Or(c >= self.leaf(()).expr, c > -1))
        test = (c > 0, c <= Rational(1, 2), within, sympy.Not(within))[kind % 4]
        return Term(where(test, chosen.expr, otherwise.expr), shape, low, high)

    # -- stacks and contractions --------------------------------------------------------------

    def stack(self, shape: Shape, given: Given, depth: int, low: float) -> Term:
        """A stack: of the sizes that a shape is the sum of, or of a given part and others."""
        placed = next(iter(given.items()), None)
        if placed is None:
            if not shape or not isinstance(shape[0], Add):
                raise NoTermError
            sizes = list(shape[0].args)
            sizes.sort(key=str, reverse=bool(self.pick(2)))
            parts = [self.term((size, *shape[1:]), depth, low) for size in sizes]
        else:
            place, term = placed
            before = {"first": 0, "middle": 1, "last": 1 + self.pick(2)}[place]
            after = {"first": 1 + self.pick(2), "middle": 1, "last": 0}[place]
            rest = term.shape[1:]
            parts = [self.term((self.choose(INNER_SIZES), *rest), depth, low) for _ in range(before + after)]
            parts.insert(before, term)
        first = sympy.expand(sum(part.shape[0] for part in parts))
        made = concatenate(*(part.expr for part in parts))
        return Term(made, (first, *parts[0].shape[1:]), min(p.low for p in parts), max(p.high for p in parts))

    def contraction(self, name: str, shape: Shape, given: Given, depth: int, low: float) -> Term:
        """A contraction of one of the specs of its construct that fit."""
        if self.static and name in ("row", "element"):
            raise NoTermError
        ranks = {place: len(term.shape) for place, term in given.items()}
        if not (fitting := fitting_specs(name, len(shape), ranks)):
            raise NoTermError
        spec, letters = self.choose(fitting)
        sizes: dict[str, Expr] = {} if given else dict(zip(spec.partition("->")[2], shape, strict=True))
        for place, term in given.items():
            for letter, size in zip(letters[place], term.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    raise NoTermError
        for letter in "".join(letters.values()):
            if letter not in sizes:
                sizes[letter] = self.choose(INNER_SIZES)
        terms = [
            given[place] if place in given else self.term(tuple(map(sizes.__getitem__, named)), depth, low)
            for place, named in letters.items()
        ]
        result = tuple(sizes[letter] for letter in spec.partition("->")[2])
        bounds = terms[0].low, terms[0].high
        for term in terms[1:]:
            bounds = times(Term(terms[0].expr, (), *bounds), term)
        count = 1
        for letter in set(sizes) - set(spec.partition("->")[2]):
            count *= number_of(sizes[letter], SIZES) if name not in ("row", "element") else 1
        return Term(self.spelled(name, spec, terms), result, count * bounds[0], count * bounds[1])

    def spelled(self, name: str, spec: str, terms: list[Term]) -> Expr:
        """A contraction as an author may write it."""
        operands = [term.expr for term in terms]
        if name in ("row", "element"):
            return take(operands[0], self.quantities.index(terms[0].shape[0]))
        if any(operand.is_Mul and operand.as_coeff_Mul()[0] != 1 for operand in operands):
            return Contract(spec, *operands)  # a scale that stays inside, as in products of products
        kind = self.pick(4)
        if kind == 3 or name.startswith("einsum"):
            return einsum(spec, *operands)
        if spec in ("i,j->ij", "i,j->ji"):
            return outer(*(operands if spec == "i,j->ij" else operands[::-1]))
        if kind < 2 and name in OPERATORS:
            return OPERATORS[name](*operands)
        return matmul(*operands) if len(operands) == 2 else OPERATORS[name](*operands)

    def projection(self, term: Term, shape: Shape) -> Term:
        """A term of any shape, brought to another by parameters."""
        rank = len(term.shape)
        if not rank:
            return self.tame(multiplied([self.quantities.parameter(shape), term]))
        if len(shape) + rank > 3:
            weight = self.quantities.parameter(term.shape)
            inner = multiplied([weight, term])
            count = math.prod(number_of(size, SIZES) for size in term.shape)
            summed = Term(total(inner.expr), (), count * inner.low, count * inner.high)
            return self.tame(multiplied([self.quantities.parameter(shape), self.tame(summed)]))
        weight = self.quantities.parameter((*shape, *term.shape))
        left, right = "ij"[: len(shape)], "klm"[:rank]
        low, high = times(weight, term)
        count = math.prod(number_of(size, SIZES) for size in term.shape)
        spec = f"{left}{right},{right}->{left}"
        plain = rank == 1 and shape
        expr = weight.expr @ term.expr if plain else einsum(spec, weight.expr, term.expr)
        return self.tame(Term(expr, shape, count * low, count * high))


LINES_OF = ("sum", "product")


def _keeps_shape(expr: Expr) -> bool:
    """Whether SymPy has not cancelled everything."""
    return not expr.is_number
