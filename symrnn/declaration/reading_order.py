"""The order in which a reader expects the terms of a sum and the factors of a product.

SymPy keeps its own order, which is nobody's. Here contractions come first and biases last, gates and
(1 - gate) stand before what they gate, and candidates before the states that they replace:

    W x + U h + b + d        u * c_tilde + (1 - u) * c        W x + b + r * (U h + d)

The functions know quantities by their role. Where a symbol cannot tell it (a value that is a gate, a
part that is a contraction, a plain SymPy symbol), `roles`, a table from name to role, does;
`reading_roles` makes it. Without a table the order is still deterministic.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from sympy import Add, Expr, Mul, Pow, Symbol

from symrnn.declaration.axes import Axis
from symrnn.declaration.normal_form import Definition
from symrnn.declaration.operations import ConstantArray, Contract, Operation, Slice, concatenate, sigmoid
from symrnn.declaration.quantities import Input, Quantity

text_of = lru_cache(maxsize=1 << 16)(str)
"""SymPy's text of an expression, which orders what nothing else does: long to make, and needed very often."""

Roles: TypeAlias = Mapping[str, str]
Key: TypeAlias = tuple[int | str, ...]
NO_ROLES: Roles = MappingProxyType({})

ADJOINTS = ("adjoint", "later adjoint", "output adjoint")
CONTRACTIONS = ("input contraction", "contraction")
GIVEN = ("parameter", "constant")
CARRIED = ("state", "next state", "input")


def reading_roles(given: Iterable[Quantity], definitions: Iterable[Definition]) -> dict[str, str]:
    """The role of every symbol of a cell by name; gates and contractions are told from other values.

    `given` are its inputs, states, parameters and constants.
    A gate is a value that is a sigmoid. Contractions are told apart by whether an input is in them.
    """
    stacks: dict[Quantity, tuple[Quantity, ...]] = {}
    roles = {q.name: q.role for q in given}
    for definition in definitions:
        role = definition.symbol.role
        if isinstance(definition.expr, sigmoid):
            role = "gate"
        elif isinstance(definition.expr, concatenate):
            stacks[definition.symbol] = definition.reads
        elif isinstance(definition.expr, Contract):
            operands = [inner for q in definition.reads for inner in stacks.get(q, (q,))]
            role = CONTRACTIONS[not any(isinstance(q, Input) for q in operands)]
        roles[definition.symbol.name] = role
    return roles


def ordered_terms(expr: Expr, roles: Roles = NO_ROLES) -> tuple[Expr, ...]:
    """The terms of a sum in reading order; anything else is one term."""
    terms = Add.make_args(expr)
    numbers = [term for term in terms if is_number(term)]
    others = sorted((term for term in terms if not is_number(term)), key=lambda term: _term_key(term, roles))
    positive = [term for term in others if not _is_negative(term)]
    if numbers and _number_leads(numbers[0], others, positive, roles):
        return (*numbers, *others)
    if positive and positive[0] != others[0]:  # a sum does not start with a minus if it need not
        others.remove(positive[0])
        others.insert(0, positive[0])
    return (*others, *numbers)


def ordered_factors(expr: Expr, roles: Roles = NO_ROLES) -> tuple[Expr, ...]:
    """The factors of a product in reading order; anything else is one factor."""
    return tuple(sorted(Mul.make_args(expr), key=lambda factor: _factor_key(factor, roles)))


def role_of(expr: Expr, roles: Roles = NO_ROLES) -> str:
    """The role of a symbol, or "" for what is no symbol."""
    if not isinstance(expr, Symbol):
        return ""
    own = expr.role if isinstance(expr, Quantity) else ""
    return own if own in ADJOINTS else roles.get(expr.name, own)


def gated_by(expr: Expr, roles: Roles = NO_ROLES) -> tuple[str, int] | None:
    """The gate's name and 0 for a gate, its name and 1 for (1 - symbol), else None."""
    if isinstance(expr, Symbol):
        return (expr.name, 0) if role_of(expr, roles) == "gate" else None
    if isinstance(expr, Add) and len(expr.args) == 2 and expr.args[0] == 1:
        subtracted = -expr.args[1]
        return (subtracted.name, 1) if isinstance(subtracted, Symbol) else None
    return None


@lru_cache(maxsize=1 << 16)
def is_number(expr: Expr) -> bool:
    """Whether `expr` is a number, perhaps made of axes."""
    return not expr.atoms(Operation) and all(isinstance(s, Axis) for s in expr.free_symbols)


def _number_leads(number: Expr, others: list[Expr], positive: list[Expr], roles: Roles) -> bool:
    """Whether the number stands first, as in 1 - u, and not last, as in W x + b + 1."""
    if _is_negative(number):
        return False
    plain = not any(_term_key(term, roles)[0] in (1, 5) for term in others)
    return not positive or (len(others) == 1 and plain)


def _factor_key(factor: Expr, roles: Roles) -> Key:
    """Coefficients, adjoints, parameters, gates, local derivatives, values, functions, products, states."""
    base = factor.args[0] if isinstance(factor, Pow) else factor
    role, text = role_of(base, roles), text_of(factor)
    gate = gated_by(base, roles)
    if is_number(factor):
        return (0, text)
    if role in ADJOINTS or (isinstance(base, Contract | Slice) and _has_adjoint(base)):
        return (1, text)
    if gate is not None:
        return (4, *gate)
    return (*_place(base, role), text)


def _place(base: Expr, role: str) -> Key:
    """The place of a factor that is no coefficient, no adjoint and no gate."""
    if role in GIVEN:
        return (2, len(getattr(base, "shape", ())))
    if role in CARRIED:
        return (10, CARRIED.index(role))
    if isinstance(base, Add):
        return (5,) if base.args[0] == 1 and len(base.args) == 2 else (9,)
    if isinstance(base, Contract) or role in CONTRACTIONS:
        return (8,)
    return (7,) if isinstance(base, Operation) else (6,)


def _term_key(term: Expr, roles: Roles) -> Key:
    """Contractions, gated products, other products and symbols, biases, products with a sum in brackets."""
    factors = [factor for factor in ordered_factors(term, roles) if not is_number(factor)]
    names = [role_of(factor, roles) for factor in factors]
    text = text_of(Mul(*factors))
    if any(_has_adjoint(factor) for factor in factors):
        return _adjoint_term_key(factors, names, text)
    if any(
        isinstance(factor, Contract) or name in CONTRACTIONS
        for factor, name in zip(factors, names, strict=True)
    ):
        from_input = any(factor.atoms(Input) for factor in factors) or "input contraction" in names
        return (1, not from_input, text)
    if all(name in GIVEN or isinstance(f, ConstantArray) for f, name in zip(factors, names, strict=True)):
        return (5, sum(isinstance(factor, ConstantArray) for factor in factors), text)
    gates = [gated_by(factor, roles) for factor in factors]
    gate = next((g for g in gates if g is not None), None)
    if any(isinstance(factor, Add) and g is None for factor, g in zip(factors, gates, strict=True)):
        return (6, text)
    if gate is not None:
        accented = any(isinstance(f, Symbol) and f.name.endswith(("_tilde", "_hat")) for f in factors)
        return (2, not accented, gate[0], any(name in CARRIED for name in names), text)
    bare = len(factors) == 1 and isinstance(factors[0], Symbol)  # h + eps * tanh(...)
    return (3, not bare, any(name in CARRIED for name in names), text)


def _adjoint_term_key(factors: list[Expr], names: list[str], text: str) -> Key:
    """The output's own, what the step's pointwise lines give, contractions and slices, the later step's."""
    if len(factors) == 1 and names[0] == "output adjoint":
        return (0, text)
    if len(factors) == 1 and names[0] == "later adjoint":
        return (9, text)
    return (2 if any(isinstance(factor, Contract | Slice) for factor in factors) else 1, text)


@lru_cache(maxsize=1 << 16)
def _has_adjoint(expr: Expr) -> bool:
    return any(quantity.role in ADJOINTS for quantity in expr.atoms(Quantity))


def _is_negative(term: Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)  # not could_extract_minus_sign, which looks into sums
