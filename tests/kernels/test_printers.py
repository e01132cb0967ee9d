"""The coverage list: all that an expression or a statement may hold, by every target, evaluated."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from interpretation import Arguments, random_arguments, run
from sympy import And, E, Eq, Expr, Integer, Mul, Ne, Not, Or, Rational, Symbol, pi, sqrt

import symrnn
from symrnn import Cell, Input, Parameter, Value, axes, zoo
from symrnn.declaration import operations as op
from symrnn.declaration.operations import POINTWISE, PointwiseFunction, where
from symrnn.derivation.reverse import derive
from symrnn.errors import EmissionError
from symrnn.kernels.layout import Layout
from symrnn.kernels.numba.elements import FUNCTIONS as NUMBA_FUNCTIONS
from symrnn.kernels.numpy.code import FUNCTIONS as NUMPY_FUNCTIONS
from symrnn.kernels.numpy.code import NumpyWriter
from symrnn.kernels.numpy.module import NAMES
from symrnn.kernels.targets import ARRAY_TARGETS as TARGETS
from symrnn.kernels.targets import require_offer
from symrnn.planning.ir import (
    Block,
    Buffer,
    Contraction,
    Fill,
    Largest,
    Pointwise,
    Stack,
    Statement,
    Window,
    array_symbol,
)
from symrnn.planning.lowering import lower
from symrnn.planning.plan import Plan
from symrnn.running.loading import load_source

n, m = axes("n m")
SIZES = {"n": 3, "m": 4}
a, b, c = (array_symbol(name) for name in "xzb")  # two inputs and a parameter, vectors of m
s, g = array_symbol("y"), array_symbol("g")  # a number per sample, and one for all
positive = 1 + a * a

FUNCTIONS: dict[type[PointwiseFunction], list[Expr]] = {
    **{function: [function(*[positive, b][: function.arity])] for function in op.POINTWISE},
    op.sigmoid: [op.sigmoid(a), op.sigmoid(30 * a), op.sigmoid(a - b)],
    op.tanh: [op.tanh(a), op.tanh(-3 * a * b)],
    op.relu: [op.relu(a), -op.relu(b - a)],
    op.exp: [op.exp(a), op.exp(-(a**2))],
    op.log: [op.log(positive), op.log(positive) ** 2],
    op.softplus: [op.softplus(a), op.softplus(40 * a)],
    op.sqrt: [op.sqrt(positive), 1 / op.sqrt(positive)],
    op.absolute: [op.absolute(a), op.absolute(-a * b)],
    op.reciprocal: [op.reciprocal(a), op.reciprocal(a - 3), op.reciprocal(a) ** 2, b * op.reciprocal(a * b)],
    op.power: [
        op.power(positive, Rational(1, 3)),
        op.power(positive, 0.3),
        op.power(positive, Rational(-7, 3)),
    ],
    op.maximum: [op.maximum(a, b), op.maximum(a, 0), op.maximum(a, g)],
    op.minimum: [op.minimum(a, b), op.minimum(2 * a, -1)],
    op.stop_gradient: [op.stop_gradient(a), b * op.stop_gradient(a - b)],
    op.sign: [op.sign(a), op.sign(a - a.func("b", real=True))],
    op.expm1: [op.expm1(a), -op.expm1(-a)],
}
CONDITIONS = [a > b, a < b, a >= b, a <= b, Eq(a, b), Ne(a, b), Eq(a, a.func("x", real=True) * 1 + 0 * b)]
CHOICES = [
    *(where(condition, a, -b) for condition in CONDITIONS),
    where(And(a > b, a > 0), a, b),
    where(Or(a > b, And(b > 0, c < 0)), a - b, 0),
    where(Not(And(a > 0, b > 0), evaluate=False), 1, a),
    where(g > 0, a, b),
    where(s > Rational(1, 2), a, b),
    where(a + b > 2 * c - 1, where(b > 0, a, 1), c) * 2,
    -where(a > 0, a, b) + c,
]
NUMBERS = [
    Rational(1, 3) * a,
    a / 7,
    -a / 7 + Rational(2, 3),
    0.25 * a,
    a - 1.5,
    -2.5e-8 + a,
    1e20 * a,
    pi * a,
    E * a - pi / 3,
    a / sqrt(m),
    a * m - b / n,
    a * sqrt(m + n) / (2 * m - 1),
    (m + n) ** 2 * a,
    a / (m * n),
    a + 1 / (1 + sqrt(n)),
    op.tanh(a / sqrt(m)),
    a * Rational(-3, 4) * sqrt(2),
    2 ** Rational(1, 3) * a,
    Integer(3) + 0 * a,
    a**2,
    a**3,
    a**5 / 3,
    (a + b) ** 3,
    1 / a,
    1 / a**2,
    b / (a * c),
    b / a**3,
]
PRECEDENCE = [
    Mul(-1, a + b, evaluate=False) * c,
    -(a + b) * c,
    a - (b - c),
    a - (b + c) * 2,
    a / (b * c),
    a * b / c,
    a / (b / c),
    (a + b) ** 2,
    -(a**2),
    (-a) ** 3,
    2 * -a,
    -2 * (a - b),
    1 - (1 - a) * b,
    (1 - a) * (1 - b) - (a - b) * (b - a),
    (a + b) / (a + b + 10),
    a * (b + s),
    s * (g - a),
    (a - b) * (a + b) ** 2 / 3 - c,
    -op.tanh(a) * (1 - op.tanh(a) ** 2),
    op.tanh(a) - (op.tanh(b) - op.sigmoid(c)) * s,
    (1 - where(a > 0, a, b)) * c,
]
COVERAGE = {
    "functions": [call for calls in FUNCTIONS.values() for call in calls],
    "choices": CHOICES,
    "numbers": NUMBERS,
    "precedence": PRECEDENCE,
}


def blank_plan(columns: int) -> Plan:
    """The plan of a layer with an output of columns * m numbers, to put other statements in."""
    x, z, y, v = Input("x", m), Input("z", m), Input("y"), Value("v")
    P, Q = Parameter("P", columns * m, m), Parameter("Q", m, n)
    R, vector, number = Parameter("R", m, m), Parameter("b", m), Parameter("g")
    right = P @ (x * z * y * vector * number + R @ (Q @ op.ones(n)))
    return lower(derive(Cell("coverage", Eq(v, right), output=v)))


def with_statements(
    plan: Plan, statements: list[Statement], buffers: list[Buffer], before: tuple[Statement, ...] = ()
) -> Plan:
    """The plan whose forward loop is these statements, and then a stack of what they make."""
    ends = [s.out for s in statements if s.out.startswith("e_")]
    stack = Stack("v", tuple(dict.fromkeys(ends)))
    loop = replace(plan.forward.loop, blocks=(Block("coverage", (*statements, stack)),))
    forward = replace(plan.forward, before=(Block("before", before),) if before else (), loop=loop)
    return replace(plan, forward=forward, buffers=(*plan.buffers, *buffers), saved=())


@cache
def expression_plan(kind: str) -> Plan:
    expressions = COVERAGE[kind]
    names = [f"e_{i}" for i in range(len(expressions))]
    buffers = [Buffer(name, "TB", (m,), "value") for name in names]
    statements = [Pointwise(name, expr) for name, expr in zip(names, expressions, strict=True)]
    return with_statements(blank_plan(len(names)), list(statements), buffers)


def outputs(plan: Plan, target: str, arguments: Arguments, dtype: str) -> np.ndarray:
    module = load_source(require_offer(target).text(plan, "0"), f"coverage_{target}")
    parameters = module.Parameters(*(arguments.arrays[name].astype(dtype) for name in plan.parameters))
    inputs = module.Inputs(*(arguments.arrays[name].astype(dtype) for name in plan.inputs))
    with np.errstate(over="ignore"):
        result, _ = module.predict(parameters, inputs)
    assert result.dtype == dtype
    return np.asarray(result, np.float64)


def exact_arguments(plan: Plan) -> Arguments:
    """Random arguments that are exact in float32, with a tie between the inputs."""
    made = random_arguments(plan, SIZES, 2, 3)
    arrays = {name: np.asarray(array, np.float32).astype(np.float64) for name, array in made.arrays.items()}
    arrays["z"][0, 0] = arrays["x"][0, 0]
    return replace(made, arrays=arrays)


@pytest.mark.parametrize(
    ("kind", "target", "dtype", "tolerance"),
    [
        *((kind, target, "float64", 1e-12) for kind in COVERAGE for target in TARGETS),
        *((kind, "numpy", "float32", 2e-5) for kind in COVERAGE),
        ("functions", "numba", "float32", 2e-5),
    ],
)
def test_every_expression_means_what_the_interpreter_says(
    kind: str, target: str, dtype: str, tolerance: float
) -> None:
    plan = expression_plan(kind)
    arguments = exact_arguments(plan)
    wanted = run(plan, arguments).outputs
    found = outputs(plan, target, arguments, dtype)
    for i, expr in enumerate(COVERAGE[kind]):
        part = np.s_[..., i * 4 : (i + 1) * 4]
        scale = np.max(np.abs(wanted[part]))
        np.testing.assert_allclose(
            found[part],
            wanted[part],
            rtol=tolerance,
            atol=tolerance * scale,
            err_msg=str(expr),
            equal_nan=False,
        )


def test_the_coverage_list_has_every_function() -> None:
    assert set(FUNCTIONS) == set(POINTWISE) == set(NUMPY_FUNCTIONS) == set(NUMBA_FUNCTIONS)


# -- statements -------------------------------------------------------------------------------------------

MATRIX, OTHER, TENSOR = "matrix", "other", "tensor"
CONTRACTIONS = [
    ("ij,Bj->Bi", ("R", "x")),
    ("Bi,ij->Bj", ("x", "R")),
    ("Bi,Bi,i->Bi", ("x", "z", "b")),
    ("Bij,Bj->Bi", (MATRIX, "x")),
    ("Bij,Bi->Bj", (MATRIX, "x")),
    ("Bij,Bij->Bi", (MATRIX, OTHER)),
    ("Bij->Bi", (MATRIX,)),
    ("Bij->Bj", (MATRIX,)),
    ("B,Bi->Bi", ("y", "x")),
    ("B,i->Bi", ("y", "b")),
    (",Bi->Bi", ("g", "x")),
    ("Bi,Bj,ij->Bj", ("x", "z", "R")),
    ("ij,Bjk,k->Bi", ("R", MATRIX, "b")),
    ("Bijk,Bjk->Bi", (TENSOR, MATRIX)),
]


@cache
def statement_plan() -> Plan:
    """Products of all kinds, stacks, fills, ranges and updates."""
    x, part = array_symbol("x"), array_symbol("part")
    statements: list[Statement] = [
        Contraction(MATRIX, "Bi,Bj->Bij", ("x", "z")),
        Contraction(OTHER, "Bik,jk->Bij", (MATRIX, "R")),
        Contraction(TENSOR, "Bij,Bk->Bijk", (OTHER, "x")),
        Contraction(OTHER, "Bij->Bji", (MATRIX,), update=True),
        Contraction("number", "Bi,Bi->B", ("x", "z")),
        Contraction("number", "Bij,ij->B", (MATRIX, "R"), update=True),
        Pointwise("long", array_symbol("number") ** 2),
        Stack("long", ("x", "z")),
        Pointwise("part", part * x, update=True),
        Pointwise("rows", array_symbol("rows") - 1, update=True),
    ]
    ends: list[Statement] = [
        Contraction(f"e_{i}", spec, operands) for i, (spec, operands) in enumerate(CONTRACTIONS)
    ]
    ends += [replace(end, update=True) for end in ends if isinstance(end, Contraction)]
    count = len(CONTRACTIONS)
    more = [
        Pointwise(f"e_{count}", array_symbol("part") * array_symbol("number")),
        Pointwise(f"e_{count + 1}", array_symbol("early") + array_symbol("rest")),
        Fill(f"e_{count + 2}", "zeros"),
        Pointwise(f"e_{count + 2}", x * 2, update=True),
        Contraction(f"e_{count + 3}", "Bij,j->Bi", ("tall", "b")),
        Largest("peak", "x"),
        Largest("peak_of_rows", "rows"),
        Pointwise(f"e_{count + 4}", array_symbol("peak") + x * array_symbol("peak_of_rows")),
        Pointwise(f"e_{count + 5}", x * array_symbol("early_peak") + array_symbol("fixed_peak")),
    ]
    tall: list[Statement] = [Stack("tall_all", (MATRIX, OTHER))]
    buffers = [
        Buffer(MATRIX, "TB", (m, m), "value"),
        Buffer(OTHER, "TB", (m, m), "value"),
        Buffer(TENSOR, "TB", (m, m, m), "value"),
        Buffer("number", "TB", (), "value"),
        Buffer("long", "TB", (2 * m,), "value"),
        Buffer("part", "TB", (m,), "value", Window("long", 0, Integer(0), m)),
        Buffer("rest", "TB", (m,), "value", Window("long", 0, m, 2 * m)),
        Buffer("rows", "TB", (m,), "value", Window("long", 0, m, 2 * m)),
        Buffer("tall_all", "TB", (2 * m, m), "value"),
        Buffer("tall", "TB", (m, m), "value", Window("tall_all", 0, m, 2 * m)),
        Buffer("early", "TB", (m,), "value"),
        *(Buffer(name, "TB", (), "value") for name in ("peak", "peak_of_rows", "early_peak")),
        Buffer("fixed_peak", "", (), "prepared"),
        *(Buffer(f"e_{i}", "TB", (m,), "value") for i in range(count + 6)),
    ]
    before = (
        Contraction("early", "ij,TBj->TBi", ("R", "x")),
        Contraction("early", "TBi,ij->TBj", ("z", "R"), update=True),
        Largest("early_peak", "early"),
    )
    plan = with_statements(blank_plan(count + 6), [*statements, *tall, *ends, *more], buffers, before)
    return replace(plan, prepare=(*plan.prepare, Block("fixed", (Largest("fixed_peak", "b"),))))


@pytest.mark.parametrize("target", TARGETS)
def test_every_statement_means_what_the_interpreter_says(target: str) -> None:
    plan = statement_plan()
    arguments = exact_arguments(plan)
    wanted = run(plan, arguments).outputs
    found = outputs(plan, target, arguments, "float64")
    for i in range(wanted.shape[-1] // 4):
        part = np.s_[..., i * 4 : (i + 1) * 4]
        np.testing.assert_allclose(
            found[part], wanted[part], rtol=1e-12, atol=1e-12, err_msg=f"e_{i}", equal_nan=False
        )


# -- what no printer knows --------------------------------------------------------------------------------


class unheard(PointwiseFunction):  # noqa: N801
    __slots__ = ()
    name = "unheard"


@pytest.mark.parametrize("target", TARGETS)
def test_an_unknown_function_is_an_error(target: str) -> None:
    plan = with_statements(
        blank_plan(1), [Pointwise("e_0", unheard(a))], [Buffer("e_0", "TB", (m,), "value")]
    )
    with pytest.raises(EmissionError, match="The target has no function for unheard"):
        require_offer(target).text(plan, "0")


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (op.transpose(a) * a, "No printer knows transpose"),
        (where(And(Symbol("p") > 0, True), a, b).func(Symbol("p") > 0, a, b).subs(Symbol("p"), 1), None),
    ],
)
def test_what_is_no_pointwise_expression_is_an_error(expr: Expr, message: str | None) -> None:
    plan = expression_plan("numbers")
    writer = NumpyWriter(Layout(plan, NAMES))
    if message is None:
        assert writer.expression(Pointwise("e_0", expr), looping=True) == "x[t]"
        return
    with pytest.raises(EmissionError, match=message):
        writer.expression(Pointwise("e_0", expr), looping=True)


def test_brackets_are_where_they_must_be_and_nowhere_else() -> None:
    plan = expression_plan("numbers")
    writer = NumpyWriter(Layout(plan, NAMES))

    def text(expr: Expr) -> str:
        return writer.expression(Pointwise("e_0", expr), looping=False)

    assert text(a * (1 - a)) == "(1 - x) * x"
    assert text(-(a + b) * c) == "b * (-x - z)"
    assert text(a - (b - c)) == "x - z + b"
    assert text(a / (b * c)) == "x / b / z"
    assert text(2 * -a) == "-2 * x"
    assert text((a + b) ** 2) == "(x + z) * (x + z)"
    assert text(a / sqrt(m)) == "m ** (-1 / 2) * x"


def test_the_equations_of_a_block_stand_above_it_once() -> None:
    """A part of it that serves the inputs' gradients alone has them only if it is all there is."""
    plan = symrnn.plan(zoo.cell("lstm"))
    layout = Layout(plan, NAMES)
    optional = next(s for s in layout.optional if isinstance(s, Contraction))
    needed = next(s for block in plan.backward.after for s in block.statements if s not in layout.optional)
    writer = NumpyWriter(layout)
    both = writer.blocks((Block("both", (needed, optional), ("said",)),), looping=False)
    alone = writer.blocks((Block("alone", (optional,), ("said",)),), looping=False)
    assert both[0] == "# said"
    assert both.index("if input_gradients:") == len(both) - 2
    assert [line.strip() for line in both].count("# said") == 1
    assert alone[:2] == ["if input_gradients:", "    # said"]
