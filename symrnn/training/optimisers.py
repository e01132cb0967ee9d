"""What a gradient does to parameters: clipping, gradient descent, Adam.

Parameters and gradients are NamedTuples of arrays, as emitted modules have them. Nothing is changed in place:
every step returns new arrays, so whoever holds the old ones holds a whole state of the training.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import numpy as np

from symrnn.errors import RequestError

Bundle: TypeAlias = Any
"""A NamedTuple of arrays: the `Parameters` of an emitted module."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What an optimiser remembers: how many steps it took, and running means, bundles like the parameters."""

    steps: int
    means: Mapping[str, Bundle]


class Optimiser(Protocol):
    """A rule by which gradients change parameters."""

    def start(self, parameters: Bundle) -> Moments:
        """What is remembered before the first step."""
        ...

    def step(self, parameters: Bundle, gradients: Bundle, moments: Moments) -> tuple[Bundle, Moments]:
        """The parameters after one step, and what is remembered then."""
        ...


@dataclass(frozen=True, slots=True)
class Sgd:
    """Gradient descent: v' = momentum v + g, p' = p - learning_rate v'."""

    learning_rate: float = 0.1
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _require_positive("learning rate", self.learning_rate)
        _require_fraction("momentum", self.momentum)

    def start(self, parameters: Bundle) -> Moments:
        """No steps; a velocity of zero if there is momentum."""
        means = {"velocity": _zeros(parameters)} if self.momentum else {}
        return Moments(0, MappingProxyType(means))

    def step(self, parameters: Bundle, gradients: Bundle, moments: Moments) -> tuple[Bundle, Moments]:
        """The parameters after one step, and the velocity then."""
        means: dict[str, Bundle] = {}
        velocity = gradients
        if self.momentum:
            pairs = zip(moments.means["velocity"], gradients, strict=True)
            velocity = gradients._make(np.asarray(self.momentum * v + g, g.dtype) for v, g in pairs)
            means["velocity"] = velocity
        moved = (
            np.asarray(p - self.learning_rate * v, np.asarray(p).dtype)
            for p, v in zip(parameters, velocity, strict=True)
        )
        return parameters._make(moved), Moments(moments.steps + 1, MappingProxyType(means))


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam with bias correction: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1."""

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _require_positive("learning rate", self.learning_rate)
        _require_fraction("beta_1", self.beta_1)
        _require_fraction("beta_2", self.beta_2)
        _require_positive("epsilon", self.epsilon)

    def start(self, parameters: Bundle) -> Moments:
        """No steps, and means of zero."""
        return Moments(0, MappingProxyType({"first": _zeros(parameters), "second": _zeros(parameters)}))

    def step(self, parameters: Bundle, gradients: Bundle, moments: Moments) -> tuple[Bundle, Moments]:
        """The parameters after one step, and the means of the gradients and of their squares then."""
        steps = moments.steps + 1
        rate = self.learning_rate / (1 - self.beta_1**steps)
        correction = 1 / math.sqrt(1 - self.beta_2**steps)
        bundles = (parameters, gradients, moments.means["first"], moments.means["second"])
        moved, first, second = [], [], []
        for p, g, m, v in zip(*bundles, strict=True):
            first.append(np.asarray(self.beta_1 * m + (1 - self.beta_1) * g, g.dtype))
            second.append(np.asarray(self.beta_2 * v + (1 - self.beta_2) * (g * g), g.dtype))
            denominator = np.sqrt(second[-1]) * correction + self.epsilon
            moved.append(np.asarray(p - rate * first[-1] / denominator, g.dtype))
        means = {"first": parameters._make(first), "second": parameters._make(second)}
        return parameters._make(moved), Moments(steps, MappingProxyType(means))


def clip_by_value(gradients: Bundle, limit: float) -> Bundle:
    """Gradients with every element between -limit and limit; NaN stays.

    Raises:
        RequestError: the limit is no positive number.

    """
    _require_positive("limit of the gradients' elements", limit)
    return gradients._make(np.asarray(np.clip(g, -limit, limit), g.dtype) for g in gradients)


def clip_by_norm(gradients: Bundle, limit: float) -> tuple[Bundle, float]:
    """Gradients scaled to a global norm of `limit` if it is larger, and the norm that they had.

    The rule is that of Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, algorithm 1.

    Raises:
        RequestError: the limit is no positive number.

    """
    _require_positive("limit of the gradients' norm", limit)
    norm = global_norm(gradients)
    if not norm > limit:
        return gradients, norm
    return gradients._make(np.asarray(g * (limit / norm), g.dtype) for g in gradients), norm


def global_norm(gradients: Bundle) -> float:
    """The root of the sum of the squares of all elements of all arrays, added up in float64."""
    return math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in gradients))


def _zeros(parameters: Bundle) -> Bundle:
    return parameters._make(np.zeros_like(p) for p in parameters)


def _require_positive(what: str, number: float) -> None:
    if not (math.isfinite(number) and number > 0):
        raise RequestError(f"The {what} is {number}. Give a positive number.")


def _require_fraction(what: str, number: float) -> None:
    if not 0 <= number < 1:
        raise RequestError(f"The {what} is {number}. Give a number from 0 to less than 1.")
