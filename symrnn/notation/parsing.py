r"""What an author wrote in LaTeX, as a tree: names of quantities, and formulas in the words about functions.

A name goes into documents, so that it must be one symbol of mathematics that TeX sets in any formula: only
the commands of the tables, balanced braces, at most one subscript and one superscript per symbol.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from symrnn.errors import DeclarationError
from symrnn.notation.building import row
from symrnn.notation.characters import (
    ACCENTS,
    CHARACTER,
    ESCAPED,
    GREEK,
    LETTERS,
    NAMED_OPERATORS,
    OPERATORS,
    SAME,
    SIGNS,
    SPACES,
    WIDE_SPACES,
)
from symrnn.notation.nodes import (
    TEXTS,
    Accent,
    BigOperator,
    Face,
    Fence,
    Fraction,
    Mark,
    Node,
    Number,
    Root,
    Row,
    Script,
    Sign,
    Space,
    Word,
)

FACES = {face.value: face for face in Face if face} | {"textrm": Face.TEXT}
"""Commands that take letters in braces and set them in a face."""
TEXT = frozenset(name for name, face in FACES.items() if face in TEXTS)
"""Those whose argument is words, not mathematics."""
SYMBOLS = frozenset([*LETTERS, *SIGNS, *SAME]) - {"dots"}
ALLOWED = frozenset([*GREEK, *SYMBOLS, *NAMED_OPERATORS, *ACCENTS, *FACES, *SPACES, *ESCAPED])
"""The commands of a name."""

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
PLAIN_WORDS = re.compile(r"[A-Za-z0-9 .,:()+-]*")
PLAIN = re.compile(r"[A-Za-z0-9 .,:+*/-]*")
PAIRS = {"(": ")", "[": "]", r"\langle": r"\rangle", r"\lvert": r"\rvert", r"\lVert": r"\rVert"}
BIG_OPERATORS = {r"\sum": "∑", r"\int": "∫"}
SCRIPTS = ("_", "^")


class _FaultError(Exception):
    """What is wrong with a text, and how to repair it."""


def check_latex(latex: object, name: str) -> str | None:
    """`latex` if TeX can set it as one symbol, else an error that names the quantity."""
    if latex is None:
        return None
    if not isinstance(latex, str) or not latex.strip():
        raise DeclarationError(
            f"The LaTeX name of {name} is a non-empty string, not {latex!r}. "
            "Leave latex= out to have it made from the name."
        )
    try:
        _require_allowed(latex)
        parsed(latex)
    except _FaultError as fault:
        raise DeclarationError(f"The LaTeX name {latex!r} of {name} {fault}") from None
    return latex


def _require_allowed(latex: str) -> None:
    """Raise what is wrong with the characters and commands of a name."""
    if not (latex.isascii() and latex.isprintable()):
        raise _FaultError(
            "contains a character that TeX does not set in mathematics. Use printable ASCII and commands."
        )
    for token in TOKEN.findall(latex):
        if token == "\\":
            raise _FaultError("ends in a backslash. Finish the command.")
        if token.startswith("\\") and token[1:] not in ALLOWED:
            raise _FaultError(
                f"contains the command {token}, which documents do not allow in a name. "
                "Allowed are Greek letters, accents, mathematical fonts, \\text and common symbols."
            )
        if token in "$%#&~":
            raise _FaultError(
                f"contains {token!r}, which ends mathematics or starts a comment in TeX. Leave it out "
                f"or escape it."
            )


@lru_cache(maxsize=4096)
def parsed(latex: str) -> Node:
    """The tree of a name or a formula."""
    reader = _Reader(TOKEN.findall(latex))
    made = reader.row(Face.ITALIC)
    if reader.at < len(reader.tokens):
        raise _FaultError("has unbalanced braces. Give every { its }.")
    return made


@dataclass(slots=True)
class _Reader:
    """Reads tokens from `at` on."""

    tokens: list[str]
    at: int = 0

    def peek(self) -> str:
        """The next token that is no space; nothing at the end."""
        while self.at < len(self.tokens) and self.tokens[self.at] == " ":
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def row(self, face: Face, closing: str = "") -> Node:
        """The nodes up to a closing token or brace, which is left to be read."""
        items: list[Node] = []
        while (token := self.peek()) not in ("", "}", closing):
            items.append(self.scripted(self.first(token, face), face))
        return row(*(item for item in items if item != Row(())))

    def first(self, token: str, face: Face) -> Node:
        """A symbol, which has no scripts yet."""
        if token in SCRIPTS:
            raise _FaultError(f"puts {token} on nothing. Write the symbol first.")
        if token == "'":
            raise _prime_fault()
        self.at += 1
        return self.symbol(token, face)

    def scripted(self, base: Node, face: Face) -> Node:
        """A symbol with the scripts and primes that follow it."""
        found: dict[str, Node] = {}
        primes = 0
        while (token := self.peek()) in ("_", "^", "'") and token:
            self.at += 1
            if token == "'":
                if "^" in found:
                    raise _prime_fault()
                primes += 1
            elif token in found:
                raise _FaultError(
                    f"has two {token} on one symbol, which TeX refuses. Join them in braces, as in a_{{b,c}}."
                )
            else:
                found[token] = self.argument(token, face)
        if isinstance(base, BigOperator):
            return BigOperator(base.sign, found.get("_"), found.get("^"))
        return Script(base, found.get("_"), found.get("^"), primes) if found or primes else base

    def argument(self, of: str, face: Face) -> Node:
        """What a script or a command applies to: a group in braces or one symbol."""
        token = self.peek()
        if token == "'":
            raise _prime_fault()
        if token in ("", "}", *SCRIPTS):
            raise _FaultError(f"gives {of} no argument. Put it in braces.")
        self.at += 1
        if token == "{" and self.peek() == "}":
            self.at += 1
            return Row(())
        return self.symbol(token, face)

    def symbol(self, token: str, face: Face) -> Node:
        if token == "{":
            return self.group(face)
        if token in PAIRS:
            return self.pair(token, face)
        return self.command(token, face) if token.startswith("\\") else self.character(token, face)

    def group(self, face: Face) -> Node:
        """What is in braces, the first of which is read."""
        made = self.row(face)
        if self.peek() != "}":
            raise _FaultError("has unbalanced braces. Give every { its }.")
        self.at += 1
        return made

    def pair(self, token: str, face: Face) -> Node:
        """What is between brackets; one without its other half is a sign."""
        left, closing = CHARACTER.get(token[1:], token), PAIRS[token]
        if not self.closes(token):
            return Word(left)
        inside = self.row(face, closing)
        self.at += 1
        return Fence(inside, left, CHARACTER.get(closing[1:], closing))

    def closes(self, token: str) -> bool:
        """Whether the other half of a bracket comes in the group that is being read."""
        brackets, braces = 1, 0
        for following in self.tokens[self.at :]:
            brackets += ((following == token) - (following == PAIRS[token])) * (not braces)
            braces += (following == "{") - (following == "}")
            if not brackets or braces < 0:
                break
        return not brackets

    def character(self, token: str, face: Face) -> Node:
        if token.isdigit() and not face:
            while self.at < len(self.tokens) and re.fullmatch("[0-9.]", self.tokens[self.at]):
                token += self.tokens[self.at]
                self.at += 1
            return Number(token)
        character = token.replace("-", "−")
        return Sign(character) if character in OPERATORS else Word(character, face)

    def command(self, token: str, face: Face) -> Node:
        name = token[1:]
        if name in CHARACTER:
            character = CHARACTER[name]
            return Sign(character) if character in OPERATORS else Word(character, face)
        if name in FACES:
            return self.faced(token, FACES[name])
        if name in ACCENTS:
            return Accent(name, self.argument(token, face))
        if name in NAMED_OPERATORS:
            return Word(name, Face.NAME)
        if name in SPACES or name in WIDE_SPACES:
            return Space((SPACES | WIDE_SPACES)[name])
        return self.structure(token, face)

    def structure(self, token: str, face: Face) -> Node:
        """What formulas have and names do not."""
        if token in BIG_OPERATORS:
            return BigOperator(BIG_OPERATORS[token])
        if token == r"\frac":
            return Fraction(self.argument(token, face), self.argument(token, face))
        if token == r"\sqrt":
            return Root(self.argument(token, face))
        if token == r"\boxed":
            return Mark(self.argument(token, face))
        return Word(ESCAPED[token[1:]], face)

    def faced(self, token: str, face: Face) -> Node:
        """Letters in a face: one word where they are letters alone."""
        if self.peek() == "{":
            end = self.tokens.index("}", self.at) if "}" in self.tokens[self.at :] else self.at
            inside = "".join(self.tokens[self.at + 1 : end])
            if face in TEXTS and not PLAIN_WORDS.fullmatch(inside):
                raise _text_fault(token)
            if inside and end > self.at and (face in TEXTS or PLAIN.fullmatch(inside)):
                self.at = end + 1
                letter = face == Face.NAME and len(inside) == 1
                return Word(
                    inside if face in TEXTS else inside.replace(" ", ""), Face.UPRIGHT if letter else face
                )
        elif face in TEXTS:
            raise _text_fault(token)
        return self.argument(token, face)


def _text_fault(token: str) -> _FaultError:
    return _FaultError(f"gives {token} something else than plain words in braces. Write {token}{{word}}.")


def _prime_fault() -> _FaultError:
    return _FaultError("has a prime on nothing or after ^, which TeX refuses. Write a'^b or a^{b'}.")
