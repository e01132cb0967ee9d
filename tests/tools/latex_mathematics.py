r"""LaTeX mathematics read as a mathematician reads it: from the text to a tree. Nothing of symrnn is used.

The reader knows the signs that the documents print and raises `UnreadableError` on anything else; it never
guesses. Names come from a table of symbols, the longest first, so that W_{i} is a name and V_{ij} an element
of V where the table has it so. What a tree means is in `latex_values`.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from symrnn.declaration.operations import POINTWISE, VECTOR_FUNCTIONS

TOKEN = re.compile(
    r"\\text\{[^{}]*\}|\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\\\\*?|\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|\S", re.DOTALL
)
SPACING = re.compile(r"\\([bB]igg?[lr]?|[,!;: ]|q?quad|notag|displaystyle|limits)")
SPELLED = {function.facts.spelling.latex for function in (*POINTWISE, *VECTOR_FUNCTIONS)}
OPERATORS = ("sigmoid", *(text[14:-1] for text in SPELLED if text.startswith(r"\operatorname{")))
FUNCTIONS = tuple(text[1:] for text in SPELLED if text and not text.startswith(r"\operatorname{"))
RELATIONS = ("<", ">", "=", r"\le", r"\ge", r"\ne")
ENDS = frozenset([*RELATIONS, *"+-)]},&:", r"\rvert", r"\times", r"\\", ""])

Tokens: TypeAlias = tuple[str, ...]


class UnreadableError(Exception):
    """The text says something that a reader cannot know, or that has two meanings."""


@dataclass(frozen=True)
class Node:
    """A piece of mathematics: what it is, its parts, and a word or number that goes with it.

    `kind` is "number", "symbol", "sum" (with signs), "elementwise", "product", "bracket", "quotient", ...
    """

    kind: str
    parts: tuple["Node", ...] = ()
    word: str = ""
    number: float = 0.0
    words: tuple[str, ...] = ()


def tokens_of(text: str) -> Tokens:
    r"""The tokens of a formula, without spacing; the ^{...\top} of a transposed name becomes two marks."""
    found = [token for token in TOKEN.findall(text) if not SPACING.fullmatch(token)]
    made: list[str] = []
    for token in found:
        if token == "}" and made[-1:] == ["{"] and made[-2:-1] not in (["^"], ["_"]):
            made.pop()  # an empty group
        elif token == r"\top" and made[-2:] != ["^", "{"]:
            made += ["}", "^", "{", token]
        else:
            made.append(token)
    return tuple(made)


@dataclass(frozen=True)
class Grammar:
    """What the text has explained: names by their tokens, the signs of adjoints, of others, and of time."""

    names: Mapping[Tokens, str]
    delta: Tokens = (r"\delta",)
    explained: Collection[str] = ()
    time: str = "t"
    lengths: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        lengths = sorted({len(name) for name in self.names}, reverse=True)
        object.__setattr__(self, "lengths", tuple(lengths))

    def expression(self, tokens: Tokens) -> Node:
        """All of `tokens` as one expression."""
        return self._whole(tokens, Parser.expression)

    def _whole(self, tokens: Tokens, rule: Callable[["Parser"], Node]) -> Node:
        parser = Parser(self, tokens)
        made = rule(parser)
        if parser.here:
            raise UnreadableError(f"{parser.here} cannot stand in {' '.join(tokens)} after {parser.before()}")
        return made


class Parser:
    """A recursive descent over the tokens of one formula."""

    def __init__(self, grammar: Grammar, tokens: Tokens) -> None:
        self.grammar = grammar
        self.tokens = tokens
        self.at = 0

    @property
    def here(self) -> str:
        """The token at hand; empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def before(self) -> str:
        """What has been read, for an error."""
        return " ".join(self.tokens[max(0, self.at - 12) : self.at])

    def follows(self, *tokens: str) -> bool:
        """Whether these tokens are next; they are passed if so."""
        if self.tokens[self.at : self.at + len(tokens)] != tokens:
            return False
        self.at += len(tokens)
        return True

    def expect(self, *tokens: str) -> None:
        if not self.follows(*tokens):
            raise UnreadableError(f"{' '.join(tokens)} should follow {self.before()}, not {self.here!r}")

    def words(self) -> Tokens:
        """The tokens of a group without groups inside; it is passed."""
        self.expect("{")
        start = self.at
        while self.here not in ("}", ""):
            self.at += 1
        self.expect("}")
        return self.tokens[start : self.at - 1]

    # sums and products

    def expression(self) -> Node:
        """Terms with their signs."""
        terms, signs = [], []
        sign = "-" if self.follows("-") else "+"
        while True:
            terms.append(self.product())
            signs.append(sign)
            if self.here not in ("+", "-"):
                break
            sign = self.here
            self.at += 1
        return terms[0] if signs == ["+"] else Node("sum", tuple(terms), words=tuple(signs))

    def product(self) -> Node:
        r"""Factors side by side bind closer than those with \odot between them."""
        groups = [[self.factor()]]
        while self.here not in ENDS and not self.here.startswith((r"\end", r"\text")):
            if self.follows(r"\odot"):
                groups.append([self.factor()])
            elif self.follows("/"):
                groups[-1] = [Node("quotient", (beside(groups[-1]), self.factor()))]
            else:
                self.follows(r"\cdot")
                groups[-1].append(self.factor())
        made = tuple(beside(group) for group in groups)
        return made[0] if len(made) == 1 else Node("elementwise", made)

    def factor(self) -> Node:
        """An atom with what stands above and below it."""
        made = self.atom()
        while self.here in ("^", "_"):
            if self.follows("^", "{", r"\top", "}"):
                made = Node("transpose", (made,))
            elif self.follows("^"):
                made = Node("power", (made, self.group()))
            else:
                made = self.below(made)
        return made

    def below(self, of: Node) -> Node:
        """An element or a slice: letters, or first:last."""
        self.expect("_")
        start = self.at
        letters = self.words()
        if all(re.fullmatch("[a-z]", letter) for letter in letters):
            return Node("element", (of,), words=letters)
        self.at = start
        self.expect("{")
        first = self.expression()
        self.expect(":")
        made = Node("slice", (of, first, self.expression()))
        self.expect("}")
        return made

    def group(self) -> Node:
        self.expect("{")
        made = self.expression()
        self.expect("}")
        return made

    # atoms

    def name(self) -> str:
        """The longest name of the table that is next; empty if none is."""
        for length in self.grammar.lengths:
            found = self.grammar.names.get(self.tokens[self.at : self.at + length])
            if found is not None and self.at + length <= len(self.tokens):
                self.at += length
                return found
        return ""

    def atom(self) -> Node:
        name = self.name()
        if name:
            return Node("symbol", word=name)
        if self.follows(*self.grammar.delta):
            return self.adjoint()
        token = self.here
        self.at += 1
        if re.fullmatch(r"\d+(\.\d+)?", token):
            return Node("number", number=float(token))
        simple: dict[str, Callable[[], Node]] = {
            "(": lambda: self.closed("bracket", ")"),
            "{": lambda: self.closed("bracket", "}"),
            "[": self.square,
            r"\lvert": lambda: self.closed("absolute", r"\rvert"),
            r"\frac": self.fraction,
            r"\sqrt": lambda: Node("root", (self.group(),)),
            r"\sum": self.total,
            r"\begin{bmatrix}": self.stack,
            r"\begin{cases}": self.cases,
            r"\mathbf": self.bold,
            "I": self.identity,
            r"\pi": lambda: Node("number", number=math.pi),
            "e": self.exponential,
            r"\mathrm": self.upright,
            r"\operatorname": self.operator,
            r"\sigma": lambda: self.call(r"\sigma"),
        }
        if token in simple:
            return simple[token]()
        if token.removeprefix("\\") in FUNCTIONS:
            return self.call(token)
        self.at -= 1
        raise UnreadableError(f"{token or 'the end'} means nothing after {self.before()!r}")

    def adjoint(self) -> Node:
        """An adjoint: the sign, where it comes from, and the name."""
        kind = "adjoint"
        for word in ("later", "out"):
            if self.follows("_", "{", r"\mathrm", "{", *word, "}", "}"):
                kind = word
        name = self.name()
        if not name:
            raise UnreadableError(f"no name follows {self.before()}: {self.here!r}")
        return Node("symbol", word=f"{kind} {name}")

    def closed(self, kind: str, end: str) -> Node:
        made = Node(kind, (self.expression(),))
        self.expect(end)
        return made

    def fraction(self) -> Node:
        """A quotient, or the derivative of one quantity by another."""
        if not self.follows("{", r"\partial"):
            return Node("quotient", (self.group(), self.group()))
        above = self.name()
        self.expect("}", "{", r"\partial")
        below = self.name()
        self.expect("}")
        if not (above and below):
            raise UnreadableError(f"a derivative of what, by what? {self.before()}")
        return Node("derivative", words=(above, below))

    def explained(self, sign: str) -> None:
        if sign not in self.grammar.explained:
            raise UnreadableError(f"the document does not say what {sign} is")

    def square(self) -> Node:
        """A proposition that counts as 1 or 0, or an array made of its elements."""
        start = self.at
        try:
            condition = self.condition()
            self.expect("]")
        except UnreadableError:
            self.at = start
        else:
            self.explained("[]")
            return Node("truth", (condition,))
        body = self.expression()
        self.expect("]", "_")
        return Node("array", (body,), words=self.words())

    def condition(self) -> Node:
        """A comparison, or several in brackets with words between them."""
        if self.follows(r"\text{not }"):
            self.expect("(")
            inside = self.condition()
            self.expect(")")
            return Node("not", (inside,))
        start = self.at
        try:
            return self.compound()
        except UnreadableError:
            self.at = start
        left, relation = self.expression(), self.here
        if relation not in RELATIONS:
            raise UnreadableError(f"no relation follows {self.before()}")
        self.at += 1
        return Node("relation", (left, self.expression()), word=relation)

    def compound(self) -> Node:
        parts, words = [], set()
        while True:
            self.expect("(")
            parts.append(self.condition())
            self.expect(")")
            word = next((w for w in ("and", "or") if self.follows(rf"\text{{ {w} }}")), "")
            if not word:
                break
            words.add(word)
        if len(words) != 1:
            raise UnreadableError(f"no single word joins the conditions before {self.here!r}")
        return Node(words.pop(), tuple(parts))

    def total(self) -> Node:
        """A sum over time, or over indices; it reaches to the next plus or minus."""
        if self.follows("_", "{", self.grammar.time, "=", "1", "}", "^", "{", "T", "}"):
            return Node("over time", (self.product(),))
        self.expect("_")
        letters = tuple(token for token in self.words() if token != ",")
        return Node("over", (self.product(),), words=letters)

    def stack(self) -> Node:
        """Blocks, row by row."""
        rows = [[self.expression()]]
        while not self.follows(r"\end{bmatrix}"):
            if self.follows(r"\\"):
                rows.append([self.expression()])
            else:
                self.expect("&")
                rows[-1].append(self.expression())
        return Node("stack", tuple(Node("row", tuple(row)) for row in rows))

    def cases(self) -> Node:
        parts = []
        while True:
            parts.append(self.expression())
            self.expect(",", "&")
            if self.follows(r"\text{otherwise}"):
                break
            self.expect(r"\text{if }")
            parts.append(self.condition())
            self.expect(r"\\")
        self.expect(r"\end{cases}")
        return Node("cases", tuple(parts))

    def bold(self) -> Node:
        r"""An array of ones with its shape below, or a unit vector with its position below."""
        if self.follows("{", "1", "}", "_", "{"):
            self.explained("1")
            sizes = [self.expression()]
            while self.follows(r"\times"):
                sizes.append(self.expression())
            self.expect("}")
            return Node("ones", tuple(sizes))
        self.expect("{", "e", "}", "_", "{")
        self.explained("e")
        return self.closed("unit", "}")

    def identity(self) -> Node:
        self.expect("_")
        return Node("identity", (self.group(),))

    def upright(self) -> Node:
        """The number e where the letter is a name."""
        self.expect("{", "e", "}")
        return self.exponential()

    def exponential(self) -> Node:
        self.expect("^")
        return Node("call", (self.group(),), r"\exp")

    def operator(self) -> Node:
        word = "".join(self.words())
        if word == "tr":
            return Node("trace", (self.factor(),))
        if word == "diag":
            self.expect("(")
            return self.closed("diagonal", ")")
        if word not in OPERATORS:
            raise UnreadableError(f"the operator {word} means nothing")
        return self.call(word)

    def call(self, word: str) -> Node:
        r"""A function of what is in brackets; \tanh^{2}(a) is the square of \tanh(a)."""
        raised = self.group() if self.follows("^") else None
        self.expect("(")
        arguments = [self.expression()]
        while self.follows(","):
            arguments.append(self.expression())
        self.expect(")")
        of_vector = word == r"\max" and len(arguments) == 1
        if of_vector or word.removeprefix("\\") not in FUNCTIONS:
            self.explained(word)
        made = Node("call", tuple(arguments), word)
        return made if raised is None else Node("power", (made, raised))


def beside(factors: list[Node]) -> Node:
    """Factors that stand side by side."""
    return factors[0] if len(factors) == 1 else Node("product", tuple(factors))
