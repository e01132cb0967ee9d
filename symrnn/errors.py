"""The errors that symrnn raises on purpose, in one short family.

Every message states the fact, then its context, then how to repair it, in the user's terms.
"""


class SymrnnError(Exception):
    """Base of every error that symrnn raises about a user's request."""


class SymrnnWarning(UserWarning):
    """What was asked for is done, and may not be what its author expects."""


class DeclarationError(SymrnnError):
    """The equations, the quantities or the name of a cell are wrong."""


class DerivationError(SymrnnError):
    """An operation has no vector-Jacobian rule, or a rule met what it cannot differentiate."""


class PlanError(SymrnnError):
    """A plan breaks one of the rules that its checker holds."""


class EmissionError(SymrnnError):
    """A plan or a derivation cannot be written as text: a template or a printer lacks something."""


class RequestError(SymrnnError):
    """A request names a cell, a target or a file that cannot be used."""


class ValidationError(SymrnnError):
    """What symrnn made is not what the equations say: a fault of symrnn, not of the user."""


class CheckError(SymrnnError):
    """A kernel's numbers disagree with the reference."""


LONGEST = 80
"""Characters of a value that a message shows."""


def shown(value: object) -> str:
    """A value as a message shows it: its text in Python, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
