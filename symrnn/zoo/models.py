"""The shipped models: the four shapes in which recurrent networks take and give sequences."""

from symrnn.models.closed_loop import closed_loop
from symrnn.models.layers import Feed, Layer
from symrnn.models.model import Model
from symrnn.zoo.gated import gru
from symrnn.zoo.heads import class_cross_entropy, dense, embedding, output_error
from symrnn.zoo.joining import joined
from symrnn.zoo.memory import lstm


def _language_model() -> Model:
    h = Layer(lstm, Layer(embedding, Feed("k")))
    loss = Layer(class_cross_entropy, {"a": h, "k": Feed("following")})
    return Model(
        "language_model",
        loss,
        output=Layer(dense("softmax"), h),
        feedback=Feed("k"),
        title="Language model",
        source="Mikolov et al. 2010, Recurrent neural network based language model, with LSTM",
    )


def _classifier() -> Model:
    read = Layer(embedding, Feed("k"))
    right, left = Layer(gru, read, name="right"), Layer(gru, read, name="left", reverse=True)
    both = Layer(joined, {"first": right.last, "second": left.last})
    loss = Layer(class_cross_entropy, {"a": both, "k": Feed("label", over="once")})
    return Model(
        "classifier",
        loss,
        output=Layer(dense("softmax"), both),
        title="Classifier of sequences, read in both directions",
        source="Schuster and Paliwal 1997, doi:10.1109/78.650093, with GRU",
    )


def _generator() -> Model:
    told = Feed("told", over="once")
    starts = {
        "c": Layer(dense("tanh"), told, name="state").last,
        "x_back": Layer(dense(), told, name="value").last,
    }
    grown = Layer(closed_loop(gru, dense()), initial=starts)
    loss = Layer(output_error, {"y_hat": grown, "y": Feed("y")})
    return Model(
        "generator",
        loss,
        title="Generator of a sequence from one input, in a closed loop",
        source="Williams and Zipser 1989, doi:10.1162/neco.1989.1.2.270, with GRU",
    )


def _translator() -> Model:
    encoder = Layer(lstm, Layer(embedding, Feed("source", over="S"), name="source"), name="encoder")
    starts = {"c": encoder.final("c"), "h": encoder.final("h")}
    given = Layer(embedding, Feed("given"), name="given")
    decoder = Layer(lstm, given, name="decoder", initial=starts)
    loss = Layer(class_cross_entropy, {"a": decoder, "k": Feed("target")})
    return Model(
        "translator",
        loss,
        output=Layer(dense(), decoder),
        title="Encoder and decoder",
        source="Sutskever, Vinyals and Le 2014, arXiv:1409.3215",
    )


language_model, classifier = _language_model(), _classifier()
generator, translator = _generator(), _translator()
