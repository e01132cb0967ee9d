"""The proof of an emitted model: its text, executed in the field, against its layers' equations.

The loss is evaluated sample by sample, with tangents along a random direction of all parameters; the
gradients that the text gives must tell how it moves.
"""

from typing import Any

import numpy as np

from symrnn.declaration.quantities import Constant
from symrnn.errors import ValidationError
from symrnn.kernels.targets import TARGETS
from symrnn.models.layers import ONCE, Feed, Layer, Reading, Sequence
from symrnn.models.model import Model
from symrnn.models.stepping import stepped_feeds, why_no_step
from symrnn.validation.duals import Dual, total_of
from symrnn.validation.elements import elements, residues
from symrnn.validation.equations import Evaluator, Values
from symrnn.validation.execution import execute
from symrnn.validation.faults import inner, unequal
from symrnn.validation.maps import identities
from symrnn.validation.prime import PRIME, Draws, Residues, inverse
from symrnn.validation.problem import LENGTHS, SAMPLES, STEPS
from symrnn.validation.steps import CellSteps
from symrnn.validation.texts import FAULTS, FIELD


class Batch:
    """Random parameters, inputs, states and lengths for a model, and a direction of its parameters."""

    def __init__(self, model: Model, seed: int) -> None:
        """Draw a batch for `model`."""
        self.model = model
        rng = Draws(seed, 17)
        self.sizes = {axis.name: LENGTHS[i % len(LENGTHS)] for i, axis in enumerate(model.axes)}
        evaluator = Evaluator(self.sizes)
        self.steps = {time: STEPS + i for i, time in enumerate(t for t in model.times if t != ONCE)}
        self.lengths = {time: np.array([steps - 1, steps]) for time, steps in self.steps.items()}
        self.evaluator = evaluator

        def array(*shape: int) -> Residues:
            return rng.integers(1, PRIME, shape)

        shapes = {name: evaluator.shape(shape) for name, _, shape in model.parameters}
        trained = {name for name, quantity, _ in model.parameters if not isinstance(quantity, Constant)}
        self.parameters = {name: array(*shape) for name, shape in shapes.items()}
        self.direction = {name: array(*shape) for name, shape in shapes.items() if name in trained}
        self.inputs: dict[str, Residues] = {}
        for feed, _, shape in model.feeds:
            lead = (SAMPLES,) if feed.over == ONCE else (self.steps[feed.over], SAMPLES)
            classes = model.classes.get(feed)
            if classes is None:
                self.inputs[feed.name] = array(*lead, *evaluator.shape(shape))
            else:
                self.inputs[feed.name] = rng.integers(0, evaluator.size(classes), lead)
        self.state = {name: array(SAMPLES, *evaluator.shape(shape)) for name, shape in model.states}

    def is_index(self, name: str) -> bool:
        """Whether a feed brings class numbers."""
        return any(feed.name == name for feed in self.model.classes)

    def given(self, module: Any) -> tuple[Any, Any, Any]:
        """Parameters, inputs and state as the module takes them."""
        inputs = {n: a if self.is_index(n) else elements(a) for n, a in self.inputs.items()}
        return (
            module.Parameters(**{name: elements(array) for name, array in self.parameters.items()}),
            module.Inputs(**inputs),
            module.State(**{name: elements(array) for name, array in self.state.items()}),
        )


class _Sample:
    """One sample of a batch, cut to its lengths; every layer runs when it is first asked for."""

    def __init__(self, batch: Batch, b: int, lengths: dict[str, Any]) -> None:
        self.batch, self.row, self.lengths = batch, slice(b, b + 1), lengths
        self.runs: dict[Layer, list[Values]] = {}

    def run(self, layer: Layer) -> list[Values]:
        """The values of a layer's cell at every step, in the order in which it runs."""
        if layer not in self.runs:
            batch, found = self.batch, self.batch.model.run_of(layer)
            evaluator = Evaluator({axis.name: batch.evaluator.size(size) for axis, size in found.sizes})
            given: Values = {}
            for quantity, name in found.parameters:
                direction = batch.direction.get(name)
                tangent = None if direction is None else direction[None]
                given[quantity] = Dual(batch.parameters[name][None], tangent)
            state = {q: Dual(batch.state[name][self.row]) for q, name in found.carried}
            state |= {q: self.reading(reading) for q, reading in layer.initial}
            for q in layer.cell.states:
                state.setdefault(q, Dual(np.zeros((1, *evaluator.shape(q.shape)), np.int64)))
            columns = [(q, self.turned(self.sequence(source), layer)) for q, source in layer.inputs]
            steps = len(columns[0][1])
            inputs: list[Values] = [{q: column[t] for q, column in columns} for t in range(steps)]
            runner = CellSteps(layer.cell, evaluator)
            self.runs[layer] = runner.steps(runner.shared(given), inputs, state)
        return self.runs[layer]

    def sequence(self, source: Sequence) -> list[Dual]:
        """What a source gives, step by step."""
        if isinstance(source, Feed):
            array = self.batch.inputs[source.name]
            if source.over == ONCE:
                return [Dual(array[self.row])]
            steps = int(self.lengths.get(source.over, np.full(SAMPLES, len(array)))[self.row.start])
            return [Dual(array[t, self.row]) for t in range(steps)]
        if isinstance(source, Reading):
            return [self.reading(source)]
        assert isinstance(source, Layer)
        return self.turned([values[source.cell.output] for values in self.run(source)], source)

    def reading(self, reading: Reading) -> Dual:
        """What a layer has at the end."""
        last = self.run(reading.layer)[-1]
        return last[reading.layer.cell.output if reading.state is None else reading.state.next]

    @staticmethod
    def turned(steps: list[Dual], layer: Layer) -> list[Dual]:
        return steps[::-1] if layer.reverse else steps


def prove_model(source: str, model: Model, target: str) -> None:
    """Raise unless the text of a model computes its loss, gradients and outputs as its layers' equations say.

    Raises:
        ValidationError: symrnn is at fault; the message names the function, the array and both values.
    """
    with identities():
        batch = Batch(model, 0)
        try:
            module = execute(source, TARGETS[target].surroundings(FIELD))
            said = _evaluated(module, batch, {}) or _evaluated(module, batch, batch.lengths)
            said = said or _predicted(module, batch) or _stepped(module, batch)
        except FAULTS as error:
            said = f"execution ends with {type(error).__name__}: {error}".rstrip(".")
        if said:
            raise ValidationError(f"In the emitted text of the model {model.name}, {said}.")


def _evaluated(module: Any, batch: Batch, lengths: dict[str, Any]) -> str:
    """`loss` and `loss_and_gradients` against the samples, one by one."""
    model = batch.model
    samples = [_Sample(batch, b, lengths).run(model.loss) for b in range(SAMPLES)]
    losses = [values[model.loss.cell.output] for sample in samples for values in sample]
    scale = int(inverse(np.array(len(losses))))
    value = int(total_of(dual.value[0] for dual in losses)) * scale % PRIME
    moves = [dual.tangent[0] for dual in losses if dual.tangent is not None]
    moved = int(total_of(moves)) * scale % PRIME if moves else 0
    parameters, inputs, state = batch.given(module)
    options = {"lengths": module.Lengths(**lengths)} if lengths else {}
    evaluation = module.loss_and_gradients(parameters, inputs, state, **options)
    plain = module.loss(parameters, inputs, state, **options)
    told = sum(
        inner(direction, residues(getattr(evaluation.gradients, name)))
        for name, direction in batch.direction.items()
    )
    which = " with lengths" if lengths else ""
    for what, found, wanted in (
        (f"loss{which}", plain, value),
        (f"loss_and_gradients{which}: the loss", evaluation.loss, value),
    ):
        if said := unequal(what, elements(residues(found)), np.array(wanted)):
            return said
    if (told - moved) % PRIME:
        return (
            f"the gradients of loss_and_gradients{which} are not the derivative: along a random direction "
            f"they say {told % PRIME}, and the loss moves by {moved} (modulo {PRIME})"
        )
    return ""


def _predicted(module: Any, batch: Batch) -> str:
    """`predict` against the samples, and the states that it hands on."""
    model = batch.model
    parameters, inputs, state = batch.given(module)
    outputs, final = module.predict(parameters, inputs, state)
    for b in range(SAMPLES):
        sample = _Sample(batch, b, {})
        wanted = np.stack([dual.value[0] for dual in sample.sequence(model.output)])
        found = outputs[:, b] if len(outputs) == len(wanted) else outputs[b : b + 1]
        if said := unequal(f"predict: the output of sample {b}", found, wanted):
            return said
        for run in model.runs:
            for q, name in run.carried:
                if getattr(final, name) is None or run.layer not in sample.runs:
                    continue
                after = sample.run(run.layer)[-1][q.next].value[0]
                if said := unequal(f"predict: state {name} of sample {b}", getattr(final, name)[b], after):
                    return said
    return ""


def _stepped(module: Any, batch: Batch) -> str:
    """`step` after `step` against `predict`, for models that can."""
    model = batch.model
    if why_no_step(model.output):
        return ""
    parameters, inputs, state = batch.given(module)
    outputs, _ = module.predict(parameters, inputs, state)
    feeds = {feed.name for feed in stepped_feeds(model.output)}
    if hasattr(module, "begin"):
        state = module.begin(parameters, inputs, state)
    for t in range(len(outputs)):
        arriving = {name: array[t] if name in feeds else None for name, array in inputs._asdict().items()}
        output, state = module.step(parameters, module.Inputs(**arriving), state)
        if said := unequal(f"step: the output of step {t + 1}", output, residues(outputs[t])):
            return said
    return ""
