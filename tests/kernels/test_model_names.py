"""Cells, layers, feeds and axes of any legal name go into one module, whatever it calls its own things."""

import ast
from typing import Any

import numpy as np
import pytest
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Feed, Input, Layer, Model, Parameter, State
from symrnn.running.loading import load_source
from symrnn.zoo import squared_error

CELLS = (
    # with their prefix, names of the kernels become names that are there already
    *("same", "checked", "all", "loss", "require", "common", "model"),
    # what the module defines or imports itself
    *("Inputs", "State", "Parameters", "init", "step", "predict", "np", "numpy", "sys", "Any"),
    # names that fall together, and others
    *("SAME", "_same", "__", "_1", "x_", "print", "self", "T"),
)
LABELS = (
    "p",
    "inputs",
    "state",
    "lengths",
    "loss",
    "workspace",
    "value",
    "gradients",
    "np",
    "d_losses",
    "T_",
)


def cell(name: str, units: str = "m") -> Cell:
    n, m = sr.axes(f"n {units}")
    x, h = Input("x", n), State("h", m)
    return Cell(name, Eq(h.next, sr.tanh(Parameter("W", m, n) @ x + Parameter("U", m, m) @ h)))


def with_cells(names: tuple[str, ...]) -> Model:
    """A layer of every cell, each on top of the one before."""
    source: Any = Feed("x")
    for number, name in enumerate(names):
        source = Layer(cell(name), source, name=f"layer_{number}")
    return Model("tricky", Layer(squared_error, {"a": source, "y": Feed("y")}))


def with_labels(names: tuple[str, ...], feeds: tuple[str, str]) -> Model:
    """Layers of one cell, named so."""
    source: Any = Feed(feeds[0])
    for name in names:
        source = Layer(cell("cell"), source, name=name)
    return Model("labels", Layer(squared_error, {"a": source, "y": Feed(feeds[1])}))


def evaluation(model: Model, target: str, size: int = 2) -> list[Any]:
    """Loss, gradients, states and predictions of a module's own fresh parameters."""
    source = sr.emit(model, target)
    defined = [name for node in ast.parse(source).body for name in defined_by(node)]
    assert len(defined) == len(set(defined))
    made = load_source(source, model.name)
    rng = np.random.default_rng(0)
    fresh = made.init(rng, **{axis: number for number, axis in enumerate(made.AXES, start=size)})
    sizes = dict(zip(made.AXES, range(size, 99), strict=False))
    inputs = made.Inputs(
        *(rng.standard_normal((4, 3, sizes[axis]), np.float32) for (axis,) in made.INPUTS.values())
    )
    state = made.State(
        *(rng.standard_normal((3, sizes[axis]), np.float32) for (axis,) in made.STATES.values())
    )
    lengths = np.array([4, 1, 2])
    found = made.loss_and_gradients(fresh, inputs, state, lengths=lengths)
    outputs, final = made.predict(fresh, inputs, state, lengths=lengths)
    return [found.loss, *fresh, *found.gradients, *found.state, outputs, *final]


def defined_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def assert_same(model: Model, plain: Model, target: str) -> None:
    """What a model of tricky names computes is what that of plain names does."""
    for one, other in zip(evaluation(model, target), evaluation(plain, target), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("names", [CELLS[:7], CELLS[7:17], CELLS[17:]], ids=lambda names: names[0])
def test_cells_of_any_name(names: tuple[str, ...]) -> None:
    plain = with_cells(tuple(f"cell_{number}" for number, _ in enumerate(names)))
    assert_same(with_cells(names), plain, "numpy")


@pytest.mark.parametrize("target", ["numpy"])
def test_a_cell_called_same(target: str) -> None:
    """`_sizes` of its kernel would be `_same_sizes`, which all kernels share."""
    lower = Layer(cell("same", "hidden"), Feed("x"), name="lower")
    upper = Layer(cell("loss"), lower, name="upper")
    model = Model("same", Layer(squared_error, {"a": upper, "y": Feed("y")}))
    sr.check(model, target).raise_if_failed()
    assert "same_2_forward(" in sr.emit(model, target)


def test_layers_and_feeds_of_any_name() -> None:
    plain = with_labels(tuple(f"layer_{number}" for number, _ in enumerate(LABELS)), ("x", "y"))
    assert_same(with_labels(LABELS, ("inputs", "state")), plain, "numpy")


def test_axes_of_any_name() -> None:
    """Axes are the keywords of `init`, where the layers' parameters and kernels have names as well."""

    def model(*units: str) -> Model:
        first = Layer(cell("one", units[0]), Feed("x"), name="one")
        second = Layer(cell("two", units[1]), first, name="two")
        return Model("axes", Layer(squared_error, {"a": second, "y": Feed("y")}))

    for units in (("two_parameters", "two_init"), ("one_parameters", "Inputs"), ("one_init", "p")):
        made = model(*units)
        assert set(units) <= {axis.name for axis in made.axes}
        assert_same(made, model("hidden", "upper"), "numpy")
