"""Mathematics on web pages: it says what the LaTeX of the same tree says, and browsers can set it."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from random_cells import random_cell

from symrnn.derivation.reverse import derive
from symrnn.errors import EmissionError
from symrnn.mathematics.parts import Equation, Parts
from symrnn.mathematics.sections import derivation_parts
from symrnn.mathematics.style import Style
from symrnn.notation.breaking import flat, places, points
from symrnn.notation.characters import ACCENTS, ESCAPED, GREEK, NAMED_OPERATORS, SPACES
from symrnn.notation.nodes import Fence, Node, Row, Script, Stack, Word
from symrnn.notation.parsing import FACES, SYMBOLS, parsed
from symrnn.notation.prose import Code, Prose, Reference, say
from symrnn.notation.rendering.latex import latex
from symrnn.notation.rendering.mathml import inline_math
from symrnn.papers.lines import line_latex
from symrnn.papers.web.equation import equation_html
from symrnn.papers.web.prose import prose_html
from symrnn.zoo import SHIPPED

SIGNS = {
    "delta": "δ", "sigma": "σ", "Gamma": "Γ", "epsilon": "ϵ", "gamma": "γ", "beta": "β", "lambda": "λ",
    "alpha": "α", "eta": "η", "theta": "θ", "nabla": "∇", "langle": "⟨", "rangle": "⟩", "top": "⊤",
    "odot": "⊙", "partial": "∂", "sum": "∑", "le": "≤", "ge": "≥", "ne": "≠", "times": "×", "cdot": "⋅",
    "dots": "…", "lvert": "|", "rvert": "|", "mapsto": "↦", "infty": "∞",
    "quad": "", "qquad": "", "hat": "", "bar": "", "tilde": "",
    "dot": "", "ddot": "", "vec": "", "frac": "", "sqrt": "", "mathrm": "", "operatorname": "", "text": "",
    "mathbf": "", "mathcal": "", "mathbb": "", "mathtt": "", "land": "∧", "lor": "∨", "neg": "¬", "in": "∈",
    "ell": "ℓ", "mu": "μ", "phi": "ϕ", "tau": "τ", "zeta": "ζ", "kappa": "κ", "nu": "ν", "xi": "ξ", "pi": "π",
    "rho": "ρ", "upsilon": "υ", "chi": "χ", "psi": "ψ", "omega": "ω", "iota": "ι", "varphi": "φ",
    **{name: name for name in NAMED_OPERATORS},
}  # fmt: skip
"""What a command shows; nothing for those that only change their argument."""

SCRIPTS = re.compile(r"\^\{((?:[^{}]|\{[^{}]*\})*)\}_\{((?:[^{}]|\{[^{}]*\})*)\}")
MARKS = "˜ˆ¯˙¨\u20d7"
PLAIN = str.maketrans(dict.fromkeys("{}^_&~$ \u00a0" + MARKS) | {"-": "−", "'": "′"})
LETTERS = {"ℒ": "L", "ℝ": "R", "ℕ": "N", "𝟏": "1", "𝐞": "e", "″": "′′"}


def shown(node: Node) -> str:
    """The characters that a formula shows, in order, by rules that share nothing with the renderers."""
    text = SCRIPTS.sub(r"_{\2}^{\1}", latex(node))  # MathML has the lower one first
    text = re.sub(r"\\(bigg?|Bigg?)[lr]", "", text)
    text = re.sub(r"\\(begin|end)\{(\w+)\}", lambda m: {"bmatrix": {"begin": "[", "end": "]"}}.get(
        m[2], {"begin": "{" if m[2] != "cases" else r"\{", "end": "}"})[m[1]], text)  # fmt: skip
    text = re.sub(r"\\[,;:!\\ ]", "", text)
    text = re.sub(r"\\([{}])", lambda m: "⦃⦄"["{}".index(m[1])], text)
    text = re.sub(r"\\([A-Za-z]+) ?", lambda m: SIGNS[m[1]], text)
    return text.translate(PLAIN).translate(str.maketrans("⦃⦄", "{}"))


def told(mathml: str) -> str:
    """The characters that MathML shows, in order, without accents and the alphabets of its letters."""
    text = "".join(ElementTree.fromstring(mathml).itertext())
    for styled, plain in LETTERS.items():
        text = text.replace(styled, plain)
    return "".join(c for c in text if c not in "{}^_&~$ \u00a0" + MARKS or c in "{}")


def equations(parts: Parts) -> list[Equation]:
    return [e for section in (*parts.sections, parts.results) for p in section.passages for e in p.equations]


def assert_the_same(parts: Parts) -> None:
    for equation in equations(parts):
        made = equation_html(equation.left, equation.rights)
        assert told(made) == shown(equation.left) + "".join(f"={shown(right)}" for right in equation.rights)
    for row in parts.symbols:
        assert told(inline_math(row.symbol)) == shown(row.symbol)
        assert told(inline_math(row.shape)) == shown(row.shape)


@pytest.mark.parametrize("name", SHIPPED)
def test_equations_of_a_shipped_cell_say_what_the_paper_says(name: str) -> None:
    assert_the_same(derivation_parts(derive(SHIPPED[name])))


@pytest.mark.parametrize("name", ["gru", "lstm"])
@pytest.mark.parametrize(("time", "vectors"), [("subscript", "column"), ("superscript", "row")])
def test_equations_in_other_notations_say_what_the_paper_says(name: str, time: str, vectors: str) -> None:
    assert_the_same(derivation_parts(derive(SHIPPED[name]), Style(time, vectors)))


@pytest.mark.parametrize("seed", range(12))
def test_equations_of_a_random_cell_say_what_the_paper_says(seed: int) -> None:
    assert_the_same(derivation_parts(derive(random_cell(seed))))


# what browsers need


def tree(formula: str | Node) -> ElementTree.Element:
    """The row of a formula, without the `<math>` around it."""
    node = parsed(formula) if isinstance(formula, str) else formula
    math = ElementTree.fromstring(inline_math(node))
    return math[0] if len(math) == 1 and math[0].tag == "mrow" else math


def test_a_script_belongs_to_the_whole_matrix() -> None:
    [power] = tree(Script(Stack(((Word("a"),), (Word("b"),))), above=Word("⊤")))
    assert power.tag == "msup"
    assert [child.tag for child in power] == ["mrow", "mo"]
    assert [child.tag for child in power[0]] == ["mo", "mtable", "mo"]


@pytest.mark.parametrize("latex", [r"(\frac{a}{b})^{\!\top}", "(a)^{2}", "[a]_{hi}"])
def test_a_script_belongs_to_the_whole_bracket(latex: str) -> None:
    [scripted] = tree(latex)
    assert scripted.tag in ("msup", "msub")
    assert [mo.get("form") for mo in scripted[0].findall("mo")] == ["prefix", "postfix"]


def test_brackets_grow_with_a_fraction_and_with_nothing_else() -> None:
    wide, *_ = tree(r"(\frac{a}{b})")
    assert "stretchy" not in wide.attrib
    narrow, *_ = tree(Fence(Word("a"), least=1))
    assert narrow.get("stretchy") == "false"


@pytest.mark.parametrize(
    ("latex", "signs"),
    [
        ("-a - b", ["prefix", None]),
        ("(-a)", ["prefix"]),
        (r"\lvert -a \rvert", ["prefix"]),
        ("a = -b", ["prefix"]),
        (r"a \odot (-b)", ["prefix"]),
        (r"\lvert a \rvert - b", [None]),
        ("(a) - b", [None]),
        ("e^{-a}", ["prefix"]),
        (r"a^{\top} - b", [None]),
    ],
)
def test_a_sign_is_told_from_an_operator(latex: str, signs: list[str | None]) -> None:
    assert [mo.get("form") for mo in tree(latex).iter("mo") if mo.text == "−"] == signs


@pytest.mark.parametrize(
    ("latex", "text", "variant"),
    [
        (r"\mathrm{d}", "d", "normal"),
        (r"\mathrm{end}", "end", None),
        (r"\operatorname{diag}", "diag", None),
        (r"\mathbf{1}", "𝟏", None),
        (r"\mathbf{\Gamma}", "𝚪", None),
        (r"\mathfrak{C}", "ℭ", None),
        (r"\boldsymbol{\lambda}", "𝝀", None),
        (r"\mathcal{L}", "ℒ", None),
        (r"\mathbb{R}", "ℝ", None),
        (r"\Gamma", "Γ", "normal"),
        (r"\partial", "∂", None),
        (r"\top", "⊤", None),
    ],
)
def test_letters_are_those_of_the_paper(latex: str, text: str, variant: str | None) -> None:
    [letter] = [e for e in tree(latex).iter() if e.text]
    assert letter.tag in ("mi", "mn", "mo")
    assert (letter.text, letter.get("mathvariant")) == (text, variant)


def test_a_prime_is_not_raised_twice() -> None:
    letter, prime = tree(r"\sigma'")
    assert (letter.text, prime.text, prime.get("form")) == ("σ", "′", "postfix")


def test_names_of_functions_stand_apart_from_what_is_beside_them() -> None:
    assert [child.tag for child in tree(r"a \log b")] == ["mi", "mspace", "mi", "mspace", "mi"]
    assert [child.tag for child in tree(r"\log(b)")] == ["mi", "mrow"]
    assert [child.tag for child in tree(r"2 \tanh^{2}(b)")] == ["mn", "mspace", "msup", "mrow"]


@pytest.mark.parametrize("command", sorted(SYMBOLS | GREEK.keys() | {","}))
def test_every_symbol_of_a_name_has_a_form(command: str) -> None:
    made = tree(rf"a_{{\{command}}}")
    assert all("\\" not in (e.text or "") for e in made.iter())


@pytest.mark.parametrize("command", sorted(ACCENTS.keys() | FACES.keys()))
@pytest.mark.parametrize("inside", ["c", "word", "a 1"])
def test_every_accent_and_font_of_a_name_has_a_form(command: str, inside: str) -> None:
    made = inline_math(parsed(rf"\{command}{{{inside}}}_{{2}}^{{\langle t\rangle}}"))
    assert "\\" not in made
    assert "mathvariant" not in made.replace('mathvariant="normal"', "").replace("<mtext mathvariant", "")


@pytest.mark.parametrize("command", sorted((SPACES.keys() | ESCAPED.keys()) - {","}))
def test_every_escape_of_a_name_has_a_form(command: str) -> None:
    assert "\\" not in inline_math(parsed(rf"a\{command} b"))


def test_less_and_ampersand_are_escaped() -> None:
    assert "<mo>&lt;</mo>" in inline_math(parsed("a < b"))
    assert "<mi>&amp;</mi>" in inline_math(parsed(r"a \& b"))


# where a line may end


@pytest.mark.parametrize(
    ("formula", "pieces"),
    [
        ("a + b - c", ["a", "+ b", "- c"]),
        ("(a + b) - c", ["(a", "+ b)", "- c"]),
        ("(a + b)^{2} - c", ["(a", "+ b)^{2}", "- c"]),
        (r"[ a + b ]_{i} \odot c", ["[a", "+ b]_{i}", r"\odot c"]),
        (r"\frac{a + b}{c} + d", [r"\frac{a + b}{c}", "+ d"]),
        (r"\sqrt{a + b} + d", [r"\sqrt{a + b}", "+ d"]),
        (r"\tilde{a} b + c d", [r"\tilde{a} b", "+ c d"]),
        ("-a", ["-a"]),
        ("(-a) - b", ["(-a)", "- b"]),
    ],
)
def test_lines_end_before_operators_outside_braces(formula: str, pieces: list[str]) -> None:
    row = tuple(flat(parsed(formula)))
    ends = [0, *(place.position for place in places(row, list(map(points, row)), 0)), len(row)]
    made = [row[i:j] for i, j in pairwise(ends)]
    texts = [latex(Row(made[0])), *(line_latex(Row(piece), first=False) for piece in made[1:])]
    assert texts == pieces


def test_the_outermost_operators_break_first() -> None:
    long = r"\operatorname{diag}(" + r" \odot ".join(f"a_{{{i}}}" for i in range(12)) + ")"
    made = ElementTree.fromstring(equation_html(Word("x"), (parsed(f"{long} + {long}"),)))
    [side] = made.findall("span[@class='sides']/span")
    assert side.get("class") == "side cut"
    assert [piece.get("class") for piece in side] == ["piece cut", "piece cut"]
    first = side[1][0].find("math/mrow")
    assert first is not None
    assert (first[0].text, first[0].get("form")) == ("+", "infix")


def test_a_frame_is_a_row_with_a_class() -> None:
    """MathML Core has no frames: the page's style draws them."""
    assert inline_math(parsed(r"\boxed{a}^{2}")).startswith(
        '<math><msup><mrow class="framed"><mi>a</mi></mrow>'
    )
    assert inline_math(parsed(r"\boxed{a + b}")).startswith('<math><mrow class="framed"><mi>a</mi><mo>+</mo>')
    assert '<mo form="prefix">−</mo>' in inline_math(parsed(r"\boxed{-a}"))
    assert '<mo>−</mo><mrow class="framed">' in inline_math(parsed(r"a - \boxed{b}"))


def test_a_short_side_is_one_piece() -> None:
    made = ElementTree.fromstring(equation_html(Word("x"), (parsed("a + b"), Word("c"))))
    assert [side.get("class") for side in made.findall("span[@class='sides']/span")] == ["side", "side"]


# prose


def test_prose_is_words_mathematics_and_links() -> None:
    told = say("By {}, $a < b$ is {} so & so -- it's", Reference("eq:c.next"), Code("not"))
    made = prose_html(told, {"eq:c.next": "4"})
    assert made.startswith(
        'By <span class="together"><a class="ref" href="#eq-c-next">(4)</a>,</span> <math>'
    )
    assert made.endswith("</math> is <code>not</code> so &amp; so – it’s")


def test_a_reference_to_nothing_is_an_error() -> None:
    with pytest.raises(EmissionError, match="refers to the equation eq:x, which is not on the page"):
        prose_html(Prose(("by ", Reference("eq:x"))), {})
