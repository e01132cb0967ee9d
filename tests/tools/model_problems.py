"""What the tests of models share: small cells, models of every shape, and random batches for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Feed, Input, Layer, Model, Parameter, Value, closed_loop, zoo
from symrnn.models.layers import ONCE

m, p, q = sr.axes("m p q")
a, a_hat, target, right, left = (
    Input("a", m),
    Input("a_hat", p),
    Input("target", p),
    Input("right", p),
    Input("left", q),
)
y, error, both, dropped = Value("y"), Value("error"), Value("both"), Value("dropped")
W_y, b_y, mask = Parameter("W_y", p, m), Parameter("b_y", p), Input("mask", m)

dense = Cell("dense", Eq(y, W_y @ a + b_y), output=y)
squared = Cell("squared", Eq(error, sr.total((a_hat - target) ** 2) / 2), output=error)
joined = Cell("joined", Eq(both, sr.concatenate(right, left)), output=both)
dropout = Cell("dropout", Eq(dropped, mask * a), output=dropped)
mixed = Cell("mixed", Eq(y, sr.tanh(W_y.T @ a_hat)), output=y)  # the transpose of the dense layer's matrix

HEADS = {"c": zoo.dense("tanh"), "x_back": zoo.dense()}
gru, lstm, elman = zoo.cell("gru"), zoo.cell("lstm"), zoo.cell("elman")


def loss(source: Any, name: str = "target") -> Layer:
    return Layer(squared, {"a_hat": source, "target": Feed(name, over=source.time)})


def plain() -> Model:
    return Model("plain", loss(Layer(dense, Layer(lstm))))


def many_to_one() -> Model:
    return Model("many_to_one", loss(Layer(dense, Layer(gru).last)))


def bidirectional() -> Model:
    x = Feed("x")
    halves = {"right": Layer(gru, x, name="forwards"), "left": Layer(gru, x, name="backwards", reverse=True)}
    return Model("bidirectional", loss(Layer(dense, Layer(joined, halves))))


def bidirectional_to_one() -> Model:
    """Both directions read at their own ends, one by its state and one by its output."""
    x = Feed("x")
    forwards, backwards = Layer(lstm, x, name="forwards"), Layer(elman, x, name="backwards", reverse=True)
    return Model("to_one", loss(Layer(joined, {"right": forwards.final("h"), "left": backwards.last})))


def deep() -> Model:
    """Two layers with a mask between them."""
    first = Layer(gru, Feed("x"), name="first")
    second = Layer(gru, Layer(dropout, {"a": first}), name="second")
    return Model("deep", loss(Layer(dense, second)))


def encoder_decoder() -> Model:
    """Different numbers of steps; the encoder's final states start the decoder, teacher forcing."""
    encoder = Layer(lstm, Feed("source", over="S"), name="encoder")
    starts = {"c": encoder.final("c"), "h": encoder.final("h")}
    return Model(
        "encoder_decoder", loss(Layer(dense, Layer(lstm, Feed("given"), name="decoder", initial=starts)))
    )


def one_to_many() -> Model:
    """A closed loop that grows from one input; now and then it takes the teacher's numbers."""
    start = {name: Layer(cell, Feed("wave", over=ONCE), name=name).last for name, cell in HEADS.items()}
    return Model("one_to_many", loss(Layer(closed_loop(gru, zoo.dense("tanh")), initial=start)))


def tied() -> Model:
    """One matrix goes in and out, and one cell runs twice with the same parameters."""
    inside = Layer(mixed, {"a_hat": Feed("x")})
    first = Layer(elman, inside, name="layer")
    return Model("tied", loss(Layer(dense, Layer(elman, first, name="layer"))))


def language_model() -> Model:
    """Class numbers in, class numbers out; the outputs share the loss's parameters."""
    h = Layer(lstm, Layer(zoo.embedding))
    loss_of = Layer(zoo.class_cross_entropy, {"a": h, "k": Feed("following")})
    return Model("language_model", loss_of, output=Layer(zoo.dense("softmax"), h))


def used_twice() -> Model:
    """A layer's outputs go to two others and to a reading; a final state is an input."""
    first = Layer(gru, Feed("x"))
    second = Layer(elman, first, name="upper", initial=first.final())
    both_of = Layer(joined, {"right": first, "left": second})
    return Model("used_twice", loss(Layer(dense, both_of)), output=second)


MODELS = {
    made.name: made
    for made in (
        plain(),
        many_to_one(),
        bidirectional(),
        bidirectional_to_one(),
        deep(),
        encoder_decoder(),
        one_to_many(),
        tied(),
        used_twice(),
        language_model(),
    )
}
SIZES = (3, 5, 4, 6, 2, 7)


@cache
def module(name: str, target: str) -> ModuleType:
    return sr.load(MODELS[name], target)


@dataclass
class Batch:
    """Random arrays for a model, by name, float64, and what the module takes."""

    parameters: dict[str, Any]
    inputs: dict[str, Any]
    state: dict[str, Any]
    lengths: dict[str, Any]

    def given(self, made: ModuleType, dtype: str = "float64") -> tuple[Any, Any, Any]:
        def cast(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {
                name: np.array(array, dtype if array.dtype.kind == "f" else None)
                for name, array in arrays.items()
            }

        return (
            made.Parameters(**cast(self.parameters)),
            made.Inputs(**cast(self.inputs)),
            made.State(**cast(self.state)),
        )


def drawn(model: Model, T: int = 6, B: int = 4, seed: int = 0, padded: bool = False, empty: int = 0) -> Batch:
    """A random batch; with `padded`, samples of different lengths and NaN beyond their ends.

    The first `empty` samples have no step at all on the first time axis, and the last ones on the others.
    """
    rng = np.random.default_rng([seed, T, B])
    sizes = dict(zip(model.axes, SIZES, strict=False))
    steps = {time: T + number for number, time in enumerate(model.times)}

    def shape(sizes_of: Any) -> tuple[int, ...]:
        return tuple(int(size.subs(sizes)) for size in sizes_of)

    lengths = {
        time: rng.integers(1, count + 1, B) for time, count in steps.items() if padded and time != ONCE
    }
    for number, ends in enumerate(lengths.values()):
        ends[slice(B - empty, B) if number else slice(empty)] = 0
    inputs = {}
    for feed, _, per_sample in model.feeds:
        lead = (B,) if feed.over == ONCE else (steps[feed.over], B)
        classes = model.classes.get(feed)
        inputs[feed.name] = (
            rng.standard_normal((*lead, *shape(per_sample)))
            if classes is None
            else rng.integers(0, *shape((classes,)), lead)
        )
        if feed.over in lengths:
            beyond = np.arange(steps[feed.over])[:, None] >= lengths[feed.over]
            inputs[feed.name][beyond] = np.nan if classes is None else -1
    return Batch(
        {name: rng.standard_normal(shape(of)) * 0.5 for name, _, of in model.parameters},
        inputs,
        {name: rng.standard_normal((B, *shape(of))) for name, of in model.states},
        lengths,
    )
