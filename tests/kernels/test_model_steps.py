"""Models in use: prepared parameters, single steps, and sequences that they continue on their own."""

from typing import Any

import numpy as np
import pytest
from kernel_problems import TARGETS
from model_problems import MODELS, drawn, gru, loss, lstm, module
from sympy import Eq

import symrnn as sr
from symrnn import Cell, DeclarationError, Feed, Layer, Model, zoo

targets = pytest.mark.parametrize("target", TARGETS)


def language_model(**options: Any) -> tuple[Any, Any]:
    """The model of class numbers, loaded, and parameters whose scores differ."""
    made = module("language_model", options.get("target", "numpy"))
    rng = np.random.default_rng(3)
    fresh = made.init(rng, v=7, m=4, n=5, following_v=7, dtype=np.float64)
    return made, fresh._replace(W_y=3 * fresh.W_y, b_y=rng.standard_normal(7))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *((name, "numpy") for name in ("plain", "deep", "language_model", "one_to_many")),
        ("language_model", "numba"),
        ("one_to_many", "numba"),
    ],
)
def test_steps_give_what_the_whole_sequence_gives(name: str, target: str) -> None:
    made, batch = module(name, target), drawn(MODELS[name])
    parameters, inputs, state = batch.given(made)
    outputs, final = made.predict(parameters, inputs, state)
    prepared = made.prepare(parameters)
    if hasattr(made, "begin"):
        state = made.begin(prepared, inputs)
    for t in range(len(outputs)):
        now = made.Inputs(*(None if array is None else array[t] for array in over_time(made, inputs)))
        output, state = made.step(prepared, now, state)
        np.testing.assert_allclose(output, outputs[t], rtol=0, atol=1e-12)
    for one, other in zip(state, final, strict=False):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def over_time(made: Any, inputs: Any) -> Any:
    """The inputs of the output's layers; the others stand at None."""
    unread = {"target", "following", "wave"}
    return inputs._replace(**dict.fromkeys(unread & set(inputs._fields)))


@targets
def test_a_decoder_steps_on_from_what_the_encoder_read(target: str) -> None:
    made, batch = module("encoder_decoder", target), drawn(MODELS["encoder_decoder"], padded=True)
    parameters, inputs, state = batch.given(made)
    lengths = made.Lengths(**batch.lengths)
    outputs, _ = made.predict(parameters, inputs, state, lengths=made.Lengths(S=lengths.S))
    memory = made.begin(parameters, inputs._replace(given=None), state, lengths=lengths)
    assert memory._fields == ("decoder_c", "decoder_h")
    given = np.nan_to_num(inputs.given)
    for t in range(min(batch.lengths["T"])):
        output, memory = made.step(parameters, given[t], memory)
        np.testing.assert_allclose(output, outputs[t], rtol=0, atol=1e-12)


def test_a_layer_above_a_started_one_starts_from_the_state_that_is_carried() -> None:
    encoder = Layer(gru, Feed("source", over="S"), name="encoder")
    decoder = Layer(gru, Feed("given"), name="decoder", initial=encoder.final())
    model = Model("two_above", loss(Layer(gru, decoder, name="upper")))
    made, batch = sr.load(model, "numpy"), drawn(model)
    parameters, inputs, state = batch.given(made)
    for start in (state, None):
        outputs, _ = made.predict(parameters, inputs, start)
        memory = made.begin(parameters, inputs, start)
        for t, given in enumerate(inputs.given):
            output, memory = made.step(parameters, given, memory)
            np.testing.assert_allclose(output, outputs[t], rtol=0, atol=1e-12)


@targets
def test_prepared_parameters_are_taken_wherever_nothing_is_trained(target: str) -> None:
    made, batch = module("plain", target), drawn(MODELS["plain"])
    parameters, inputs, state = batch.given(made)
    prepared = made.prepare(parameters)
    assert made.prepare(prepared) is prepared
    np.testing.assert_array_equal(
        made.predict(prepared, inputs, state)[0], made.predict(parameters, inputs, state)[0]
    )
    assert made.loss(prepared, inputs, state) == made.loss(parameters, inputs, state)
    before = made.predict(prepared, inputs, state)[0].copy()
    for array in parameters:
        np.multiply(array, 2, out=array)  # what is prepared holds copies
    np.testing.assert_array_equal(made.predict(prepared, inputs, state)[0], before)
    with pytest.raises(ValueError, match=r"parameters is a Prepared; pass Parameters\("):
        made.loss_and_gradients(prepared, inputs, state)


# -- generation ---------------------------------------------------------------------------------------


@targets
def test_at_temperature_zero_the_likeliest_class_goes_back(target: str) -> None:
    made, parameters = language_model(target=target)
    start = np.array([1, 6, 0])
    found, state = made.generate(parameters, start, 8, temperature=0)
    given = np.vstack([start, found])
    inputs = made.Inputs(k=given[:-1], following=None)
    probabilities, final = made.predict(parameters, inputs)
    np.testing.assert_array_equal(found, probabilities.argmax(-1))
    for one, other in zip(state, final, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_going_on_gives_the_sequence_that_was_not_interrupted() -> None:
    made, parameters = language_model()
    start = np.array([2, 3])
    whole, _ = made.generate(parameters, start, 9, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    first, state = made.generate(parameters, start, 4, rng)
    second, _ = made.generate(parameters, first[-1], 5, rng, state=state)
    np.testing.assert_array_equal(np.vstack([first, second]), whole)
    empty, none = made.generate(parameters, start, 0, temperature=0)
    assert empty.shape == (0, 2)
    assert none is None


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_classes_come_as_often_as_their_probability_says(temperature: float) -> None:
    """The first class after a start, 40,000 times; 5 standard deviations of a share."""
    made, parameters = language_model()
    B = 40_000
    start = np.full(B, 4)
    probabilities, _ = made.step(parameters, start[:1])
    expected = probabilities[0] ** (1 / temperature)
    expected /= expected.sum()
    found, _ = made.generate(parameters, start, 1, np.random.default_rng(0), temperature)
    shares = np.bincount(found[0], minlength=7) / B
    assert np.all(np.abs(shares - expected) < 5 * np.sqrt(expected * (1 - expected) / B))
    assert np.ptp(expected) > 0.05  # they differ: equal shares would not pass


def test_the_same_seed_gives_the_same_classes_and_another_others() -> None:
    made, parameters = language_model()
    start = np.arange(5)
    one, other, third = (made.generate(parameters, start, 20, np.random.default_rng(s))[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert (one != third).any()


def one_hot_model() -> Model:
    """Vectors in, probabilities out: drawn classes go back one-hot."""
    h = Layer(lstm)
    loss_of = Layer(zoo.softmax_cross_entropy, {"a": h, "y": Feed("y")})
    return Model("one_hot", loss_of, output=Layer(zoo.dense("softmax"), h), feedback=Feed("x"))


def test_one_hot_classes_go_back_one_hot() -> None:
    made, rng = sr.load(one_hot_model(), "numpy"), np.random.default_rng(1)
    assert len(made.AXES) == 2  # the output is as long as the input
    parameters = made.init(rng, **dict(zip(made.AXES, (6, 4), strict=True)))
    start = np.eye(6, dtype=np.float32)[[0, 5]]
    found, _ = made.generate(parameters, start, 5, temperature=0)
    given = np.concatenate([start[None], np.eye(6, dtype=np.float32)[found[:-1]]])
    probabilities, _ = made.predict(parameters, made.Inputs(x=given, y=None))
    np.testing.assert_array_equal(found, probabilities.argmax(-1))


def test_outputs_that_are_no_probabilities_go_back_as_they_are() -> None:
    model = Model("values", loss(Layer(zoo.dense("tanh"), Layer(gru))), feedback=Feed("x"))
    made, rng = sr.load(model, "numpy"), np.random.default_rng(1)
    parameters = made.init(rng, **dict(zip(made.AXES, (3, 4), strict=True)), dtype=np.float64)
    start = rng.standard_normal((2, 3))
    found, state = made.generate(parameters, start, 5)
    outputs, final = made.predict(parameters, made.Inputs(np.concatenate([start[None], found[:-1]]), None))
    np.testing.assert_allclose(found, outputs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(state.c, final.c, rtol=0, atol=1e-12)
    with pytest.raises(TypeError):
        made.generate(parameters, start, 5, temperature=0.5)  # nothing is drawn


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": -1}, r"n is -1; it should be a whole number of steps, 0 or more\."),
        ({"n": 2.0}, r"n is 2\.0; it should be a whole number"),
        ({"n": True}, r"n is True; it should be a whole number"),
        ({"start": [1, 2]}, r"start is a list; pass a NumPy array\."),
        (
            {"start": np.zeros((2, 7))},
            r"start has shape \(2, 7\); it should have 1 axes: those of k at one step\.",
        ),
        ({"start": np.array([7])}, r"inputs_t\.k"),
        ({"temperature": -1.0}, r"temperature is -1\.0; it should be 0 or a positive number"),
        ({"temperature": float("nan")}, r"temperature is nan"),
        ({"rng": None}, r"rng is a NoneType; pass a numpy\.random\.Generator, or temperature=0\."),
        ({"state": 3}, r"state is a int; pass State\(c=\.\.\., h=\.\.\.\)\."),
    ],
)
def test_generation_that_cannot_be(change: dict[str, Any], message: str) -> None:
    made, parameters = language_model()
    given = {"start": np.array([1]), "n": 2, "rng": np.random.default_rng(0), **change}
    with pytest.raises(ValueError, match=message):
        made.generate(parameters, **given)


def test_scores_that_are_not_finite_are_not_drawn_from() -> None:
    made, parameters = language_model()
    broken = parameters._replace(b_y=parameters.b_y * np.nan)
    with pytest.raises(ValueError, match="scores of a step are not finite, so no class can be drawn"):
        made.generate(broken, np.array([1]), 2, np.random.default_rng(0))


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 4, 3)), r"inputs_t\.x has shape \(2, 4, 3\); it should have 2 axes, \(B, n\)\."),
        (np.zeros((4, 2)), r"inputs_t\.x has shape \(4, 2\); it should have \(B, n\) = \(4, 3\)"),
        (
            np.zeros((3, 3)),
            r"inputs_t\.x has shape \(3, 3\); it should have \(B, n\) = \(4, 3\), with B = 4 by state",
        ),
        (np.zeros((4, 3), np.float32), r"inputs_t\.x has dtype float32; it should have float64"),
        ([1.0], r"inputs_t is a list; pass Inputs\(x=\.\.\., target=\.\.\.\)\."),
    ],
)
def test_steps_that_cannot_be(inputs: Any, message: str, prepared: bool) -> None:
    made, batch = module("plain", "numpy"), drawn(MODELS["plain"])
    parameters, _, state = batch.given(made)
    with pytest.raises(ValueError, match=message):
        made.step(made.prepare(parameters) if prepared else parameters, inputs, state)


def test_a_decoder_does_not_step_without_what_was_read() -> None:
    made, batch = module("encoder_decoder", "numpy"), drawn(MODELS["encoder_decoder"])
    parameters, inputs, state = batch.given(made)
    with pytest.raises(
        ValueError, match=r"state is a State; pass the Memory that begin\(\) or the last step"
    ):
        made.step(parameters, inputs.given[0], state)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("many_to_one", "There is no `step`, because the output dense has no time: it is read at the end."),
        ("bidirectional", "There is no `step`, because backwards runs from the last step to the first."),
        ("used_twice", "There is no `step`, because a layer starts from what gru has at the end."),
    ],
)
def test_a_model_without_steps_says_why(name: str, why: str) -> None:
    made = module(name, "numpy")
    assert why in made.__doc__
    for absent in ("step", "begin", "generate"):
        assert not hasattr(made, absent)


def test_generation_needs_a_feed_that_the_output_can_be() -> None:
    assert not hasattr(module("plain", "numpy"), "generate")
    assert hasattr(module("language_model", "numpy"), "generate")
    h = Layer(gru)
    target = loss(Layer(zoo.dense(), h))
    scalar = Cell("scalar", Eq(sr.Value("s"), sr.total(sr.Input("a", sr.axes("m")))), output=sr.Value("s"))
    masked = Layer(zoo.dropout, {"a": Layer(zoo.dense(), h)})
    cases = [
        (lambda: Model("m", target, feedback=3), r"feedback of model 'm' is 3\. Give a Feed\."),
        (lambda: Model("m", target, feedback=Feed("z")), r"take x, and z must be all they take\."),
        (lambda: Model("m", target, output=masked, feedback=Feed("x")), r"take x, mask, and x must be all"),
        (
            lambda: Model("m", target, output=Layer(scalar, h), feedback=Feed("x")),
            r"goes back to x: \(\) where \(.*,\) is wanted\. The ranks differ\.",
        ),
        (
            lambda: Model("m", loss(Layer(zoo.dense(), h.last)), feedback=Feed("x")),
            r"cannot be fed back to x: the output dense has no time",
        ),
    ]
    for make, message in cases:
        with pytest.raises(DeclarationError, match=message):
            make()


def test_classes_that_an_author_feeds_back_are_as_many_as_the_scores() -> None:
    assert [axis.name for axis in zoo.MODELS["language_model"].axes] == ["v", "m", "n"]
    assert len(MODELS["language_model"].axes) == 4  # no feedback is asked for
