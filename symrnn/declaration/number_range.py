"""How large the numbers in equations may be: what a float holds, and powers that can be written out."""

import sys

from sympy import Expr, Pow

from symrnn.errors import DeclarationError, shown

LARGEST_EXPONENT = 1000


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
