"""Every vector-Jacobian rule against JAX, planted sign errors, ties, branches that were not taken."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from interpretation import arguments_of, assert_same, expected, run, stages
from sympy import Eq, Expr

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes, emit
from symrnn.checking.problem import Problem, draw_problem
from symrnn.declaration.operations import POINTWISE, VECTOR_FUNCTIONS, PointwiseFunction, expm1, sign
from symrnn.derivation import reverse, rules
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.reverse import derive
from symrnn.derivation.rules import POINTWISE_RULES, VECTOR_RULES
from symrnn.errors import DerivationError
from symrnn.pipeline import forget
from symrnn.vocabulary.families import NAMED

n, m = axes("n m")
x, y, h = Input("x", m), Input("y", m), State("h", m)
W, U, b = Parameter("W", m, m), Parameter("U", m, 2 * m), Parameter("b", m)
v = Value("v")


def positive(a: Expr) -> Expr:
    return 1 + a**2


def layer(right: Expr) -> Cell:
    return Cell("layer", Eq(v, right), output=v)


CALLS: dict[str, Callable[[Expr, Expr], Expr]] = {
    **{f.name: lambda a, c, f=f: c * f(positive(a), *[c][: f.arity - 1]) for f in POINTWISE},  # type: ignore[misc]
    "sigmoid": lambda a, _: sr.sigmoid(a),
    "tanh": lambda a, _: sr.tanh(a),
    "relu": lambda a, _: sr.relu(a),
    "exp": lambda a, _: sr.exp(a),
    "log": lambda a, _: sr.log(positive(a)),
    "softplus": lambda a, _: sr.softplus(a),
    "sqrt": lambda a, _: sr.sqrt(positive(a)),
    "abs": lambda a, _: abs(a),
    "reciprocal": lambda a, _: 1 / positive(a),
    "power": lambda a, _: positive(a) ** 0.3 + positive(a) ** 2.7,
    "maximum": sr.maximum,
    "minimum": sr.minimum,
    "elu": sr.elu,
    "leaky_relu": sr.leaky_relu,
    "hard_tanh": lambda a, _: sr.hard_tanh(a),
    "hard_sigmoid": lambda a, _: sr.hard_sigmoid(4 * a),
    "stop_gradient": lambda a, c: c * sr.stop_gradient(a),
    "sign": lambda a, c: c * sign(a),
    "expm1": lambda a, _: expm1(a),
}
VECTOR_CALLS: dict[str, Expr] = {
    "logsumexp": sr.logsumexp(x * b) * y,
    "largest": sr.largest(x * b) * y,
    "softmax": sr.softmax(x * b) * y,
    "norm": sr.norm(x * b) * y,
    "rms_norm": sr.rms_norm(x * b) * y,
    "layer_norm": sr.layer_norm(x * b) * y,
}
STRUCTURES: dict[str, Expr] = {
    "algebraic": x**3 * b - 2 * x + b,
    "contraction": W @ (x * y),
    "total": sr.total(x * b) * y,
    "outer": sr.outer(x, b) @ y,
    "stack": U @ [x * b, y],
    "where": sr.where(x > y, x * b, y**2),
}


def agrees(cell: Cell, problem: Problem) -> bool:
    """Whether the lowered plan of a cell computes the reference's answer."""
    forget()
    plan = stages(cell)[0]
    try:
        assert_same(run(plan, arguments_of(problem, plan)), expected(problem, plan))
    except AssertionError:
        return False
    return True


def one_liner(name: str) -> Cell:
    return layer(CALLS[name](x * b, y))


def test_every_pointwise_function_has_a_rule_per_argument() -> None:
    assert set(POINTWISE_RULES) == set(POINTWISE)
    assert {function.name for function in POINTWISE} == set(CALLS)
    for function, local in POINTWISE_RULES.items():
        assert len(local) == function.arity


@pytest.mark.parametrize("name", CALLS)
def test_a_pointwise_rule_agrees_with_autodiff(name: str) -> None:
    cell = one_liner(name)
    assert agrees(cell, draw_problem(cell, T=2, B=3))


def test_every_function_of_a_vector_has_a_rule() -> None:
    assert set(VECTOR_RULES) == set(VECTOR_FUNCTIONS)
    assert {function.name for function in VECTOR_FUNCTIONS} == set(VECTOR_CALLS)


@pytest.mark.parametrize("name", VECTOR_CALLS)
def test_the_rule_of_a_function_of_a_vector_agrees_with_autodiff(name: str) -> None:
    cell = layer(VECTOR_CALLS[name])
    assert agrees(cell, draw_problem(cell, T=2, B=3))


@pytest.mark.parametrize("function", VECTOR_RULES)
def test_a_wrong_sign_in_the_rule_of_a_function_of_a_vector_turns_red(
    function: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = layer(VECTOR_CALLS[function.name])
    problem = draw_problem(cell, T=2, B=3)
    right = VECTOR_RULES[function]
    monkeypatch.setitem(VECTOR_RULES, function, lambda *arguments: -right(*arguments))
    assert not agrees(cell, problem)


@pytest.mark.parametrize(
    ("function", "derivative", "wrong"),
    [(sr.softplus, sr.sigmoid, sr.tanh), (sr.logsumexp, sr.softmax, sr.sigmoid)],
)
def test_a_derivative_that_the_cell_has_is_read_and_must_be_the_right_one(
    function: type[Any], derivative: type[Any], wrong: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, a = Value("first"), Value("second"), x * b
    cell = Cell(
        "both", Eq(first, derivative(a)), Eq(second, wrong(a)), Eq(v, function(a) * first * second), output=v
    )
    problem = draw_problem(cell, T=2, B=3)
    assert agrees(cell, problem)
    terms = [term for equation in derive(cell).equations for term in equation.terms]
    assert [first in term.expr.atoms(Value) for term in terms if term.rule == function.name] == [True]
    monkeypatch.setitem(rules.DERIVATIVES, function, wrong)
    assert not agrees(cell, problem)


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structural_rule_agrees_with_autodiff(name: str) -> None:
    cell = layer(STRUCTURES[name])
    assert agrees(cell, draw_problem(cell, T=2, B=3))


@pytest.mark.parametrize(
    ("function", "position"),
    [(f, i) for f, local in POINTWISE_RULES.items() for i, rule in enumerate(local) if rule is not None],
)
def test_a_wrong_sign_in_a_pointwise_rule_turns_red(
    function: type[PointwiseFunction], position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exponent = (function.name, position) == ("power", 1)  # a number elsewhere, which gets no gradient
    cell = layer(positive(x * b) ** y) if exponent else one_liner(function.name)
    problem = draw_problem(cell, T=2, B=3)
    right = POINTWISE_RULES[function]
    assert right[position] is not None

    def wrong(*arguments: Expr) -> Expr:
        return -right[position](*arguments)

    monkeypatch.setitem(POINTWISE_RULES, function, (*right[:position], wrong, *right[position + 1 :]))
    assert not agrees(cell, problem)


@pytest.mark.parametrize("function", [f for f, local in POINTWISE_RULES.items() if None in local])
def test_a_gradient_where_there_is_none_turns_red(
    function: type[PointwiseFunction], monkeypatch: pytest.MonkeyPatch
) -> None:
    if function is sr.declaration.operations.power:
        return  # its exponent is a number: nothing takes that gradient
    cell = one_liner(function.name)
    problem = draw_problem(cell, T=2, B=3)
    monkeypatch.setitem(POINTWISE_RULES, function, (lambda d, *_: d,))
    assert not agrees(cell, problem)


@pytest.mark.parametrize(
    ("rule", "cell"),
    [
        ("algebraic_term", "algebraic"),
        ("contraction_term", "contraction"),
        ("contraction_term", "total"),
        ("contraction_term", "outer"),
        ("stack_term", "stack"),
        ("where_term", "where"),
    ],
)
def test_a_wrong_sign_in_a_structural_rule_turns_red(
    rule: str, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = layer(STRUCTURES[cell])
    problem = draw_problem(made, T=2, B=3)
    right = getattr(rules, rule)

    def wrong(*arguments: Any) -> Expr | None:
        term = right(*arguments)
        return None if term is None else -term

    monkeypatch.setattr(reverse, rule, wrong)
    assert not agrees(made, problem)


def test_a_lost_sum_over_a_repeated_scalar_turns_red(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = layer(Parameter("g") * x)
    problem = draw_problem(cell, T=2, B=3)
    assert agrees(cell, problem)
    right = reverse.summed
    monkeypatch.setattr(reverse, "summed", lambda *arguments: -right(*arguments))
    assert not agrees(cell, problem)


def test_a_function_without_a_rule_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(POINTWISE_RULES, sr.tanh)
    with pytest.raises(DerivationError, match=r"tanh has no vector-Jacobian rule\. Add one to POINTWISE"):
        derive(layer(sr.tanh(x)))


def test_a_function_of_a_vector_without_a_rule_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(VECTOR_RULES, sr.softmax)
    with pytest.raises(DerivationError, match=r"softmax has no vector-Jacobian rule\. Add one to VECTOR"):
        derive(layer(sr.softmax(x)))


def test_an_expression_with_an_operation_inside_is_not_algebraic() -> None:
    with pytest.raises(DerivationError, match="is not algebraic; the normal form should have named"):
        rules.algebraic_term(x, sr.tanh(x) * y, y)


# -- ties -------------------------------------------------------------------------------------------------


def gradients(cell: Cell, **arrays: list[float]) -> dict[str, np.ndarray]:
    """Gradients of the sum of outputs at T = B = 1, by the NumPy kernel and the interpreter alike."""
    problem = draw_problem(cell, T=1, B=1, sizes={"m": len(next(iter(arrays.values())))})
    given = {**problem.inputs, **problem.parameters}
    for name in given.keys() & arrays.keys():
        given[name][...] = arrays[name]
    problem.d_outputs[...] = 1
    plan = stages(cell)[-1]
    result = run(plan, arguments_of(problem, plan))
    module = sr.load(cell, target="numpy")
    inputs, parameters = module.Inputs(**problem.inputs), module.Parameters(**problem.parameters)
    with np.errstate(all="ignore"):
        kernel = module.backward(parameters, module.forward(parameters, inputs).tape, problem.d_outputs)
    for name, array in {**kernel.parameters._asdict(), **kernel.inputs._asdict()}.items():
        np.testing.assert_allclose(array, result.gradients[name], rtol=1e-12, atol=0, equal_nan=True)
    return {name: array.reshape(array.shape[-1:]) for name, array in result.gradients.items()}


def test_the_slope_of_relu_and_of_the_absolute_value_is_zero_at_zero() -> None:
    assert gradients(layer(sr.relu(x)), x=[0, 1, -1])["x"].tolist() == [0, 1, 0]
    assert gradients(layer(abs(x)), x=[0, 1, -1])["x"].tolist() == [0, 1, -1]


@pytest.mark.parametrize(("function", "first"), [(sr.maximum, [0.5, 1, 0]), (sr.minimum, [0.5, 0, 1])])
def test_a_tie_is_shared_equally(function: Callable[..., Expr], first: list[float]) -> None:
    found = gradients(layer(function(x, y)), x=[3, 4, 2], y=[3, 2, 4])
    assert found["x"].tolist() == first
    assert found["y"].tolist() == [1 - share for share in first]


def test_equal_largest_elements_share_the_gradient() -> None:
    assert gradients(layer(sr.largest(x)), x=[3, 1, 3, 2])["x"].tolist() == [0.5, 0, 0.5, 0]
    assert gradients(layer(sr.largest(x)), x=[0, 0])["x"].tolist() == [0.5, 0.5]


def test_a_power_above_one_has_slope_zero_at_zero() -> None:
    assert gradients(layer(x**1.7), x=[0, 1, 1])["x"].tolist() == [0, 1.7, 1.7]


def test_nothing_goes_through_stop_gradient() -> None:
    found = gradients(layer(y * sr.stop_gradient(x * b)), x=[1, 2], y=[3, 4], b=[5, 6])
    assert found["x"].tolist() == [0, 0]
    assert found["b"].tolist() == [0, 0]
    assert found["y"].tolist() == [5, 12]


# -- branches that were not taken -------------------------------------------------------------------------

UNTAKEN: dict[str, Expr] = {
    "the root of a negative number": sr.sqrt(x),
    "the logarithm of a negative number": sr.log(x),
    "the logarithm of zero": sr.log(x + 1),
    "one over zero": 1 / (x + 1),
    "a product with infinity": b * (1 / (x + 1)),
    "a square of infinity": (1 / (x + 1)) ** 2 * b,
    "a function of infinity": sr.exp(1 / (x + 1)),
    "a power of zero": (x + 1) ** 0.3,
    "a nested choice": sr.where(y > 100, x, sr.log(x) * b),
}


@pytest.mark.parametrize("what", UNTAKEN)
def test_a_branch_that_was_not_taken_is_not_seen(what: str) -> None:
    found = gradients(layer(sr.where(x > 0, UNTAKEN[what], 2 * x)), x=[-1, -1], y=[1, 1], b=[3, 0])
    assert found["x"].tolist() == [2, 2]
    assert not any(found.get("b", np.zeros(1)))


def test_a_branch_that_was_taken_is_seen() -> None:
    found = gradients(layer(sr.where(x > 0, sr.log(x) * b, 2 * x)), x=[-1, 2], b=[3, 4])
    assert found["x"].tolist() == [2, 2]
    assert found["b"].tolist() == [0, np.log(2)]


# -- folding back to saved values -------------------------------------------------------------------------

CALL = re.compile(
    r"(?<![\w.])(?:np\.|_)(tanh|sigmoid|exp|expm1|log|softplus|sqrt|relu|maximum|minimum|abs|power)\("
)


def backward_source(cell: Cell) -> str:
    source = emit(cell, target="numpy")
    start = source.index("def _backward_steps(")
    following = re.compile(r"^(def|class) ", re.MULTILINE).search(source, start + 1)
    return source[start : following.start() if following else None]


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("sign", "expm1")])
def test_no_function_is_called_a_second_time(name: str) -> None:
    """Derivatives are in terms of the outputs; what their rules have besides is called, and nothing else."""
    a = W @ h + b * x
    cell = Cell("folded", Eq(v, CALLS[name](a, y)), Eq(h.next, sr.tanh(v)))
    function = NAMED[name]
    symbols = [Parameter(letter, m) for letter in "dyap"][: 2 + function.arity]
    made = [rule(*symbols) for rule in function.facts.rules if rule is not None]
    needed = {call.name for right in made for call in right.atoms(PointwiseFunction)} - {name}
    assert set(CALL.findall(backward_source(cell))) <= needed


def test_a_power_is_not_raised_again() -> None:
    cell = Cell("folded", Eq(v, positive(W @ h + x) ** 0.3), Eq(h.next, sr.tanh(v)))
    assert "**" not in "".join(
        line for line in backward_source(cell).splitlines() if not line.lstrip().startswith("#")
    )


def test_the_rules_are_in_the_derivation() -> None:
    derivation: Derivation = derive(Cell("rules", Eq(h.next, sr.tanh(W @ h + x * b))))
    used = {term.rule for equation in derivation.equations for term in equation.terms}
    assert used == {"later", "output", "tanh", "algebraic", "contraction"}
