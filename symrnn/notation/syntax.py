r"""What an author's LaTeX name may contain: one symbol of mathematics that TeX sets in any formula.

A name goes into documents as it stands, so that it must compile there and do nothing else: only the
commands in the tables below, balanced braces, at most one subscript and one superscript per symbol.
"""

import re

from symrnn.errors import DeclarationError

GREEK = frozenset(
    re.findall(
        r"\w+",
        """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi
    chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    """,
    )
)
"""Greek letters by their plain TeX names, which are also words of a quantity's name."""

ACCENTS_AND_FONTS = frozenset(
    re.findall(
        r"\w+",
        """
    acute bar breve check dot ddot grave hat mathring tilde vec overline underline widehat widetilde
    boldsymbol mathbb mathbf mathcal mathfrak mathit mathrm mathsf mathtt operatorname
    """,
    )
)
"""Commands that take one argument in braces."""

SYMBOLS = frozenset(
    re.findall(
        r"\w+",
        """
    varepsilon vartheta varphi varrho varsigma ell hbar imath jmath infty partial nabla prime star ast circ
    bullet cdot times odot oplus otimes pm mp dagger ddagger top bot perp parallel ldots cdots to gets
    leftarrow rightarrow uparrow downarrow
    """,
    )
)
"""Commands that stand alone."""

NAMED_OPERATORS = frozenset(
    re.findall(
        r"\w+", "arccos arcsin arctan cos cosh cot coth csc det exp ln log max min sec sin sinh tan tanh"
    )
)
"""Commands that stand alone and are set as the upright word they are."""

TEXT = frozenset(["text", "textrm", "textbf", "textit"])
"""Commands whose argument is words, not mathematics."""

SPACES = frozenset([",", ":", ";", "!", " "])
ESCAPED = frozenset(["{", "}", "|", "#", "%", "&", "_", "$"])

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
PLAIN_WORDS = re.compile(r"[A-Za-z0-9 .,:()+-]*")


def check_latex(latex: object, name: str) -> str | None:
    """`latex` if TeX can set it as one symbol, else an error that names the quantity."""
    if latex is None:
        return None
    if not isinstance(latex, str) or not latex.strip():
        raise DeclarationError(
            f"The LaTeX name of {name} is a non-empty string, not {latex!r}. "
            "Leave latex= out to have it made from the name."
        )
    fault = _fault(latex)
    if fault:
        raise DeclarationError(f"The LaTeX name {latex!r} of {name} {fault}")
    return latex


def _fault(latex: str) -> str:
    """What is wrong with `latex` and how to repair it, or nothing."""
    if not (latex.isascii() and latex.isprintable()):
        return "contains a character that TeX does not set in mathematics. Use printable ASCII and commands."
    tokens = TOKEN.findall(latex)
    return _token_fault(tokens) or _brace_fault(tokens) or _text_fault(tokens) or _script_fault(tokens)


def _token_fault(tokens: list[str]) -> str:
    known = GREEK | ACCENTS_AND_FONTS | SYMBOLS | NAMED_OPERATORS | TEXT | SPACES | ESCAPED
    for token in tokens:
        if token == "\\":
            return "ends in a backslash. Finish the command."
        if token.startswith("\\") and token[1:] not in known:
            return (
                f"contains the command {token}, which documents do not allow in a name. "
                "Allowed are Greek letters, accents, mathematical fonts, \\text and common symbols."
            )
        if token in "$%#&~":
            return (
                f"contains {token!r}, which ends mathematics or starts a comment in TeX. Leave it out "
                f"or escape it."
            )
    return ""


def _brace_fault(tokens: list[str]) -> str:
    depth = 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        if depth < 0:
            break
    return "has unbalanced braces. Give every { its }." if depth else ""


def _text_fault(tokens: list[str]) -> str:
    for position, token in enumerate(tokens):
        if token[1:] in TEXT and token.startswith("\\"):
            following = "".join(tokens[position + 1 :])
            inside = following[1:].partition("}")[0]
            if not following.startswith("{") or not PLAIN_WORDS.fullmatch(inside):
                return f"gives {token} something else than plain words in braces. Write {token}{{word}}."
    return ""


def _script_fault(tokens: list[str]) -> str:
    """Scripts without a symbol or an argument, and two of one kind on one symbol."""
    scripts: list[set[str]] = [set()]  # of the symbol at hand, one entry per open brace
    based = [False]
    wanted = ""  # the script or command whose argument comes next
    for token in tokens:
        if token in ("_", "^"):
            if wanted:
                return f"gives {wanted} no argument. Put it in braces."
            if not based[-1]:
                return f"puts {token} on nothing. Write the symbol first."
            if token in scripts[-1]:
                return (
                    f"has two {token} on one symbol, which TeX refuses. Join them in braces, as in a_{{b,c}}."
                )
            scripts[-1].add(token)
            wanted = token
        elif token == "{":
            if not wanted:
                scripts[-1], based[-1] = set(), True
            scripts.append(set())
            based.append(False)
            wanted = ""
        elif token == "}":
            if wanted:
                return f"gives {wanted} no argument. Put it in braces."
            scripts.pop()
            based.pop()
        elif token == "'":
            if wanted or not based[-1] or "^" in scripts[-1]:
                return "has a prime on nothing or after ^, which TeX refuses. Write a'^b or a^{b'}."
        elif token != " ":
            takes_argument = token[1:] in ACCENTS_AND_FONTS | TEXT and token.startswith("\\")
            if takes_argument:
                if wanted not in ("_", "^"):
                    scripts[-1], based[-1] = set(), True
                wanted = token
            elif wanted:
                wanted = ""
            else:
                scripts[-1], based[-1] = set(), True
    return f"gives {wanted} no argument. Put it in braces." if wanted else ""
