"""The random maps of the proof: what happens where they are told two answers at one point."""

import numpy as np
import pytest

from symrnn.errors import ValidationError
from symrnn.validation import maps
from symrnn.validation.maps import MAPS, TRIES, tell, with_identities
from symrnn.validation.prime import PRIME, Residues


def unlucky() -> Residues:
    """Two negative arguments whose exponentials, and so softplus, are equal under the first maps."""
    found: list[Residues] = []

    def search() -> None:
        arguments = PRIME - np.arange(1, 20_000)
        values = MAPS["exp"](arguments)
        order = np.argsort(values)
        same = np.flatnonzero(np.diff(values[order]) == 0)
        found.append(arguments[order[same[0] : same[0] + 2]])

    with_identities(search)
    return found[0]


def test_a_right_formula_is_not_refused_where_two_exponentials_are_equal_by_chance() -> None:
    x, calls = unlucky(), []

    def prove() -> None:
        y = maps.softplus(x)
        calls.append(y)
        if np.any(MAPS["exp"](-y % PRIME) != (1 - maps.sigmoid(x)) % PRIME):
            raise ValidationError("exp(-softplus) is not 1 - sigmoid")

    with_identities(prove)
    assert len(calls) == 2
    assert calls[0][0] == calls[0][1]
    assert calls[1][0] != calls[1][1]


@pytest.mark.parametrize(("contradicted", "tries"), [(False, 1), (True, TRIES)])
def test_a_wrong_formula_is_refused_whatever_the_maps_are_told(contradicted: bool, tries: int) -> None:
    calls = []

    def prove() -> None:
        calls.append(MAPS["tanh"](np.array([7])).item())
        point = np.array([3])
        tell("exp", (point,), np.array([4]))
        tell("exp", (point,), np.array([5 if contradicted else 4]))
        raise ValidationError("wrong")

    with pytest.raises(ValidationError, match="wrong"):
        with_identities(prove)
    assert len(calls) == len(set(calls)) == tries
