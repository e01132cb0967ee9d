"""The derivation of a whole model: what joins its layers, and that TeX takes it."""

import re
from pathlib import Path

import pytest
from model_problems import MODELS
from sympy import Eq
from test_latex import compiled, complaints

import symrnn as sr
from symrnn import Cell, Feed, Input, Layer, Model, State, Style, zoo
from symrnn.errors import RequestError
from symrnn.models.layers import ONCE
from symrnn.publishing.typesetting import find_pdflatex, typeset

needs_tex = pytest.mark.skipif(find_pdflatex() is None, reason="pdflatex is not installed")


@needs_tex
@pytest.mark.parametrize("name", ["encoder_decoder", "bidirectional"])
def test_tex_takes_the_other_notations(name: str) -> None:
    assert typeset(sr.latex(MODELS[name], sr.Style("subscript", "row")), name).startswith(b"%PDF")


def test_a_model_with_time_as_subscripts() -> None:
    text = sr.latex(MODELS["bidirectional"], sr.Style("subscript"))
    assert r"x_{t}^{(\mathrm{backwards})} &= x_{T_{b}+1-t}" in text
    assert r"\langle t\rangle" not in text


def test_a_model_is_no_fragment() -> None:
    with pytest.raises(RequestError, match="models are written as whole documents"):
        sr.latex(MODELS["deep"], fragment=True)


@pytest.mark.parametrize("name", MODELS)
def test_tex_takes_it_without_a_warning(name: str, tmp_path: Path) -> None:
    assert not list(complaints(compiled(sr.latex(MODELS[name]), tmp_path)))


def test_long_names_and_many_takers_fit_on_the_page(tmp_path: Path) -> None:
    gru = zoo.cell("gru")
    below = Layer(gru, Feed("x"), name="the_layer_that_reads_what_the_batch_brings")
    above = [Layer(gru, below, name=f"reader_number_{number}_of_the_layer_below") for number in range(6)]
    both = above[0]
    for number, layer in enumerate(above[1:]):
        both = Layer(zoo.joined, {"first": both, "second": layer}, name=f"joined_{number}")
    loss = Layer(zoo.squared_error, {"a": both, "y": Feed("y")}, name="difference_from_what_was_wanted")
    text = sr.latex(Model("wide", loss, output=below, title="A model of long names"))
    assert text.count(r"&\quad + \delta x") >= 2  # six terms, which no line could take
    assert not list(complaints(compiled(text, tmp_path)))


@pytest.mark.parametrize("name", MODELS)
def test_every_label_stands_once_and_every_reference_has_one(name: str) -> None:
    text = sr.latex(MODELS[name])
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert len(labels) == len(set(labels))
    assert set(re.findall(r"\\(?:eq)?ref\{([^}]*)\}", text)) <= set(labels)


@pytest.mark.parametrize("name", MODELS)
def test_every_cell_is_derived_once(name: str) -> None:
    text = sr.latex(MODELS[name])
    cells = {run.layer.cell.name for run in MODELS[name].runs}
    assert text.count(r"\subsection{Backward pass}") == len(cells)
    assert r"\mathcal{L} = \frac{1}{N} \sum_{b=1}^{B}" in text


def test_a_reversed_layer_counts_from_the_end() -> None:
    text = sr.latex(MODELS["bidirectional"])
    assert r"x^{(\mathrm{backwards})\langle t\rangle} &= x^{\langle T_{b}+1-t\rangle}" in text
    left = r"\mathrm{left}^{(\mathrm{joined})\langle t\rangle}"
    assert rf"{left} &= c^{{(\mathrm{{backwards}})\langle T_{{b}}+1-t\rangle}}" in text
    turned = r"\mathrm{left}^{(\mathrm{joined})\langle T_{b}+1-t\rangle}"
    assert rf"\delta c^{{(\mathrm{{backwards}})\langle t\rangle}} &= \delta {turned}" in text


def test_the_encoders_final_state_starts_the_decoder() -> None:
    text = sr.latex(MODELS["encoder_decoder"])
    end, start = r"c^{(\mathrm{encoder})\langle S_{b}\rangle}", r"c^{(\mathrm{decoder})\langle 0\rangle}"
    assert f"{start} &= {end}" in text
    assert rf"\delta {end} &= \delta {start}" in text


def test_paths_add_up() -> None:
    text = sr.latex(MODELS["used_twice"])
    one, other = (
        r"x^{(\mathrm{upper})\langle t\rangle}",
        r"\mathrm{right}^{(\mathrm{joined})\langle t\rangle}",
    )
    assert rf"\delta c^{{(\mathrm{{gru}})\langle t\rangle}} &= \delta {one} + \delta {other}" in text


def test_what_is_shared_adds_over_the_layers() -> None:
    text = sr.latex(MODELS["tied"])
    assert r"\delta W_{y} &= \delta W_{y}^{(\mathrm{mixed})} + \delta W_{y}^{(\mathrm{dense})}" in text


def test_a_reading_gets_its_gradient_at_the_last_step() -> None:
    text = sr.latex(MODELS["many_to_one"])
    assert r"\delta c^{(\mathrm{gru})\langle t\rangle} &= [t = T_{b}] \, \delta a" in text


def test_what_only_the_output_uses_has_no_part_in_the_loss() -> None:
    text = sr.latex(MODELS["language_model"])
    assert r"a^{(\mathrm{dense\_softmax})\langle t\rangle} &=" in text
    assert r"\delta a^{(\mathrm{dense" not in text


def test_a_reading_that_starts_a_state_gets_back_what_the_state_has_before_the_first_step() -> None:
    text = sr.latex(MODELS["one_to_many"])
    start = r"c^{(\mathrm{gru\_closed\_loop})\langle 0\rangle}"
    assert rf"{start} &= \hat{{y}}^{{(\mathrm{{c}})\langle 1\rangle}}" in text
    assert rf"[t = 1] \, \delta {start}" in text


def turned(*times: str) -> Model:
    """Layers that run from the end, over these axes; the output of each is its state before the step."""
    n = sr.axes("n")
    x, s = Input("x", n), State("s", n)
    late = Cell("late", Eq(s.next, sr.tanh(s + x)), output=s)
    above, *others = [
        Layer(late, Feed(f"x_{time}", over=time), name=f"over_{time}", reverse=True) for time in times
    ]
    for layer in others:
        pair = {"first": above.last, "second": layer.last}
        above = Layer(zoo.joined, pair, name=f"with_{layer.name}")
    loss = Layer(zoo.output_error, {"y": above, "y_hat": Feed("y_hat", over=above.time)})
    return Model("turned", loss, output=above)


def test_an_output_that_is_a_state_before_the_step_stands_at_its_own_step() -> None:
    text = sr.latex(turned("T"))
    assert (
        r"y^{(\mathrm{output\_error})\langle t\rangle} &= s^{(\mathrm{over\_T})\langle T_{b}-t\rangle}"
        in text
    )
    right = r"\delta y^{(\mathrm{output\_error})\langle T_{b}+1-t\rangle}"
    assert rf"\delta s^{{(\mathrm{{over\_T}})\langle t-1\rangle}} &= {right}" in text
    below = sr.latex(turned("T"), Style("subscript"))
    assert r"\delta s_{t-1}^{(\mathrm{over\_T})} &= \delta y_{T_{b}+1-t}^{(\mathrm{output\_error})}" in below


def test_one_step_is_not_counted_from_its_end() -> None:
    text = sr.latex(turned(ONCE))
    assert (
        r"y^{(\mathrm{output\_error})\langle t\rangle} &= s^{(\mathrm{over\_once})\langle t-1\rangle}" in text
    )
    assert "1+1-t" not in text
    assert "Running from a sample's last step" not in text


def test_every_layer_that_runs_from_the_end_counts_the_steps_of_its_own_axis() -> None:
    text = sr.latex(turned("T", "S"))
    for name in "TS":
        assert rf"over\_\allowbreak{{}}{name} belongs to step ${name}_{{b}} + 1 - t$ of the sample" in text
