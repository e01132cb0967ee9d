"""Every function and operation of the vocabulary: the shape it resolves to, and the numbers it means."""

import numpy as np
import pytest
from evaluator import evaluate, shape_numbers
from sympy import And, Eq, Expr, Ge, Le, Max, Ne, Not, Or, Piecewise, Rational

import symrnn
from symrnn import (
    Index,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    dot,
    einsum,
    exp,
    identity,
    largest,
    layer_norm,
    log,
    log_softmax,
    logsumexp,
    matmul,
    maximum,
    mean,
    minimum,
    norm,
    one_hot,
    ones,
    outer,
    relu,
    rms_norm,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    stop_gradient,
    take,
    tanh,
    total,
    transpose,
    where,
)
from symrnn.declaration.operations import (
    VECTOR_FUNCTIONS,
    Contract,
    Operation,
    Slice,
    absolute,
    canonical_spec,
    power,
    reciprocal,
)
from symrnn.declaration.resolution import Resolver

n, m, k = axes("n m k")
SIZES = {"n": 2, "m": 3, "k": 5}
x, h, c, g, e = Input("x", n), State("h", m), State("c", m), Parameter("g"), Parameter("e")
W, U, V, P = Parameter("W", m, n), Parameter("U", m, m), Parameter("V", m, m), Parameter("P", k, m)
A, C = Parameter("A", 4, n, m), State("C", 4, m)
q, i, j = Value("q"), Index("i", k), Index("j", 4)
KNOWN = {q: (m, k)}
RNG = np.random.default_rng(3)
ARRAYS = {v: RNG.standard_normal(shape_numbers(v.shape, SIZES)) for v in (x, h, c, g, e, W, U, V, P, A, C)}
ARRAYS[q] = RNG.standard_normal((3, 5))
ARRAYS |= {i: np.array(3), j: np.array(2)}
a = {str(quantity): array for quantity, array in ARRAYS.items()}
POSITIVE = 1 + h**2


def logistic(z):
    return 1 / (1 + np.exp(-z))


# What an author writes, its shape, and the same in NumPy.
POINTWISE_CASES = [
    (sigmoid(h), (m,), lambda: logistic(a["h"])),
    (tanh(h), (m,), lambda: np.tanh(a["h"])),
    (relu(h), (m,), lambda: np.where(a["h"] > 0, a["h"], 0)),
    (exp(h), (m,), lambda: np.exp(a["h"])),
    (log(POSITIVE), (m,), lambda: np.log(1 + a["h"] ** 2)),
    (softplus(h), (m,), lambda: np.log(1 + np.exp(a["h"]))),
    (sqrt(POSITIVE), (m,), lambda: np.sqrt(1 + a["h"] ** 2)),
    (absolute(h), (m,), lambda: np.abs(a["h"])),
    (abs(h), (m,), lambda: np.abs(a["h"])),
    (reciprocal(POSITIVE), (m,), lambda: 1 / (1 + a["h"] ** 2)),
    (1 / POSITIVE, (m,), lambda: 1 / (1 + a["h"] ** 2)),
    (power(POSITIVE, 0.3), (m,), lambda: (1 + a["h"] ** 2) ** 0.3),
    (POSITIVE ** Rational(1, 3), (m,), lambda: (1 + a["h"] ** 2) ** (1 / 3)),
    (POSITIVE ** Rational(-3, 2), (m,), lambda: (1 + a["h"] ** 2) ** -1.5),
    (h**3, (m,), lambda: a["h"] ** 3),
    (h**-2, (m,), lambda: a["h"] ** -2.0),
    (POSITIVE**c, (m,), lambda: (1 + a["h"] ** 2) ** a["c"]),
    (2**h, (m,), lambda: 2 ** a["h"]),
    (maximum(h, c), (m,), lambda: np.maximum(a["h"], a["c"])),
    (maximum(0, h), (m,), lambda: np.maximum(a["h"], 0)),
    (minimum(h, g), (m,), lambda: np.minimum(a["h"], a["g"])),
    (stop_gradient(h), (m,), lambda: a["h"]),
    (tanh(g), (), lambda: np.tanh(a["g"])),
    (sigmoid(U), (m, m), lambda: logistic(a["U"])),
    (tanh(A), (4, n, m), lambda: np.tanh(a["A"])),
    (where(h > 0, h, c), (m,), lambda: np.where(a["h"] > 0, a["h"], a["c"])),
    (where(g > 0, h, c), (m,), lambda: a["h"] if a["g"] > 0 else a["c"]),
    (where(h > c, g, 0), (m,), lambda: np.where(a["h"] > a["c"], a["g"], 0)),
    (where(g < e, 1, g), (), lambda: 1 if a["g"] < a["e"] else a["g"]),
    (
        where(And(h > -1, Or(Le(h, c), Not(c > 1))), h, c),
        (m,),
        lambda: np.where((a["h"] > -1) & ((a["h"] <= a["c"]) | ~(a["c"] > 1)), a["h"], a["c"]),
    ),
    (where(Or(Eq(h, 0), Ne(c, 0)), h, c), (m,), lambda: a["h"]),
    (where(m > n, h, c), (m,), lambda: a["h"]),
    (Piecewise((h, h > 1), (c, Ge(h, 0)), (g, True)), (m,), lambda: np.select(
        [a["h"] > 1, a["h"] >= 0], [a["h"], a["c"]], a["g"]
    )),
    (h + c, (m,), lambda: a["h"] + a["c"]),
    (h - c / 2 + g, (m,), lambda: a["h"] - a["c"] / 2 + a["g"]),
    (g * U * V, (m, m), lambda: a["g"] * a["U"] * a["V"]),
    (h / sqrt(m), (m,), lambda: a["h"] / np.sqrt(3)),
    (h * sigmoid(m - n), (m,), lambda: a["h"] * logistic(1)),
]  # fmt: skip

PRODUCT_CASES = [
    (W @ x, (m,), "ij,j->i", lambda: a["W"] @ a["x"]),
    (h @ U, (m,), "i,ij->j", lambda: a["h"] @ a["U"]),
    (h @ c, (), "i,i->", lambda: a["h"] @ a["c"]),
    (P @ U, (k, m), "ij,jk->ik", lambda: a["P"] @ a["U"]),
    (matmul(W, x), (m,), "ij,j->i", lambda: a["W"] @ a["x"]),
    (A @ h, (4, n), "ijk,k->ij", lambda: a["A"] @ a["h"]),
    (q @ P, (m, m), "ij,jk->ik", lambda: a["q"] @ a["P"]),
    (dot(h, c), (), "i,i->", lambda: a["h"] @ a["c"]),
    (outer(h, x), (m, n), "i,j->ij", lambda: np.outer(a["h"], a["x"])),
    (total(h), (), "i->", a["h"].sum),
    (total(U), (), "ij->", a["U"].sum),
    (total(A), (), "ijk->", a["A"].sum),
    (transpose(W), (n, m), "ij->ji", lambda: a["W"].T),
    (P.T, (m, k), "ij->ji", lambda: a["P"].T),
    (einsum("hij,hj->hi", A, C), (4, n), "ijk,ik->ij", lambda: np.einsum("hij,hj->hi", a["A"], a["C"])),
    (einsum("ab, b -> a", U, h), (m,), "ij,j->i", lambda: a["U"] @ a["h"]),
    (einsum("i,ij,j->", h, U, c), (), "i,ij,j->", lambda: a["h"] @ a["U"] @ a["c"]),
    (
        einsum("i,j,k->kji", x, h, c),
        (m, m, n),
        "i,j,k->kji",
        lambda: np.einsum("i,j,k->kji", a["x"], a["h"], a["c"]),
    ),
    (einsum("ij->i", U), (m,), "ij->i", lambda: a["U"].sum(axis=1)),
    (einsum("i,i->i", h, c), (m,), "i,i->i", lambda: a["h"] * a["c"]),
]

STACK_CASES = [
    (concatenate(h, x), (m + n,), lambda: np.concatenate([a["h"], a["x"]])),
    (concatenate(h, c, h), (3 * m,), lambda: np.concatenate([a["h"], a["c"], a["h"]])),
    (concatenate(U, P), (k + m, m), lambda: np.concatenate([a["U"], a["P"]])),
    (concatenate(h, g * ones(1)), (m + 1,), lambda: np.append(a["h"], a["g"])),
    (ones(m), (m,), lambda: np.ones(3)),
    (2 * ones(m, n), (m, n), lambda: 2 * np.ones((3, 2))),
    (identity(m) - U, (m, m), lambda: np.eye(3) - a["U"]),
    (identity(m + n), (m + n, m + n), lambda: np.eye(5)),
    (ones(2) + 1, (2,), lambda: np.full(2, 2.0)),
    (matmul(2 * g * U, 3 * h), (m,), lambda: 6 * a["g"] * a["U"] @ a["h"]),
    (Parameter("L", 2, m + n) @ [h, x], (2,), None),
    ((h * c) @ U, (m,), lambda: (a["h"] * a["c"]) @ a["U"]),
    (dot(g * h, 2 * c), (), lambda: 2 * a["g"] * a["h"] @ a["c"]),
    (total(g), (), lambda: a["g"]),
    (mean(h), (), a["h"].mean),
    (mean(2 * U * g), (), lambda: 2 * (a["U"] * a["g"]).mean()),
    (mean(concatenate(h, x)), (), lambda: np.concatenate([a["h"], a["x"]]).mean()),
    (mean(g), (), lambda: a["g"]),
    (einsum(",i->i", g, h), (m,), lambda: a["g"] * a["h"]),
    (einsum("ij->ij", U), (m, m), lambda: a["U"]),
    (einsum(",->", g, e), (), lambda: a["g"] * a["e"]),
]

VECTOR_CASES = [
    (logsumexp(h), (), lambda: np.log(np.exp(a["h"]).sum())),
    (largest(h), (), a["h"].max),
    (softmax(h), (m,), lambda: np.exp(a["h"]) / np.exp(a["h"]).sum()),
    (log_softmax(h), (m,), lambda: a["h"] - np.log(np.exp(a["h"]).sum())),
    (logsumexp([h, x]), (), lambda: np.log(np.exp(a["h"]).sum() + np.exp(a["x"]).sum())),
    (softmax(W @ x) * c, (m,), lambda: np.exp(a["W"] @ a["x"]) / np.exp(a["W"] @ a["x"]).sum() * a["c"]),
    (largest(2 * ones(m)), (), lambda: 2.0),
    (norm(h), (), lambda: np.linalg.norm(a["h"])),
    (norm([h, x]), (), lambda: np.linalg.norm(np.concatenate([a["h"], a["x"]]))),
    (rms_norm(h), (m,), lambda: a["h"] / np.sqrt((a["h"] ** 2).mean() + 1e-5)),
    (layer_norm(h, 0.1), (m,), lambda: (a["h"] - a["h"].mean()) / np.sqrt(a["h"].var() + 0.1)),
]

PICKING_CASES = [
    (take(P, i), (m,), lambda: a["P"][3]),
    (take(A, j), (n, m), lambda: a["A"][2]),
    (take(h @ P.T, i), (), lambda: (a["P"] @ a["h"])[3]),
    (one_hot(j), (4,), lambda: np.eye(4)[2]),
    (take(2 * g * P, i) * c, (m,), lambda: 2 * a["g"] * a["P"][3] * a["c"]),
]


def texts(cases):
    return [str(case[0]) for case in cases]


def check(author, shape, numbers):
    resolved = Resolver(KNOWN).resolve(author)
    assert resolved.shape == shape
    if numbers is not None:
        found = evaluate(resolved.expr, ARRAYS, SIZES)
        np.testing.assert_allclose(found, numbers(), rtol=1e-13)
        assert found.shape == shape_numbers(shape, SIZES)
    again = Resolver(KNOWN).resolve(resolved.expr)
    assert again == resolved, "what is resolved stays as it is"


@pytest.mark.parametrize(("author", "shape", "numbers"), POINTWISE_CASES, ids=texts(POINTWISE_CASES))
def test_pointwise(author, shape, numbers):
    check(author, shape, numbers)


@pytest.mark.parametrize(("author", "shape", "spec", "numbers"), PRODUCT_CASES, ids=texts(PRODUCT_CASES))
def test_products(author, shape, spec, numbers):
    check(author, shape, numbers)
    resolved = Resolver(KNOWN).resolve(author).expr
    assert isinstance(resolved, Contract)
    assert resolved.spec == spec


@pytest.mark.parametrize(("author", "shape", "numbers"), STACK_CASES, ids=texts(STACK_CASES))
def test_stacks_constant_arrays_and_factors(author, shape, numbers):
    check(author, shape, numbers)


@pytest.mark.parametrize(("author", "shape", "numbers"), VECTOR_CASES, ids=texts(VECTOR_CASES))
def test_functions_of_a_vector(author, shape, numbers):
    check(author, shape, numbers)


@pytest.mark.parametrize(("author", "shape", "numbers"), PICKING_CASES, ids=texts(PICKING_CASES))
def test_what_an_index_picks(author, shape, numbers):
    check(author, shape, numbers)


@pytest.mark.parametrize(
    ("author", "fact"),
    [
        (softmax(U), r"softmax takes a vector, but in softmax\(U\) its argument has shape \(m, m\)"),
        (logsumexp(g), r"logsumexp takes a vector, but in logsumexp\(g\) its argument is a number"),
        (largest(2), r"largest takes a vector, but in largest\(2\) its argument is a number"),
        (h + softmax(total(h)), r"its argument is a number; reduce a matrix to a vector first, with einsum"),
    ],
)
def test_functions_of_a_vector_take_vectors(author, fact):
    with pytest.raises(symrnn.DeclarationError, match=fact):
        Resolver(KNOWN).resolve(author)


def test_every_function_of_a_vector_has_a_case():
    assert set(VECTOR_FUNCTIONS) <= {type(author) for author, _, _ in VECTOR_CASES}


def test_the_public_names_are_those_of_the_vocabulary():
    names = {
        "sigmoid tanh relu exp log softplus sqrt maximum minimum where stop_gradient",
        "logsumexp largest softmax log_softmax take one_hot",
        "matmul dot outer total mean transpose concatenate einsum identity ones axes",
        "Cell Index Input State Parameter Constant Value DeclarationError",
    }
    assert all(hasattr(symrnn, name) for group in names for name in group.split())


def test_letters_of_a_contraction_are_canonical():
    assert canonical_spec("hij,hj->hi") == "ijk,ik->ij"
    assert canonical_spec("b,ab->a") == "i,ji->j"
    assert Contract("ab,b->a", U, h) == Contract("ij,j->i", U, h)


def test_a_power_of_floats_that_are_halves_is_a_root():
    for exponent, meaning in (
        (0.5, sqrt(POSITIVE)),
        (2.0, POSITIVE**2),
        (1.5, power(POSITIVE, Rational(3, 2))),
    ):
        assert Resolver({}).resolve(POSITIVE**exponent).expr == meaning


def test_conditions_that_sympy_decides_choose_a_side():
    assert where(h**2 >= 0, h, c) == h
    assert where(h**2 < 0, h, c) == c


def test_arrays_without_axes_are_no_numbers_to_sympy():
    """It would try to evaluate them, and refuses in Max."""
    assert not ones(2).is_number
    assert Resolver({}).resolve(Max(ones(2), identity(2) @ ones(2))).shape == (2,)


def test_lists_stack_on_either_side_of_the_product():
    assert U @ [h, x] == matmul(U, concatenate(h, x))
    assert [h, x] @ U == matmul(concatenate(h, x), U)
    assert W @ [h, [x, c]] == matmul(W, concatenate(h, concatenate(x, c)))


@pytest.mark.parametrize(
    ("node", "operands"),
    [
        (where(h > c, h, g), (h, g)),
        (Contract("ij,j->i", W, x), (W, x)),
        (einsum("ij,j->i", W, x), (W, x)),
        (Slice(h, 0, m), (h,)),
        (concatenate(h, x), (h, x)),
        (maximum(h, c), (h, c)),
        (softmax(h), (h,)),
        (W @ x, (W, x)),
        (ones(m, n), ()),
        (identity(m), ()),
        (one_hot(i), ()),
    ],
    ids=str,
)
def test_operands_are_what_the_result_is_made_of(node: Operation, operands: tuple[Expr, ...]) -> None:
    assert node.operands == operands
    assert node.over(operands) == node
    other = [State(f"other_{operand}", *operand.shape) for operand in operands]
    assert node.over(other).operands == tuple(other)
