"""How names are set in LaTeX.

An own, small table instead of SymPy's, which reads `c_tilde` as a subscript and `what` as w with a hat:
suffixes `_tilde _hat _bar _prime`, Greek words and subscripts; nothing else is interpreted.
"""

from symrnn.declaration.quantities import NextState, Quantity
from symrnn.notation.characters import GREEK

ACCENTS = {"tilde": r"\tilde", "hat": r"\hat", "bar": r"\bar"}


def word_latex(word: str) -> str:
    """One word of a name: a Greek letter, a letter, or an upright word; digits after letters go below."""
    if word in GREEK:
        return f"\\{word}"
    letters = word.rstrip("0123456789")
    digits = word[len(letters) :]
    if letters and digits:
        return f"{word_latex(letters)}_{{{digits}}}"
    return word if len(word) == 1 or word.isdigit() else rf"\mathrm{{{word}}}"


def name_latex(name: str) -> str:
    """The LaTeX form of a plain name: `W_r` is W with subscript r, `c_tilde` is c under a tilde."""
    if name.endswith("_") and len(name) > 1:  # the Python habit for words that are keywords: lambda_
        name = name.rstrip("_")
    head, *rest = [word for word in name.split("_") if word]
    accents = []
    primes = 0
    subscripts: list[str] = []
    for word in rest:
        if word in ACCENTS and not subscripts:
            accents.append(ACCENTS[word])
        elif word == "prime" and not subscripts:
            primes += 1
        else:
            subscripts.append(word)
    base = word_latex(head)
    if "_{" in base and (subscripts or accents):  # W1_h: both below, separated by a comma
        base, _, digits = base.partition("_{")
        subscripts.insert(0, digits.rstrip("}"))
    for accent in accents:
        base = f"{accent}{{{base}}}"
    base += "'" * primes
    if subscripts:
        base += f"_{{{_subscript_latex(subscripts)}}}"
    return base


def _subscript_latex(words: list[str]) -> str:
    """The words of a subscript: accents still bind to the word before them."""
    set_words: list[str] = []
    for word in words:
        if word in ACCENTS and set_words:
            set_words[-1] = f"{ACCENTS[word]}{{{set_words[-1]}}}"
        elif word == "prime" and set_words:
            set_words[-1] += "'"
        else:
            set_words.append(word_latex(word))
    return ",".join(set_words)


def symbol_latex(quantity: Quantity) -> str:
    """The author's LaTeX name of a quantity, or the one its plain name gives."""
    if quantity.latex_name is not None:
        return quantity.latex_name
    return name_latex(quantity.state.name if isinstance(quantity, NextState) else quantity.name)
