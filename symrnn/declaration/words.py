"""What an author says of a cell or a model in words: one line of characters that print."""

from symrnn.errors import DeclarationError, shown


def check_words(text: object, what: str) -> str:
    """`text` in one line, every stretch of spaces and line ends one space; `what` is its name in errors.

    Documents, comments and terminals show it, so that it may have no character that does something there:
    control characters, marks of direction, and others that are not printed.
    """
    if not isinstance(text, str):
        raise DeclarationError(f"The {what} is {shown(text)}. Give a string.")
    line = " ".join(text.split())
    unseen = next((character for character in line if not character.isprintable()), None)
    if unseen is not None:
        raise DeclarationError(
            f"The {what} has the character U+{ord(unseen):04X}, which is not printed: {line!r}. Leave it out."
        )
    return line
