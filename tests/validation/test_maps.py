"""The random maps of the proof, and the functions of the vocabulary made of them."""

import numpy as np

import symrnn as sr
from symrnn.validation.functions import value_of
from symrnn.validation.maps import MAPS, identities
from symrnn.validation.prime import HALF, PRIME, inverse


def test_identities_hold_even_where_two_exponentials_are_equal_by_chance() -> None:
    x = np.random.default_rng(0).integers(1, PRIME, 8_000)
    exp, tanh = MAPS["exp"], MAPS["tanh"]
    with identities():
        negative = -np.where(x > HALF, PRIME - x, x) % PRIME
        assert len(np.unique(exp(negative))) < len(np.unique(negative))
        sigmoid, softplus = value_of(sr.sigmoid)(x), value_of(sr.softplus)(x)
        np.testing.assert_array_equal(exp(-softplus % PRIME), (1 - sigmoid) % PRIME)
        np.testing.assert_array_equal(tanh(x * inverse(np.array(2)) % PRIME), (2 * sigmoid - 1) % PRIME)
        np.testing.assert_array_equal(value_of(sr.sigmoid)(-x % PRIME), (1 - sigmoid) % PRIME)
        pairs = x.reshape(-1, 2)
        lse = value_of(sr.logsumexp)(pairs)[:, None]
        np.testing.assert_array_equal(exp((pairs - lse) % PRIME), value_of(sr.softmax)(pairs))
