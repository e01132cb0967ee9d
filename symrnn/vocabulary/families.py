"""Tables of all functions, gathered from their families: who writes one there has added it."""

from collections.abc import Iterator

from symrnn.vocabulary import activations, piecewise, powers, reductions, trigonometric
from symrnn.vocabulary.functions import PointwiseFunction, VectorFunction

FAMILIES = (activations, trigonometric, powers, piecewise, reductions)


def _classes() -> Iterator[type]:
    """The classes of all families, each where it is written."""
    for family in FAMILIES:
        for member in vars(family).values():
            if isinstance(member, type) and member.__module__ == family.__name__:
                yield member


POINTWISE: tuple[type[PointwiseFunction], ...] = tuple(
    member for member in _classes() if issubclass(member, PointwiseFunction)
)
"""Every pointwise function."""

VECTOR_FUNCTIONS: tuple[type[VectorFunction], ...] = tuple(
    member for member in _classes() if issubclass(member, VectorFunction)
)
"""Every function of a vector."""

NAMED = {function.name: function for function in (*POINTWISE, *VECTOR_FUNCTIONS)}
"""All functions by name."""

PUBLIC = {name: getattr(family, name) for family in FAMILIES for name in family.__all__}
"""Whatever a declaration may call, by the name under which it is public."""

COMPOSED = {name: made for name, made in PUBLIC.items() if not isinstance(made, type)}
"""Functions that are formulas of others, by name."""

EQUIVALENTS = {function.facts.equivalent: function for function in POINTWISE if function.facts.equivalent}
"""SymPy's own functions that mean the same; a declaration may use either."""

FORMULAS = {
    called: formula for family in FAMILIES for called, formula in getattr(family, "FORMULAS", {}).items()
}
"""SymPy's functions that are written as formulas of others."""
