"""The characters of mathematics and TeX's commands for them, once for all who read or set them."""

import re


def _table(text: str) -> dict[str, str]:
    """Pairs of a command and its character."""
    return dict(re.findall(r"(\S+) (\S)", text))


GREEK = _table(
    """
    alpha α  beta β  gamma γ  delta δ  epsilon ϵ  zeta ζ  eta η  theta θ  iota ι  kappa κ  lambda λ  mu μ
    nu ν  xi ξ  pi π  rho ρ  sigma σ  tau τ  upsilon υ  phi ϕ  chi χ  psi ψ  omega ω  Gamma Γ  Delta Δ
    Theta Θ  Lambda Λ  Xi Ξ  Pi Π  Sigma Σ  Upsilon Υ  Phi Φ  Psi Ψ  Omega Ω
    """
)
"""Greek letters by their plain TeX names, which are also words of a quantity's name."""

LETTERS = _table(
    """
    varepsilon ε  vartheta ϑ  varphi φ  varrho ϱ  varsigma ς  ell ℓ  hbar ℏ  imath ı  jmath ȷ
    infty ∞  partial ∂  nabla ∇  prime ′  top ⊤  bot ⊥  ldots …  cdots ⋯
    """
)
"""Commands for signs that stand alone, as letters do."""

SIGNS = _table(
    """
    star ⋆  ast ∗  circ ∘  bullet ∙  cdot ⋅  times ×  odot ⊙  oplus ⊕  otimes ⊗  pm ±  mp ∓  dagger †
    ddagger ‡  perp ⟂  parallel ∥  leftarrow ←  rightarrow →  uparrow ↑  downarrow ↓
    """
)
"""Commands for operators and relations, which have space around them where they stand between two others."""

SAME = {"to": "rightarrow", "gets": "leftarrow", "dots": "ldots"}
"""Commands that are other names of one."""

OF_FORMULAS = _table(
    "langle ⟨  rangle ⟩  le ≤  ge ≥  ne ≠  in ∈  mapsto ↦  div ÷  surd √  lvert |  rvert |  lVert ‖  rVert ‖"
)
"""Commands of formulas that no name has."""

ESCAPED = {"{": "{", "}": "}", "|": "‖", "#": "#", "%": "%", "&": "&", "_": "_", "$": "$"}
"""Signs that TeX would take for its own."""

SPACES = {",": 3, ":": 4, ";": 5, " ": 6, "!": -3}
"""Room by its command, in eighteenths of the size of type."""
WIDE_SPACES = {"quad": 18, "qquad": 36}

NAMED_OPERATORS = frozenset(
    re.findall(
        r"\w+", "arccos arcsin arctan cos cosh cot coth csc det exp ln log max min sec sin sinh tan tanh"
    )
)
"""Names of functions that are commands."""

ACCENTS = _table(
    """
    acute ´  bar ¯  breve ˘  check ˇ  dot ˙  ddot ¨  grave `  hat ˆ  mathring ˚  tilde ˜  vec →
    overline ¯  underline _  widehat ˆ  widetilde ˜
    """
)
"""Commands that put something on top of their argument, or a line below it."""

MINUS, PLUS, ELEMENTWISE, BESIDE, DOT = "−", "+", "⊙", "\u2062", "⋅"
"""Operators: `BESIDE` is a product without a sign."""

CHARACTER = {
    **GREEK,
    **LETTERS,
    **SIGNS,
    **OF_FORMULAS,
    **{name: {**LETTERS, **SIGNS}[other] for name, other in SAME.items()},
}
"""The character of a command."""

COMMAND = {
    **{character: name for name, character in CHARACTER.items() if name not in SAME},
    **{character: name for name, character in ESCAPED.items() if name != "|"},
    BESIDE: ",",
    "|": "vert",
    "‖": "Vert",
    "…": "dots",
    "→": "to",
    "∑": "sum",
    "∫": "int",
}
"""The command of a character that needs one."""

OPERATORS = frozenset([*SIGNS.values(), *"≤≥≠∈↦+-−=<>/:,;÷"])
"""Characters that are signs and no letters."""
