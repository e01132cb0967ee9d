"""Records apart from their texts: a record does not know how it is printed; what prints it registers here.

So a record's module needs nothing of the many that make its text, and no circle of imports arises.
"""

from functools import singledispatch


@singledispatch
def printed(record: object) -> str:
    """A record as text for a person; a module that prints one registers a function for its class."""
    raise NotImplementedError(f"Nothing is registered that prints {type(record).__name__}.")


class Printed:
    """A record whose text is made elsewhere: `str` asks for it."""

    __slots__ = ()

    def __str__(self) -> str:
        return printed(self)
