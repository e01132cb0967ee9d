"""A tape belongs to one call of `forward`: its gradients are those of what was run, or there is an error."""

from typing import Any

import numpy as np
import pytest
from kernel_problems import TARGETS, Call, assert_same, drawn, flat

targets = pytest.mark.parametrize("target", TARGETS)
names = pytest.mark.parametrize("name", ["lstm", "gru", "constants"])


def backward(made: Call, tape: Any, parameters: Any = None) -> list[Any]:
    given = made.parameters if parameters is None else parameters
    return flat(made.module.backward(given, tape, made.d_outputs, made.d_state))


@targets
@names
def test_other_parameters_of_the_same_sizes(name: str, target: str) -> None:
    made = drawn(name, target, 4, 3)
    module, tape = made.module, made.forward().tape
    for field in ("b", "U") if name == "constants" else made.parameters._fields[:2]:
        other = made.parameters._replace(**{field: getattr(made.parameters, field).copy()})
        getattr(other, field)[-1] += 1e-9
        message = rf"^parameters\.{field} is not that of the forward\(\) that made the tape; pass the"
        for given in (other, module.prepare(other)):
            with pytest.raises(ValueError, match=message):
                backward(made, tape, given)


@targets
@names
def test_parameters_that_are_the_same(name: str, target: str) -> None:
    """By name or by number, prepared or not."""
    made = drawn(name, target, 4, 3)
    module, expected = made.module, made.results()
    prepared = module.prepare(made.parameters)
    for used in (made.parameters, prepared):
        run = module.forward(used, made.inputs, made.state)
        for given in (
            made.parameters,
            type(made.parameters)(*made.parameters),
            made.replaced(np.copy).parameters,
            prepared,
            module.prepare(made.parameters),
        ):
            assert_same([run.outputs, *run.state, *backward(made, run.tape, given)], expected)


@targets
def test_numbers_that_are_none_are_the_same(target: str) -> None:
    made = drawn("gru", target, 4, 3)
    made.parameters.W_r[...] = np.nan
    run = made.forward()
    expected = backward(made, run.tape)
    assert_same(backward(made, run.tape, made.replaced(np.copy).parameters), expected)


@targets
@names
@pytest.mark.parametrize("shared", [False, True], ids=["no workspace", "workspace"])
def test_arrays_that_are_changed_before_the_backward_pass(name: str, shared: bool, target: str) -> None:
    """As by an optimiser, or by a loader of data that uses its arrays again."""
    made = drawn(name, target, 4, 3)
    module, expected = made.module, made.results()
    workspace = module.Workspace() if shared else None
    for group in ("parameters", "inputs"):
        for field, array in getattr(made, group)._asdict().items():
            run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
            before = array.copy()
            np.subtract(array, 1e-3, out=array)
            message = (
                rf"^{group}\.{field} was changed after the forward\(\) that made the tape; call backward"
            )
            with pytest.raises(ValueError, match=message):
                backward(made, run.tape)
            array[...] = before
            assert_same([run.outputs, *run.state, *backward(made, run.tape)], expected)


@targets
def test_inputs_in_a_workspace_that_is_used_again(target: str) -> None:
    """The outputs of a layer below, whose workspace the next batch takes before this one goes back."""
    made = drawn("lstm", target, 4, 3, n=5, m=5)
    module, below = made.module, made.module.Workspace()
    first = module.forward(made.parameters, made.inputs, workspace=below)
    run = module.forward(made.parameters, first.outputs, made.state)
    backward(made, run.tape)
    module.forward(made.parameters, 2 * made.inputs.x, workspace=below)
    with pytest.raises(ValueError, match=r"^inputs\.x was changed after the forward"):
        backward(made, run.tape)


@targets
def test_with_lengths_the_tape_has_inputs_of_its_own(target: str) -> None:
    made, lengths = drawn("lstm", target, 4, 3), np.array([4, 0, 2])
    run = made.module.forward(made.parameters, made.inputs, made.state, lengths=lengths)
    expected = backward(made, run.tape)
    made.inputs.x[...] = np.nan
    assert_same(backward(made, run.tape), expected)
