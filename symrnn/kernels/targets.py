"""The targets, and what is said of a request that one of them cannot meet.

A target is a folder of this package whose module `target` has a `TARGET`: adding the folder adds the target.
"""

from importlib import import_module

from symrnn.errors import RequestError
from symrnn.kernels.target import Offer, Target
from symrnn.kernels.target_list import ARRAY_TARGET_NAMES, TARGET_NAMES, WITH_WEIGHTS

TARGETS: dict[str, Target] = {
    name: import_module(f"{__package__}.{name}.target").TARGET for name in TARGET_NAMES
}
"""The targets by name."""

ARRAY_TARGETS = {name: TARGETS[name] for name in ARRAY_TARGET_NAMES}
"""Those whose kernels compute with arrays: `check` and training run them, `build` and `page` make them."""

CONTRACTS = tuple(
    dict.fromkeys(offer.contract.name for target in TARGETS.values() for offer in target.offers)
)
"""What a kernel offers: all that a target has, or `forward`, `backward` and `step` without checks."""


def require_target(target: str) -> str:
    """The name of a target.

    Raises:
        RequestError: there is no such target, or it carries weights and is asked for otherwise.
    """
    if isinstance(target, str) and target in WITH_WEIGHTS:
        raise RequestError(f"{WITH_WEIGHTS[target]}.")
    if not isinstance(target, str) or target not in TARGETS:
        names = ", ".join(TARGETS)
        weighty = f"with weights: {', '.join(WITH_WEIGHTS)}"
        raise RequestError(f"There is no target {target!r}. Targets: {names}; {weighty}.")
    return target


def require_array_target(target: str, what: str) -> str:
    """The name of a target that `what` can run.

    Raises:
        RequestError: there is no such target, or its kernels do not compute with arrays.
    """
    if require_target(target) not in ARRAY_TARGETS:
        raise RequestError(
            f"{what} runs kernels on arrays, and the target {target!r} has none. "
            f"Choose one of: {', '.join(ARRAY_TARGETS)}."
        )
    return target


def require_offer(
    target: str, contract: str = "full", save: str = "all", *, model: bool = False, planned: bool = False
) -> Offer:
    """What a target prints under a contract, for a whole model or for a plan that is made already, if asked.

    Raises:
        RequestError: there is no such target or contract, or this target cannot meet the request under it.
    """
    if contract not in CONTRACTS:
        raise RequestError(f"There is no contract {contract!r}. Contracts: {', '.join(CONTRACTS)}.")
    chosen = TARGETS[require_target(target)]
    offer = chosen.offer(contract)
    if offer is None:
        served = [other for other in TARGETS.values() if other.offer(contract)]
        languages = " and ".join(other.title for other in served)
        raise _refusal(served[0], contract, f"target {target!r}", languages)
    if model and not _makes_models(chosen, offer):
        raise _refusal(chosen, contract, "a model")
    if planned and offer.passes:
        raise _refusal(chosen, contract, "a plan")
    if save not in offer.saves:
        raise _refusal(chosen, contract, f"save={save!r}")
    return offer


def _makes_models(target: Target, offer: Offer) -> bool:
    return target.model is not None and target.model.contract == offer.contract


def _refusal(target: Target, contract: str, wish: str, languages: str = "") -> RequestError:
    """The error that says what a target's offer is written for, that a wish is not, and what to ask for."""
    offer = target.offer(contract)
    assert offer is not None
    what = "cells and models" if _makes_models(target, offer) else "cells"
    saves = " or ".join(repr(save) for save in offer.saves)
    others = [name for name, other in TARGETS.items() if other.model is not None]
    named = f", contract={contract!r}" if contract != "full" else ""
    other = "leave the contract out" if named else f"choose another target: {', '.join(others)}"
    return RequestError(
        f"The {contract} contract is written for {what}, in {languages or target.title}, with save={saves}, "
        f"and not for {wish}. Write emit(cell, {target.name!r}{named}), or {other}."
    )
