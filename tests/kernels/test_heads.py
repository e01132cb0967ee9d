"""The shipped cells without state: what their derivations say, and what their kernels compute."""

import numpy as np
import pytest
from sympy import Eq

import symrnn as sr
from symrnn import Cell, DeclarationError, Input, Parameter, Value
from symrnn.checking.check import check_module
from symrnn.checking.problem import draw_problem
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.reverse import derive
from symrnn.zoo import HEADS, SHIPPED, cell
from symrnn.zoo.heads import ACTIVATIONS, b_y, dense, loss, m, n, y, y_hat, z

DTYPES = ("float64", "float32")


def adjoint(derivation: Derivation, quantity: sr.Value) -> sr.Value:
    return derivation.of(quantity).symbol


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_the_adjoint_of_the_logits_is_the_error(name: str) -> None:
    """Nobody wrote y_hat - y down: it is derived."""
    derivation = derive(HEADS[name])
    (shared,) = (factor for factor in derivation.of(z).expr.args if factor.is_Symbol)
    assert derivation.of(z).expr == (y_hat - y) * shared
    assert r"(\hat{y}^{\langle t\rangle} - y^{\langle t\rangle})" in sr.latex(HEADS[name])
    assert "* (y_hat - y)" in str(derivation)


def test_the_adjoint_of_the_logits_of_cross_entropy_reads_as_in_a_textbook() -> None:
    derivation = derive(HEADS["softmax_cross_entropy"])
    assert derivation.of(z).expr == (y_hat - y) * adjoint(derivation, loss)
    assert "d_z = d_loss * (y_hat - y)" in str(derivation)
    assert (
        r"\delta \ell^{\langle t\rangle} \, (\hat{y}^{\langle t\rangle} - y^{\langle t\rangle})"
        in sr.latex(HEADS["softmax_cross_entropy"])
    )
    assert "d_loss[t][:, None] * (y_hat[t] - y[t])" in sr.emit(HEADS["softmax_cross_entropy"], "numpy")


def test_without_its_softmax_a_cell_reads_the_exponential_of_what_it_saves() -> None:
    a, W_y = Input("a", n), Parameter("W_y", m, n)
    bare = Cell("bare", Eq(z, W_y @ a + b_y), Eq(loss, sr.logsumexp(z) - y @ z), output=loss)
    assert "d_z = d_loss * (exp(z - logsumexp_z) - y)" in str(derive(bare))
    sr.check(bare, "numpy").raise_if_failed()


def test_the_likelihood_has_the_error_with_the_other_sign() -> None:
    likelihood = Value("likelihood")
    made = Cell(
        "likelihood",
        Eq(z, Parameter("W_y", m, n) @ Input("a", n)),
        Eq(y_hat, sr.softmax(z)),
        Eq(likelihood, y @ z - sr.logsumexp(z)),
        output=likelihood,
    )
    derivation = derive(made)
    assert derivation.of(z).expr == (y - y_hat) * adjoint(derivation, likelihood)
    sr.check(made, "numpy").raise_if_failed()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_layers_agree_with_autodiff(activation: str) -> None:
    made = dense(activation)
    assert made.name == ("dense" if activation == "identity" else f"dense_{activation}")
    sr.check(made, "numpy").raise_if_failed()


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"no activation 'gelu'\. Choose 'identity', .* or 'relu'\."):
        dense("gelu")


def test_heads_are_shipped() -> None:
    losses = {"softmax_cross_entropy", "class_cross_entropy", "binary_cross_entropy", "squared_error"}
    assert {"embedding", "dense", *losses} <= set(HEADS)
    assert all(cell(name) is SHIPPED[name] is HEADS[name] for name in HEADS)
    assert not any(made.states for made in HEADS.values())
    assert all(made.source and made.variant and made.title for made in HEADS.values())


COMPILED = ("dense", "embedding", "layer_norm", "softmax_cross_entropy", "class_cross_entropy")


@pytest.mark.parametrize(
    ("name", "target"), [*((name, "numpy") for name in HEADS), *((name, "numba") for name in COMPILED)]
)
def test_heads_agree_with_autodiff(name: str, target: str) -> None:
    module = sr.load(HEADS[name], target)
    problem = draw_problem(HEADS[name], T=4, B=5)
    in_both = target == "numpy" or name in ("softmax_cross_entropy", "layer_norm")
    for dtype in DTYPES if in_both else ("float64",):
        check_module(problem, module, dtype=dtype, target=target).raise_if_failed()


LOGITS = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [0.5, -0.25, 2], [-1e4, 5, 5.5]])
TARGET_ROWS = np.array([[0, 1, 0], [0, 0, 1], [0.5, 0.25, 0.25], [1, 0, 0], [0, 0, 1]])


def loss_and_error(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Loss and y_hat - y in float64, by formulas that suit these numbers."""
    if name == "softmax_cross_entropy":
        shifted = LOGITS - LOGITS.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -(TARGET_ROWS * logs).sum(axis=1), np.exp(logs) - TARGET_ROWS
    losses = np.logaddexp(LOGITS, 0) - TARGET_ROWS * LOGITS
    return losses.sum(axis=1), 0.5 + 0.5 * np.tanh(LOGITS / 2) - TARGET_ROWS


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("softmax_cross_entropy", "numpy"),
        ("binary_cross_entropy", "numpy"),
        ("softmax_cross_entropy", "numba"),
    ],
)
def test_losses_of_extreme_logits_are_finite_and_right(name: str, target: str) -> None:
    module = sr.load(HEADS[name], target)
    losses, error = loss_and_error(name)
    for dtype in DTYPES:
        parameters = module.Parameters(W_y=np.eye(3, dtype=dtype), b_y=np.zeros(3, dtype))
        inputs = module.Inputs(a=LOGITS[None].astype(dtype), y=TARGET_ROWS[None].astype(dtype))
        made = module.forward(parameters, inputs)
        found = module.backward(parameters, made.tape, np.ones((1, 5), dtype))
        eps = np.finfo(dtype).eps
        # The loss is a difference of numbers of the logits' size; the error is not, and keeps all its digits.
        np.testing.assert_allclose(made.outputs[0], losses, rtol=8 * eps, atol=3e4 * eps)
        np.testing.assert_allclose(found.inputs.a[0], error, rtol=0, atol=8 * eps)
        np.testing.assert_allclose(found.parameters.b_y, error.sum(axis=0), rtol=0, atol=16 * eps)
        assert np.isfinite(found.parameters.W_y).all()


def test_a_head_learns_what_it_is_shown() -> None:
    """Some steps of gradient descent: the loss of a separable problem falls to nearly nothing."""
    module = sr.load(HEADS["softmax_cross_entropy"], "numpy")
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, 16, 2))
    targets = np.eye(3)[np.where(a[..., 0] > 0.3, 0, np.where(a[..., 1] > 0, 1, 2))]
    inputs = module.Inputs(a=a, y=targets)
    parameters = module.init(rng, n=2, m=3, dtype=np.float64)
    losses = []
    for _ in range(300):
        made = module.forward(parameters, inputs)
        losses.append(made.outputs.mean())
        weights = np.full_like(made.outputs, 1 / made.outputs.size)
        gradients = module.backward(parameters, made.tape, weights).parameters
        parameters = module.Parameters(*(p - 2.0 * d for p, d in zip(parameters, gradients, strict=True)))
    assert losses[-1] < 0.2 * losses[0]
