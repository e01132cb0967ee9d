"""Linear equations for parameters, solved one unknown at a time."""

from collections.abc import Iterable, Mapping

from sympy import Add, Expr, S

from symrnn.comparison.forms import TRANSPOSE, normal, shape_of
from symrnn.declaration.operations import Contract
from symrnn.declaration.quantities import Part, Quantity


def eliminate(equations: Iterable[Expr], unknowns: tuple[Part, ...]) -> Mapping[Part, Expr] | None:
    """Every unknown that the equations (expressions that must vanish) determine; None if they contradict.

    What they leave open is zero: of two biases that are only added, the second.
    """
    solution: dict[Part, Expr] = {}
    for equation in equations:
        rest = normal(equation.xreplace(solution), {})
        if rest == 0:
            continue
        solved = _solved(rest, unknowns)
        if solved is None:
            return None
        unknown, value = solved
        solution = {known: normal(expr.xreplace({unknown: value}), {}) for known, expr in solution.items()}
        solution[unknown] = value
    left = {unknown: S.Zero for unknown in unknowns if unknown not in solution}
    return {unknown: normal(expr.xreplace(left), {}) for unknown, expr in solution.items()}


def _solved(rest: Expr, unknowns: tuple[Part, ...]) -> tuple[Part, Expr] | None:
    """The first unknown that stands alone with a number before it, and what it must be.

    A matrix may stand there transposed.
    """
    terms = [term.as_coeff_Mul() for term in Add.make_args(rest)]
    for unknown in unknowns:
        for turned in (False, True):
            wanted = Contract(TRANSPOSE, unknown) if turned else unknown
            numbers = [number for number, symbol in terms if symbol == wanted]
            if len(numbers) != 1 or (turned and len(unknown.shape) != 2):
                continue
            others = Add(*(-number * symbol / numbers[0] for number, symbol in terms if symbol != wanted))
            if unknown in others.atoms(Quantity):
                continue
            others = normal(Contract(TRANSPOSE, others), {}) if turned and others != 0 else others
            if shape_of(others, {}) in (unknown.shape, ()):
                return unknown, others
    return None
