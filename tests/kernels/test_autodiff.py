"""Targets that a framework differentiates: PyTorch and JAX give what NumPy kernels give, gradients too."""

import ast
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from autodiff_modules import RESULTS, autodiff_module
from declared_cells import declared
from indexed_cells import everything, words
from kernel_problems import ALL, Call, assert_close, drawn, drawn_call, number_of
from random_cells import random_cell, sizes_for
from sympy import And, Eq
from test_lengths import SINGULAR, padded, singular
from unshipped_cells import MATRIX, PEEPHOLE, SHARPENED

import symrnn as sr
from symrnn import Cell, Index, Input, Parameter, State, Value, pipeline, zoo
from symrnn.checking.formulas import double_precision
from symrnn.checking.reference import numeric_size
from symrnn.declaration.operations import POINTWISE
from symrnn.errors import EmissionError, RequestError, ValidationError
from symrnn.kernels.targets import TARGETS

targets = pytest.mark.parametrize("target", RESULTS)
SOME = np.array([1, 4, 3, 0, 2])
OTHERS = {
    **{f"head {name}": head for name, head in zoo.HEADS.items()},
    "everything": everything(),
    "words": words(),
    "matrix memory": declared(MATRIX, "matrix_memory"),
    "peephole": declared(PEEPHOLE, "peephole"),
    "sharpened": declared(SHARPENED, "sharpened"),  # what its gates share comes from two variables
}
n, m = sr.axes("n m")
x, h, y, A, b = Input("x", m), State("h", m), Value("y"), Value("A"), Parameter("b", m)


def kernel_results(call: Any, lengths: Any = None) -> list[Any]:
    """What the NumPy kernel says: outputs, the final state, and all gradients."""
    run = call.module.forward(call.parameters, call.inputs, call.state, lengths=lengths)
    made = call.module.backward(call.parameters, run.tape, call.d_outputs, call.d_state)
    inputs = [array for array in made.inputs if array is not None]
    return [run.outputs, *run.state, *made.parameters, *inputs, *made.state]


def compare(cell: Cell, target: str, call: Any, *lengths: Any) -> None:
    """Raise unless a module gives what the kernel gives."""
    pytest.importorskip(target)
    module = autodiff_module(cell, target)
    for ends in lengths or (None,):
        assert_close(RESULTS[target](module, call, ends), kernel_results(call, ends))


def call_of(cell: Cell, sizes: Mapping[str, int]) -> Call:
    """Random arguments for the NumPy kernel of any cell."""
    call = drawn_call(sr.load(cell, "numpy"), sizes, 2, 2)
    rng, lengths = np.random.default_rng(1), {axis: sizes[axis.name] for axis in cell.axes}
    classes = {q.name: numeric_size(q.classes, lengths) for q in cell.inputs if isinstance(q, Index)}
    call.inputs = call.inputs._replace(**{k: rng.integers(0, count, (2, 2)) for k, count in classes.items()})
    return call


@targets
@pytest.mark.parametrize("name", ALL)
def test_it_gives_what_kernels_give(name: str, target: str) -> None:
    compare(ALL[name], target, drawn(name, "numpy", 2, 3))
    compare(ALL[name], target, padded(drawn(name, "numpy", 4, 5), SOME), SOME)


@targets
@pytest.mark.parametrize("name", SINGULAR)
def test_what_is_infinite_beyond_the_end_reaches_nothing(name: str, target: str) -> None:
    cell, call, lengths = singular(name, "numpy")
    compare(cell, target, padded(call, lengths), lengths)


@targets
@pytest.mark.parametrize("name", ["lstm", "several", "layer", "delayed"])
def test_no_steps_one_sample_and_no_step_of_any(name: str, target: str) -> None:
    for T in (0, 1):
        compare(ALL[name], target, drawn(name, "numpy", T, 1))
    made = padded(drawn(name, "numpy", 3, 2), np.zeros(2))
    for array in made.state:
        array[...] = 0.0
    compare(ALL[name], target, made, np.zeros(2, np.int64))


@pytest.mark.parametrize("name", OTHERS)
def test_heads_class_indices_and_cells_of_a_user(name: str) -> None:
    cell = OTHERS[name]
    call = call_of(cell, {axis.name: size for axis, size in zip(cell.axes, (3, 5, 4, 2, 6), strict=False)})
    for target in RESULTS:
        compare(cell, target, call, None, np.array([1, 2]))


@pytest.mark.parametrize("seed", range(40))
def test_random_cells(seed: int) -> None:
    cell = random_cell(seed)
    call = call_of(cell, sizes_for(cell))
    for target in RESULTS:
        compare(cell, target, call, np.array([1, 2]))


# Ties, choices, and what is not a number

U = Parameter("U", m, m)
DRAWN = ("glorot", "orthogonal", "normal", "ones", "zeros")
CHOICES = {
    "root": (Eq(h.next, h + sr.where(x > 0, sr.sqrt(x), 0)),),
    "root of its own": (Eq(y, sr.sqrt(x)), Eq(h.next, h + sr.where(x > 0, y, 0))),
    "quotient and logarithm": (Eq(h.next, h + sr.where(x > 0, h / x + sr.log(x) ** 2, -x)),),
    "chain": (
        Eq(
            h.next, h / 2 + sr.where(x > 0, sr.sqrt(sr.sqrt(x) * sr.exp(x)), sr.where(x < -1, 1 / (x + 1), x))
        ),
    ),
    "exponent": (Eq(h.next, h / 2 + sr.where(x > 0, x**h, (1 - x) ** 0.25 * sr.exp(1000 * x))),),
    "both": (Eq(h.next, h / 2 + sr.where(And(x > 0, h >= 0), sr.sqrt(x) / sr.sqrt(x + h), 0.3)),),
    "numbers": (Eq(h.next, h * sr.where(x > 0, 0.1, 0.7)),),
    "half power": (Eq(h.next, h / 2 + abs(x) ** 1.5),),
    "product": (Eq(h.next, h / 2 + sr.where(x > 0, sr.tanh(x) * h, U @ h)),),
}


@targets
@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_does_not_see_the_other_branch(name: str, target: str) -> None:
    cell = Cell("choice", *CHOICES[name])
    module = sr.load(cell, "numpy")
    rng = np.random.default_rng(4)
    values = np.array([[0.0, 0.5, -0.5, -1.0], [2.0, -0.0, 0.0, -2.0]])
    made = SimpleNamespace(
        parameters={name: rng.standard_normal((4, 4)) for name in module.PARAMETERS},
        inputs={"x": np.stack([values, values[::-1]])},
        state={"h": rng.random((2, 4))},
        d_outputs=rng.standard_normal((2, 2, 4)),
        d_state={"h": rng.standard_normal((2, 4))},
    )
    call = Call(module, made, "float64")
    assert all(np.isfinite(array).all() for array in kernel_results(call))
    compare(cell, target, call)


@targets
def test_ties_from_the_zero_state(target: str) -> None:
    call = drawn("ties", "numpy", 4, 3)
    for array in call.state:
        array[...] = 0.0
    compare(ALL["ties"], target, call)
    cell = Cell(
        "kinks",
        Eq(
            h.next,
            sum(f(x) for f in (sr.relu, abs, sr.sign, sr.floor)) + sr.maximum(x, 0.5) + sr.minimum(1, x),
        ),
    )
    module = sr.load(cell, "numpy")
    rng = np.random.default_rng(5)
    values = np.array([0.0, -0.0, 0.5, 1.0, -1.5, np.nan])
    made = SimpleNamespace(
        parameters={},
        inputs={"x": values[None, None]},
        state={"h": np.zeros((1, 6))},
        d_outputs=rng.standard_normal((1, 1, 6)),
        d_state={"h": np.zeros((1, 6))},
    )
    call = Call(module, made, "float64")
    pytest.importorskip(target)
    found = RESULTS[target](autodiff_module(cell, target), call)
    for one, other in zip(found, kernel_results(call), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


# The text


@pytest.mark.parametrize("target", RESULTS)
def test_every_function_has_a_spelling_or_a_formula(target: str) -> None:
    assert all(getattr(f.facts.spelling, target) or f.facts.formula is not None for f in POINTWISE)


def test_a_module_reads_like_one() -> None:
    source = sr.emit(ALL["lstm"], "torch")
    assert "a_all = torch.nn.functional.linear(x, W_on_x, b_all)" in source
    assert "for t, a_all_t in enumerate(torch.unbind(a_all)):" in source
    assert source.count("torch.addmm(") == 2  # one product per step, in `forward` and in `step`
    assert "# (5) c.next = f * c + i * g" in source
    assert "forward pass over a sequence, in PyTorch." in source.partition("\n")[0]


def test_products_of_one_operand_are_one() -> None:
    """The reset-after unit adds to r and z but starts n: the plan keeps these products apart."""
    source = sr.emit(ALL["gru_reset_after"], "jax")
    assert source.count("h @ ") == 2
    assert "W_on_h_2" not in source  # what serves our backward pass alone


@targets
def test_it_imports_the_framework_alone(target: str) -> None:
    for name in ("gru", "ties", "several"):
        tree = ast.parse(sr.emit(ALL[name], target))
        found = {ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
        own = {"torch": {"import torch"}, "jax": {"import jax", "import jax.numpy as jnp"}}[target]
        assert found <= {"import math", "from typing import NamedTuple", *own}


@targets
def test_what_it_cannot_do_is_refused(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for made, said in (
        (lambda: sr.emit(ALL["gru"], target, save="states"), "not for save='states'"),
        (lambda: sr.emit(zoo.MODELS["classifier"], target), "not for a model"),
        (lambda: sr.emit(sr.plan(ALL["gru"]), target), "not for a plan"),
        (lambda: sr.emit(ALL["gru"], target, contract="minimal"), f"not for target '{target}'"),
        (lambda: sr.check(ALL["gru"], target), f"the target '{target}' has none"),
    ):
        with pytest.raises(RequestError, match=said):
            made()
    functions = import_module(f"symrnn.kernels.{target}.target").LIBRARY.functions
    monkeypatch.delitem(functions, next(function for function in POINTWISE if function.name == "tanh"))
    pipeline.forget()
    with pytest.raises(EmissionError, match="no function for tanh"):
        sr.emit(ALL["elman"], target)


@targets
@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("c_next = u * c_tilde + ", "c_next = u * c_tilde - "),
        ("final = _chosen(lengths > 0, final, first)", "final = first"),
        ("outputs = _without_padding(outputs, lengths)", "pass"),
        ("return c_next, State(c_next)", "return c_next, State(c)"),
    ],
)
def test_a_wrong_text_is_not_given_out(
    target: str, line: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = TARGETS[target]
    [offer] = record.offers

    def spoilt(plan: Any, version: str) -> str:
        assert line in offer.text(plan, version)
        return offer.text(plan, version).replace(line, wrong)

    monkeypatch.setitem(TARGETS, target, replace(record, offers=(replace(offer, text=spoilt),)))
    pipeline.forget()
    with pytest.raises(ValidationError, match="fault of symrnn"):
        sr.emit(ALL["gru"], target)


LATE = Cell("late", Eq(A, sr.tanh(b / sr.sqrt(n))), Eq(h.next, h * A + sr.total(Input("x", n)) * b))
TOLD_BY_STATE = Cell("told", Eq(h.next, h * sr.tanh(Input("g"))))


@targets
@pytest.mark.parametrize("cell", [LATE, TOLD_BY_STATE], ids=lambda cell: cell.name)
def test_sizes_that_parameters_do_not_tell(cell: Cell, target: str) -> None:
    compare(cell, target, call_of(cell, {axis.name: 4 for axis in cell.axes}), None, np.array([1, 2]))


@targets
def test_a_state_that_alone_tells_a_size_is_needed(target: str) -> None:
    pytest.importorskip(target)
    zeros = import_module({"torch": "torch", "jax": "jax.numpy"}[target]).zeros
    with pytest.raises(ValueError, match="state is needed: only it tells the size m"):
        autodiff_module(TOLD_BY_STATE, target).forward((), zeros((2, 3)))


def test_axes_with_names_that_the_text_uses() -> None:
    for name in ("like", "rows", "states", "ended", "device"):
        axis = sr.axes(name)
        size = State("h", axis)
        cell = Cell("named", Eq(size.next, sr.tanh(Parameter("W", axis, axis) @ size + Input("x", axis))))
        for target in RESULTS:
            if (target, name) == ("torch", "device"):
                with pytest.raises(EmissionError, match=r"axis name 'device' is taken: in PyTorch"):
                    sr.emit(cell, target)
            else:
                compare(cell, target, call_of(cell, {name: 3}))


# What frameworks do with them


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of PyTorch's own compiler
def test_pytorch_transforms_it() -> None:
    torch = pytest.importorskip("torch")
    call, module = drawn("gru", "numpy", 4, 3), autodiff_module(ALL["gru"], "torch")
    parameters = module.Parameters(*map(torch.tensor, call.parameters))
    inputs, state = torch.tensor(call.inputs.x), torch.tensor(call.state.c)

    def loss(parameters: Any, inputs: Any, lengths: Any = None) -> Any:
        return (module.forward(parameters, inputs, state[: inputs.shape[1]], lengths=lengths)[0] ** 2).sum()

    leaves = module.Parameters(*(p.clone().requires_grad_() for p in parameters))
    made = torch.autograd.grad(loss(leaves, inputs), leaves, create_graph=True)
    for one, other in zip(torch.func.grad(loss)(parameters, inputs), made, strict=True):
        close(one, other.detach())
    along = module.Parameters(*map(torch.ones_like, parameters))
    _, moved = torch.func.jvp(lambda p: loss(p, inputs), (parameters,), (along,))
    close(moved, sum(gradient.sum() for gradient in made).detach())
    twice = torch.autograd.grad(sum(gradient.sum() for gradient in made), leaves)
    step = 1e-5
    for sign in (1, -1):  # central differences of the gradients along the same direction
        shifted = module.Parameters(*(p + sign * step * a for p, a in zip(parameters, along, strict=True)))
        gradients = torch.func.grad(loss)(shifted, inputs)
        twice = tuple(t - sign * g / (2 * step) for t, g in zip(twice, gradients, strict=True))
    assert max(float(t.abs().max()) for t in twice) < 1e-7
    each = torch.func.vmap(lambda x: loss(parameters, x))(torch.stack([inputs, 2 * inputs]))
    close(each, [loss(parameters, inputs), loss(parameters, 2 * inputs)])
    ends = torch.tensor([[4, 1, 0], [2, 2, 3]])
    each = torch.func.vmap(lambda e: loss(parameters, inputs, e))(ends)
    close(each, [loss(parameters, inputs, e) for e in ends])
    explained = torch.compile(module.forward, backend="eager", fullgraph=True)
    close(explained(parameters, inputs, state)[0], module.forward(parameters, inputs, state)[0])
    single = module.Parameters(*(p.float() for p in parameters))
    outputs, final = module.forward(single, inputs.float())
    assert outputs.dtype == final.c.dtype == torch.float32


def test_jax_transforms_it() -> None:
    jax = pytest.importorskip("jax")
    call, module = drawn("elman", "numpy", 4, 3), autodiff_module(ALL["elman"], "jax")
    parameters, x = module.Parameters(*call.parameters), call.inputs.x
    with double_precision():

        def loss(parameters: Any, x: Any, lengths: Any) -> Any:
            return (module.forward(parameters, x, lengths=lengths)[0] ** 2).sum()

        value_and_gradients = jax.jit(jax.value_and_grad(loss))
        ends = np.array([[4, 1, 0], [2, 2, 3]])
        values, gradients = jax.vmap(value_and_gradients, in_axes=(None, None, 0))(parameters, x, ends)
        for i, lengths in enumerate(ends):
            run = call.module.forward(call.parameters, x, lengths=lengths)
            made = call.module.backward(call.parameters, run.tape, 2 * run.outputs)
            close(values[i], (run.outputs**2).sum())
            for one, other in zip(gradients, made.parameters, strict=True):
                close(one[i], other)
    single = module.Parameters(*(p.astype(np.float32) for p in parameters))
    outputs, final = module.forward(single, x.astype(np.float32))
    assert outputs.dtype == final.s.dtype == np.float32


EVERY = {**ALL, **OTHERS, **{f"random {seed}": random_cell(seed) for seed in range(3)}}


@pytest.mark.parametrize("name", EVERY)
def test_arguments_decide_device_and_type(name: str) -> None:
    """Nothing is made on the processor, nor of another type, where arguments are elsewhere, of float32."""
    torch = pytest.importorskip("torch")
    module = autodiff_module(EVERY[name], "torch")
    sizes = dict(zip(module.AXES, (3, 5, 4, 2, 6), strict=False))

    def empty(table: Mapping[str, tuple[str, ...]], *lead: int) -> dict[str, Any]:
        shapes = {key: [*lead, *(number_of(size, sizes) for size in shape)] for key, shape in table.items()}
        return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}

    inputs = empty(module.INPUTS, 3, 2)
    inputs |= {q.name: inputs[q.name].long() for q in EVERY[name].inputs if isinstance(q, Index)}
    parameters = module.Parameters(**empty(module.PARAMETERS), **empty(module.CONSTANTS))
    state = module.State(**empty(module.STATES, 2))
    for lengths in (None, torch.empty(2, dtype=torch.int64, device="meta")):
        outputs, final = module.forward(parameters, module.Inputs(**inputs), state, lengths=lengths)
        assert {(a.dtype, a.device.type) for a in (outputs, *final)} == {(torch.float32, "meta")}


@pytest.mark.parametrize("name", EVERY)
def test_jax_traces_it_in_the_type_of_its_arguments(name: str) -> None:
    jax = pytest.importorskip("jax")
    module = autodiff_module(EVERY[name], "jax")
    sizes = dict(zip(module.AXES, (3, 5, 4, 2, 6), strict=False))

    def told(table: Mapping[str, tuple[str, ...]], *lead: int) -> dict[str, Any]:
        shapes = {key: (*lead, *(number_of(size, sizes) for size in shape)) for key, shape in table.items()}
        return {key: jax.ShapeDtypeStruct(shape, np.float32) for key, shape in shapes.items()}

    inputs = told(module.INPUTS, 3, 2)
    classes = (q.name for q in EVERY[name].inputs if isinstance(q, Index))
    inputs |= {key: jax.ShapeDtypeStruct((3, 2), np.int32) for key in classes}
    given = module.Parameters(**told(module.PARAMETERS), **told(module.CONSTANTS)), module.Inputs(**inputs)
    with double_precision():
        outputs, final = jax.eval_shape(module.forward, *given, module.State(**told(module.STATES, 2)))
    assert {array.dtype for array in (outputs, *final)} == {np.dtype(np.float32)}


@targets
@pytest.mark.parametrize("name", ["lstm", "several", "delayed"])
def test_steps_and_prepared_parameters(name: str, target: str) -> None:
    pytest.importorskip(target)
    call, module = drawn(name, "numpy", 3, 2), autodiff_module(ALL[name], target)
    with double_precision():
        array = pytest.importorskip("torch").tensor if target == "torch" else np.asarray
        prepared = module.prepare(module.Parameters(*map(array, call.parameters)))
        state = module.State(*map(array, call.state))
        outputs, final = module.forward(prepared, module.Inputs(*map(array, call.inputs)), state)
        for t in range(3):
            output, state = module.step(prepared, module.Inputs(*(array(x[t]) for x in call.inputs)), state)
            close(output, outputs[t])
        for one, other in zip(state, final, strict=True):
            close(one, other)


@targets
def test_fresh_parameters(target: str) -> None:
    framework = pytest.importorskip(target)
    cell = Cell(
        "drawn",
        Eq(
            h.next,
            sr.tanh(sum(Parameter(f"W_{how}", m, n, init=how) @ Input("x", n) for how in DRAWN) + U @ h),
        ),
    )
    module = autodiff_module(cell, target)
    rng = framework.random.key(0) if target == "jax" else framework.Generator().manual_seed(0)
    drawn_ones = {name: np.asarray(a) for name, a in module.init(rng, n=30, m=50)._asdict().items()}
    assert {array.dtype for array in drawn_ones.values()} == {np.dtype(np.float32)}
    limit = np.sqrt(6 / 80)
    assert 0.95 * limit < np.abs(drawn_ones["W_glorot"]).max() <= limit
    np.testing.assert_allclose(
        drawn_ones["W_orthogonal"].T @ drawn_ones["W_orthogonal"], np.eye(30), atol=1e-5
    )
    assert drawn_ones["W_normal"].std() == pytest.approx(1 / np.sqrt(30), rel=0.1)
    assert (drawn_ones["W_ones"] == 1).all()
    assert not drawn_ones["W_zeros"].any()
