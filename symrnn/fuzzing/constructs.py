"""What stands directly inside what: the constructs of the vocabulary, their places, and pairs of them.

A pair says that a place of one construct holds another construct of some rank, such as a stack of rank 1 in
the last place of a sum. The pairs of a cell are read off its resolved equations.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sympy import Add, Expr, Mul, Pow
from sympy.core.relational import Relational

from symrnn.declaration.cell import Cell
from symrnn.declaration.nodes import entry
from symrnn.declaration.operations import (
    POINTWISE,
    VECTOR_FUNCTIONS,
    Contract,
    PointwiseFunction,
    VectorFunction,
    concatenate,
    identity,
    one_hot,
    ones,
    where,
)
from symrnn.declaration.quantities import Parameter, Quantity, Value
from symrnn.declaration.resolution import is_coefficient

Ranks = tuple[int, ...]
ANY: Ranks = (0, 1, 2)
ARRAY: Ranks = (1, 2)


class Pair(NamedTuple):
    """The construct `inner`, of rank `rank`, in a place of the construct `outer`."""

    outer: str
    place: str
    inner: str
    rank: int


POSITIVE = tuple(function.name for function in POINTWISE if function.facts.at_zero_singular is not None)
"""Functions whose argument must be positive."""
BINARY = tuple(f.name for f in POINTWISE if f.arity == 2 and f.name not in POSITIVE)
UNARY = (*(function.name for function in POINTWISE if function.name not in BINARY), "square")
"""Functions of one argument, and of a base where the exponent is a number."""
VECTOR = tuple(function.name for function in VECTOR_FUNCTIONS)
LINES = ("first", "middle", "last")

LEAVES: dict[str, Ranks] = {
    **dict.fromkeys(("input", "state", "next state", "parameter", "shared parameter"), ANY),
    **dict.fromkeys(("constant", "value", "derived parameter"), ANY),
    "number": (0,),
    "ones": ARRAY,
    "identity": (2,),
    "one hot": (1,),
}
"""The ranks of what has nothing inside."""

RESULTS: dict[str, Ranks] = {
    **dict.fromkeys((*UNARY, *BINARY, "scaled", "sum", "product", "where"), ANY),
    **{function.name: (int(function.gives_vector),) for function in VECTOR_FUNCTIONS},
    "stack": ARRAY,
    "matrix @ vector": (1,),
    "vector @ matrix": (1,),
    "matrix @ matrix": (2,),
    "dot": (0,),
    "outer": (2,),
    "transpose": (2,),
    "total": (0,),
    "row": (1,),
    "element": (0,),
    "einsum of one": (1,),
    "einsum of two": ANY,
    "einsum of three": ANY,
}
"""The ranks of the values of the other constructs."""

PLACES: dict[str, dict[str, Ranks]] = {
    **{name: {"of": ANY} for name in (*UNARY, "scaled")},
    **{name: {"left": ANY, "right": ANY} for name in BINARY},
    **{name: dict.fromkeys(LINES, ANY) for name in ("sum", "product")},
    "where": {"condition": ANY, "chosen": ANY, "otherwise": ANY},
    **{name: {"of": (1,)} for name in VECTOR},
    "stack": dict.fromkeys(LINES, ARRAY),
    "matrix @ vector": {"left": (2,), "right": (1,)},
    "vector @ matrix": {"left": (1,), "right": (2,)},
    "matrix @ matrix": {"left": (2,), "right": (2,)},
    "dot": {"left": (1,), "right": (1,)},
    "outer": {"left": (1,), "right": (1,)},
    "transpose": {"of": (2,)},
    "total": {"of": ARRAY},
    "row": {"of": (2,)},
    "element": {"of": (1,)},
    "einsum of one": {"of": (2,)},
    "einsum of two": {"left": ARRAY, "right": ARRAY},
    "einsum of three": dict.fromkeys(LINES, ARRAY),
}
"""The places of the constructs, with the ranks of what can stand there."""

CONTRACTIONS = tuple(PLACES)[tuple(PLACES).index("matrix @ vector") :]
BY_SPEC = {
    "ij,j->i": "matrix @ vector",
    "i,ij->j": "vector @ matrix",
    "ij,jk->ik": "matrix @ matrix",
    "i,i->": "dot",
    "i,j->ij": "outer",
    "i,j->ji": "outer",
    "ij->ji": "transpose",
}
COUNTED = ("one", "two", "three")


def pairs_of(cell: Cell) -> set[Pair]:
    """The pairs in the equations of a cell."""
    return _Walk(cell).pairs


def stack_depth(cell: Cell) -> int:
    """How many stacks are nested directly in each other at most."""

    def depth(expr: Expr) -> int:
        inside = max(map(depth, expr.args), default=0)
        if not isinstance(expr, concatenate):
            return inside
        return max(inside, 1 + max(_direct(part) for part in expr.args))

    return max(depth(equation.rhs) for equation in cell.equations)


def _direct(expr: Expr) -> int:
    return 1 + max(map(_direct, expr.args)) if isinstance(expr, concatenate) else 0


class _Walk:
    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.static = {d.symbol for d in cell.definitions if d.static}
        self.uses = Counter(q for eq in cell.equations for q in _quantities(eq.rhs))
        self.pairs: set[Pair] = set()
        for equation in cell.equations:
            self.visit(equation.rhs)

    def visit(self, expr: Expr) -> tuple[str, int]:
        """The construct and the rank of an expression; its pairs and those inside are noted."""
        if is_coefficient(expr):
            return "number", 0
        form = entry(FORMS, expr)
        assert form is not None, f"{type(expr).__name__} is no construct"
        return form(self, expr)

    def product(self, expr: Mul) -> tuple[str, int]:
        numbers = [factor for factor in expr.args if is_coefficient(factor)]
        if not numbers:
            return self.noted("product", _lined(expr.args))
        rest = [factor for factor in expr.args if factor not in numbers]
        return self.noted("scaled", [("of", Mul(*rest, evaluate=False))])

    def choice(self, expr: where) -> tuple[str, int]:
        compared = [("condition", side) for r in expr.condition.atoms(Relational) for side in r.args]
        branches = zip(("chosen", "otherwise"), expr.operands, strict=True)
        return self.noted("where", [*compared, *branches])

    def contraction(self, expr: Contract) -> tuple[str, int]:
        name, operands = contraction(expr)
        places = PLACES.get(name, map(str, range(len(operands))))
        return self.noted(name, zip(places, operands, strict=True), len(expr.output))

    def noted(
        self, outer: str, inside: Iterable[tuple[str, Expr]], rank: int | None = None
    ) -> tuple[str, int]:
        """A construct and its rank: the highest in its places, unless that is given."""
        pairs = [Pair(outer, place, *self.visit(expr)) for place, expr in inside]
        self.pairs.update(pairs)
        return outer, max(pair.rank for pair in pairs) if rank is None else rank

    def leaf(self, quantity: Quantity) -> tuple[str, int]:
        name = quantity.role
        if isinstance(quantity, Parameter) and self.uses[quantity] > 1:
            name = "shared parameter"
        if isinstance(quantity, Value) and quantity in self.static:
            name = "derived parameter"
        return name, len(self.cell.shape_of(quantity))


FORMS: Mapping[type, Callable[[_Walk, Any], tuple[str, int]]] = {
    Quantity: _Walk.leaf,
    Add: lambda walk, e: walk.noted("sum", _lined(e.args)),
    Mul: _Walk.product,
    Pow: lambda walk, e: walk.noted("square", [("of", e.base)]),
    PointwiseFunction: lambda walk, e: walk.noted(e.name, zip(PLACES[e.name], e.args, strict=False)),
    VectorFunction: lambda walk, e: walk.noted(e.name, [("of", e.args[0])], int(e.gives_vector)),
    where: _Walk.choice,
    Contract: _Walk.contraction,
    concatenate: lambda walk, e: walk.noted("stack", _lined(e.args)),
    one_hot: lambda walk, e: ("one hot", 1),
    identity: lambda walk, e: ("identity", 2),
    ones: lambda walk, e: ("ones", len(e.args)),
}
"""The construct and the rank of what is no number, by its kind."""


def contraction(expr: Contract) -> tuple[str, tuple[Expr, ...]]:
    """The construct of a contraction, and what stands in its places."""
    first, *rest = expr.operands
    if isinstance(first, one_hot) and len(rest) == 1 and expr.letters[1] == expr.letters[0] + expr.output:
        return ("row" if expr.output else "element"), tuple(rest)
    if expr.spec in BY_SPEC:
        return BY_SPEC[expr.spec], expr.operands
    if not rest and not expr.output:
        return "total", expr.operands
    count = len(expr.operands)
    return f"einsum of {COUNTED[count - 1] if count <= 3 else count}", expr.operands


def _lined(args: tuple[Expr, ...]) -> list[tuple[str, Expr]]:
    names = ["first", *["middle"] * (len(args) - 2), "last"]
    return list(zip(names, args, strict=True))


def _quantities(expr: Expr) -> Iterator[Quantity]:
    """Every occurrence of a quantity."""
    if isinstance(expr, Quantity):
        yield expr
    for arg in () if isinstance(expr, Quantity) else expr.args:
        if isinstance(arg, Expr) or hasattr(arg, "args"):
            yield from _quantities(arg)


def impossible(pair: Pair) -> str:
    """Why no declaration has a pair; empty if some can."""
    outer, place, inner, rank = pair
    if rank not in PLACES[outer][place] or rank not in {**LEAVES, **RESULTS}[inner]:
        return "the ranks do not go together"
    if inner == "number" and outer not in ("sum", "where", *BINARY):
        return "what is made of numbers is a number, and a factor is a scale"
    if (outer, inner) in MERGED:
        return MERGED[outer, inner]
    if outer in POSITIVE and inner in ("identity", "one hot"):
        return "the function is not defined at 0"
    if inner == "one hot" and place == "left" and outer in ("vector @ matrix", "dot"):
        return "a unit vector from the left is a row or an element"
    return ""


MERGED: dict[tuple[str, str], str] = {
    ("sum", "sum"): "SymPy makes one sum of both",
    ("product", "product"): "SymPy makes one product of both",
    ("product", "scaled"): "SymPy scales the whole product",
    ("scaled", "scaled"): "SymPy multiplies the numbers",
    ("square", "square"): "SymPy multiplies the exponents",
    ("square", "product"): "SymPy raises every factor to the power",
    ("square", "scaled"): "SymPy raises every factor to the power",
}
"""Pairs that SymPy writes otherwise."""


def all_pairs() -> tuple[Pair, ...]:
    """All pairs whose ranks go together, possible or not."""
    inner = {**LEAVES, **RESULTS}
    return tuple(
        Pair(outer, place, name, rank)
        for outer, places in PLACES.items()
        for place, ranks in places.items()
        for name, results in inner.items()
        for rank in ranks
        if rank in results
    )


POSSIBLE: tuple[Pair, ...] = tuple(pair for pair in all_pairs() if not impossible(pair))
"""The pairs that cells are made to reach."""
