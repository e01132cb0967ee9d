"""Layer normalisation: the shipped layer, and an LSTM normalised inside, declared from the vocabulary."""

from typing import Any

import numpy as np
import pytest
from kernel_problems import TARGETS
from unshipped_cells import EPSILON, layer_normalised_lstm

import symrnn as sr
from symrnn import Feed, Layer, Model, zoo
from symrnn.checking.check import check_module
from symrnn.checking.problem import draw_problem

targets = pytest.mark.parametrize("target", TARGETS)


@targets
def test_a_normalised_lstm_agrees_with_autodiff(target: str) -> None:
    problem = draw_problem(layer_normalised_lstm(), T=3, B=2)
    check_module(problem, sr.load(layer_normalised_lstm(), target), target=target).raise_if_failed()


def arrays(dtype: str = "float64") -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in ((6, 4, 7), (7,), (7,)))


@targets
def test_the_layer_is_that_of_the_paper(target: str) -> None:
    a, g, b = arrays()
    module = sr.load(zoo.layer_norm, target)
    run = module.forward(module.Parameters(g=g, b=b, epsilon=EPSILON), a)
    centred = a - a.mean(-1, keepdims=True)
    sigma = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
    np.testing.assert_allclose(run.outputs, g * centred / sigma + b, rtol=1e-13)


@targets
def test_its_gradients_are_those_of_pytorch(target: str) -> None:
    torch = pytest.importorskip("torch")  # an extra; CI installs it and refuses skipped tests
    a, g, b = arrays()
    seeds = np.random.default_rng(1).standard_normal(a.shape)
    leaves = [torch.tensor(array, requires_grad=True) for array in (a, g, b)]
    made = torch.nn.functional.layer_norm(leaves[0], (7,), leaves[1], leaves[2], EPSILON)
    (made * torch.tensor(seeds)).sum().backward()
    module = sr.load(zoo.layer_norm, target)
    parameters = module.Parameters(g=g, b=b, epsilon=np.float64(EPSILON))
    run = module.forward(parameters, a)
    found = module.backward(parameters, run.tape, seeds)
    np.testing.assert_allclose(run.outputs, made.detach().numpy(), rtol=0, atol=1e-12)
    got = (found.inputs.a, found.parameters.g, found.parameters.b)
    for gradient, leaf in zip(got, leaves, strict=True):
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=0, atol=1e-12)
    assert found.parameters.epsilon == 0  # a given constant


@targets
def test_far_from_zero_digits_are_kept(target: str) -> None:
    """The mean is taken away before the squares are summed: no cancellation."""
    a, g, b = arrays("float32")
    module = sr.load(zoo.layer_norm, target)
    near, far = (
        module.predict(module.Parameters(g=g, b=b, epsilon=EPSILON), (a + shift).astype("float32"))[0]
        for shift in (0, 1000)
    )
    assert np.abs(near - far).max() < 2e-3


def test_it_stands_in_a_model() -> None:
    """Its epsilon is a parameter of the model whose gradient is zero."""
    normal = Layer(zoo.layer_norm, Layer(zoo.cell("gru"), Feed("x")), name="normal")
    model = Model(
        "normalised", Layer(zoo.squared_error, {"a": Layer(zoo.cell("elman"), normal), "y": Feed("y")})
    )
    names = {name for name, _, _ in model.parameters}
    assert {"normal_g", "normal_b", "normal_epsilon"} <= names
    sr.check(model, "numpy").raise_if_failed()
    made = sr.load(model, "numpy")
    fresh = made.init(np.random.default_rng(0), **dict.fromkeys(made.AXES, 3))
    assert fresh.normal_epsilon == np.float32(EPSILON)
    assert (fresh.normal_g == 1).all()
