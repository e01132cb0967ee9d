"""Random cells from the whole vocabulary are declared, and their normal form means the same."""

import pickle

import numpy as np
import pytest
from evaluator import evaluate, shape_numbers
from hypothesis import HealthCheck, given, settings
from random_cells import cells, random_cell, sizes_for
from sympy import Add, And, Mul, Not, Or, Pow
from sympy.core.relational import Relational

from symrnn import Cell, Input, Value
from symrnn.declaration.operations import (
    POINTWISE,
    VECTOR_FUNCTIONS,
    Contract,
    Operation,
    PointwiseFunction,
    VectorFunction,
    concatenate,
    identity,
    one_hot,
    ones,
    where,
)
from symrnn.declaration.quantities import Constant, Index, NextState, Parameter, Quantity
from symrnn.declaration.resolution import is_coefficient

every_cell = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def random_arrays(cell: Cell, sizes: dict[str, int], seed: int = 1) -> dict[Quantity, np.ndarray]:
    """Standard normal arrays, halved, for all that is given to one step."""
    rng = np.random.default_rng(seed)
    given_from_outside = (*cell.inputs, *cell.states, *cell.parameters, *cell.constants)
    drawn = {q: 0.5 * rng.standard_normal(shape_numbers(q.shape, sizes)) for q in given_from_outside}
    indices = [q for q in cell.inputs if isinstance(q, Index)]
    return drawn | {q: rng.integers(0, shape_numbers((q.classes,), sizes)[0]) for q in indices}


def evaluate_definitions(cell: Cell, arrays: dict[Quantity, np.ndarray], sizes: dict[str, int]):
    for definition in cell.definitions:
        value = evaluate(definition.expr, arrays, sizes)
        arrays[definition.symbol] = np.broadcast_to(value, shape_numbers(definition.shape, sizes))
    return arrays


def evaluate_equations(cell: Cell, arrays: dict[Quantity, np.ndarray], sizes: dict[str, int]):
    """The equations' values, each computed once all that it uses is there."""
    left = list(cell.equations)
    while left:
        ready = [eq for eq in left if all(q in arrays for q in eq.rhs.atoms(Quantity))]
        assert ready, "the equations have a cycle"
        for equation in ready:
            value = evaluate(equation.rhs, arrays, sizes)
            shape = shape_numbers(equation.shape, sizes)
            assert value.shape == shape or (value.shape == () and isinstance(equation.target, NextState))
            arrays[equation.target] = np.broadcast_to(value, shape)
            left.remove(equation)
    return arrays


@every_cell
@given(cells())
def test_the_normal_form_means_the_same_as_the_equations(cell):
    sizes = sizes_for(cell)
    arrays = random_arrays(cell, sizes)
    expected = evaluate_equations(cell, dict(arrays), sizes)
    found = evaluate_definitions(cell, dict(arrays), sizes)
    for equation in cell.equations:
        assert np.isfinite(expected[equation.target]).all()
        np.testing.assert_allclose(
            found[equation.target], expected[equation.target], rtol=1e-11, atol=1e-13, err_msg=str(equation)
        )


@every_cell
@given(cells())
def test_definitions_are_in_dependency_order_and_each_symbol_is_defined_once(cell):
    known = {*cell.inputs, *cell.states, *cell.parameters, *cell.constants}
    for definition in cell.definitions:
        assert set(definition.reads) <= known
        assert definition.symbol not in known
        known.add(definition.symbol)
    assert {equation.target for equation in cell.equations} <= known
    names = [definition.symbol.name for definition in cell.definitions]
    assert len(set(names)) == len(names)


def is_symbol_or_number(expr) -> bool:
    return isinstance(expr, Quantity) or is_coefficient(expr)


def is_algebra(expr) -> bool:
    if is_symbol_or_number(expr):
        return True
    if isinstance(expr, Pow):
        return bool(expr.exp.is_Integer and expr.exp > 0) and is_algebra(expr.base)
    return isinstance(expr, Add | Mul) and all(map(is_algebra, expr.args))


def is_condition(expr) -> bool:
    if isinstance(expr, Relational):
        return is_algebra(expr.lhs) and is_algebra(expr.rhs)
    return isinstance(expr, And | Or | Not) and all(map(is_condition, expr.args))


def is_one_operation(expr) -> bool:
    if isinstance(expr, PointwiseFunction | VectorFunction | concatenate):
        return all(map(is_symbol_or_number, expr.args))
    if isinstance(expr, Contract):
        return all(isinstance(operand, Quantity) for operand in expr.operands)
    if isinstance(expr, where):
        return is_condition(expr.args[0]) and all(map(is_symbol_or_number, expr.args[1:]))
    if isinstance(expr, ones | identity | one_hot):
        return True
    return is_algebra(expr)


@every_cell
@given(cells())
def test_every_definition_is_one_operation(cell):
    for definition in cell.definitions:
        assert is_one_operation(definition.expr), str(definition)


@every_cell
@given(cells())
def test_static_definitions_depend_on_parameters_alone_and_all_such_are_static(cell):
    fixed = {*cell.parameters, *cell.constants}
    for definition in cell.definitions:
        alone = set(definition.reads) <= fixed
        assert definition.static == (alone and not isinstance(definition.symbol, NextState)), str(definition)
        if definition.static:
            fixed.add(definition.symbol)


@every_cell
@given(cells())
def test_pickling_returns_an_equal_cell(cell):
    again = pickle.loads(pickle.dumps(cell))
    assert again == cell
    assert hash(again) == hash(cell)
    assert [str(d) for d in again.definitions] == [str(d) for d in cell.definitions]
    assert [q.shape for q in again.parameters] == [q.shape for q in cell.parameters]


@every_cell
@given(cells())
def test_the_cell_lists_what_its_equations_use(cell):
    used = set().union(*(equation.rhs.atoms(Quantity) for equation in cell.equations))
    assert set(cell.inputs) == {q for q in used if isinstance(q, Input)}
    assert set(cell.parameters) == {q for q in used if isinstance(q, Parameter)}
    assert set(cell.constants) == {q for q in used if isinstance(q, Constant)}
    assert {state.next for state in cell.states} | set(cell.values) == {eq.target for eq in cell.equations}
    for value in cell.values:
        assert isinstance(value, Value)
        assert cell.shape_of(value) == next(eq.shape for eq in cell.equations if eq.target == value)


@pytest.mark.parametrize("seed", range(30))
def test_a_few_steps_stay_finite(seed):
    cell = random_cell(seed)
    sizes = sizes_for(cell)
    arrays = random_arrays(cell, sizes, seed)
    states = {state: np.zeros(shape_numbers(state.shape, sizes)) for state in cell.states}
    for t in range(5):
        step = {**arrays, **states, **{x: random_arrays(cell, sizes, 100 + t)[x] for x in cell.inputs}}
        found = evaluate_definitions(cell, step, sizes)
        states = {state: found[state.next] for state in cell.states}
        assert all(np.abs(found[equation.target]).max() < 1e3 for equation in cell.equations)


def test_the_generator_reaches_the_whole_vocabulary():
    seen: set[type] = set()
    shapes: set[int] = set()
    specs: set[int] = set()
    counts: set[tuple[int, int]] = set()
    for seed in range(150):
        cell = random_cell(seed)
        counts.add((sum(not isinstance(q, Index) for q in cell.inputs), len(cell.states)))
        shapes.update(len(state.shape) for state in cell.states)
        for definition in cell.definitions:
            seen.add(type(definition.expr))
            if isinstance(definition.expr, Contract):
                specs.add(len(definition.expr.operands))
    internal = {"sign", "expm1", "slice"}
    operations = {
        kind
        for kind in (*POINTWISE, *VECTOR_FUNCTIONS, Contract, concatenate, ones, identity, one_hot, where)
        if kind.name not in internal
    }
    assert operations <= seen
    assert shapes >= {0, 1, 2}
    assert specs == {1, 2, 3}
    assert {states for _, states in counts} >= {0, 1, 2, 3}
    assert {inputs for inputs, _ in counts} >= {1, 2}
    assert all(issubclass(kind, Operation) for kind in operations)


def test_the_same_seed_gives_the_same_cell():
    assert random_cell(7) == random_cell(7)
    assert random_cell(7) != random_cell(8)
