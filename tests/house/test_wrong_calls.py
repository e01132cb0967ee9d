"""Wrong arguments of every public verb: a `SymrnnError` that says what to do, never another exception.

Left out is what Python or SymPy refuse before symrnn sees it: a call without an argument that it must have,
`h + None`, `Eq(h.next, "text")`. A cell file in which that happens is told of by the command line.
"""

import math
import re

import numpy as np
import pytest
import sympy
from sympy import Eq

import symrnn
from symrnn import (
    Cell,
    Constant,
    DeclarationError,
    Feed,
    Index,
    Input,
    Layer,
    Model,
    Parameter,
    State,
    Style,
    SymrnnError,
    Value,
    axes,
    check,
    closed_loop,
    concatenate,
    derive,
    diff,
    einsum,
    emit,
    identity,
    latex,
    load,
    log,
    maximum,
    one_hot,
    ones,
    onnx,
    plan,
    softmax,
    sqrt,
    step_jacobian,
    take,
    tangent,
    tanh,
    where,
    zoo,
)
from symrnn.errors import RequestError

n, m = axes("n m")
x, h, W, U = Input("x", n), State("h", m), Parameter("W", m, n), Parameter("U", m, m)
gru, model = zoo.cell("gru"), zoo.MODELS["language_model"]
derivation, planned, model_plan = derive(gru), plan(gru), plan(model)
error = zoo.squared_error
OTHERS = {"3": 3, "None": None, "text": "gru", "list": [gru], "class": Cell, "array": np.ones(2)}


def cell(right, **options):
    return Cell("mine", Eq(h.next, right), **options)


def named(**options):
    return Cell(**({"name": "mine"} | options))


REPAIRS = re.compile(
    r"(Write|Give|Choose|Take|Leave|Make|Declare|Mend|Scale|Name|Use|Add|Of a model|It has|For a|End it|"
    r"Plan it|Targets|Its axes|Its inputs|[Ss]hipped cell|write|Compare|A loss is|[Mm]ultiply|for example|"
    r"reduce|A shape is|Its operands|A state at)"
)


def told(call):
    """The error of a call, whose message ends with a sentence that tells what to do."""
    with pytest.raises(SymrnnError) as caught:
        call()
    message = str(caught.value)
    assert message.endswith((".", ")", "?")), message
    assert REPAIRS.search(message), message
    assert caught.value.__cause__ is None
    assert len(message) < 1500, "the message shows a whole object"
    return caught.value


EQUATIONS = {
    "h/0": lambda: cell(h / 0),
    "(W@x)/0": lambda: cell(tanh(W @ x) / 0),
    "m/(m - m)": lambda: cell(W @ x + h / (m - m)),
    "nan of Python": lambda: cell(W @ x + h * math.nan),
    "inf of Python": lambda: cell(W @ x + h * math.inf),
    "tanh(nan)": lambda: cell(W @ x + tanh(math.nan)),
    "sympy.nan": lambda: cell(sympy.nan),
    "sympy.nan*h": lambda: cell(sympy.nan * h),
    "sympy.zoo": lambda: cell(W @ x + sympy.zoo),
    "sympy.oo": lambda: cell(W @ x + h * sympy.oo),
    "-sympy.oo": lambda: cell(W @ x - sympy.oo),
    "h**nan": lambda: cell(W @ x + h**math.nan),
    "h**inf": lambda: cell(W @ x + h**math.inf),
    "h**zoo": lambda: cell(W @ x + h**sympy.zoo),
    "h**I": lambda: cell(W @ x + h**sympy.I),
    "0**h": lambda: cell(W @ x + 0**h),
    "(-1)**h": lambda: cell(W @ x + (-1) ** h),
    "log(0)": lambda: cell(W @ x + log(0) * h),
    "sqrt(-1)": lambda: cell(W @ x + sqrt(-1) * h),
    "1j": lambda: cell(W @ x + 1j * h),
    "I": lambda: cell(W @ x + sympy.I * h),
    "10**400": lambda: cell(W @ x + 10**400 * h),
    "1e500": lambda: cell(W @ x + sympy.Float("1e500") * h),
    "10**400/3": lambda: cell(W @ x + sympy.Rational(10**400, 3)),
    "2**2**100": lambda: cell(W @ x + h * sympy.Pow(2, sympy.Pow(2, 100, evaluate=False), evaluate=False)),
    "h**(10**30)": lambda: cell(W @ x + h ** (10**30)),
    "h**-100000": lambda: cell(W @ x + h**-100000),
    "h**1e300": lambda: cell(W @ x + h**1e300),
    "tanh(None)": lambda: cell(tanh(None)),
    "tanh('h')": lambda: cell(tanh("h")),
    "tanh(True)": lambda: cell(tanh(True)),
    "tanh(1j)": lambda: cell(tanh(1j)),
    "tanh()": lambda: cell(tanh()),
    "tanh(array)": lambda: cell(tanh(np.ones(3))),
    "U @ array": lambda: cell(U @ np.ones(3)),
    "array @ h": lambda: cell(np.ones((3, 3)) @ h),
    "maximum(h)": lambda: maximum(h),
    "maximum(h, 'a')": lambda: maximum(h, "a"),
    "gamma": lambda: cell(W @ x + sympy.gamma(h)),
    "a function": lambda: cell(W @ x + sympy.Function("f")(h)),
    "a derivative": lambda: cell(W @ x + sympy.Derivative(h**2, h)),
    "a matrix": lambda: cell(sympy.Matrix([1, 2]) * h),
    "a matrix symbol": lambda: cell(sympy.MatrixSymbol("A", 2, 2) @ h),
    "an interval": lambda: cell(sympy.Interval(0, 1)),
    "a comparison": lambda: cell(h > 0),
    "an equation": lambda: cell(Eq(h, W @ x)),
    "True": lambda: cell(True),
    "a tuple": lambda: cell((h, x)),
    "a dictionary": lambda: cell({}),
    "a set": lambda: cell({1}),
    "a plain symbol": lambda: cell(W @ x + sympy.Symbol("s")),
    "a dummy": lambda: cell(W @ x + sympy.Dummy("s")),
    "no last branch": lambda: cell(sympy.Piecewise((h, h > 0)) + W @ x),
    "where(True)": lambda: where(h == 0, h, h),
    "where(h)": lambda: where(h, h, h),
    "where(None)": lambda: where(None, h, h),
    "einsum(3)": lambda: einsum(3, h),
    "einsum('iéj')": lambda: einsum("iéj,j->i", h, h),
    "einsum('i,i->i')": lambda: einsum("i,i->i", h),
    "concatenate()": concatenate,
    "concatenate(3, 4)": lambda: cell(concatenate(3, 4)),
    "ones()": ones,
    "ones(0)": lambda: cell(W @ x + ones(0)),
    "ones(1.5)": lambda: cell(W @ x + ones(1.5)),
    "ones('m')": lambda: ones("m"),
    "ones(10**12)": lambda: cell(W @ x + U @ ones(10**12)),
    "identity(x)": lambda: cell(W @ x + identity(x) @ h),
    "softmax(3)": lambda: cell(W @ x + softmax(3)),
    "softmax(U)": lambda: cell(softmax(U)),
    "take(h, 0)": lambda: take(h, 0),
    "one_hot(3)": lambda: one_hot(3),
}

DECLARATIONS = {
    "Cell(None)": lambda: named(name=None),
    "Cell(Eq)": lambda: Cell(Eq(h.next, W @ x)),
    "Cell('')": lambda: Cell("", Eq(h.next, W @ x)),
    "Cell('zellé')": lambda: Cell("zellé", Eq(h.next, W @ x)),
    "a name of 101": lambda: Cell("a" * 101, Eq(h.next, W @ x)),
    "a name of 100,000": lambda: Cell("a" * 100_000, Eq(h.next, W @ x)),
    "no equation": lambda: Cell("mine"),
    "None for an equation": lambda: Cell("mine", None),
    "text for an equation": lambda: Cell("mine", "h = x"),
    "a list of equations": lambda: Cell("mine", [Eq(h.next, W @ x)]),
    "an inequality": lambda: Cell("mine", sympy.Ne(h.next, W @ x)),
    "a sum on the left": lambda: Cell("mine", Eq(h.next + 1, W @ x)),
    "a number on the left": lambda: Cell("mine", Eq(1, h)),
    "output='h'": lambda: cell(W @ x, output="h"),
    "output=3": lambda: cell(W @ x, output=3),
    "title=3": lambda: cell(W @ x, title=3),
    "title=None": lambda: cell(W @ x, title=None),
    "variant=list": lambda: cell(W @ x, variant=["a"]),
    "source=bytes": lambda: cell(W @ x, source=b"a"),
    "half a character": lambda: cell(W @ x, title="\ud800"),
    "a mark of direction": lambda: cell(W @ x, title="a\u202eb"),
    "a null": lambda: cell(W @ x, source="a\0b"),
    "Input(3)": lambda: Input(3),
    "Input('é')": lambda: Input("é"),
    "Input('x', 'n')": lambda: Input("x", "n"),
    "Input('x', 0)": lambda: Input("x", 0),
    "Input('x', -1)": lambda: Input("x", -1),
    "Input('x', 1.5)": lambda: Input("x", 1.5),
    "Input('x', nan)": lambda: Input("x", math.nan),
    "Input('x', sympy.nan)": lambda: Input("x", sympy.nan),
    "Input('x', oo)": lambda: Input("x", sympy.oo),
    "Input('x', None)": lambda: Input("x", None),
    "Input('x', (n, m))": lambda: Input("x", (n, m)),
    "Input('x', n - m)": lambda: Input("x", n - m),
    "Input('x', n / 2)": lambda: Input("x", n / 2),
    "Input('x', 10**40)": lambda: Input("x", 10**40),
    "Input('x', x)": lambda: Input("x", x),
    "latex=3": lambda: Input("x", n, latex=3),
    "latex='{'": lambda: Input("x", n, latex="{"),
    "init='foo'": lambda: Parameter("W", m, init="foo"),
    "init=nan": lambda: Parameter("W", m, init=math.nan),
    "init=10**400": lambda: Parameter("W", m, init=10**400),
    "init=True": lambda: Parameter("W", m, init=True),
    "init=1j": lambda: Parameter("W", m, init=1j),
    "init=array": lambda: Parameter("W", m, init=np.ones(2)),
    "value='1'": lambda: Constant("k", value="1"),
    "value=None": lambda: Constant("k", value=None),
    "value=10**400": lambda: Constant("k", value=10**400),
    "Value('v', 3)": lambda: Value("v", 3),
    "Index('k', 'v')": lambda: Index("k", "v"),
    "Index('k', 0)": lambda: Index("k", 0),
    "axes(3)": lambda: axes(3),
    "axes('')": lambda: axes(""),
    "axes('é')": lambda: axes("é"),
    "axes('T')": lambda: axes("T"),
    "axes(['n'])": lambda: axes(["n"]),
    "Feed(3)": lambda: Feed(3),
    "Feed(over=3)": lambda: Feed("x", over=3),
    "Layer(3)": lambda: Layer(3),
    "Layer(model)": lambda: Layer(model),
    "Layer(gru, 3)": lambda: Layer(gru, 3),
    "Layer(gru, list)": lambda: Layer(gru, [Feed("x")]),
    "Layer(gru, {'z': ...})": lambda: Layer(gru, {"z": Feed("x")}),
    "Layer(gru, {3: ...})": lambda: Layer(gru, {3: Feed("x")}),
    "Layer(gru, {'x': None})": lambda: Layer(gru, {"x": None}),
    "Layer(name=3)": lambda: Layer(gru, name=3),
    "Layer(name=None)": lambda: Layer(gru, name=None),
    "Layer(reverse='no')": lambda: Layer(gru, reverse="no"),
    "Layer(initial=3)": lambda: Layer(gru, initial=3),
    "layer.final('z')": lambda: Layer(gru).final("z"),
    "Model(3)": lambda: Model(3, Layer(error)),
    "Model('a' * 300)": lambda: Model("a" * 300, Layer(error, {"a": Layer(gru)})),
    "Model(loss=3)": lambda: Model("mine", 3),
    "Model(loss=cell)": lambda: Model("mine", gru),
    "Model(loss=vector)": lambda: Model("mine", Layer(gru)),
    "Model(output=3)": lambda: Model("mine", Layer(error, {"a": Layer(gru)}), output=3),
    "Model(feedback='x')": lambda: Model("mine", Layer(error, {"a": Layer(gru)}), feedback="x"),
    "Model(title=3)": lambda: Model("mine", Layer(error, {"a": Layer(gru)}), title=3),
    "Model without layers": lambda: Model("mine", Layer(error)),
}

VERBS = {
    "derive": derive,
    "plan": plan,
    "emit": emit,
    "latex": latex,
    "load": load,
    "check": check,
    "tangent": tangent,
    "step_jacobian": step_jacobian,
    "closed_loop": closed_loop,
    "a loop's head": lambda other: closed_loop(gru, other if other is not None else 0),
    "diff": lambda other: diff(gru, other),
    "diff, left": lambda other: diff(other, gru),
    "onnx": lambda other: onnx(other, {}),
    "onnx, parameters": lambda other: onnx(gru, other),
    "zoo.cell": lambda other: zoo.cell("grue" if isinstance(other, str) else other),
    "zoo.shipped": lambda other: zoo.shipped("grue" if isinstance(other, str) else other),
    "zoo.dense": zoo.dense,
}

REQUESTS = {
    "derive(derivation)": lambda: derive(derivation),
    "plan(model plan)": lambda: plan(model_plan),
    "emit(model plan, save='states')": lambda: emit(model_plan, "numpy", "states"),
    "plan(plan)": lambda: plan(planned),
    "plan(save='x')": lambda: plan(gru, "x"),
    "plan(save=list)": lambda: plan(gru, ["all"]),
    "plan(save=None)": lambda: plan(gru, None),
    "emit(target='c++')": lambda: emit(gru, "c++"),
    "emit(target=None)": lambda: emit(gru, None),
    "emit(target=list)": lambda: emit(gru, ["numpy"]),
    "emit(model, target=list)": lambda: emit(model, []),
    "emit(save=list)": lambda: emit(gru, "numpy", []),
    "emit(plan, save='states')": lambda: emit(planned, "numpy", "states"),
    "latex(plan)": lambda: latex(planned),
    "latex(style='subscript')": lambda: latex(gru, "subscript"),
    "latex(style=None)": lambda: latex(gru, None),
    "latex(model, style)": lambda: latex(model, "subscript"),
    "latex(only=list)": lambda: latex(gru, only=[]),
    "latex(model, fragment)": lambda: latex(model, fragment=True),
    "Style('above')": lambda: Style("above"),
    "Style(list)": lambda: Style([]),
    "emit(target='onnx')": lambda: emit(gru, "onnx"),
    "onnx(model, {})": lambda: onnx(model, {}),
    "onnx(opset=0)": lambda: onnx(gru, {}, opset=0),
    "onnx(lengths=None)": lambda: onnx(gru, {}, None),
    "onnx(native=None)": lambda: onnx(
        gru, {name.name: np.ones((2, 2)) for name in gru.parameters}, native=None
    ),
    "load(target=list)": lambda: load(gru, ["numpy"]),
    "check(plan)": lambda: check(planned),
    "check(derivation)": lambda: check(derivation),
    "check(target=list)": lambda: check(gru, ["numpy"]),
    "check(dtype='int8')": lambda: check(gru, dtype="int8"),
    "check(dtype=object())": lambda: check(gru, dtype=object()),
    "check(sizes=3)": lambda: check(gru, sizes=3),
    "check(sizes=list)": lambda: check(gru, sizes=[3]),
    "check(sizes={'z': 1})": lambda: check(gru, sizes={"z": 1}),
    "check(sizes={'n': 0})": lambda: check(gru, sizes={"n": 0}),
    "check(sizes={'n': 10**12})": lambda: check(gru, sizes={"n": 10**12}),
    "check(seed=-1)": lambda: check(gru, seed=-1),
    "check(seed='a')": lambda: check(gru, seed="a"),
    "check(seed=1.5)": lambda: check(gru, seed=1.5),
    "check(T=-1)": lambda: check(gru, T=-1),
    "check(T='a')": lambda: check(gru, T="a"),
    "check(T=1.5)": lambda: check(gru, T=1.5),
    "check(T=10**12)": lambda: check(gru, T=10**12),
    "check(B=None)": lambda: check(gru, B=None),
    "check(save='x')": lambda: check(gru, save="x"),
    "check(model, T=0)": lambda: check(model, T=0),
    "check(model, T='a')": lambda: check(model, T="a"),
    "check(model, seed=-1)": lambda: check(model, seed=-1),
    "check(model, sizes)": lambda: check(model, sizes={"n": 3}),
    "check(model, dtype)": lambda: check(model, dtype="int8"),
    "diff(gru, model)": lambda: diff(gru, model),
    "diff(derivation, ...)": lambda: diff(derivation, derivation),
    "step_jacobian(model)": lambda: step_jacobian(model),
    "step_jacobian(derivation)": lambda: step_jacobian(derivation),
    "tangent(model)": lambda: tangent(model),
    "closed_loop(model)": lambda: closed_loop(model),
    "closed_loop(head=model)": lambda: closed_loop(gru, model),
    "closed_loop(input='z')": lambda: closed_loop(gru, zoo.dense(), input="z"),
    "closed_loop(name='a b')": lambda: closed_loop(gru, zoo.dense(), name="a b"),
}


@pytest.mark.parametrize("call", EQUATIONS.values(), ids=EQUATIONS)
def test_what_cannot_stand_in_an_equation(call):
    assert isinstance(told(call), DeclarationError)


@pytest.mark.parametrize("call", DECLARATIONS.values(), ids=DECLARATIONS)
def test_what_cannot_be_declared(call):
    assert isinstance(told(call), DeclarationError)


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_no_cell(verb, other):
    assert isinstance(told(lambda: VERBS[verb](OTHERS[other])), RequestError | DeclarationError)


@pytest.mark.parametrize("call", REQUESTS.values(), ids=REQUESTS)
def test_what_cannot_be_asked_for(call):
    assert isinstance(told(call), RequestError | DeclarationError)


def test_models_are_told_as_models():
    assert "The first argument of Model is its name" in str(told(DECLARATIONS["Model(3)"]))
    assert "The model name 'aaa" in str(told(DECLARATIONS["Model('a' * 300)"]))
    assert "The title of 'mine' is 3" in str(told(DECLARATIONS["Model(title=3)"]))
    assert "The model 'language_model' is checked" in str(told(REQUESTS["check(model, sizes)"]))


def test_numbers_of_numpy_are_numbers():
    made = cell(W @ x + np.float64(2.0) * h + h * np.float32(0.5) + np.int64(3) * h)
    assert made == cell(W @ x + 5.5 * h)


def test_what_is_made_from_a_cell_can_be_loaded():
    assert load(derivation, "numpy") is load(gru, "numpy") is load(planned, "numpy")


def test_the_longest_name_can_be_loaded():
    made = load(Cell("a" * 100, Eq(h.next, tanh(W @ x + h))), "numba")
    parameters = made.init(np.random.default_rng(0), n=2, m=2)
    assert made.predict(parameters, np.ones((3, 1, 2), np.float32))[0].shape == (3, 1, 2)


def test_public_names_are_all_thrown_at():
    """A new verb of the face needs its wrong arguments here."""
    verbs = {
        "check",
        "closed_loop",
        "derive",
        "diff",
        "emit",
        "latex",
        "load",
        "onnx",
        "plan",
        "step_jacobian",
        "tangent",
    }
    functions = {name for name in symrnn.__all__ if name.islower() and callable(getattr(symrnn, name))}
    rooms = ("symrnn.declaration.", "symrnn.vocabulary.")
    words = {name for name in functions if getattr(symrnn, name).__module__.startswith(rooms)}
    assert functions - words | {"closed_loop"} == verbs
