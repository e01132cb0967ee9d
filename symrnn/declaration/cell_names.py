"""The name that an author gives a cell or a model: what files can be called by."""

from symrnn.declaration.quantities import check_identifier
from symrnn.errors import DeclarationError, shown

LONGEST_NAME = 100
"""Characters of a name that files are called by, with more behind it: systems take some 250."""


def check_cell_name(name: object, role: str = "cell", example: str = "Cell('gru', Eq(...), ...)") -> None:
    """Raise unless `name` can name a module; `example` shows where it stands."""
    if not isinstance(name, str):
        raise DeclarationError(
            f"The first argument of {role.capitalize()} is its name, a string, not {shown(name)}. "
            f"Write {example}."
        )
    repair = "Choose another name, and give the printed one with title=."
    if len(name) > LONGEST_NAME:
        raise DeclarationError(
            f"The {role} name {shown(name)} has {len(name)} characters, and files are called by it: at most "
            f"{LONGEST_NAME} are possible. {repair}"
        )
    check_identifier(name, role, repair)
