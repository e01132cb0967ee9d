"""Checks of random sums: every plan against the reference, and every renaming against the first naming."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from interpretation import Arguments, Doubles, assert_same, run
from random_sums import SIZES, RandomSum, random_sum

from symrnn import Cell, emit
from symrnn.checking.reference import reference_run
from symrnn.derivation.numeric import size_value
from symrnn.derivation.reverse import derive
from symrnn.planning.checker import check
from symrnn.planning.interpreter import Result
from symrnn.planning.lowering import lower
from symrnn.planning.passes import MOVING, PASSES
from symrnn.planning.plan import Plan
from symrnn.running.loading import load_source

T, B = 3, 2
STEP = 3e-5
SLOPE_TOLERANCE = 1e-8
"""Of the slope's terms: differences of fourth order at this step have an error of about 1e-10 of them."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a cell is run on and what its outputs and final states weigh, by label."""

    given: dict[str, Doubles]
    d_outputs: Doubles
    d_states: dict[str, Doubles]


def draw(drawn: RandomSum, seed: int) -> Numbers:
    """Numbers for a random sum: the same for every naming of it."""
    rng = np.random.default_rng(seed)
    cell = drawn.cell
    named = {q.name: q for q in (*cell.inputs, *cell.states, *cell.parameters)}
    lead = {**{q.name: (T, B) for q in cell.inputs}, **{q.name: (B,) for q in cell.states}}

    def array(*shape: int, scale: float = 1.0) -> Doubles:
        return scale * rng.uniform(0.2, 1.0, shape) * rng.choice((-1.0, 1.0), shape)

    given, d_states = {}, {}
    for label, name in drawn.names.items():
        if name in named:
            shape = tuple(size_value(size, SIZES) for size in named[name].shape)
            scale = 1.0 if len(shape) < 2 else shape[-1] ** -0.5
            given[label] = array(*lead.get(name, ()), *shape, scale=scale)
            if label.startswith("state"):
                d_states[label] = array(B, *shape)
    output = tuple(size_value(size, SIZES) for size in cell.output_shape)
    return Numbers(given, array(T, B, *output), d_states)


def arguments_of(drawn: RandomSum, plan: Plan, numbers: Numbers) -> Arguments:
    """The numbers under a plan's names, in its order."""
    cell, labels = drawn.cell, {name: label for label, name in drawn.names.items()}
    shared = (*cell.inputs, *cell.parameters)
    arrays = {
        name: numbers.given[labels[quantity.name]]
        for name, quantity in zip((*plan.inputs, *plan.parameters), shared, strict=True)
    }
    states = [labels[state.name] for state in cell.states]
    return Arguments(
        arrays,
        tuple(numbers.given[label] for label in states),
        numbers.d_outputs,
        tuple(numbers.d_states[label] for label in states),
    )


def by_label(drawn: RandomSum, plan: Plan, result: Result) -> Result:
    """A result whose gradients go by label and whose states are in the order of their labels."""
    cell, labels = drawn.cell, {name: label for label, name in drawn.names.items()}
    shared = zip((*plan.inputs, *plan.parameters), (*cell.inputs, *cell.parameters), strict=True)
    label_of = {name: labels[quantity.name] for name, quantity in shared}
    order = sorted(range(len(cell.states)), key=lambda i: labels[cell.states[i].name])
    return Result(
        result.outputs,
        tuple(result.final_states[i] for i in order),
        {label_of[name]: array for name, array in result.gradients.items()},
        tuple(result.state_gradients[i] for i in order),
    )


def value_of(drawn: RandomSum, numbers: Numbers, given: Mapping[str, Doubles]) -> tuple[float, Doubles]:
    """The weighted sum of outputs and final states by the author's equations, and the outputs."""
    cell, labels = drawn.cell, {name: label for label, name in drawn.names.items()}
    arrays = {name: given[label] for label, name in drawn.names.items() if label in given}
    groups = [{q.name: arrays[q.name] for q in kind} for kind in (cell.parameters, cell.inputs, cell.states)]
    done = reference_run(cell, *groups)
    value = float(np.sum(done.outputs * numbers.d_outputs))
    value += sum(float(np.sum(array * numbers.d_states[labels[s]])) for s, array in done.state.items())
    return value, done.outputs


def check_against_reference(drawn: RandomSum, numbers: Numbers, found: Result, seed: int) -> None:
    """Raise unless outputs are those of the equations, and the slope in a random direction is theirs.

    The direction has a part in every element of every array, so that no wrong gradient is orthogonal to it.
    """
    _, outputs = value_of(drawn, numbers, numbers.given)
    np.testing.assert_allclose(found.outputs, outputs, rtol=0, atol=1e-9, equal_nan=False)
    rng = np.random.default_rng([seed, 1])
    direction = {label: rng.uniform(0.5, 1.0, a.shape) for label, a in numbers.given.items()}

    def value(step: float) -> float:
        moved = {label: a + step * direction[label] for label, a in numbers.given.items()}
        return value_of(drawn, numbers, moved)[0]

    near, far = value(STEP) - value(-STEP), value(2 * STEP) - value(-2 * STEP)
    slope = (8 * near - far) / (12 * STEP)
    states = sorted(label for label in numbers.given if label.startswith("state"))
    gradients = {**found.gradients, **dict(zip(states, found.state_gradients, strict=True))}
    assert gradients.keys() == numbers.given.keys()
    terms = [float(np.sum(gradients[label] * direction[label])) for label in gradients]
    scale = max(1.0, sum(abs(term) for term in terms))
    assert abs(sum(terms) - slope) < SLOPE_TOLERANCE * scale, f"slope {sum(terms)}, should be {slope}"


def labelled(cell: Cell) -> RandomSum:
    """Any cell as a random sum, its quantities labelled by their roles and names."""
    given = (*cell.inputs, *cell.states, *cell.parameters)
    return RandomSum(cell, {f"{quantity.role} {quantity.name}": quantity.name for quantity in given})


def run_kernel(drawn: RandomSum, source: str, numbers: Numbers) -> Result:
    """What an emitted kernel computes, by label as `by_label` gives it."""
    module = load_source(source, "random_sum")
    labels = {name: label for label, name in drawn.names.items()}

    def bundled(kind: Any, given: Mapping[str, Doubles]) -> Any:
        return kind(**{name: given[labels[name]] for name in kind._fields})

    parameters = bundled(module.Parameters, numbers.given)
    done = module.forward(
        parameters, bundled(module.Inputs, numbers.given), bundled(module.State, numbers.given)
    )
    d_state = bundled(module.State, numbers.d_states)
    gradients = module.backward(parameters, done.tape, numbers.d_outputs, d_state)
    predicted, _ = module.predict(parameters, done.tape.inputs, done.tape.state)
    np.testing.assert_array_equal(predicted, done.outputs)
    order = sorted(module.State._fields, key=labels.__getitem__)
    named = {**gradients.parameters._asdict(), **gradients.inputs._asdict()}
    return Result(
        np.array(done.outputs),
        tuple(getattr(done.state, name) for name in order),
        {labels[name]: array for name, array in named.items()},
        tuple(getattr(gradients.state, name) for name in order),
    )


def check_cell(cell: Cell) -> None:
    """Raise unless all plans and the NumPy kernels of a cell are right."""
    drawn = labelled(cell)
    numbers = draw(drawn, 0)
    check_stages(drawn, numbers, 0, ("numpy",))


def stages(cell: Cell) -> Iterator[tuple[str, Plan]]:
    """The lowered plan of a cell and what every pass makes of it, each checked, with what it is to save."""
    plan = check(lower(derive(cell)))
    yield "all", plan
    for improve in MOVING:
        plan = check(improve(plan))
        yield "all", plan
    for save, passes in PASSES.items():
        moved = plan
        for improve in passes[len(MOVING) :]:
            moved = check(improve(moved))
            yield save, moved


def finished(cell: Cell) -> dict[str, Plan]:
    """The finished plans of a cell, by what they save."""
    return dict(stages(cell))


def check_sum(seed: int, namings: int, targets: tuple[str, ...] = ()) -> None:
    """Raise unless the plans of a random sum are right: after every pass, and finished under every naming.

    So must be the kernels for `targets`, under the first naming.
    """
    drawn = random_sum(seed)
    numbers = draw(drawn, seed)
    right = check_stages(drawn, numbers, seed, targets)
    for naming in range(1, namings):
        drawn = random_sum(seed, naming)
        for save, plan in finished(drawn.cell).items():
            with _told(f"seed {seed}, naming {naming}, save {save!r}", drawn):
                assert_same(by_label(drawn, plan, run(plan, arguments_of(drawn, plan, numbers))), right)


def check_stages(drawn: RandomSum, numbers: Numbers, seed: int, targets: tuple[str, ...]) -> Result:
    """The right result of a random sum; raise unless every plan and every kernel gives it."""
    right: Result | None = None
    last: dict[str, Plan] = {}
    for save, plan in stages(drawn.cell):
        last[save] = plan
        found = by_label(drawn, plan, run(plan, arguments_of(drawn, plan, numbers)))
        with _told(f"seed {seed}, save {save!r}, after {plan.applied[-1]!r}", drawn):
            if right is None:
                check_against_reference(drawn, numbers, found, seed)
                right = found
            assert_same(found, right)
    assert right is not None
    for save, plan in last.items():
        for target in targets:
            with _told(f"seed {seed}, save {save!r}, target {target}", drawn):
                assert_same(run_kernel(drawn, emit(plan, target), numbers), right)
    return right


@contextmanager
def _told(where: str, drawn: RandomSum) -> Iterator[None]:
    """A comparison that says of what it is."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}\n{drawn.cell}") from None
