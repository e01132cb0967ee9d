"""Laws that hold whatever the numbers are: cells that mean the same give the same.

No reference takes part: a kernel is compared with a kernel, or with itself called otherwise.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL
from sympy import Add, Eq, Expr, Mul

import symrnn as sr
from symrnn import Cell, Constant, Index, Input, Parameter, State, Value, zoo
from symrnn.declaration.axes import axes_of
from symrnn.declaration.operations import Contract, concatenate
from symrnn.declaration.quantities import Quantity
from symrnn.errors import SymrnnWarning
from symrnn.fuzzing.cells import random_cell
from symrnn.fuzzing.examination import loaded

T, B = 5, 3
TOLERANCE = 1e-12
"""Of the largest number: the same sums in another order."""
SIZES = {"m": 3, "n": 4, "k": 5}

OUTPUTS = "(outputs)"
"""What no quantity can be called."""

Arrays = dict[str, Any]

SEEDS = [seed for seed in range(40) if len(random_cell(seed).definitions) < 25][:8]
NAMES = [*zoo.CELLS, "constants", "several", "layer", "delayed", "affine", *map(str, SEEDS)]
RUNS = [(name, "numpy") for name in NAMES]
everywhere = pytest.mark.parametrize(("name", "target"), RUNS)
called = pytest.mark.parametrize(("name", "target"), [*RUNS, ("gru", "numba")])


@cache
def cell_of(name: str) -> Cell:
    return random_cell(int(name)) if name.isdigit() else ALL[name]


def given(cell: Cell) -> tuple[Quantity, ...]:
    return (*cell.inputs, *cell.states, *cell.parameters, *cell.constants)


def numbers(shape: Any, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(int(size.subs({axis: sizes[axis.name] for axis in axes_of((size,))})) for size in shape)


def drawn(cell: Cell) -> Arrays:
    """Arrays for a cell by name, and cotangents: `d` with `OUTPUTS`, and with the name of a state."""
    rng = np.random.default_rng(0)
    made: Arrays = {}

    def array(*shape: int) -> Any:
        return rng.uniform(0.2, 1.2, shape) * rng.choice((-1.0, 1.0), shape)

    for quantity in given(cell):
        shape = numbers(quantity.shape, SIZES)
        if isinstance(quantity, Index):
            made[quantity.name] = rng.integers(0, numbers((quantity.classes,), SIZES)[0], (T, B))
        elif isinstance(quantity, Input):
            made[quantity.name] = array(T, B, *shape)
        elif isinstance(quantity, State):
            made[quantity.name], made[f"d {quantity.name}"] = array(B, *shape), array(B, *shape)
        elif isinstance(quantity, Constant):
            made[quantity.name] = np.full(shape, quantity.value)
        else:
            made[quantity.name] = array(*shape) / np.sqrt((1, 1, *shape)[-1])
    made[f"d {OUTPUTS}"] = array(T, B, *numbers(cell.output_shape, SIZES))
    return made


def arguments(module: Any, arrays: Arrays) -> tuple[Any, Any, Any]:
    """The parameters, inputs and state of a module among arrays by name."""
    kinds = (module.Parameters, module.Inputs, module.State)
    return tuple(kind(*(arrays[name] for name in kind._fields)) for kind in kinds)  # type: ignore[return-value]


def results(module: Any, arrays: Arrays, **options: Any) -> Arrays:
    """Outputs, final states and gradients by name."""
    parameters, inputs, state = arguments(module, arrays)
    run = module.forward(parameters, inputs, state, **options)
    d_state = module.State(*(arrays[f"d {name}"] for name in module.State._fields))
    gradients = module.backward(parameters, run.tape, arrays[f"d {OUTPUTS}"], d_state)
    found = {OUTPUTS: run.outputs, **{f"final {name}": a for name, a in run.state._asdict().items()}}
    for group in (gradients.parameters, gradients.inputs, gradients.state):
        found |= {name: array for name, array in group._asdict().items() if array is not None}
    return {name: np.array(array) for name, array in found.items()}


def module_of(cell: Cell, target: str) -> Any:
    if target == "numba":
        return sr.load(cell, target)
    with loaded(sr.emit(cell, target), target) as module:
        return module


@cache
def usual(name: str, target: str) -> tuple[Any, Arrays, Arrays]:
    """The module of a cell, arrays for it, and its results."""
    module, arrays = module_of(cell_of(name), target), drawn(cell_of(name))
    return module, arrays, results(module, arrays)


def assert_same(found: Arrays, wanted: Arrays) -> None:
    scale = max(np.max(np.abs(array), initial=1.0) for array in wanted.values())
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(
            found[name], array, rtol=0, atol=TOLERANCE * scale, err_msg=name, equal_nan=False, strict=True
        )


def declared(cell: Cell, equations: list[tuple[Expr, Expr]], output: Any = None) -> Cell:
    made = [Eq(target, rhs, evaluate=False) for target, rhs in equations]
    with warnings.catch_warnings(category=SymrnnWarning, action="ignore"):
        return Cell(cell.name, *made, output=cell.output if output is None else output)


def rewritten(cell: Cell, change: Callable[[Expr], Expr]) -> Cell:
    """The cell with every right side changed."""
    return declared(cell, [(equation.target, change(equation.rhs)) for equation in cell.equations])


def everywhere_inside(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """An expression with every part changed, the innermost first."""
    if isinstance(expr, Quantity) or not expr.args:
        return expr
    args = [everywhere_inside(arg, change) for arg in expr.args]
    return change(expr.func(*args) if list(args) != list(expr.args) else expr)


# -- what the author writes -------------------------------------------------------------------------------


def renamed(cell: Cell, names: Mapping[str, str]) -> Cell:
    """The cell under other names."""
    table: dict[Expr, Expr] = {}
    for quantity in (*given(cell), *cell.values):
        name, shape = names[quantity.name], quantity.shape
        if isinstance(quantity, Parameter):
            table[quantity] = Parameter(name, *shape, init=quantity.init)
        elif isinstance(quantity, Constant):
            table[quantity] = Constant(name, *shape, value=quantity.value)
        elif isinstance(quantity, Index):
            table[quantity] = Index(name, quantity.classes)
        elif isinstance(quantity, Value):
            table[quantity] = Value(name)
        else:
            table[quantity] = type(quantity)(name, *shape)
        if isinstance(quantity, State):
            table[quantity.next] = table[quantity].next
    pairs = [(table[eq.target], eq.rhs.xreplace(table)) for eq in cell.equations]
    return declared(cell, pairs, table[cell.output])


@everywhere
def test_names_do_not_matter(name: str, target: str) -> None:
    """New names, in the order of the old ones backwards: terms, factors and parameters change places."""
    cell, (_, arrays, wanted) = cell_of(name), usual(name, target)
    old = sorted({q.name for q in (*given(cell), *cell.values)}, reverse=True)
    names = {name: f"q_{number:02}" for number, name in enumerate(old)}

    def new(key: str) -> str:
        *before, last = key.split(" ")
        return " ".join([*before, names.get(last, last)])

    module = module_of(renamed(cell, names), target)
    assert set(module.Parameters._fields) <= set(names.values())
    found = results(module, {new(key): array for key, array in arrays.items()})
    assert_same(found, {new(key): array for key, array in wanted.items()})


@everywhere
def test_the_order_of_equations_does_not_matter(name: str, target: str) -> None:
    cell, (_, arrays, wanted) = cell_of(name), usual(name, target)
    backwards = declared(cell, [(eq.target, eq.rhs) for eq in reversed(cell.equations)])
    assert_same(results(module_of(backwards, target), arrays), wanted)


@everywhere
def test_the_order_of_terms_and_factors_does_not_matter(name: str, target: str) -> None:
    cell, (_, arrays, wanted) = cell_of(name), usual(name, target)

    def turned(expr: Expr) -> Expr:
        return expr.func(*expr.args[::-1], evaluate=False) if isinstance(expr, Add | Mul) else expr

    changed = rewritten(cell, lambda expr: everywhere_inside(expr, turned))
    assert_same(results(module_of(changed, target), arrays), wanted)


PRODUCTS = {"ij,j->i": "j,ij->i", "i,ij->j": "ij,i->j", "ij,jk->ik": "jk,ij->ik", "i,i->": "i,i->"}


def turned_products(expr: Expr) -> Expr:
    """`W @ x` as an einsum of x and W."""
    if isinstance(expr, Contract) and expr.spec in PRODUCTS:
        return Contract(PRODUCTS[expr.spec], *expr.operands[::-1])
    return expr


@everywhere
def test_a_product_is_an_einsum(name: str, target: str) -> None:
    cell, (_, arrays, wanted) = cell_of(name), usual(name, target)
    changed = rewritten(cell, lambda expr: everywhere_inside(expr, turned_products))
    assert_same(results(module_of(changed, target), arrays), wanted)


STACKED = [(name, target) for name, target in RUNS if name in zoo.CELLS and name != "gru_reset_after"]


@pytest.mark.parametrize(("name", "target"), STACKED)
def test_a_product_with_a_stack_is_a_sum_of_products(name: str, target: str) -> None:
    """W @ [h, x] is W_h @ h + W_x @ x, and the gradient of W is those of W_h and W_x side by side."""
    cell, (_, arrays, wanted) = cell_of(name), usual(name, target)
    parts: dict[str, tuple[Parameter, Parameter]] = {}
    (x,) = cell.inputs

    def split(expr: Expr) -> Expr:
        if not (isinstance(expr, Contract) and isinstance(expr.operands[1], concatenate)):
            return expr
        W, stack = expr.operands
        rows, (n,) = W.shape[0], x.shape
        widths = [n if part == x else W.shape[1] - n for part in stack.args]
        first, second = (Parameter(f"{W.name}_{i}", rows, width) for i, width in enumerate(widths))
        parts[W.name] = first, second
        return first @ stack.args[0] + second @ stack.args[1]

    changed = rewritten(cell, lambda expr: everywhere_inside(expr, split))
    assert parts
    cut = {
        part.name: np.ascontiguousarray(columns)
        for whole, pair in parts.items()
        for part, columns in zip(
            pair, np.split(arrays[whole], numbers(pair[0].shape[1:], SIZES), axis=1), strict=True
        )
    }
    found = results(module_of(changed, target), {**arrays, **cut})
    for whole, pair in parts.items():
        found[whole] = np.concatenate([found.pop(part.name) for part in pair], axis=1)
    assert_same(found, wanted)


VECTORS = [(name, target) for name, target in RUNS if name in zoo.CELLS]


@pytest.mark.parametrize(("name", "target"), VECTORS)
def test_two_inputs_are_one_that_is_their_stack(name: str, target: str) -> None:
    cell, (_, arrays, wanted) = cell_of(name), usual(name, target)
    (x,) = cell.inputs
    first, second = sr.axes("first second")
    a, b = Input("x_a", first), Input("x_b", second)
    (n,) = x.shape
    longer = {n: first + second}
    table: dict[Expr, Expr] = {x: concatenate(a, b)}
    for q in (*cell.parameters, *cell.constants):
        shape = tuple(size.xreplace(longer) for size in q.shape)
        more = {"value": q.value} if isinstance(q, Constant) else {"init": q.init}
        table[q] = type(q)(q.name, *shape, **more)
    changed = rewritten(cell, lambda expr: expr.xreplace(table))
    halves = dict(zip(("x_a", "x_b"), np.split(arrays["x"], [1], axis=2), strict=True))
    found = results(module_of(changed, target), {**arrays, **halves})
    found["x"] = np.concatenate([found.pop("x_a"), found.pop("x_b")], axis=2)
    assert_same(found, wanted)


# -- how it is called -------------------------------------------------------------------------------------


def over_time(cell: Cell) -> set[str]:
    return {q.name for q in cell.inputs} | {OUTPUTS, f"d {OUTPUTS}"}


@called
def test_time_is_cut_in_two(name: str, target: str) -> None:
    """The state is handed on, and its gradient back."""
    cell, (module, arrays, wanted) = cell_of(name), usual(name, target)
    moving, cut = over_time(cell), 2
    early = {key: array[:cut] if key in moving else array for key, array in arrays.items()}
    late = {key: array[cut:] if key in moving else array for key, array in arrays.items()}
    middle = module.forward(*arguments(module, early)).state
    second = results(module, {**late, **middle._asdict()})
    handed = {f"d {state.name}": second[state.name] for state in cell.states}
    first = results(module, {**early, **handed})
    found: Arrays = {}
    for key in wanted:
        if key in moving:
            found[key] = np.concatenate([first[key], second[key]])
        elif key.startswith("final "):
            found[key] = second[key]
        elif key in {state.name for state in cell.states}:
            found[key] = first[key]
        else:
            found[key] = np.asarray(first[key] + second[key])
    assert_same(found, wanted)


def row(cell: Cell, arrays: Arrays, b: int, steps: int = T) -> Arrays:
    """The arrays of one sample, over some steps."""
    moving = over_time(cell)
    still = {q.name for q in (*cell.parameters, *cell.constants)}
    return {
        key: array if key in still else array[:steps, b : b + 1] if key in moving else array[b : b + 1]
        for key, array in arrays.items()
    }


def joined(cell: Cell, samples: list[Arrays], wanted: Arrays) -> Arrays:
    """The results of samples alone, side by side and padded with zeros; gradients of parameters added up."""
    found: Arrays = {}
    for key, array in wanted.items():
        if key in {q.name for q in (*cell.parameters, *cell.constants)}:
            found[key] = np.asarray(sum(sample[key] for sample in samples))
            continue
        found[key] = np.zeros_like(array)
        for b, sample in enumerate(samples):
            if key in over_time(cell):
                found[key][: len(sample[key]), b : b + 1] = sample[key]
            else:
                found[key][b : b + 1] = sample[key]
    return found


@called
def test_a_batch_is_its_samples(name: str, target: str) -> None:
    cell, (module, arrays, wanted) = cell_of(name), usual(name, target)
    samples = [results(module, row(cell, arrays, b)) for b in range(B)]
    assert_same(joined(cell, samples, wanted), wanted)


@called
def test_a_padded_batch_is_its_samples(name: str, target: str) -> None:
    """What stands beyond a sample's end is not seen."""
    cell, (module, arrays, _) = cell_of(name), usual(name, target)
    lengths = np.array([T, 2, 0])
    padded = dict(arrays)
    for q in cell.inputs:
        padded[q.name] = arrays[q.name].copy()
        padded[q.name][np.arange(T)[:, None] >= lengths] = -1 if isinstance(q, Index) else np.nan
    found = results(module, padded, lengths=lengths)
    samples = [results(module, row(cell, arrays, b, int(steps))) for b, steps in enumerate(lengths)]
    assert_same(joined(cell, samples, found), found)


# -- the laws can fail ------------------------------------------------------------------------------------


def test_a_law_that_is_broken_is_noticed() -> None:
    """A kernel that forgets one sample's gradient, and one whose parameters are swapped."""
    cell, (module, arrays, wanted) = cell_of("gru"), usual("gru", "numpy")
    samples = [results(module, row(cell, arrays, b)) for b in range(B - 1)]
    with pytest.raises(AssertionError, match="W_r"):
        assert_same({**wanted, "W_r": joined(cell, samples, wanted)["W_r"]}, wanted)
    swapped = {**arrays, "W_r": arrays["W_u"], "W_u": arrays["W_r"]}
    with pytest.raises(AssertionError, match=re.escape(OUTPUTS)):
        assert_same(results(module, swapped), wanted)
