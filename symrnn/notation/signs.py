"""Signs and small letters of Unicode for what LaTeX writes as commands, subscripts and superscripts."""

from collections.abc import Mapping

SIGNS: dict[str, str] = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "varepsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "vartheta": "ϑ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "varphi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Upsilon": "Υ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
    "langle": "⟨",
    "rangle": "⟩",
    "top": "ᵀ",
    "partial": "∂",
    "nabla": "∇",
    "infty": "∞",
    "ell": "ℓ",
    "dots": "…",
    "ldots": "…",
    "cdots": "⋯",
    "prime": "′",
    "circ": "∘",
    "star": "⋆",
    "ast": "∗",
    "lvert": "|",
    "rvert": "|",
    "lVert": "‖",
    "rVert": "‖",
    "dagger": "†",
    "bullet": "•",
    "mid": "|",
    "{": "{",
    "}": "}",
    "%": "%",
    "_": "_",
    "&": "&",
    "#": "#",
    "$": "$",
    "|": "‖",
}
"""Commands that are one sign, set close to their neighbours."""

RELATIONS: dict[str, str] = {
    "=": "=",
    "<": "<",
    ">": ">",
    "le": "≤",
    "leq": "≤",
    "ge": "≥",
    "geq": "≥",
    "ne": "≠",
    "neq": "≠",
    "mapsto": "↦",
    "to": "→",
    "in": "∈",
    "times": "×",
    "cdot": "·",
    "colon": ":",
    "approx": "≈",
    "equiv": "≡",
}
"""Signs with a space on either side at which no line ends."""

OPERATORS: dict[str, int] = {"+": 0, "-": 0, "odot": 1}
"""Where a line may end, and how closely each binds."""

ACCENTS: dict[str, str] = {
    "tilde": "\u0303",
    "hat": "\u0302",
    "bar": "\u0304",
    "dot": "\u0307",
    "ddot": "\u0308",
    "vec": "\u20d7",
    "check": "\u030c",
    "breve": "\u0306",
    "acute": "\u0301",
    "grave": "\u0300",
    "widetilde": "\u0303",
    "widehat": "\u0302",
    "overline": "\u0304",
}
"""Accents as combining characters, which take no room."""

FONTS = frozenset(
    [
        "mathrm",
        "mathbf",
        "mathit",
        "mathsf",
        "mathtt",
        "text",
        "textnormal",
        "operatorname",
        "boldsymbol",
        "mathnormal",
    ]
)
"""Commands that change the face of letters, which a terminal does not."""

LETTER_FACES: dict[str, Mapping[str, str]] = {
    "mathbb": {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "C": "ℂ", "Q": "ℚ", "E": "𝔼", "P": "ℙ"},
    "mathcal": {"L": "ℒ", "E": "ℰ", "F": "ℱ", "H": "ℋ", "B": "ℬ", "M": "ℳ", "R": "ℛ", "I": "ℐ"},
    "mathfrak": {},
    "mathscr": {},
}
"""Letters that Unicode has in another face, where a terminal usually has them too."""

BELOW: dict[str, str] = dict(
    zip(
        "0123456789+-=()aehijklmnoprstuvxβγρφχ",
        "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
"""The small letters and signs below the line that Unicode has: not c, f, g, z and others."""

ABOVE: dict[str, str] = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyz′ᵀ∗⋆†⟨⟩",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ′ᵀ∗⋆†⟨⟩",
        strict=True,
    )
)
"""The small letters and signs above the line that Unicode has."""


def small(text: str, table: Mapping[str, str]) -> str | None:
    """A subscript or superscript in small characters; None where one is missing."""
    return "".join(table[c] for c in text) if all(c in table for c in text) else None
