"""The proof of what joins a model's layers: derivation and plan against the declaration, step by step.

Wires hand arrays on as they are, so an adjoint between layers is a sum of other adjoints, and nothing has to
be evaluated: the declaration tells what every step of a layer takes, and so which terms an adjoint has.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from symrnn.declaration.quantities import Constant
from symrnn.derivation.model_derivation import (
    At,
    Held,
    ModelDerivation,
    Rule,
    WireTerm,
)
from symrnn.errors import ValidationError
from symrnn.models.layers import ONCE, Feed, Layer, Reading, Sequence
from symrnn.models.model import Model, Run
from symrnn.models.stepping import layers_below
from symrnn.planning.model_plan import (
    Array,
    How,
    Kind,
    ModelPlan,
)
from symrnn.validation.problem import STEPS

Spot: TypeAlias = tuple[str, str, int]
"""A quantity of a layer (of the batch: "") at a step, counted from 0 as the layer runs."""

Terms: TypeAlias = Counter[Spot]

GIVEN = "outputs"
"""Stands for the quantity that is a layer's output."""

BEFORE, AFTER = -1, -2
"""The steps of a state before the first step, and after the last."""

SHARE: Spot = ("", "1/N", 0)
"""The derivative of the mean by one of the losses."""


def prove_wiring(derivation: ModelDerivation) -> None:
    """Raise unless a model's derivation joins its layers, forwards and backwards, as the model is declared.

    Raises:
        ValidationError: symrnn is at fault; the message names the layer, the quantity and the step.
    """
    model, declared = derivation.model, _Declared(derivation.model)
    where = f"In the derivation of the model {model.name}"
    takes = dict(_derived_takes(derivation, declared.steps))
    _require_equal(where, "what {} takes", takes, declared.takes())
    terms = dict(_derived_terms(derivation, declared.steps))
    _require_equal(where, "the adjoint of {}", terms, declared.terms())
    users = {
        adjoint.name: Counter((label, q.name) for label, q in adjoint.terms)
        for adjoint in derivation.parameters
    }
    _require_equal(where, "the adjoint of the parameter {}", users, declared.users())


def prove_calls(planned: ModelPlan) -> None:
    """Raise unless the calls of a model's plan hand on and back what the model is declared to.

    Raises:
        ValidationError: symrnn is at fault; the message names the layer, the quantity and the step.
    """
    declared, where = _Declared(planned.model), f"In the plan of the model {planned.name}"
    calls = _Calls(planned, declared.steps)
    _require_equal(where, "what {} takes", dict(calls.takes()), declared.takes())
    _require_equal(where, "the adjoint of {}", dict(calls.terms()), declared.terms())
    users = {name: Counter((a.owner, a.name) for a in arrays) for name, arrays in planned.gradients if arrays}
    _require_equal(where, "the adjoint of the parameter {}", users, declared.users())
    places = {(c.layer, q): place for c in planned.backward for q, place in c.places if place}
    first = {(a[0].owner, a[0].name): name for name, a in planned.gradients if a}
    _require_equal(where, "the place of the gradient of {}", places, first)


def _require_equal(where: str, what: str, found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
    for spot in (*wanted, *found):
        if found.get(spot) != wanted.get(spot):
            said, right = (_told(terms.get(spot)) for terms in (found, wanted))
            raise ValidationError(f"{where}, {what.format(_told(spot))} is {said}; it should be {right}.")


def _told(value: Any) -> str:
    """A spot, or terms, in words."""
    if isinstance(value, Counter):
        return " + ".join(_told(term) for term in value.elements())
    if not isinstance(value, tuple):
        return str(value or "nothing")
    layer, name, *steps = value
    when = {BEFORE: " before the first step", AFTER: " after the last step"}
    return f"{layer}.{name}".strip(".") + "".join(when.get(t, f" at step {t + 1}") for t in steps)


class _Declared:
    """What joins the layers, read from the model alone."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.labels = {run.layer: run.label for run in model.runs}
        lengths = {time: STEPS + i for i, time in enumerate(t for t in model.times if t != ONCE)}
        self.steps: Callable[[str], int] = lambda time: lengths.get(time, 1)

    def takes(self) -> dict[Spot, Terms]:
        """What every layer takes at every step, the starts of its states included."""
        return {
            (run.label, name, t): Counter([spot])
            for run in self.model.runs
            for name, t, spot in self.taken(run)
        }

    def taken(self, run: Run) -> Iterator[tuple[str, int, Spot]]:
        layer, steps = run.layer, self.steps(run.layer.time)
        for quantity, source in layer.inputs:
            for t in range(steps):
                yield quantity.name, t, self.source(source, steps - 1 - t if layer.reverse else t)
        for state, reading in layer.initial:
            yield state.name, BEFORE, self.source(reading, 0)

    def source(self, source: Sequence, s: int) -> Spot:
        """What a source is made of at step `s` of the sample."""
        steps = self.steps(source.time)
        if isinstance(source, Feed):
            return ("", source.name, s)
        if isinstance(source, Layer):
            return (self.labels[source], GIVEN, steps - 1 - s if source.reverse else s)
        assert isinstance(source, Reading)
        label, steps = self.labels[source.layer], self.steps(source.layer.time)
        return (label, GIVEN, steps - 1) if source.state is None else (label, source.state.name, AFTER)

    def terms(self) -> dict[Spot, Terms]:
        """The terms of the adjoints of what layers hand on."""
        loss, acting = self.model.loss, {self.labels[layer] for layer in layers_below(self.model.loss)}
        found = {(self.labels[loss], GIVEN, t): Counter([SHARE]) for t in range(self.steps(loss.time))}
        for taker, spots in self.takes().items():
            for spot in spots:
                if spot[0] and taker[0] in acting:
                    found.setdefault(spot, Counter())[taker] += 1
        return found

    def users(self) -> dict[str, Counter[tuple[str, str]]]:
        """The layers that train a parameter, and what they call it."""
        found: dict[str, Counter[tuple[str, str]]] = {}
        acting = layers_below(self.model.loss)
        for run in self.model.runs:
            for quantity, name in run.parameters if run.layer in acting else ():
                if not isinstance(quantity, Constant):
                    found.setdefault(name, Counter())[run.label, quantity.name] += 1
        return found


# ---- What the derivation says ------------------------------------------------------------------------


def _derived_takes(derivation: ModelDerivation, steps: Callable[[str], int]) -> Iterator[tuple[Spot, Terms]]:
    for wire in (wire for layer in derivation.layers for wire in layer.wires):
        taker, source = wire.taker, wire.source
        last = steps(taker.time) - 1
        for t in {At.START: [BEFORE], At.FIRST: [0]}.get(taker.at, range(last + 1)):
            if isinstance(source, Feed):
                spot = ("", source.name, last - t if taker.reverse else t)
            elif source.at == At.END:
                spot = (source.layer, source.quantity.name, AFTER)
            elif source.at == At.EVERY:
                spot = (source.layer, GIVEN, last - t if taker.reverse != source.reverse else t)
            else:
                spot = (source.layer, GIVEN, steps(source.time) - 1)
            yield (taker.layer, taker.quantity.name, t), Counter([spot])


def _derived_terms(derivation: ModelDerivation, steps: Callable[[str], int]) -> Iterator[tuple[Spot, Terms]]:
    for adjoint in derivation.adjoints:
        of, last = adjoint.of, steps(adjoint.of.time) - 1
        name, when = (of.quantity.name, [AFTER]) if of.at == At.END else (GIVEN, [*range(last + 1)])
        for t in when:
            found = (_derived_term(term, of, t, last) for term in adjoint.terms)
            if terms := Counter(spot for spot in found if spot is not None):
                yield (of.layer, name, t), terms


def _derived_term(term: WireTerm, of: Held, t: int, last: int) -> Spot | None:
    """What a term adds at a step; None if nothing."""
    taker = term.taker
    if taker is None:
        return SHARE if term.rule == Rule.MEAN else None
    if term.rule == Rule.READ:
        step = BEFORE if taker.at == At.START else 0
        return (taker.layer, taker.quantity.name, step) if t in (AFTER, last) else None
    return (taker.layer, taker.quantity.name, last - t if taker.reverse != of.reverse else t)


# ---- What the plan says ------------------------------------------------------------------------------


def total(terms: Iterable[Terms]) -> Terms:
    """All terms together."""
    return sum(terms, Counter())


class _Calls:
    """The calls of a plan, whose arrays hold what they are made of: terms for every step."""

    def __init__(self, planned: ModelPlan, steps: Callable[[str], int]) -> None:
        self.planned, self.steps = planned, steps
        self.layers = {call.layer: call for call in planned.layers}
        self.back: set[str] = set()

    def takes(self) -> Iterator[tuple[Spot, Terms]]:
        """What every layer takes."""
        for call in self.planned.layers:
            for name, array in call.inputs:
                yield from (((call.layer, name, t), terms) for t, terms in enumerate(self.value(array)))
            for name, array in call.start if call.given is None else ():
                yield (call.layer, name, BEFORE), self.value(array)[0]

    def terms(self) -> Iterator[tuple[Spot, Terms]]:
        """The terms of what arrives at every layer, of what calls before it handed back."""
        for call in self.planned.backward:
            arrives = [total(terms) for terms in zip(*map(self.value, call.arrives), strict=True)]
            turned = arrives[::-1] if call.reverse else arrives
            yield from (((call.layer, GIVEN, t), terms) for t, terms in enumerate(turned) if terms)
            for name, arrays in call.ends:
                if arrays:
                    yield (call.layer, name, AFTER), total(t for array in arrays for t in self.value(array))
            self.back.add(call.layer)

    def value(self, array: Array) -> list[Terms]:
        """What an array is made of, step by step; what has no time is as a sequence of one step."""
        made = self.made(array)
        for change in array.changes:
            made = self.changed(made, change.how, change.over)
        return made

    def made(self, array: Array) -> list[Terms]:
        owner = array.owner
        if array.kind == Kind.INPUT:
            over = next(feed.over for feed, _, _ in self.planned.model.feeds if feed.name == array.name)
            return [Counter([("", array.name, t)]) for t in range(self.steps(over))]
        if array.kind == Kind.LOSS_ADJOINT:
            return [Counter([SHARE])] * self.steps(self.planned.loss.over)
        call = self.layers[owner]
        spots = [Counter([(owner, array.name or GIVEN, t)]) for t in range(self.steps(call.over))]
        if array.kind == Kind.OUTPUTS:
            return spots[::-1] if call.reverse else spots
        if array.kind == Kind.FINAL:
            return [Counter([(owner, array.name, AFTER)])]
        if owner not in self.back:
            return [Counter()] * len(spots)  # nothing is handed back yet
        return [Counter([(owner, array.name, BEFORE)])] if array.kind == Kind.STATE_ADJOINT else spots

    def changed(self, made: list[Terms], how: How, over: str) -> list[Terms]:
        nothing: list[Terms] = [Counter()] * (self.steps(over) - 1)
        return {
            How.TURNED: made[::-1],
            How.ALONE: made,
            How.ONLY: made[:1],
            How.LAST: made[-1:],
            How.FIRST: made[:1],
            How.AT_LAST: [*nothing, *made],
            How.AT_FIRST: [*made, *nothing],
        }[how]
