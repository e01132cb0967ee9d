"""The proof of emitted kernels: their text, executed in the field, computes what the plan says."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from symrnn.declaration.axes import size_number
from symrnn.errors import ValidationError
from symrnn.kernels.target import Field, Target
from symrnn.kernels.targets import TARGETS, require_offer
from symrnn.planning.interpreter import Result, interpret
from symrnn.planning.plan import Plan
from symrnn.validation.elements import elements, residues
from symrnn.validation.equations import Evaluator
from symrnn.validation.execution import execute, power_of
from symrnn.validation.faults import unequal
from symrnn.validation.field_numpy import APPROXIMATIONS, FieldNumpy, of_arrays, of_numbers
from symrnn.validation.maps import identities
from symrnn.validation.plans import field_numbers
from symrnn.validation.prime import PRIME, Draws
from symrnn.validation.problem import LENGTHS, SAMPLES, STEPS

FIELD = Field(of_arrays, of_numbers, power_of, APPROXIMATIONS, FieldNumpy(0))
"""What targets put in place of the functions of their texts is made of this."""


FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)
"""What wrong text may raise when it is executed."""


class Case:
    """A plan with random arrays to run it on, under the plan's names."""

    def __init__(self, plan: Plan, seed: int) -> None:
        """Draw arrays for `plan`."""
        self.plan, self.table, self.seed = plan, plan.table(), seed
        self.rng = Draws(seed, 13)
        self.sizes = {axis.name: LENGTHS[i % len(LENGTHS)] for i, axis in enumerate(plan.axes)}
        self.evaluator = Evaluator(self.sizes)
        classes = dict(plan.classes)
        self.inputs = {name: self.drawn(name, classes.get(name)) for name in plan.inputs}
        self.parameters = {name: self.drawn(name) for name in (*plan.parameters, *plan.constants)}
        self.states = tuple(self.drawn(carry.initial) for carry in plan.forward.loop.carries)
        self.d_outputs = self.drawn(plan.output_cotangent)
        self.d_states = tuple(self.drawn(carry.initial) for carry in plan.backward.loop.carries)

    def drawn(self, name: str, classes: Any = None) -> Any:
        """A random array for the array `name` of the plan."""
        buffer = self.table[name]
        lead = {"T": STEPS, "B": SAMPLES}
        shape = [lead[axis] for axis in buffer.lead] + [self.size(size) for size in buffer.shape]
        if classes is not None:
            return self.rng.integers(0, self.size(classes), shape)
        return elements(self.rng.integers(1, PRIME, shape))

    def size(self, size: Any) -> int:
        """The number that a size is."""
        return self.evaluator.size(size)

    def wanted(self) -> Result:
        """What the plan means on these arrays."""
        return interpret(
            self.plan,
            {**self.inputs, **self.parameters},
            self.states,
            self.d_outputs,
            self.d_states,
            numbers=field_numbers(0),
        )


class Kernel:
    """A kernel in the field, called with arrays, whatever its target computes with."""

    def __init__(self, module: Any, target: Target, sizes: Mapping[str, int]) -> None:
        """Let a module of a target be called; `sizes` are those of the axes."""
        self.module, self.given, self.taken, self.sizes = module, target.given, target.taken, sizes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def record(self, name: str, arrays: Iterable[Any]) -> Any:
        """A record of arrays as the kernel takes it."""
        return getattr(self.module, name)(*map(self.given, arrays))


class Kept(NamedTuple):
    """What the caller of a functional kernel keeps for `backward`, as the tape of a full one."""

    inputs: Any
    state: Any
    saved: tuple[Any, ...]
    lengths: Any


class Passed(NamedTuple):
    """A forward pass of a functional kernel, as that of a full one."""

    outputs: Any
    state: Any
    tape: Kept


class FunctionalKernel(Kernel):
    """A functional kernel in the field, called as a full one."""

    def forward(self, parameters: Any, inputs: Any, state: Any, lengths: Any = None) -> Passed:
        """A forward pass from plain tuples; what it gives must be new, in one piece, and saved as told."""
        outputs, final, *saved = self.module.forward(
            tuple(parameters), tuple(inputs), tuple(state), lengths=lengths
        )
        sizes = {**self.sizes, **dict(zip("TB", inputs[0].shape, strict=False))}
        for (name, told), array in zip(self.module.SAVED.items(), saved, strict=True):
            assert array.shape == tuple(size_number(size, sizes) for size in told), (
                f"{name} is saved otherwise"
            )
        made, given = [outputs, *final, *saved], [*parameters, *inputs, *state]
        for i, one in enumerate(made):
            assert one.flags.carray, "a result is not in one piece, or cannot be written"
            others = (*made[:i], *given)
            assert not any(np.may_share_memory(one, other) for other in others), "results share memory"
        return Passed(outputs, final, Kept(inputs, state, tuple(saved), lengths))

    def backward(self, parameters: Any, tape: Kept, d_outputs: Any, d_state: Any) -> Any:
        """A backward pass from plain tuples."""
        given = tuple(parameters), tuple(tape.inputs), tuple(tape.state)
        return self.module.backward(*given, tape.saved, d_outputs, tuple(d_state), lengths=tape.lengths)


class DifferentiatedKernel(Kernel):
    """A kernel in the field whose framework would differentiate it: `forward` keeps nothing, as `predict`."""

    def predict(self, *arguments: Any, lengths: Any = None) -> Any:
        """Outputs and the final state."""
        return self.module.forward(*arguments, lengths=lengths)


def prove_text(source: str, plan: Plan, target: str, contract: str = "full") -> None:
    """Raise unless the text of a kernel computes what its plan says.

    Proved are `forward` and `backward`, and as far as the contract has them `step`, `predict`, and `lengths`
    in all but `step`, where every sample must give what it gives alone. Of text that a framework
    differentiates it is the values.

    Raises:
        ValidationError: symrnn is at fault; the message names the function, the array and both values.
    """
    with identities():
        case = Case(plan, 0)
        wanted = case.wanted()
        try:
            offered = require_offer(target, contract).contract
            kind, checks = Kernel, [check for has, check in CHECKS if has in offered.words]
            if offered.functional:
                kind = FunctionalKernel
            elif offered.differentiated:
                kind, checks = DifferentiatedKernel, [*VALUES]
            kernel = kind(execute(source, TARGETS[target].surroundings(FIELD)), TARGETS[target], case.sizes)
            said = next(filter(None, (check(kernel, case, wanted) for check in checks)), "")
        except FAULTS as error:
            said = f"execution ends with {type(error).__name__}: {error}".rstrip(".")
        if said:
            raise ValidationError(f"In the emitted text of {plan.name}, {said}.")


def _arguments(kernel: Kernel, case: Case) -> tuple[Any, Any, Any]:
    """Parameters, inputs and state as the kernel takes them."""
    return (
        kernel.record("Parameters", case.parameters.values()),
        kernel.record("Inputs", case.inputs.values()),
        kernel.record("State", case.states),
    )


def _first(kernel: Kernel, pairs: list[tuple[str, Any, Any]]) -> str:
    """What is said of the first pair that differs: what a kernel gave, and what is wanted."""
    for what, found, wanted in pairs:
        if said := unequal(what, kernel.taken(found), residues(wanted)):
            return said
    return ""


def _named(what: str, names: Iterable[str], found: Any, wanted: Any) -> list[tuple[str, Any, Any]]:
    """Pairs of what is found and what is wanted, each called by its name."""
    return [(f"{what} {name}", *both) for name, *both in zip(names, found, wanted, strict=True)]


def _passes(kernel: Kernel, case: Case, wanted: Result) -> str:
    """`forward` and `backward` against the plan."""
    plan = case.plan
    parameters, inputs, state = _arguments(kernel, case)
    run = kernel.forward(parameters, inputs, state)
    made = kernel.backward(
        parameters, run.tape, kernel.given(case.d_outputs), kernel.record("State", case.d_states)
    )
    gradients = dict(zip(case.parameters, made.parameters, strict=True)) | dict(
        zip(case.inputs, made.inputs, strict=True)
    )
    pairs = [("forward: outputs", run.outputs, wanted.outputs)]
    pairs += _named("forward: state", plan.states, run.state, wanted.final_states)
    pairs += [
        (f"backward: the gradient of {n}", gradients[n], array) for n, array in wanted.gradients.items()
    ]
    pairs += _named("backward: the gradient of the initial", plan.states, made.state, wanted.state_gradients)
    return _first(kernel, pairs)


def _predicted(kernel: Kernel, case: Case, wanted: Result) -> str:
    """`predict` against the plan."""
    outputs, final = kernel.predict(*_arguments(kernel, case))
    pairs = [("predict: outputs", outputs, wanted.outputs)]
    pairs += _named("predict: state", case.plan.states, final, wanted.final_states)
    return _first(kernel, pairs)


def _streamed(kernel: Kernel, case: Case, wanted: Result) -> str:
    """`step` after `step` against the plan."""
    parameters, _, state = _arguments(kernel, case)
    outputs = []
    for t in range(STEPS):
        output, state = kernel.step(
            parameters, kernel.record("Inputs", (array[t] for array in case.inputs.values())), state
        )
        outputs.append(residues(kernel.taken(output)))
    pairs = [("step: outputs", elements(np.stack(outputs)), wanted.outputs)]
    pairs += _named("step: state", case.plan.states, state, wanted.final_states)
    return _first(kernel, pairs)


def _with_lengths(kernel: Kernel, case: Case, wanted: Result) -> str:
    """Samples that end early against the same samples alone."""
    del wanted
    parameters, inputs, state = _arguments(kernel, case)
    lengths = np.array([1, STEPS], np.int64)
    run = kernel.forward(parameters, inputs, state, lengths=lengths)
    d_state = kernel.record("State", case.d_states)
    made = kernel.backward(parameters, run.tape, kernel.given(case.d_outputs), d_state)
    outputs, final = kernel.predict(parameters, inputs, state, lengths=lengths)
    alone = [_alone(kernel, case, b, int(length)) for b, length in enumerate(lengths)]
    pairs = [("predict with lengths: outputs", outputs, run.outputs)]
    pairs += _named("predict with lengths: state", case.plan.states, final, run.state)
    for i, array in enumerate(run.tape.saved):  # else what was not there before might be infinite there
        what = f"forward with lengths: saved[{i}] beyond the end, where the last step is repeated,"
        pairs.append((what, array[1:STEPS, 0], np.broadcast_to(array[0, 0], array[1:STEPS, 0].shape)))
    sums = [
        sum(residues(gradients.parameters[i]) for _, gradients in alone) % PRIME
        for i in range(len(made.parameters))
    ]
    for name, found, total in zip(case.parameters, made.parameters, sums, strict=True):
        pairs.append((f"backward with lengths: the gradient of {name}", found, elements(total)))
    for b, (one, gradients) in enumerate(alone):
        length = int(lengths[b])
        padded = [(run.outputs, one.outputs, "forward with lengths: outputs")]
        padded += [
            (found, array, f"backward with lengths: the gradient of {name}")
            for name, found, array in zip(case.inputs, made.inputs, gradients.inputs, strict=True)
            if array is not None
        ]
        for found, array, what in padded:
            pairs.append((f"{what} of sample {b}", found[:length, b], array[:, 0]))
            pairs.append((f"{what} of sample {b} beyond its end", found[length:, b], 0 * found[length:, b]))
        for i, name in enumerate(case.plan.states):
            pairs.append(
                (f"forward with lengths: state {name} of sample {b}", run.state[i][b], one.state[i][0])
            )
            at_start = made.state[i][b], gradients.state[i][0]
            pairs.append((f"backward with lengths: the gradient of {name} of sample {b}", *at_start))
    return _first(kernel, pairs)


def _alone(kernel: Kernel, case: Case, b: int, length: int) -> tuple[Any, Any]:
    """The run and the gradients of one sample, cut to its length."""
    row = slice(b, b + 1)
    parameters = kernel.record("Parameters", case.parameters.values())
    inputs = kernel.record("Inputs", (array[:length, row] for array in case.inputs.values()))
    run = kernel.forward(parameters, inputs, kernel.record("State", (array[row] for array in case.states)))
    d_state = kernel.record("State", (array[row] for array in case.d_states))
    return run, kernel.backward(parameters, run.tape, kernel.given(case.d_outputs[:length, row]), d_state)


def _ending(kernel: Kernel, case: Case, wanted: Result) -> str:
    """The values of samples that end early against those of the same samples alone."""
    del wanted
    parameters, inputs, state = _arguments(kernel, case)
    lengths = np.array([1, STEPS], np.int64)
    outputs, final = kernel.predict(parameters, inputs, state, lengths=lengths)
    pairs = []
    for b, length in enumerate(lengths):
        row = slice(b, b + 1)
        cut = kernel.record("Inputs", (array[:length, row] for array in case.inputs.values()))
        first = kernel.record("State", (array[row] for array in case.states))
        alone, last = kernel.predict(parameters, cut, first)
        said = f"of sample {b}"
        pairs.append((f"forward with lengths: outputs {said}", outputs[:length, b], alone[:, 0]))
        pairs.append((f"outputs {said} beyond its end", outputs[length:, b], 0 * outputs[length:, b]))
        ends = [(found[b], array[0]) for found, array in zip(final, last, strict=True)]
        pairs += [(f"state {n} {said}", *both) for n, both in zip(case.plan.states, ends, strict=True)]
    return _first(kernel, pairs)


def _unchanged(kernel: Kernel, case: Case, wanted: Result) -> str:
    """What was given, after all these calls, against what was drawn."""
    del wanted
    drawn = Case(case.plan, case.seed)
    given = (case.inputs | case.parameters, drawn.inputs | drawn.parameters)
    pairs = [(f"the given {name}", array, given[1][name]) for name, array in given[0].items()]
    pairs += _named("the given state", case.plan.states, case.states, drawn.states)
    pairs += _named("the given cotangent of the final", case.plan.states, case.d_states, drawn.d_states)
    pairs.append(("the given cotangent of the outputs", case.d_outputs, drawn.d_outputs))
    return _first(kernel, pairs)


CHECKS = (
    ("forward", _passes),
    ("predict", _predicted),
    ("step", _streamed),
    ("lengths", _with_lengths),
    ("forward", _unchanged),
)
"""By what a contract must have, what is proved of a text."""

VALUES = (_predicted, _streamed, _ending, _unchanged)
"""What is proved of a text that a framework differentiates."""
