"""Joining layers into a model: what follows from what, and what is refused."""

import pickle
from typing import Any

import pytest
from model_problems import MODELS, a_hat, dense, elman, gru, joined, loss, lstm, squared, target
from sympy import Eq

import symrnn as sr
from symrnn import Cell, DeclarationError, Feed, Input, Layer, Model, Parameter, Value, zoo
from symrnn.declaration.axes import shape_text


def shapes(model: Model) -> dict[str, str]:
    return {name: shape_text(shape) for name, _, shape in model.parameters}


def test_equal_axes_of_neighbours_become_one() -> None:
    model = MODELS["plain"]
    assert shapes(model)["W_i"] == "(m, m + n)"
    assert shapes(model)["W_y"] == "(p, m)"
    assert [axis.name for axis in model.axes] == ["n", "m", "p"]
    feeds = {feed.name: shape_text(shape) for feed, _, shape in model.feeds}
    assert feeds == {"x": "(n,)", "target": "(p,)"}
    assert [name for name, _ in model.states] == ["c", "h"]


def test_axes_that_stay_apart_get_names_of_their_own() -> None:
    """The halves of a bidirectional layer may differ in size; the layer above takes both."""
    found = shapes(MODELS["bidirectional"])
    assert found["backwards_W_r"] == "(m, m + n)"
    assert found["forwards_W_r"] == "(forwards_m, forwards_m + n)"
    assert found["W_y"] == "(p, forwards_m + m)"


def test_layers_of_one_name_share_parameters() -> None:
    model = MODELS["tied"]
    assert [name for name in shapes(model) if name.startswith("layer")] == ["layer_W_s", "layer_b_s"]
    assert list(shapes(model)).count("W_y") == 1
    assert [run.label for run in model.runs] == ["mixed", "layer", "layer_2", "dense", "squared"]


def test_states_of_reversed_and_started_layers_are_not_carried() -> None:
    assert [name for name, _ in MODELS["bidirectional"].states] == ["forwards_c"]
    assert [name for name, _ in MODELS["encoder_decoder"].states] == ["encoder_c", "encoder_h"]
    assert MODELS["encoder_decoder"].times == ("T", "S")


def test_what_is_made_alike_is_one() -> None:
    assert Layer(gru, Feed("x")) == Layer(gru)
    both = Layer(joined, {"right": Layer(gru), "left": Layer(gru, Feed("x"))})
    assert [run.label for run in Model("twice", loss(both)).runs] == ["gru", "joined", "squared"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_prints_and_pickles(name: str) -> None:
    model = MODELS[name]
    assert str(model).startswith(f"model {name}\n")
    assert pickle.loads(pickle.dumps(model)) == model


def test_an_input_that_gets_nothing_is_fed_by_name() -> None:
    model = Model("fed", Layer(squared, {"a_hat": Layer(dense, Layer(lstm).last)}))
    assert {feed.name: feed.over for feed, _, _ in model.feeds} == {"x": "T", "target": "once"}


n, k = sr.axes("n k")
short = Cell("dense", Eq(Value("z"), Parameter("V", k, n) @ Input("u", n)), output=Value("z"))
same_name = Cell("clash", Eq(Value("z"), Parameter("W_y", k) * Input("u", k)), output=Value("z"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Layer("gru"), r"Layer\(\) got 'gru', which is no Cell\."),
        (lambda: Layer(gru, {"y": Feed("y")}), r"The cell 'gru' has no input 'y'\. It has x\."),
        (lambda: Layer(gru, 3), r"The input x of a layer of 'gru' gets 3\. Give a Feed or a Layer\."),
        (lambda: Layer(joined, Feed("x")), r"The cell 'joined' has 2 inputs, so sources go by name\."),
        (
            lambda: Layer(gru, initial=Layer(gru)),
            r"The state c of a layer of 'gru' gets .*\. Give layer\.final",
        ),
        (
            lambda: Layer(lstm, initial={"c": Layer(gru).final()}),
            r"some of its states from readings, but not h\.",
        ),
        (lambda: Layer(dense, initial=Layer(gru).final()), r"The cell 'dense' has 0 states"),
        (lambda: Layer(lstm).final(), r"The cell 'lstm' has no state ''\. It has c, h\."),
        (lambda: Layer(gru, name="for"), r"The layer name 'for' is a Python keyword"),
        (lambda: Feed("T"), r"The feed name 'T' is taken"),
        (
            lambda: Layer(joined, {"right": Feed("a"), "left": Feed("b", over="S")}),
            r"different time axes: right gets a over T, left gets b over S\.",
        ),
        (
            lambda: Layer(joined, {"right": Layer(gru), "left": Layer(gru).last}),
            r"different time axes: right gets gru over T, left gets gru\.last over once\.",
        ),
    ],
)
def test_layers_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        make()


def unlike() -> Layer:
    return Layer(squared, {"a_hat": Layer(same_name, Layer(dense, Layer(gru))), "target": Feed("target")})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Model("m", gru), r"The loss of model 'm' is the cell 'gru'\."),
        (lambda: Model("m", Layer(gru)), r"whose output has shape \(m,\)\. A loss is one number per step"),
        (lambda: Model("for", loss(Layer(gru))), r"The model name 'for' is a Python keyword"),
        (lambda: Model("m", loss(Layer(gru, Layer(gru)))), r"two layers of the cell 'gru' have no name"),
        (lambda: Model("m", loss(Layer(short, Layer(dense)))), r"two different cells are named 'dense'"),
        (lambda: Model("m", unlike()), r"both have a parameter W_y, but they are not alike"),
        (lambda: Model("m", loss(Layer(gru)), output=Feed("x")), r"The output of model 'm' is the Feed x"),
        (
            lambda: Model(
                "m", Layer(zoo.class_cross_entropy, {"a": Layer(gru), "k": Layer(dense, Layer(gru))})
            ),
            r"takes dense as k: class numbers come from a Feed that nothing takes as an array\.",
        ),
        (
            lambda: Model("m", Layer(zoo.class_cross_entropy, {"a": Layer(gru), "k": Feed("x")})),
            r"takes x as k: class numbers come from a Feed that nothing takes as an array\.",
        ),
        (lambda: Model("m", Layer(squared)), r"takes no layer's outputs\. Name its output=\."),
        (
            lambda: Model(
                "m", loss(Layer(joined, {"right": Layer(gru), "left": Layer(gru, Feed("x")).last}))
            ),
            r"different time axes",
        ),
        (
            lambda: Model(
                "m", Layer(squared, {"a_hat": Layer(dense, Layer(elman).last), "target": Feed("x", "once")})
            ),
            r"two feeds over different time axes are named 'x'",
        ),
    ],
)
def test_models_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        make()


def test_shapes_that_do_not_go_together() -> None:
    three, four = Input("u", 3), Value("v")
    narrow = Cell("narrow", Eq(four, sr.total(three) * sr.ones(4)), output=four)
    with pytest.raises(DeclarationError, match=r"narrow takes below as u: \(4,\) where \(3,\) is wanted\."):
        Model("m", loss(Layer(narrow, Layer(narrow, name="below"))))


def test_ranks_that_differ() -> None:
    scalar = Value("s")
    summed = Cell("summed", Eq(scalar, sr.total(a_hat)), output=scalar)
    with pytest.raises(
        DeclarationError, match=r"takes summed as a: \(\) where .* is wanted\. The ranks differ\."
    ):
        Model("m", loss(Layer(dense, Layer(summed, Layer(gru)))))


@pytest.mark.parametrize("verb", [sr.tangent, sr.step_jacobian])
def test_verbs_for_cells_say_so(verb: Any) -> None:
    with pytest.raises(sr.SymrnnError, match=r"got Model\("):
        verb(MODELS["plain"])


def test_the_target_of_a_loss_may_have_any_name() -> None:
    model = Model("named", Layer(squared, {"a_hat": Layer(dense, Layer(gru)), "target": Feed("wanted")}))
    assert [feed.name for feed, _, _ in model.feeds] == ["x", "wanted"]
    assert target.name == "target"


def test_an_axis_whose_names_are_taken_gets_that_of_a_layer_or_a_feed() -> None:
    """A layer that the author named, else the feed that has it, else the cell."""
    words = Layer(zoo.embedding, Feed("words"))
    upper = Layer(zoo.cell("gru"), Layer(zoo.cell("gru"), words, name="lower"), name="upper")
    model = Model("m", Layer(zoo.class_cross_entropy, {"a": upper, "k": Feed("labels")}))
    assert [axis.name for axis in model.axes] == ["v", "m", "n", "upper_m", "labels_v"]
    between = Layer(zoo.dense(), Layer(zoo.cell("gru"), words))
    model = Model("m", Layer(zoo.squared_error, {"a": between, "y": Feed("wanted")}, name="error"))
    assert [axis.name for axis in model.axes] == ["v", "n", "gru_m", "error_n", "m"]
