"""What a target is: a record of what it prints, in which words, and of what it can do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from symrnn.kernels.contract import Contract
from symrnn.kernels.names import Namer
from symrnn.planning.passes import PlanPass
from symrnn.planning.plan import Plan


class ModelPrinter(Protocol):
    """What prints modules of whole models."""

    @property
    def contract(self) -> Contract:
        """What the kernels in them offer."""

    @property
    def threads(self) -> Mapping[str, str]:
        """What a signature and a docstring say of threads."""

    def module(
        self,
        name: str,
        plans: Mapping[str, Plan],
        values: Callable[[Mapping[str, Mapping[str, str]]], dict[str, object]],
        pieces: Mapping[str, str],
    ) -> str:
        """A model's module, with the kernels of plans, each under the name of its cell.

        `values` are those of the model's template, given what names of kernels have become; `pieces` is what
        that template may bring along.
        """


@dataclass(frozen=True, slots=True)
class Offer:
    """What a target prints under one contract: `text` makes the source of a plan, told symrnn's version.

    `saves` are the kinds of plans that it takes; `passes` make them, where it takes no others.
    """

    contract: Contract
    text: Callable[[Plan, str], str]
    saves: tuple[str, ...] = ("all", "states")
    passes: tuple[PlanPass, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """What texts compute with while they are proved, for who says what stands in place of their functions.

    `of_arrays` and `of_numbers` make of a function of the vocabulary one of arrays, and of single numbers;
    `power` is that of two numbers. `approximations` are for what NumPy kernels define, by their names, and
    `numpy` is for NumPy itself.
    """

    of_arrays: Callable[[Any], Callable[..., Any]]
    of_numbers: Callable[[Any], Callable[..., Any]]
    power: Callable[[Any, Any], Any]
    approximations: Mapping[str, Callable[..., Any]]
    numpy: Any


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a text meets while it is proved, in place of modules that it imports and names that it defines."""

    modules: Mapping[str, object] = field(default_factory=dict)
    functions: Mapping[str, object] = field(default_factory=dict)


class Own:
    """A module with some names of its own."""

    def __init__(self, module: Any, **names: Any) -> None:
        """Put names before those of a module."""
        self.module = module
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


def _numbers_alone(_: Field) -> Surroundings:
    return Surroundings()


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Target:
    """A language for kernels, and what it can do there.

    The keywords of an offer's contract tell whether it serves lengths, threads, workspaces; its functions,
    whether it takes whole sequences or steps, and has a tape. Kernels compute in `dtypes`. `model` prints
    modules of whole models; a target without one is written for cells. `given` makes an argument of an
    array, `taken` an array of a result. A `compiled` target takes seconds before its first result. Its texts
    are proved in `surroundings`.
    """

    name: str
    title: str
    namer: Namer
    offers: tuple[Offer, ...]
    dtypes: tuple[str, ...] = ("float32", "float64")
    compiled: bool = False
    model: ModelPrinter | None = None
    given: Callable[[Any], Any] = _as_it_is
    taken: Callable[[Any], Any] = _as_it_is
    surroundings: Callable[[Field], Surroundings] = _numbers_alone

    def offer(self, contract: str) -> Offer | None:
        """What it prints under a contract; None if it does not know it."""
        return next((offer for offer in self.offers if offer.contract.name == contract), None)
