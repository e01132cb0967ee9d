"""Whole numbers that a user asks for."""

import numpy as np

from symrnn.errors import RequestError, shown


def require_whole(name: str, number: object, least: int = 0) -> None:
    """Raise unless `number`, which the user knows as `name`, is a whole number from `least` on.

    Raises:
        RequestError: it is not.

    """
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not whole or number < least:  # type: ignore[operator]
        raise RequestError(f"{name} is {shown(number)}. Give a whole number from {least} on.")
