"""Class indices: what they pick, from the equation to the compiled kernel, and what is refused."""

import pickle
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest
from indexed_cells import everything, words
from interpretation import arguments_of, assert_same, expected, run, stages
from sympy import Eq

import symrnn as sr
from symrnn import Cell, DeclarationError, Index, Input, Parameter, State, Value, axes
from symrnn.checking.check import check_module
from symrnn.checking.problem import Problem, draw_problem
from symrnn.checking.reference import difference_gradients
from symrnn.declaration.digest import cell_digest
from symrnn.derivation.numeric import evaluate_cell
from symrnn.derivation.reverse import derive
from symrnn.derivation.tangent import Tangent, tangent
from symrnn.errors import PlanError
from symrnn.kernels.targets import ARRAY_TARGETS as TARGETS
from symrnn.planning import interpreter, lowering
from symrnn.planning.checker import check
from symrnn.planning.ir import Gather, Scatter
from symrnn.planning.passes.draft import Draft
from symrnn.planning.plan import Plan
from symrnn.zoo import HEADS

v, m, n = axes("v m n")
k, j = Index("k", v), Index("j", 3)
x, h, y = Input("x", n), State("h", m), Value("y")
E, W, U = Parameter("E", v, m), Parameter("W", m, n), Parameter("U", m, m + m)
P, A, s = Parameter("P", 3), Value("A"), Value("s")
DTYPES = ("float64", "float32")
SIZES = {"v": 4, "m": 3, "n": 2}


CELLS = {made.name: made for made in (everything(), words(), *HEADS.values()) if "k" in map(str, made.inputs)}


# -- declaration ------------------------------------------------------------------------------------------


def test_an_index_is_a_value_and_an_input() -> None:
    assert Index("k", v) == k
    assert Index("k", 3) != k
    assert pickle.loads(pickle.dumps(k)) == k
    assert pickle.loads(pickle.dumps(k)).classes == v
    assert words().inputs == (k,)
    assert v in words().axes
    other = Cell("words", Eq(h.next, sr.tanh(U @ [h, sr.take(Parameter("E", 7, m), Index("k", 7))])))
    assert cell_digest(other) != cell_digest(words())
    assert str(words()).splitlines()[1] == "  h.next = tanh(U @ [h, E[k]])"


@pytest.mark.parametrize(
    ("right", "fact"),
    [
        (lambda: k * W @ x, r"the class index k is used like a number\. Write take\(array, k\)"),
        (lambda: sr.tanh(k) * (W @ x), r"the class index k is used like a number"),
        (lambda: sr.where(k > 2, W @ x, 0), r"the class index k is used like a number"),
        (lambda: sr.take(W, k) + x, r"the index k tells one of v classes, but W has shape \(m, n\); take"),
        (lambda: sr.take(P, k) * x, r"the index k tells one of v classes, but P has shape \(3,\)"),
        (lambda: sr.take(Parameter("g"), k) * x, r"tells one of v classes, but g has shape \(\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(right: Any, fact: str) -> None:
    with pytest.raises(DeclarationError, match=rf"In cell 'wrong', equation 1 \(y = \.\.\.\).*{fact}"):
        Cell("wrong", Eq(y, right()), output=y)


def test_only_an_index_picks() -> None:
    for call in (lambda: sr.take(E, Input("i")), lambda: sr.take(E, 2), lambda: sr.one_hot(Parameter("i"))):
        with pytest.raises(DeclarationError, match=r"picks by a class index, not by .* Declare"):
            call()


def test_one_name_means_one_index() -> None:
    with pytest.raises(DeclarationError, match=r"named 'k': an index with 3 classes and an index with v cl"):
        Cell("twice", Eq(y, sr.take(E, k) * sr.take(P, Index("k", 3))), output=y)


# -- derivation -------------------------------------------------------------------------------------------


def test_an_index_has_no_adjoint() -> None:
    derivation = derive(everything())
    assert not {k, j} & {equation.of for equation in derivation.equations}
    assert "d_E = sum over t of outer(one_hot_k, d_x)" in str(derive(HEADS["embedding"]))


def test_the_error_of_a_class_is_the_estimate_minus_the_unit_vector() -> None:
    assert "d_z = d_loss * (y_hat - one_hot_k)" in str(derive(HEADS["class_cross_entropy"]))
    document = sr.latex(HEADS["class_cross_entropy"])
    assert r"(\hat{y}^{\langle t\rangle} - \mathbf{e}_{k^{\langle t\rangle}})" in document
    assert r"$k^{\langle t\rangle}$ & input, a class & $\{ 0, \dots, v - 1 \}$" in document
    assert r"$\mathbf{e}_{l}$ is $1$ at position $l$, counted from $0$, and $0$ elsewhere" in document


def test_the_tangent_of_a_row_is_the_row_of_the_tangent() -> None:
    made = tangent(HEADS["embedding"])
    assert [str(q) for q in made.inputs] == ["k"]
    assert "x_dot = E_dot[k]" in str(made)


def test_tangent_and_step_jacobian_agree_with_differences() -> None:
    cell, made = words(), Tangent(words())
    rng = np.random.default_rng(0)
    shapes = {"E": (4, 3), "U": (3, 6), "h": (3,)}
    point = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    given = {**point, "k": np.float64(2)}
    along = {f"{name}_dot": rng.standard_normal(shape) for name, shape in shapes.items()}
    step = 1e-6

    def moved(by: float) -> Any:
        return evaluate_cell(cell, {**given, **{q: point[q] + by * along[f"{q}_dot"] for q in point}}, SIZES)[
            "h.next"
        ]

    found = evaluate_cell(made.cell, {**given, **along}, SIZES)["h_dot.next"]
    np.testing.assert_allclose(found, (moved(step) - moved(-step)) / (2 * step), rtol=1e-7, atol=1e-9)
    (jacobian,) = sr.step_jacobian(cell)
    columns = [
        (
            evaluate_cell(cell, {**given, "h": point["h"] + d}, SIZES)["h.next"]
            - evaluate_cell(cell, {**given, "h": point["h"] - d}, SIZES)["h.next"]
        )
        / (2 * step)
        for d in step * np.eye(3)
    ]
    np.testing.assert_allclose(jacobian.evaluate(given, SIZES), np.transpose(columns), rtol=1e-7, atol=1e-9)


# -- plans ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", ["all", "states"])
@pytest.mark.parametrize("name", CELLS)
def test_every_plan_agrees_with_autodiff(name: str, save: str) -> None:
    problem = draw_problem(CELLS[name])
    for plan in stages(CELLS[name], save):
        assert_same(run(plan, arguments_of(problem, plan)), expected(problem, plan))


def agrees(cell: Cell, problem: Problem) -> bool:
    plan = stages(cell)[0]
    try:
        assert_same(run(plan, arguments_of(problem, plan)), expected(problem, plan))
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("name", ["embedding", "class_cross_entropy"])
def test_a_scatter_in_the_wrong_row_turns_red(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = draw_problem(HEADS[name])
    assert agrees(HEADS[name], problem)
    right = interpreter._Machine.execute

    def wrong(self: Any, statement: Any) -> None:
        right(self, statement)
        if isinstance(statement, Scatter):
            out = self.array(statement.out)
            out[...] = out[::-1].copy()

    monkeypatch.setattr(interpreter._Machine, "execute", wrong)
    assert not agrees(HEADS[name], problem)


def test_a_lost_scatter_turns_red(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = draw_problem(HEADS["class_cross_entropy"])
    monkeypatch.setattr(lowering._Lowering, "put", lambda *_: None)
    assert not agrees(HEADS["class_cross_entropy"], problem)


def statements(plan: Plan, region: str) -> list[Any]:
    return [line.statement for line in Draft(plan).regions[region]]


def test_no_unit_vector_is_made_where_a_row_is_picked() -> None:
    for name in ("words", "embedding", "class_cross_entropy"):
        plan = sr.plan(CELLS[name])
        assert not any(
            buffer.name.startswith("one_hot_k") and buffer.shape == (v,) for buffer in plan.buffers
        )
        assert not any(buffer.name == "unit" for buffer in plan.buffers)
    assert any(buffer.name == "one_hot_j" for buffer in sr.plan(everything()).buffers)


def test_rows_of_inputs_leave_the_loop_and_their_gradients_follow_it() -> None:
    plan = sr.plan(words())
    assert any(isinstance(s, Gather) for s in statements(plan, "forward before"))
    assert any(isinstance(s, Scatter) for s in statements(plan, "backward after"))
    assert "d_E += " in str(plan)
    assert "in row k, summed over T, B" in str(plan)
    assert "E[k]" in str(plan)


@pytest.mark.parametrize(
    ("kind", "change", "fact"),
    [
        (Gather, {"k": "h"}, "is no row that h"),
        (Gather, {"E": "U"}, "is no row that k"),
        (Scatter, {"d_E": "d_U"}, "is no row that k"),
    ],
)
def test_a_plan_that_picks_something_else_is_refused(
    kind: type[Any], change: dict[str, str], fact: str
) -> None:
    draft = Draft(stages(words())[0])
    for region, lines in draft.regions.items():
        draft.regions[region] = [
            type(line)(line.statement.renamed(change), line.title, line.sources)
            if isinstance(line.statement, kind)
            else line
            for line in lines
        ]
    with pytest.raises(PlanError, match=fact):
        check(draft.finished("changed"))


# -- kernels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *((name, "numpy") for name in ("everything", "embedding", "class_cross_entropy")),
        ("class_cross_entropy", "numba"),
    ],
)
def test_kernels_agree_with_autodiff(name: str, target: str) -> None:
    module = sr.load(CELLS[name], target)
    for T, B in ((6, 5), (0, 2)):
        problem = draw_problem(CELLS[name], T=T, B=B)
        for dtype in DTYPES:
            check_module(problem, module, dtype=dtype, target=target).raise_if_failed()


def test_a_kernel_that_recomputes_agrees_with_autodiff() -> None:
    sr.check(everything(), "numpy", save="states").raise_if_failed()


def test_differences_agree_with_autodiff() -> None:
    problem = draw_problem(words(), T=2, B=2)
    found = difference_gradients(
        words(),
        problem.parameters,
        problem.inputs,
        problem.state,
        d_outputs=problem.d_outputs,
        d_state=problem.d_state,
    )
    assert not found.inputs
    for name, array in problem.answer.parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, atol=1e-7)


@pytest.fixture(scope="module", params=TARGETS)
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    return sr.load(words(), request.param)


def call(kernel: ModuleType, T: int = 5, B: int = 3) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    parameters = kernel.init(rng, m=3, v=4, dtype=np.float64)
    return parameters, rng.integers(0, 4, (T, B)), rng.standard_normal((T, B, 3))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "int64"])
def test_any_integers_will_do(kernel: ModuleType, dtype: str) -> None:
    parameters, classes, cotangent = call(kernel)
    wanted = kernel.forward(parameters, classes)
    made = kernel.forward(parameters, classes.astype(dtype))
    np.testing.assert_array_equal(made.outputs, wanted.outputs)
    one, other = (kernel.backward(parameters, each.tape, cotangent) for each in (made, wanted))
    np.testing.assert_array_equal(one.parameters.E, other.parameters.E)
    assert one.inputs == kernel.Inputs(k=None)
    strided = np.repeat(classes, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(kernel.predict(parameters, strided)[0], wanted.outputs)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.astype(float), r"inputs\.k has dtype float64; pass an array of integers"),
        (lambda c: c > 1, r"inputs\.k has dtype bool; pass an array of integers"),
        (
            lambda c: np.where(c == c.max(), 4, c),
            r"inputs\.k has the class 4; it should be from 0 to 3",
        ),
        (lambda c: c - 9, r"inputs\.k has the class -\d; it should be from 0 to 3"),
        (lambda c: c[..., None], r"inputs\.k has shape \(5, 3, 1\); it should have 2 axes"),
        (lambda c: c.tolist(), r"inputs\.k is a list; pass a NumPy array|inputs is a list"),
    ],
)
def test_a_wrong_index_is_refused_before_compiled_code(kernel: ModuleType, spoil: Any, message: str) -> None:
    parameters, classes, _ = call(kernel)
    for verb in (kernel.forward, kernel.predict):
        with pytest.raises(ValueError, match=message):
            verb(parameters, spoil(classes))


def test_a_step_takes_classes(kernel: ModuleType) -> None:
    parameters, classes, _ = call(kernel)
    outputs, state = kernel.predict(parameters, classes[:1])
    for given in (classes[0], kernel.Inputs(k=classes[0].astype(np.uint8))):
        output, after = kernel.step(parameters, given, None)
        np.testing.assert_allclose(output, outputs[0], rtol=1e-12)
        np.testing.assert_allclose(after.h, state.h, rtol=1e-12)
    with pytest.raises(ValueError, match=r"inputs_t\.k has the class 4; it should be from 0 to 3"):
        kernel.step(parameters, np.full(3, 4), None)
    with pytest.raises(ValueError, match=r"inputs_t\.k has dtype float64; pass an array of integers"):
        kernel.step(parameters, np.zeros(3), None)


def test_workspace_out_and_input_gradients(kernel: ModuleType) -> None:
    parameters, classes, cotangent = call(kernel)
    wanted = kernel.backward(parameters, kernel.forward(parameters, classes).tape, cotangent)
    workspace, out = kernel.Workspace(), None
    for _ in range(3):
        made = kernel.forward(parameters, classes, workspace=workspace)
        out = kernel.backward(parameters, made.tape, cotangent, out=out, workspace=workspace)
        assert out.inputs == kernel.Inputs(k=None)
        for one, other in zip(out.parameters, wanted.parameters, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
    without = kernel.backward(parameters, made.tape, cotangent, input_gradients=False, workspace=workspace)
    assert without.inputs is None
    np.testing.assert_allclose(without.parameters.E, wanted.parameters.E, rtol=1e-12)


def test_threads_add_up_what_each_has_made() -> None:
    module = sr.load(words(), "numba")
    rng = np.random.default_rng(2)
    parameters = module.init(rng, m=64, v=11, dtype=np.float64)
    classes, cotangent = rng.integers(0, 11, (50, 32)), rng.standard_normal((50, 32, 64))
    one, two = (
        module.backward(
            parameters, module.forward(parameters, classes, threads=n).tape, cotangent, threads=n
        ).parameters.E
        for n in (1, 2)
    )
    assert not np.array_equal(one, two)  # other sums, so there were two parts
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_equal_classes_add_up_and_absent_ones_get_zeros(kernel: ModuleType) -> None:
    parameters, classes, cotangent = call(kernel)
    classes[...] = 2
    gradients = kernel.backward(parameters, kernel.forward(parameters, classes).tape, cotangent)
    assert not gradients.parameters.E[[0, 1, 3]].any()
    assert gradients.parameters.E[2].all()


def test_long_sequences_and_padded_samples(kernel: ModuleType) -> None:
    """More rows than a pass works on at once; and samples that end earlier, whatever their padding."""
    parameters, classes, cotangent = call(kernel, T=700, B=9)
    lengths = np.arange(1, 10) * 77
    made = kernel.forward(parameters, classes, lengths=lengths)
    gradients = kernel.backward(parameters, made.tape, cotangent).parameters
    summed = {name: np.zeros_like(array) for name, array in gradients._asdict().items()}
    for b, length in enumerate(lengths):
        alone = kernel.forward(parameters, classes[:length, b : b + 1])
        np.testing.assert_allclose(made.outputs[:length, b], alone.outputs[:, 0], rtol=1e-9, atol=1e-12)
        part = kernel.backward(parameters, alone.tape, cotangent[:length, b : b + 1].copy()).parameters
        for name, array in part._asdict().items():
            summed[name] += array
    for name, array in summed.items():
        np.testing.assert_allclose(getattr(gradients, name), array, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("target", TARGETS)
def test_logits_alone_are_enough_for_a_loss(target: str) -> None:
    """No parameters: the dtype is that of the logits; extreme ones are right."""
    a = Input("a", v)
    cell = Cell("logits", Eq(y, sr.softmax(a)), Eq(s, sr.logsumexp(a) - sr.take(a, k)), output=s)
    module = sr.load(cell, target)
    logits = np.array([[[1e4, -1e4, 0.0], [3.0, 1.0, 2.0]]])
    classes = np.array([[1, 2]])
    wanted = np.asarray(jax.nn.softmax(logits)) - np.eye(3)[classes]
    for dtype in DTYPES:
        inputs = module.Inputs(a=logits.astype(dtype), k=classes)
        made = module.forward(module.Parameters(), inputs)
        np.testing.assert_allclose(made.outputs, [[2e4, 3.40760596 - 2.0]], rtol=1e-6)
        gradients = module.backward(module.Parameters(), made.tape, np.ones((1, 2), dtype))
        np.testing.assert_allclose(gradients.inputs.a, wanted, rtol=0, atol=1e-6)
        assert gradients.inputs.k is None
