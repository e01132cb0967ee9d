"""Normalisation of a layer: a cell without state."""

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import dot, mean, sqrt
from symrnn.declaration.quantities import Constant, Input, Parameter, Value

n = axes("n")
a = Input("a", n)
g, b = Parameter("g", n, init="ones"), Parameter("b", n)
epsilon = Constant("epsilon", value=1e-5)
mu, a_tilde, sigma, y = Value("mu"), Value("a_tilde"), Value("sigma"), Value("y")

layer_norm = Cell(
    "layer_norm",
    Eq(mu, mean(a)),
    Eq(a_tilde, a - mu),
    Eq(sigma, sqrt(dot(a_tilde, a_tilde) / n + epsilon)),
    Eq(y, g * a_tilde / sigma + b),
    output=y,
    title="Layer normalisation",
    variant="gain and bias, epsilon under the root",
    source="Ba, Kiros and Hinton 2016, arXiv:1607.06450",
)
