"""A document that was read, run with numbers: forward and backward through time as its text tells it.

The adjoints of a step are worked out in printed order, the forward equations as soon as what they need is
known, the parameters' last. Nothing of symrnn is used.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from latex_mathematics import Grammar, Node, Tokens, UnreadableError, tokens_of
from latex_reader import Document, Entry, Equation, replaced
from latex_values import Array, Meaning, UnknownError, Value, Values

Arrays: TypeAlias = dict[str, Array]


@dataclass(frozen=True)
class Given:
    """What a run needs, by printed name: lengths of axes, arrays; inputs and `d_outputs` are (T, ...)."""

    sizes: Mapping[str, int]
    parameters: Arrays
    inputs: Arrays
    state: Arrays
    d_outputs: Array
    d_state: Arrays


@dataclass(frozen=True)
class Answer:
    """What a run gives, by printed name; states under the names that they have before the step."""

    outputs: Array
    final_state: Arrays
    parameters: Arrays
    inputs: Arrays
    state: Arrays


def run(document: Document, given: Given, part: str) -> Answer:
    """Forward and backward through time with the equations of the "body" or of the "results"."""
    return Run(document, given, *document.equations(part)).answer()


@dataclass
class Run:
    """One way through time with the numbers of one sample; `steps` has all values of every step at last."""

    document: Document
    given: Given
    forward: list[Equation]
    adjoints: list[Equation]
    steps: list[dict[str, Value]] = field(default_factory=list)

    @cached_property
    def meaning(self) -> Meaning:
        return Meaning(self.fixed, self.document.rows, self.document.functions, self.classes)

    @cached_property
    def fixed(self) -> Values:
        """What is the same at every step: sizes, parameters, constants."""
        sizes = {name: Value(np.asarray(float(size))) for name, size in self.given.sizes.items()}
        return {**sizes, **{name: self.checked(name, array) for name, array in self.given.parameters.items()}}

    def size(self, text: str) -> int:
        """A length such as (m+n), as a number."""
        grammar = Grammar({entry.name: entry.key for entry in self.document.called("size")})
        sizes = {name: Value(np.asarray(float(size))) for name, size in self.given.sizes.items()}
        return Meaning(sizes).number(grammar.expression(tokens_of(text)))

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every symbol of the table."""
        made = {}
        for entry in self.document.symbols:
            found = re.fullmatch(r"\\mathbb\{R\}(?:\^\{(.*)\})?", entry.space)
            lengths = found[1].split(r"\times") if found is not None and found[1] else []
            made[entry.key] = tuple(self.size(length) for length in lengths)
        return made

    @cached_property
    def classes(self) -> dict[str, int]:
        """The number of classes of every symbol that is a class: 0, ..., last."""
        found = {e.key: re.fullmatch(r"\\\{ ?0, \\dots, (.*?) ?\\\}", e.space) for e in self.document.symbols}
        return {name: self.size(match[1]) + 1 for name, match in found.items() if match is not None}

    def checked(self, name: str, array: Array) -> Value:
        """An array as the value of a symbol, whose shape it must have."""
        if array.shape != self.shapes[name]:
            raise UnreadableError(f"{name} has shape {array.shape}, in the table {self.shapes[name]}")
        return Value(np.asarray(array, float), row=self.document.rows and array.ndim == 1)

    def parse(self, tokens: Tokens) -> Node:
        return self.document.tree(tokens)

    def parsed(self, equations: Iterable[Equation]) -> list[tuple[str, Node]]:
        """Names and last right sides."""
        made = []
        for equation in equations:
            left = self.parse(equation.left)
            if left.kind != "symbol":
                raise UnreadableError(f"{' '.join(equation.left)} is no name")
            made.append((left.word, self.parse(equation.rights[-1])))
        return made

    def assigned(self, name: str, value: Value, only_zero: bool) -> Value:
        """A value as that of a symbol; a number stands for equal numbers, a zero with `only_zero`."""
        shape = self.shapes[name.removeprefix("adjoint ").removeprefix("later ")]
        turned = Value(np.empty(shape), row=self.document.rows and len(shape) == 1)
        if value.letters:
            raise UnreadableError(f"the indices {value.letters} are free in {name}")
        if value.rank == 0 and shape and not (only_zero and value.array != 0):
            return replace(turned, array=np.full(shape, value.array))
        if value.shape != shape or value.row != turned.row:
            kind = "row" if value.row else "array"
            raise UnreadableError(f"{name} becomes a {kind} of shape {value.shape}, but has {shape}")
        return value

    def step_forward(self, values: dict[str, Value]) -> None:
        """Every forward equation as soon as what it needs is known."""
        waiting = self.forward_nodes
        while waiting:
            left = []
            for name, node in waiting:
                try:
                    values[name] = self.assigned(name, replace(self.meaning, values=values).of(node), False)
                except UnknownError:
                    left.append((name, node))
            if len(left) == len(waiting):
                raise UnreadableError(f"nothing gives {[name for name, _ in left]} their values")
            waiting = left

    @cached_property
    def forward_nodes(self) -> list[tuple[str, Node]]:
        return self.parsed(self.forward)

    @cached_property
    def moving(self) -> list[tuple[str, Node]]:
        """The adjoints of a step: those of names with a time."""
        return [(name, node) for name, node in self.parsed(self.adjoints) if self.has_time(name)]

    @cached_property
    def shared(self) -> list[tuple[str, Node]]:
        return [(name, node) for name, node in self.parsed(self.adjoints) if not self.has_time(name)]

    def has_time(self, name: str) -> bool:
        """Whether a name has a time in the place where the prose says that it stands."""
        tokens = name.split()
        if self.document.time_below:
            at = [position for position, token in enumerate(tokens) if token == self.document.time[1]]
            return any(tokens[position + 1] in "-}" for position in at)
        return r"\langle" in tokens

    def split(self, values: dict[str, Value]) -> None:
        """The column blocks, as wide as the parts of the stack that they meet; the split itself must hold."""
        meaning = replace(self.meaning, values=values)
        names = self.document.block_names
        for equation in self.document.splits:
            left = self.parse(equation.left)
            (stack,) = (part for part in left.parts if part.kind == "stack")
            (matrix,) = (part for part in left.parts if part is not stack)
            matrix = matrix.parts[0] if matrix.kind == "transpose" else matrix
            parts = [part for row in stack.parts for part in row.parts]
            start = 0
            for name, part in zip(names[tuple(matrix.word.split())], parts, strict=True):
                stop = start + meaning.of(part).shape[0]
                values[" ".join(name)] = Value(meaning.of(matrix).array[:, start:stop])
                start = stop
            product, terms = meaning.of(left), meaning.of(self.parse(equation.rights[-1]))
            if start != meaning.of(matrix).shape[1] or product.row != terms.row:
                raise UnreadableError(f"{matrix.word} is split into other blocks than the stack")
            np.testing.assert_allclose(terms.array, product.array, rtol=1e-12, atol=1e-14)

    def answer(self) -> Answer:
        document, given = self.document, self.given
        states = document.called("state before")
        steps = self.steps
        carried = {entry.key: self.checked(entry.key, given.state[entry.key]) for entry in states}
        for t in range(len(given.d_outputs)):
            now = {**self.fixed, **carried}
            now |= {name: self.checked(name, array[t]) for name, array in given.inputs.items()}
            self.step_forward(now)
            self.split(now)
            steps.append(now)
            carried = {entry.key: now[self.next(entry)] for entry in states}
        later = {}
        for entry in states:
            if not document.ends_in_the_loss(entry):
                raise UnreadableError(f"where does the recursion start for {entry.key}?")
            later[entry.key] = self.checked(entry.key, given.d_state[entry.key])
        d_inputs = self.step_backward(steps, later)
        shared = self.parameter_adjoints(steps)
        told = [name for name in shared if name.startswith("adjoint ")]
        missing = [e.key for e in document.called("parameter") if f"adjoint {e.key}" not in told]
        if missing:
            raise UnreadableError(f"no equation gives the adjoints of {missing}")
        output = " ".join(document.output)
        return Answer(
            np.array([step[output].array for step in steps]),
            {name: value.array for name, value in carried.items()},
            {entry.key: shared[f"adjoint {entry.key}"].array for entry in document.called("parameter")},
            d_inputs,
            {name: value.array for name, value in later.items()},
        )

    def next(self, state: Entry) -> str:
        """The name that a state has after the step."""
        return " ".join(replaced(state.name, self.document.before, self.document.before[:1]))

    def step_backward(self, steps: list[dict[str, Value]], later: dict[str, Value]) -> Arrays:
        """The adjoints of every step, in printed order; `later` becomes what step 1 hands back."""
        document = self.document
        output = " ".join(document.output)
        inputs = [e.key for e in document.called("input") if e.key not in self.classes]
        made: dict[str, list[Array]] = {name: [] for name in inputs}
        for now, d_output in zip(steps[::-1], self.given.d_outputs[::-1], strict=True):
            now[f"out {output}"] = self.checked(output, d_output)
            for entry in document.called("state before"):
                now[f"later {self.next(entry)}"] = later[entry.key]
            if not {f"adjoint {name}" for name in inputs} <= {name for name, _ in self.moving}:
                raise UnreadableError("an input has no adjoint")
            for name, node in self.moving:
                now[name] = self.assigned(name, replace(self.meaning, values=now).of(node), True)
            later |= {name: now[f"later {name}"] for name in later}
            for name in inputs:
                made[name].append(now[f"adjoint {name}"].array)
        return {name: np.array(arrays[::-1]) for name, arrays in made.items()}

    def parameter_adjoints(self, steps: list[dict[str, Value]]) -> dict[str, Value]:
        """The adjoints of what all steps share; it may read forward values that all steps share as well."""
        values = {name: v for name, v in steps[-1].items() if not self.has_time(name)}
        for name, node in self.shared:
            meaning = replace(self.meaning, values=values, moments=tuple(steps))
            values[name] = self.assigned(name, meaning.of(node), True)
        return values
