r"""A document of symrnn read by somebody who has nothing but its LaTeX text, and run with numbers.

`Document` finds the table of symbols, the equations and what the prose says of its signs; `run` goes
through time as the text tells it: forward for t = 1, ..., T, then the adjoints in printed order for
t = T, ..., 1, and the sums of the parameters. It shares nothing with symrnn: names, shapes and order are
those in print.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from latex_mathematics import Grammar, Node, Tokens, UnreadableError, tokens_of
from latex_values import Array, Meaning, UnknownError, Value, Values

Arrays: TypeAlias = dict[str, Array]

HEADING = re.compile(r"\\(?:section|subsection|subsubsection|paragraph|textbf)\*?\{([^{}]*?)\.?\}")
DISPLAY = re.compile(r"\\begin\{(align\*?)\}(.*?)\\end\{\1\}", re.DOTALL)
ROW = re.compile(r"^\$(.*)\$ & (.*) & \$(.*)\$ \\\\$", re.MULTILINE)
GROUP = re.compile(r"((?:\$[^$]*\$(?:, | and ))*\$[^$]*) \\in ([^$]*)\$ \((.*?)\)(?:;|\.$)", re.MULTILINE)
LOSS = re.compile(r"\$([^$]*) (\w)\$ is the derivative of \$\\mathcal\{L\}\$ by a quantity \$\2\$")
RESULTS = r"A step, for $%s = 1, \dots, T$:"
START = "At $%s = T$ that is what the loss takes directly from the final state, or zero"
BLOCKS = re.compile(r"\$([^$]*?) = \\begin\{bmatrix\} ([^$]*?) \\end\{bmatrix\}\$")
FUNCTION = re.compile(r"\$(\\sigma|\\operatorname\{\w+\})\((\w)\) = ([^$]*)\$")
SMALL = re.compile(r"\\text\{\\(?:small|footnotesize|scriptsize|tiny)\$\\displaystyle ([^$]*)\$\}")
TIME = re.compile(r"A (super|sub)script \$(?:\\langle )?(\\?\w+?)(?:\\rangle)?\$ is the time step")

SIGNS = {
    "[]": re.compile(r"\$\[\w\]\$ is \$1\$ where \$\w\$ holds and \$0\$ elsewhere"),
    "1": re.compile(r"\$\\mathbf\{1\}\$ is an array of ones"),
    "e": re.compile(
        r"\$\\mathbf\{e\}_\{(\w)\}\$ is \$1\$ at position \$\1\$, counted from \$0\$, and \$0\$ else"
    ),
    r"\max": re.compile(r"\$\\max\(\w\)\$ of one vector is its largest element"),
    "sign": re.compile(r"\$\\operatorname\{sign\}\(\w\)\$ is \$-1\$, \$0\$ or \$1\$"),
    "softmax": re.compile(
        r"\$\\operatorname\{softmax\}\((\w)\)_(\w) = e\^\{\1_\2\} / \\sum_(\w) e\^\{\1_\3\}\$"
    ),
    "logsumexp": re.compile(r"\$\\operatorname\{logsumexp\}\((\w)\) = \\log \\sum_(\w) e\^\{\1_\2\}\$"),
}
"""What the prose must say before a sign may be used."""


@dataclass(frozen=True)
class Entry:
    """A line of the table of symbols."""

    name: Tokens
    meaning: str
    space: str

    @property
    def key(self) -> str:
        """The name as text."""
        return " ".join(self.name)


@dataclass(frozen=True)
class Equation:
    """A left side and what it equals, one right side after the other."""

    left: Tokens
    rights: tuple[Tokens, ...]


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


def replaced(tokens: Tokens, old: Tokens, new: Tokens) -> Tokens:
    """`tokens` with the last run `old` in them replaced; unchanged if there is none."""
    for at in range(len(tokens) - len(old), -1, -1):
        if tokens[at : at + len(old)] == old:
            return (*tokens[:at], *new, *tokens[at + len(old) :])
    return tokens


def unfitted(text: str) -> str:
    r"""The text without \fitted{...} and changes of size around formulas."""
    text = SMALL.sub(lambda found: found[1], text)
    while r"\fitted{" in text:
        before, _, rest = text.partition(r"\fitted{")
        depth, end = 1, 0
        while depth:
            depth += (rest[end] == "{") - (rest[end] == "}")
            end += 1
        text = before + rest[: end - 1] + rest[end:]
    return text


def outermost(row: list[str]) -> int:
    """Where the alignment sign of a line is, outside all environments."""
    depth = 0
    for at, token in enumerate(row):
        depth += token.startswith(r"\begin") - token.startswith(r"\end")
        if token == "&" and not depth:
            return at
    raise UnreadableError(f"the line {' '.join(row)} has no alignment sign")


def equations_of(display: str) -> Iterator[Equation]:
    """The equations of an align environment; a line that starts at its sign goes on with the one before."""
    rows: list[list[str]] = [[]]
    depth = 0
    for token in tokens_of(re.sub(r"\\label\{[^}]*\}", "", display)):
        depth += token.startswith(r"\begin") - token.startswith(r"\end")
        if token in (r"\\", r"\\*") and not depth:
            rows.append([])
        else:
            rows[-1].append(token)
    found: list[tuple[Tokens, list[Tokens]]] = []
    for row in rows:
        at = outermost(row)
        left, right = tuple(row[:at]), tuple(row[at + 1 :])
        if right[:1] != ("=",):
            _, rights = found[-1]
            rights[-1] += right
        elif left:
            found.append((left, [right[1:]]))
        else:
            found[-1][1].append(right[1:])
    return (Equation(left, tuple(rights)) for left, rights in found)


@dataclass(frozen=True)
class Document:
    """A document, or a fragment; `table` stands in for the symbols where the text has none of its own."""

    source: str
    table: tuple[Entry, ...] = field(default=())

    @cached_property
    def text(self) -> str:
        """The text without comments and changes of size."""
        return unfitted(re.sub(r"(?m)^%.*$", "", self.source))

    @cached_property
    def sections(self) -> dict[str, str]:
        """The text below each heading."""
        pieces = HEADING.split(self.text)
        return dict(zip(pieces[1::2], pieces[2::2], strict=True))

    @cached_property
    def symbols(self) -> tuple[Entry, ...]:
        """The table of symbols, or the sentence that stands for it."""
        made = [Entry(tokens_of(name), meaning, space) for name, meaning, space in ROW.findall(self.text)]
        sentence = self.text.partition("The symbols are ")[2].partition("\n")[0]
        for names, space, meaning in GROUP.findall(sentence):
            made += [Entry(tokens_of(n), meaning, space) for n in re.split(r"\$(?:, | and )\$", names[1:])]
        if len({entry.name for entry in made}) < len(made):
            raise UnreadableError("two symbols of the table have one name")
        return tuple(made) or self.table

    @cached_property
    def told_and_results(self) -> tuple[str, str]:
        """The text before all results, and the results."""
        told, mark, results = self.text.rpartition(RESULTS % self.time[1])
        return (told, results) if mark else (self.text, "")

    def called(self, *meanings: str) -> list[Entry]:
        """The symbols whose meaning starts like this, in singular or plural, in order."""
        singular = {entry: re.sub(r"^(\w+)s\b", r"\1", entry.meaning) for entry in self.symbols}
        return [entry for entry in self.symbols if singular[entry].startswith(meanings)]

    @cached_property
    def rows(self) -> bool:
        """Whether vectors are rows."""
        columns, rows = ("Vectors are columns" in self.text), ("Vectors are rows" in self.text)
        if columns == rows:
            raise UnreadableError("the document does not say whether vectors are columns or rows")
        return rows

    @cached_property
    def time(self) -> tuple[str, str]:
        """Where the time stands, "super" or "sub", and its letter."""
        found = set(TIME.findall(self.text))
        if len(found) != 1:
            raise UnreadableError("the document does not say where the time stands")
        return found.pop()

    @property
    def before(self) -> Tokens:
        """The time of the step before."""
        return self.time[1], "-", "1"

    @property
    def time_below(self) -> bool:
        """Whether the time is a subscript."""
        return self.time[0] == "sub"

    @cached_property
    def delta(self) -> Tokens:
        r"""The sign of adjoints, from its definition as \partial\mathcal{L} / \partial q."""
        loss = tokens_of(r"\mathcal{L}")
        for equation in self.displayed(self.text):
            (right, *_) = equation.rights
            if right[:-2] == (r"\frac", "{", r"\partial", *loss, "}", "{", r"\partial"):
                return equation.left[:-1]
        found = LOSS.search(self.text)
        if found is None:
            raise UnreadableError("the document does not define the sign of adjoints")
        return tokens_of(found[1])

    @cached_property
    def output(self) -> Tokens:
        """The output's name."""
        found = re.search(r"is what the loss takes directly from the output \$([^$]*)\$ of step", self.text)
        if found is None:
            raise UnreadableError("the document does not name the output")
        return tokens_of(found[1])

    @cached_property
    def grammar(self) -> Grammar:
        """Names and signs as the document explains them."""
        names = {entry.name: entry.key for entry in self.symbols}
        names |= {name: " ".join(name) for row in self.block_names.values() for name in row}
        return Grammar(names, self.delta, {*self.functions, *self.signs}, self.time[1])

    @cached_property
    def trees(self) -> dict[Tokens, Node]:
        """The formulas that have been read so far."""
        return {}

    def tree(self, tokens: Tokens) -> Node:
        """A formula as a tree."""
        if tokens not in self.trees:
            self.trees[tokens] = self.grammar.expression(tokens)
        return self.trees[tokens]

    @cached_property
    def signs(self) -> list[str]:
        return [sign for sign, words in SIGNS.items() if words.search(self.text)]

    @cached_property
    def functions(self) -> dict[str, tuple[str, Node]]:
        """The functions that the prose defines by a formula."""
        made: dict[str, tuple[str, Node]] = {}
        for name, argument, formula in FUNCTION.findall(self.text):
            grammar = Grammar({(argument,): argument})
            word = name.removeprefix(r"\operatorname{").removesuffix("}")
            if not SIGNS.get(word, re.compile(r"\b\B")).search(self.text):
                made[word] = argument, grammar.expression(tokens_of(formula))
        return made

    @cached_property
    def block_names(self) -> dict[Tokens, list[Tokens]]:
        """For each matrix the names of its column blocks, from the left."""
        return {
            tokens_of(matrix): [tokens_of(name) for name in row.split(" & ")]
            for matrix, row in BLOCKS.findall(self.text)
        }

    def displayed(self, text: str) -> list[Equation]:
        """The displayed equations of a piece of text."""
        return [equation for _, inside in DISPLAY.findall(text) for equation in equations_of(inside)]

    @cached_property
    def splits(self) -> list[Equation]:
        """The equations that split the product of a matrix with a stack."""
        told = self.displayed(self.told_and_results[0])
        return [equation for equation in told if r"\begin{bmatrix}" in equation.left]

    def equations(self, part: str) -> tuple[list[Equation], list[Equation]]:
        """What is computed forward, and all adjoints: as told step by step ("body"), or in the "results"."""
        if part == "results":
            found = self.displayed(self.told_and_results[1])
        else:
            names = ("Forward pass", "Backward pass", "Parameters")
            found = [e for name in names for e in self.displayed(self.sections.get(name, ""))]
        splits = {equation.left for equation in self.splits}
        found = [e for e in found if e.left not in splits and r"\mathcal" not in e.rights[0]]
        size = len(self.delta)
        forward = [equation for equation in found if equation.left[:size] != self.delta]
        return forward, [equation for equation in found if equation.left[:size] == self.delta]

    def ends_in_the_loss(self, state: Entry) -> bool:
        """Whether the text says what is handed back to a state's last value, if it says so of any."""
        text = self.sections.get("The recursion over time")
        if text is None:
            return START % self.time[1] in self.text
        name = replaced(state.name, self.before, ("T",))
        left = (*self.delta, *tokens_of(r"_{\mathrm{later}}"), *name)
        right = (*tokens_of(r"\frac{\partial \mathcal{L}_{\mathrm{end}}}"), "{", r"\partial", *name, "}")
        return Equation(left, (right,)) in self.displayed(text)

    def run(self, given: Given, part: str) -> Answer:
        """Forward and backward through time with the equations of the "body" or of the "results"."""
        return Run(self, given, *self.equations(part)).answer()


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

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every symbol of the table."""
        made = {}
        grammar = Grammar({entry.name: entry.key for entry in self.document.called("size")})
        sizes = Meaning({name: Value(np.asarray(float(n))) for name, n in self.given.sizes.items()})
        for entry in self.document.symbols:
            found = re.fullmatch(r"\\mathbb\{R\}(?:\^\{(.*)\})?", entry.space)
            lengths = found[1].split(r"\times") if found is not None and found[1] else []
            made[entry.key] = tuple(sizes.number(grammar.expression(tokens_of(n))) for n in lengths)
        return made

    @cached_property
    def classes(self) -> dict[str, int]:
        """The number of classes of every symbol that is a class: 0, ..., last."""
        made = {}
        grammar = Grammar({entry.name: entry.key for entry in self.document.called("size")})
        sizes = Meaning({name: Value(np.asarray(float(n))) for name, n in self.given.sizes.items()})
        for entry in self.document.symbols:
            found = re.fullmatch(r"\\\{0, \\dots, (.*)\\\}", entry.space)
            if found is not None:
                made[entry.key] = sizes.number(grammar.expression(tokens_of(found[1]))) + 1
        return made

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
