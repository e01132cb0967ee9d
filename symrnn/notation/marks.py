r"""Marks on a name: the time above or below it, brackets around it, without two scripts on one symbol."""

import re
from fractions import Fraction

TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|.", re.DOTALL)
WORDS = frozenset(rf"\{font}" for font in ("mathrm", "operatorname", "text", "textrm", "textbf", "textit"))


def superscript(name: str, above: str) -> str:
    """A name with something above; a name that has a superscript or a prime already gets braces."""
    depth = 0
    for character in name:
        if character in "^'" and depth == 0:
            # An empty atom first: TeX drops the braces around a lone accent, and the scripts would meet.
            return f"{{{{}}{name}}}^{{{above}}}"
        depth += (character == "{") - (character == "}")
    return f"{name}^{{{above}}}"


def subscript(name: str, below: str) -> str:
    """A name with something below: after a comma if it has a subscript, before its superscripts or primes."""
    tokens = TOKEN.findall(name)
    held: tuple[int, int] | None = None
    scripts = position = 0
    while position < len(tokens):
        token = tokens[position]
        end = _argument(tokens, position + 1) if token in ("_", "^") else position + 1
        if token == "_":
            held = (position, end)
        elif token == "{":
            end = _argument(tokens, position)
        if token in ("_", "^", "'"):
            scripts = scripts or position
        elif not token.isspace():  # another symbol, which has no scripts so far
            held, scripts = None, 0
        position = end
    if held is not None:
        inside = "".join(tokens[held[0] + 1 : held[1]])
        inside = inside[1:-1] if inside.startswith("{") else inside
        return f"{''.join(tokens[: held[0]])}_{{{inside},{below}}}{''.join(tokens[held[1] :])}"
    at = scripts or len(tokens)
    return f"{''.join(tokens[:at]).rstrip()}_{{{below}}}{''.join(tokens[at:])}"


def _argument(tokens: list[str], position: int) -> int:
    """Where the argument that starts at `position` ends: a group, a command with its group, or a token."""
    if (
        position < len(tokens)
        and tokens[position].startswith("\\")
        and tokens[position + 1 : position + 2] == ["{"]
    ):
        position += 1
    if position >= len(tokens) or tokens[position] != "{":
        return position + 1
    depth = 0
    for at in range(position, len(tokens)):
        depth += (tokens[at] == "{") - (tokens[at] == "}")
        if depth == 0:
            return at + 1
    return len(tokens)


def decimal(number: float) -> str:
    """A number in as few digits as are that number, or the fraction that it is; powers of ten are set."""
    text = f"{number:.10g}"
    if abs(float(text) - number) > 1e-15 * abs(number):
        ratio = Fraction(number).limit_denominator(9999)
        if abs(float(ratio) - number) <= 1e-15 * abs(number):
            return rf"{'-' * (ratio < 0)}\frac{{{abs(ratio.numerator)}}}{{{ratio.denominator}}}"
        text = repr(number)
    digits, mark, exponent = text.partition("e")
    return rf"{digits}\cdot 10^{{{int(exponent)}}}" if mark else text


def letters_of(name: str) -> set[str]:
    """The letters and commands that a name is made of, those in its scripts left out."""
    tokens, found, position = TOKEN.findall(name), set(), 0
    while position < len(tokens):
        token = tokens[position]
        if token in ("_", "^"):
            position = _argument(tokens, position + 1)
            continue
        if token in WORDS:
            end = _argument(tokens, position)
            word = "".join(tokens[position + 1 : end]).strip("{}")
            found.add(word if len(word) == 1 else "")
            position = end
            continue
        if token not in "{}'" and not token.isspace():
            found.add(token.lstrip("\\"))
        position += 1
    return found - {""}


def in_brackets(text: str) -> bool:
    r"""Whether `text` begins with a bracket of whatever size, or that of a stack; `\beta` is none."""
    return text.startswith(("(", r"\bigl", r"\Bigl", r"\biggl", r"\Biggl", r"\begin"))


def bracketed(text: str) -> str:
    r"""`text` in round brackets as large as it needs, of explicit size so that a line may end inside."""
    rows = max((part.count(r"\\") + 1 for part in text.split(r"\begin{")[1:]), default=1)
    if rows > 2:
        size = r"\Bigg"
    elif rows == 2 or r"\sum" in text:
        size = r"\bigg"
    elif r"\frac" in text:
        size = r"\Big"
    elif "(" in text:
        size = r"\big"
    else:
        return f"({text})"
    return f"{size}l({text}{size}r)"
