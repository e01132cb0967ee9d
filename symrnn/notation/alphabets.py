"""Letters of Unicode's mathematical alphabets."""

import unicodedata


def lettered(character: str, alphabet: str) -> str:
    """A letter or digit of another alphabet, such as FRAKTUR, or the character itself where there is none."""
    name = unicodedata.name(character, "").replace("LATIN ", "").replace("GREEK ", "").replace(" LETTER", "")
    kind, _, letter = name.partition(" ")
    for wanted in (f"MATHEMATICAL {alphabet} {name}", f"{alphabet} {kind} {letter}", f"BLACK-LETTER {name}"):
        try:
            return unicodedata.lookup(wanted)
        except KeyError:
            continue
    return character
