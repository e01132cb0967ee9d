"""Cells without state, to stand below or above a recurrent one: embeddings, dense layers, and losses."""

from collections.abc import Callable
from typing import Any

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import (
    dot,
    logsumexp,
    relu,
    sigmoid,
    softmax,
    softplus,
    take,
    tanh,
    total,
)
from symrnn.declaration.quantities import Index, Input, Parameter, Value
from symrnn.errors import DeclarationError, shown

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "softmax": softmax,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
}

n, m, v = axes("n m v")  # features of the layer below, outputs, classes
a, y = Input("a", n), Input("y", m)
W_y, b_y = Parameter("W_y", m, n), Parameter("b_y", m)
y_hat, z, e, loss = Value("y_hat"), Value("z"), Value("e"), Value("loss", latex=r"\ell")


def dense(activation: str = "identity") -> Cell:
    """The layer y_hat = g(W_y a + b_y), with g the identity, softmax, sigmoid, tanh or relu.

    Raises:
        DeclarationError: `activation` is none of these.

    """
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        *others, last = map(repr, ACTIVATIONS)
        raise DeclarationError(
            f"The dense layer has no activation {shown(activation)}. Choose {', '.join(others)} or {last}."
        )
    g = ACTIVATIONS[activation]
    return Cell(
        "dense" if activation == "identity" else f"dense_{activation}",
        Eq(y_hat, g(W_y @ a + b_y)),
        output=y_hat,
        title="Dense layer",
        variant=f"{activation} activation",
        source="Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2",
    )


dense_identity = dense()

softmax_cross_entropy = Cell(
    "softmax_cross_entropy",
    Eq(z, W_y @ a + b_y),
    Eq(y_hat, softmax(z)),
    Eq(loss, logsumexp(z) - y @ z),
    output=loss,
    title="Dense layer with softmax and cross-entropy",
    variant="loss of a target distribution, from the logits",
    source="Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2.3",
)

binary_cross_entropy = Cell(
    "binary_cross_entropy",
    Eq(z, W_y @ a + b_y),
    Eq(y_hat, sigmoid(z)),
    Eq(loss, total(softplus(z) - y * z)),
    output=loss,
    title="Dense layer with sigmoid and cross-entropy",
    variant="loss of independent yes-or-no targets, from the logits",
    source="Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2.2",
)

squared_error = Cell(
    "squared_error",
    Eq(y_hat, W_y @ a + b_y),
    Eq(e, y_hat - y),
    Eq(loss, dot(e, e) / 2),
    output=loss,
    title="Dense layer with squared error",
    variant="half the sum of squares",
    source="Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2.1",
)

p = axes("p")  # features of an output that is compared as it is
y_given, y_wanted = Input("y_hat", p), Input("y", p)

output_error = Cell(
    "output_error",
    Eq(e, y_given - y_wanted),
    Eq(loss, dot(e, e) / 2),
    output=loss,
    title="Squared error of an output",
    variant="half the sum of squares, without a layer of its own",
    source="Goodfellow, Bengio and Courville 2016, Deep Learning, section 5.1.4",
)

k, x = Index("k", v), Value("x")
E = Parameter("E", v, m, init="normal")
V_y, p_y = Parameter("W_y", v, n), Parameter("b_y", v)

embedding = Cell(
    "embedding",
    Eq(x, take(E, k)),
    output=x,
    title="Embedding of classes",
    variant="one row of a matrix per class",
    source="Bengio, Ducharme, Vincent and Jauvin 2003, A Neural Probabilistic Language Model, JMLR 3",
)

class_cross_entropy = Cell(
    "class_cross_entropy",
    Eq(z, V_y @ a + p_y),
    Eq(y_hat, softmax(z)),
    Eq(loss, logsumexp(z) - take(z, k)),
    output=loss,
    title="Dense layer with softmax and cross-entropy",
    variant="loss of one class, from the logits",
    source="Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2.3",
)
