"""Models' derivations: evaluated they are the gradients of JAX, and all that is printed says what they do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from model_interpretation import gradients
from model_problems import MODELS
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Layer, Model, State, pipeline, zoo
from symrnn.checking.model_check import ModelProblem
from symrnn.derivation import model_reverse
from symrnn.derivation.model_derivation import (
    At,
    LayerDerivation,
    ModelDerivation,
    WireTerm,
)
from symrnn.errors import ValidationError
from symrnn.fuzzing.models import scheduled_model
from symrnn.models.layers import ONCE, Feed
from symrnn.papers.model import latex_model
from symrnn.validation.wiring import prove_wiring

TOLERANCE = 1e-10
n = sr.axes("n")


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_its_equations_give_the_gradients_of_autodiff(model: Model) -> None:
    assert_agrees(model)


@pytest.mark.parametrize("number", range(8))
def test_so_do_those_of_random_models(number: int) -> None:
    assert_agrees(scheduled_model(20261130, number))


def assert_agrees(model: Model) -> None:
    problem = ModelProblem(model, 1, T=3, B=2, eager=True)
    found, wanted = gradients(sr.derive(model), problem), problem.answer.gradients
    assert found.keys() == wanted.keys()
    scale = max(float(np.abs(array).max()) for array in wanted.values())
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=TOLERANCE * scale, err_msg=name)


# -- one source ------------------------------------------------------------------------------------------


def with_terms(
    derivation: ModelDerivation, changed: Callable[[WireTerm], WireTerm | None]
) -> ModelDerivation:
    """A derivation whose terms, but that of the mean, are changed; None leaves one out."""
    loss, *others = derivation.adjoints
    made = [
        replace(adjoint, terms=tuple(term for term in map(changed, adjoint.terms) if term is not None))
        for adjoint in others
    ]
    return replace(derivation, adjoints=(loss, *made))


def lost_term(derivation: ModelDerivation) -> ModelDerivation:
    left = [adjoint.terms[-1] for adjoint in derivation.adjoints if len(adjoint.terms) > 1]
    return with_terms(derivation, lambda term: None if term in left else term)


def wrong_direction(derivation: ModelDerivation) -> ModelDerivation:
    """What flows back from a reversed layer is not turned round."""

    def forwards(term: WireTerm) -> WireTerm:
        assert term.taker is not None
        return replace(term, taker=replace(term.taker, reverse=False))

    def forwards_wires(layer: LayerDerivation) -> LayerDerivation:
        wires = (replace(w, taker=replace(w.taker, reverse=False)) for w in layer.wires)
        return replace(layer, wires=tuple(wires))

    made = with_terms(derivation, forwards)
    return replace(made, layers=tuple(map(forwards_wires, made.layers)))


def swapped_feeds(derivation: ModelDerivation) -> ModelDerivation:
    """Every layer takes the input of another: inputs of one feed and the other are exchanged."""
    one, other = [feed for feed, _, _ in derivation.model.feeds][:2]
    swap = {one: other, other: one}

    def swapped(layer: LayerDerivation) -> LayerDerivation:
        wires = (
            replace(w, source=swap.get(w.source, w.source) if isinstance(w.source, Feed) else w.source)
            for w in layer.wires
        )
        return replace(layer, wires=tuple(wires))

    return replace(derivation, layers=tuple(map(swapped, derivation.layers)))


def swapped_states(derivation: ModelDerivation) -> ModelDerivation:
    """What comes back from the starts of two states goes to the wrong one."""
    starts = [a for a in derivation.adjoints for t in a.terms if t.taker and t.taker.at == At.START]
    terms = {starts[0].of: starts[1].terms, starts[1].of: starts[0].terms}
    changed = (replace(a, terms=terms.get(a.of, a.terms)) for a in derivation.adjoints)
    return replace(derivation, adjoints=tuple(changed))


def lost_layer(derivation: ModelDerivation) -> ModelDerivation:
    """A parameter that several layers share gets the gradient of one."""
    changed = (replace(adjoint, terms=adjoint.terms[:1]) for adjoint in derivation.parameters)
    return replace(derivation, parameters=tuple(changed))


SLIPS: dict[str, tuple[str, Callable[[ModelDerivation], ModelDerivation], str]] = {
    "a lost term": ("used_twice", lost_term, "the adjoint of gru.outputs at step 1 is upper.x at step 1; it"),
    "a wrong direction": (
        "bidirectional",
        wrong_direction,
        "what backwards.x at step 1 takes is x at step 1; it should be",
    ),
    "swapped feeds": ("encoder_decoder", swapped_feeds, "what .*.x at step 1 takes is .*; it should be"),
    "swapped states": ("encoder_decoder", swapped_states, "the adjoint of encoder.c after the last step is"),
    "a lost layer": ("tied", lost_layer, "the adjoint of the parameter W_y is mixed.W_y; it should be mixed"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_refused_before_anything_is_printed(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, slipped, message = SLIPS[slip]
    right = model_reverse.derive_model
    monkeypatch.setattr(pipeline, "derive_model", lambda model: slipped(right(model)))
    for verb in (sr.derive, sr.plan, sr.latex, lambda model: sr.emit(model, "numpy"), sr.check):
        with pytest.raises(ValidationError, match=f"In the derivation of the model {name}, {message}"):
            verb(MODELS[name])


@pytest.mark.parametrize("slip", SLIPS)
def test_kernel_and_paper_print_the_same_slip(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the proofs of the records: the module is wrong, and so is the paper, at the same place."""
    name, slipped, _ = SLIPS[slip]
    derivation = sr.derive(MODELS[name])
    wrong = slipped(derivation)
    assert latex_model(wrong) != latex_model(derivation)
    assert str(wrong) != str(derivation)
    monkeypatch.setattr(pipeline, "prove_calls", lambda planned: None)
    with pytest.raises(ValidationError, match=f"In the emitted text of the model {name}"):
        sr.emit(wrong, "numpy")


@pytest.mark.parametrize("model", [*MODELS.values(), *zoo.MODELS.values()], ids=lambda model: model.name)
def test_right_derivations_are_proved(model: Model) -> None:
    prove_wiring(model_reverse.derive_model(model))


# -- what it is ------------------------------------------------------------------------------------------


def test_cells_are_derived_once_and_adjoints_come_from_the_loss_down() -> None:
    derivation = sr.derive(MODELS["tied"])
    assert [of_cell.cell.name for of_cell in derivation.of_cells] == ["mixed", "elman", "dense", "squared"]
    assert derivation.layer("layer").derivation is derivation.layer("layer_2").derivation
    assert [a.of.layer for a in derivation.adjoints] == ["squared", "dense", "layer_2", "layer", "mixed"]
    assert sr.derive(MODELS["tied"]) is derivation
    assert derivation.layer("dense").derivation is sr.derive(
        MODELS["tied"].run_of(MODELS["tied"].output).layer.cell
    )


def test_it_prints_every_equation_and_reason() -> None:
    text = str(sr.derive(MODELS["used_twice"]))
    for line in (
        "upper.s[0] = gru.c[T]",
        "d_squared.error[t] = 1/N    (mean)",
        "d_gru.c[t] = d_upper.x[t] + d_joined.right[t]    (taken)",
        "d_gru.c[T] = d_upper.s[0]    (read at the end)",
        "nothing: no two layers share one",
    ):
        assert f"    {line}" in text.splitlines(), line
    assert "    backwards.x[t] = x[T + 1 - t]" in str(sr.derive(MODELS["bidirectional"]))
    assert "    d_W_y = d_mixed.W_y + d_dense.W_y" in str(sr.derive(MODELS["tied"]))


def one_layer(over: str, *, reverse: bool) -> Model:
    """A layer, forwards or not, whose output is what its state was before the step."""
    x, s = Input("x", n), State("s", n)
    late = Cell("late", Eq(s.next, sr.tanh(s + x)), output=s)
    layer = Layer(late, Feed("x", over=over), reverse=reverse)
    return Model("one_layer", Layer(zoo.output_error, {"y": layer, "y_hat": Feed("y_hat", over=over)}))


def test_an_output_that_is_a_state_before_the_step_is_printed_at_its_own_step() -> None:
    forwards, backwards = (str(sr.derive(one_layer("T", reverse=reverse))) for reverse in (False, True))
    assert "    output_error.y[t] = late.s[t - 1]\n" in forwards
    assert "    d_late.s[t - 1] = d_output_error.y[t]    (taken)\n" in forwards
    assert "    output_error.y[t] = late.s[T - t]\n" in backwards
    assert "    d_late.s[t - 1] = d_output_error.y[T + 1 - t]    (taken)\n" in backwards


def test_its_reading_is_that_before_the_last_step() -> None:
    late = one_layer("T", reverse=False).output
    assert isinstance(late, Layer)
    read = Layer(zoo.output_error, {"y": late.last, "y_hat": Feed("y_hat", over=ONCE)})
    text = str(sr.derive(Model("read", read, output=late)))
    assert "    output_error.y[t] = late.s[T - 1]\n" in text
    assert "    d_late.s[t - 1] = (t = T) d_output_error.y[1]    (read at the end)\n" in text


def test_one_step_is_the_same_from_both_ends() -> None:
    text = str(sr.derive(one_layer(ONCE, reverse=True)))
    assert "    late.x[t] = x\n" in text
    assert "    output_error.y[t] = late.s[t - 1]\n" in text
    assert "    d_late.s[t - 1] = d_output_error.y[t]    (taken)\n" in text


def test_what_only_the_output_needs_and_constants_have_no_adjoint() -> None:
    derivation = sr.derive(MODELS["language_model"])
    assert not derivation.layer("dense_softmax").acts
    assert all(
        t.taker is None or t.taker.layer != "dense_softmax" for a in derivation.adjoints for t in a.terms
    )
    normed = sr.Layer(zoo.layer_norm, sr.Feed("x"))
    model = Model("normed", sr.Layer(zoo.squared_error, {"a": normed, "y": sr.Feed("y")}))
    trained = [adjoint.name for adjoint in sr.derive(model).parameters]
    assert "epsilon" in {name for name, _, _ in model.parameters} - set(trained)
