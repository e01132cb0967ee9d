r"""A document of symrnn read by somebody who has nothing but its LaTeX text.

`Document` finds the table of symbols, the equations and what the prose says of its signs. It shares nothing
with symrnn: names, shapes and order are those in print.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from latex_mathematics import Grammar, Node, Tokens, UnreadableError, tokens_of
from latex_values import Array

from symrnn.declaration.operations import POINTWISE, VECTOR_FUNCTIONS

Arrays: TypeAlias = dict[str, Array]

HEADING = re.compile(r"\\(?:section|subsection|subsubsection|paragraph|textbf)\*?\{([^{}]*?)\.?\}")
DISPLAY = re.compile(r"(?<!the values of\n)\\begin\{(align\*?)\}(.*?)\\end\{\1\}", re.DOTALL)
ROW = re.compile(r"^\$(.*)\$ & (.*) & \$(.*)\$ \\\\$", re.MULTILINE)
GROUP = re.compile(r"((?:\$[^$]*\$(?:, | and ))*\$[^$]*) \\in ([^$]*)\$ \((.*?)\)(?:;|\.$)", re.MULTILINE)
LOSS = re.compile(r"\$([^$]*) (\w)\$ is the derivative of \$\\mathcal\{L\}\$ by a quantity \$\2\$")
RESULTS = r"A step, for $%s = 1, \dots, T$:"
START = "At $%s = T$ that is what the loss takes directly from the final state, or zero"
BLOCKS = re.compile(r"\$([^$]*?) = \\begin\{bmatrix\} ([^$]*?) \\end\{bmatrix\}\$")
FUNCTION = re.compile(r"\$(\\sigma|\\operatorname\{\w+\})\((\w)\) = ([^$]*)\$")
SMALL = re.compile(r"\\text\{\\(?:small|footnotesize|scriptsize|tiny)\$\\displaystyle ([^$]*)\$\}")
TIME = re.compile(r"A (super|sub)script \$(?:\\langle ?)?(\\?\w+?)(?:\\rangle)?\$ is the time step")

E = r"(?:e|\\mathrm\{e\})"
SIGNS = {
    **{  # a reader knows what an integral is, and what words say
        function.facts.spelling.latex.removeprefix(r"\operatorname{").removesuffix("}"): re.compile(
            re.sub("<[aq]>", r"\\w", re.escape(told)).replace(r"e\^", E + r"\^")
        )
        for function in (*POINTWISE, *VECTOR_FUNCTIONS)
        if (told := function.facts.words.definition) and (r"\int" in told or "$ is " in told)
    },
    "[]": re.compile(r"\$\[\w\]\$ is \$1\$ where \$\w\$ holds and \$0\$ elsewhere"),
    "1": re.compile(r"\$\\mathbf\{1\}\$ is an array of ones"),
    "e": re.compile(
        r"\$\\mathbf\{e\}_\{(\w)\}\$ is \$1\$ at position \$\1\$, counted from \$0\$, and \$0\$ else"
    ),
    r"\max": re.compile(r"\$\\max\(\w\)\$ of one vector is its largest element"),
    "sign": re.compile(r"\$\\operatorname\{sign\}\(\w\)\$ is \$-1\$, \$0\$ or \$1\$"),
    "softmax": re.compile(
        r"\$\\operatorname\{softmax\}\((\w)\)_\{(\w)\} = "
        + E
        + r"\^\{\1_\{\2\}\}/\\sum_\{(\w)\} "
        + E
        + r"\^\{\1_\{\3\}\}\$"
    ),
    "logsumexp": re.compile(
        r"\$\\operatorname\{logsumexp\}\((\w)\) = \\log \\sum_\{(\w)\} " + E + r"\^\{\1_\{\2\}\}\$"
    ),
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


def replaced(tokens: Tokens, old: Tokens, new: Tokens) -> Tokens:
    """`tokens` with the last run `old` in them replaced; unchanged if there is none."""
    for at in range(len(tokens) - len(old), -1, -1):
        if tokens[at : at + len(old)] == old:
            return (*tokens[:at], *new, *tokens[at + len(old) :])
    return tokens


def unfitted(text: str) -> str:
    r"""The text without \fitted{340pt}{...} and changes of size around formulas."""
    text = SMALL.sub(lambda found: found[1], text)
    text = re.sub(r"\\fitted\{\d+pt\}", r"\\fitted", text)
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
        if right[:1] == ("=",) and left:
            found.append((left, [right[1:]]))
        elif not found or left:
            raise UnreadableError(f"the line {' '.join(row)} is part of no equation")
        elif right[:1] == ("=",):
            found[-1][1].append(right[1:])
        else:
            found[-1][1][-1] += right
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
