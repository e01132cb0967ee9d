"""The numbers in equations: of what they are made, how large they may be, powers that can be written out."""

import sys

from sympy import Add, Expr, I, Mul, Number, NumberSymbol, Pow, Symbol, preorder_traversal
from sympy import log as sympy_log

from symrnn.declaration.axes import Axis
from symrnn.declaration.operations import PointwiseFunction
from symrnn.errors import DeclarationError, shown
from symrnn.vocabulary.families import COMPOSED, EQUIVALENTS, FORMULAS, NAMED

LARGEST_EXPONENT = 1000
PARTS = (Add, Mul, Pow, Number, NumberSymbol, Axis, *EQUIVALENTS)
"""What a number may be made of, in SymPy's terms."""


def within_floats(number: Expr) -> Expr:
    """`number`, made of SymPy's functions and perhaps of axes, if a float can hold it."""
    if number.is_number and abs(number.evalf()) > sys.float_info.max:
        raise DeclarationError(
            f"the number {shown(number)} is larger than a float can hold, {sys.float_info.max:.1e}. "
            "Scale the equation down"
        )
    return number


def writable_exponent(exponent: Expr, power: Pow) -> Expr:
    """The exponent of `power`, a number, if it can be written out: a whole power is that many factors."""
    if exponent.is_number and abs(exponent) > LARGEST_EXPONENT:
        raise DeclarationError(
            f"the exponent of {shown(power.base)} is {shown(exponent)}, and powers are written out as so "
            f"many factors, at most {LARGEST_EXPONENT}. For a positive base write exp(p*log(x))"
        )
    return exponent


def log_of_number(base: Expr) -> Expr:
    """The logarithm of a power's base that is a number."""
    base = checked_number(base)
    if not (base.is_number and base.is_positive):
        raise DeclarationError(f"the base {base} of a power is not a positive number; write exp(p*log(x))")
    return sympy_log(base)


def outside_vocabulary(expr: Expr) -> DeclarationError:
    """The error that names what there is instead."""
    return DeclarationError(
        f"{type(expr).__name__} is outside the vocabulary. Write it with the known functions: "
        f"{', '.join([*NAMED, *COMPOSED])}; where; @, matmul, dot, outer, total, mean, take, one_hot, "
        "transpose, einsum, concatenate, identity, ones"
    )


def checked_number(expr: Expr) -> Expr:
    """A number made of SymPy's functions alone, of which every part is in the vocabulary."""
    if expr.has(I):
        raise DeclarationError(
            "SymPy's imaginary unit I is in the equation; cells are real. Declare a quantity of that name"
        )
    foreign = [atom for atom in expr.atoms(Symbol) if not isinstance(atom, Axis)]
    if foreign:
        raise DeclarationError(
            f"{', '.join(sorted(map(str, foreign)))} is a plain SymPy symbol. "
            "Declare it as Input, State, Parameter, Constant or Value"
        )
    for called, formula in FORMULAS.items():
        expr = expr.replace(called, formula)
    number = expr.replace(
        lambda part: isinstance(part, PointwiseFunction),
        lambda part: part.facts.number(*part.args),
    )
    if number.is_number and not (number.is_finite and number.is_real):
        raise DeclarationError(
            f"the number {expr} is not finite and real. Mend the division, root or logarithm it comes from"
        )
    for part in preorder_traversal(number):
        if not isinstance(part, PARTS):
            raise outside_vocabulary(part)
    return within_floats(number)
