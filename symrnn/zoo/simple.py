"""The simple recurrent network."""

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import relu, tanh
from symrnn.declaration.quantities import Input, Parameter, State
from symrnn.errors import DeclarationError

ACTIVATIONS = {"tanh": tanh, "relu": relu}


def elman(activation: str = "tanh") -> Cell:
    """The cell s' = g(W_s [x, s] + b_s), with g the hyperbolic tangent or the rectifier.

    Raises:
        DeclarationError: `activation` is neither "tanh" nor "relu".

    """
    if activation not in ACTIVATIONS:
        raise DeclarationError(
            f"The elman cell has no activation {activation!r}. Choose {' or '.join(map(repr, ACTIVATIONS))}."
        )
    g = ACTIVATIONS[activation]
    n, m = axes("n m")
    x, s = Input("x", n), State("s", m)
    W_s, b_s = Parameter("W_s", m, n + m), Parameter("b_s", m)
    return Cell(
        "elman" if activation == "tanh" else f"elman_{activation}",
        Eq(s.next, g(W_s @ [x, s] + b_s)),
        title="Simple recurrent network",
        variant=f"{activation} activation",
        source="Elman 1990, Finding Structure in Time, doi:10.1207/s15516709cog1402_1",
    )


elman_tanh = elman()
