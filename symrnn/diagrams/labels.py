r"""LaTeX names as placed pieces of text, for what is drawn without TeX, and the room they take.

It sets the mathematics that a quantity's name may contain (`notation/syntax.py`) and the signs of
operations: letters in their fonts, Greek, accents, sub- and superscripts. Lengths are in units of the font
size, y points down, and the baseline is 0. Widths are estimates that fit Computer Modern and Times.
"""

import unicodedata
from dataclasses import dataclass, replace

from symrnn.notation.syntax import NAMED_OPERATORS, TEXT, TOKEN

SCRIPT, SUBSCRIPT_DROP, SUPERSCRIPT_RISE = 0.7, 0.27, 0.46

CAPITALS = ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega")
"""Greek capitals, which TeX sets upright."""

SYMBOLS: dict[str, str] = {
    "varepsilon": "ε", "epsilon": "ϵ", "vartheta": "ϑ", "varphi": "φ", "phi": "ϕ", "varrho": "ϱ",
    "varsigma": "ς", "ell": "ℓ", "hbar": "ℏ", "imath": "ı", "jmath": "ȷ", "infty": "∞", "partial": "∂",
    "nabla": "∇", "prime": "′", "star": "⋆", "ast": "∗", "circ": "∘", "bullet": "∙", "cdot": "·",
    "times": "×", "div": "÷", "odot": "⊙", "oplus": "⊕", "otimes": "⊗", "pm": "±", "mp": "∓", "dagger": "†",
    "ddagger": "‡", "top": "⊤", "bot": "⊥", "perp": "⊥", "parallel": "∥", "ldots": "…", "cdots": "⋯",
    "to": "→", "gets": "←", "leftarrow": "←", "rightarrow": "→", "uparrow": "↑", "downarrow": "↓",
    "langle": "⟨", "rangle": "⟩", "lvert": "|", "rvert": "|", "sum": "Σ", "surd": "√",
}  # fmt: skip
ACCENTS: dict[str, str] = {
    "acute": "´", "bar": "¯", "breve": "˘", "check": "ˇ", "dot": "˙", "ddot": "¨", "grave": "`",
    "hat": "ˆ", "mathring": "˚", "tilde": "˜", "vec": "→", "overline": "¯", "widehat": "ˆ",
    "widetilde": "˜", "underline": "_",
}  # fmt: skip
FONTS: dict[str, str] = {
    "boldsymbol": "bold-italic", "mathbf": "bold", "mathit": "italic", "mathrm": "roman", "mathsf": "sans",
    "mathtt": "mono", "operatorname": "roman", "text": "roman", "textrm": "roman", "textbf": "bold",
    "textit": "italic", "mathbb": "double-struck", "mathcal": "script", "mathfrak": "fraktur",
}  # fmt: skip
ALPHABETS = {"double-struck": "DOUBLE-STRUCK", "script": "SCRIPT", "fraktur": "FRAKTUR"}
SPACES = {"\\,": 0.17, "\\:": 0.22, "\\;": 0.28, "\\!": -0.17, "\\ ": 0.33}
ADVANCES = {
    **dict.fromkeys("ijl,.:;|!'′ı·", 0.29),
    **dict.fromkeys("ftr[]()I⟨⟩ ", 0.36),
    **dict.fromkeys("scezJ", 0.43),
    **dict.fromkeys("ΓEFLPS", 0.6),
    **dict.fromkeys("wm", 0.78),
    **dict.fromkeys("MW", 0.92),
    **dict.fromkeys("+−=×±∓→←<>⊙⊕⊗∘∞…⋯", 0.78),
}
"""Widths of characters in units of their size, the mean of two fonts'; others have a width by their kind."""
LOWER_CASE, UPPER_CASE = 0.51, 0.7


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one font at one place: `x` is their left edge, `y` their baseline below the label's."""

    text: str
    x: float
    y: float
    size: float
    font: str
    width: float


@dataclass(frozen=True, slots=True)
class TypesetLabel:
    """A label as runs from left to right, its width, and how far it reaches above and below the baseline."""

    runs: tuple[Run, ...]
    width: float
    above: float
    below: float


def typeset_label(latex: str) -> TypesetLabel:
    """The placed pieces of a label."""
    setter = _Setter(TOKEN.findall(latex))
    runs, width = setter.sequence("italic")
    above = max((run.size * 0.75 - run.y for run in runs), default=0.0)
    below = max((run.size * 0.22 + run.y for run in runs), default=0.0)
    return TypesetLabel(tuple(_merged(runs)), width, above, below)


def label_text(latex: str) -> str:
    """A label as plain text in one line, for those who hear it or search for it."""
    text, before = "", ""
    for run in typeset_label(latex).runs:
        mark = "_" if run.y > 0.05 else "^" if run.y < -0.05 and run.size < 1 else ""
        text += run.text if mark == before else mark + run.text
        before = mark
    return text


def _merged(runs: list[Run]) -> list[Run]:
    """Neighbours of one font and baseline as one run."""
    merged: list[Run] = []
    for run in runs:
        last = merged[-1] if merged else None
        if (
            last is not None
            and (last.y, last.size, last.font) == (run.y, run.size, run.font)
            and abs(last.x + last.width - run.x) < 1e-6
        ):
            merged[-1] = replace(last, text=last.text + run.text, width=last.width + run.width)
        else:
            merged.append(run)
    return merged


def _advance(character: str) -> float:
    if character in ADVANCES:
        return ADVANCES[character]
    return UPPER_CASE if character.isupper() else LOWER_CASE


def _moved(runs: list[Run], x: float, y: float = 0.0, scale: float = 1.0) -> list[Run]:
    return [
        replace(
            run,
            x=x + scale * run.x,
            y=y + scale * run.y,
            size=scale * run.size,
            width=scale * run.width,
        )
        for run in runs
    ]


class _Setter:
    """Reads tokens from left to right; every method returns runs from x = 0 and their width."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0
        self.words = False  # inside \\text, where a space is one

    def sequence(self, font: str) -> tuple[list[Run], float]:
        """Symbols up to the closing brace or the end."""
        runs: list[Run] = []
        width = 0.0
        while self.place < len(self.tokens) and self.tokens[self.place] != "}":
            if self.tokens[self.place] == " " and not self.words:
                self.place += 1
                continue
            made, advance = self.scripted(font)
            runs += _moved(made, width)
            width += advance
        return runs, width

    def scripted(self, font: str) -> tuple[list[Run], float]:
        """A symbol with its scripts, one above the other."""
        runs, base = self.argument(font)
        width = base
        primes = 0
        while self.place < len(self.tokens) and self.tokens[self.place] in ("_", "^", "'", " "):
            if self.words:
                break
            sign = self.tokens[self.place]
            self.place += 1
            if sign == " ":
                continue
            if sign == "'":
                runs.append(Run("′", base + 0.31 * primes, 0.0, 1.0, "roman", 0.31))
                primes += 1
                width = max(width, base + 0.31 * primes)
                continue
            script, advance = self.argument(font)
            rise = SUBSCRIPT_DROP if sign == "_" else -SUPERSCRIPT_RISE
            left = base + 0.04 + (0.31 * primes if sign == "^" else 0.0)
            runs += _moved(script, left, rise, SCRIPT)
            width = max(width, left + SCRIPT * advance)
        return runs, width

    def argument(self, font: str) -> tuple[list[Run], float]:
        """One symbol, or a group in braces."""
        while self.tokens[self.place] == " " and not self.words:
            self.place += 1
        token = self.tokens[self.place]
        self.place += 1
        if token == "{":
            made = self.sequence(font)
            self.place += 1
            return made
        name = token[1:]
        if token in SPACES:
            return [], SPACES[token]
        if not token.startswith("\\"):
            return self.symbol(token, font)
        if name in ACCENTS:
            return self.accented(ACCENTS[name], font)
        if name in FONTS:
            outside, self.words = self.words, name in TEXT
            made = self.argument(FONTS[name])
            self.words = outside
            return made
        if name in NAMED_OPERATORS:
            return self.word(name, "roman")
        if name in SYMBOLS:
            text = SYMBOLS[name]
            upright = len(text) > 1 or not text.isalpha() or text == "Σ"
            return self.word(text, "roman" if upright else font)
        if name[:1].isalpha():
            case = "CAPITAL" if name in CAPITALS else "SMALL"
            letter = unicodedata.lookup(f"GREEK {case} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")
            return self.word(letter, font if case == "SMALL" or font == "bold" else "roman")
        return self.word(name, "roman")  # an escaped character

    def accented(self, accent: str, font: str) -> tuple[list[Run], float]:
        """A symbol with an accent above its middle, or a line below it."""
        runs, width = self.argument(font)
        first = next((run.text[0] for run in runs), "x")
        tall = first.isupper() or first in "bdfhklt"
        rise = 0.12 if accent == "_" else -0.22 if tall else 0.0
        advance = 0.33 if accent != "→" else 0.5
        if accent == "→":
            rise -= 0.5
        lean = 0.06 if runs and runs[0].font == "italic" and accent != "_" else 0.0
        size = 1.0 if accent != "→" else 0.6
        runs.append(Run(accent, (width - advance) / 2 + lean, rise, size, "roman", advance))
        return runs, width

    def symbol(self, character: str, font: str) -> tuple[list[Run], float]:
        if font in ALPHABETS:
            return self.word(_lettered(character, ALPHABETS[font]), "roman")
        if font == "italic" and not character.isalpha():
            font = "roman"
        return self.word("−" if character == "-" else character, font)

    def word(self, text: str, font: str) -> tuple[list[Run], float]:
        width = sum(_advance(character) for character in text)
        return [Run(text, 0.0, 0.0, 1.0, font, width)], width


def _lettered(character: str, alphabet: str) -> str:
    """The letter of a mathematical alphabet; some of its capitals have an older place and name."""
    kind = "CAPITAL" if character.isupper() else "SMALL"
    older = alphabet.replace("FRAKTUR", "BLACK-LETTER")
    for name in (
        f"MATHEMATICAL {alphabet} {kind} {character.upper()}",
        f"{older} {kind} {character.upper()}",
    ):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return character
