"""Targets as data: their texts have what they offer, and what they cannot do is refused in one way."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import symrnn as sr
from symrnn import zoo
from symrnn.checking.check import TOLERANCES
from symrnn.errors import RequestError
from symrnn.kernels.contract import FULL, Contract
from symrnn.kernels.targets import (
    ARRAY_TARGETS,
    TARGETS,
    require_array_target,
    require_offer,
    require_target,
)

HOME = Path(sr.__file__).parent
OFFERS = [(target, offer.contract) for target in TARGETS.values() for offer in target.offers]
GRU = zoo.cell("gru")


def signature(function: ast.FunctionDef) -> tuple[list[str], list[str]]:
    """The arguments and keywords of a function as a contract writes them."""
    given = function.args
    defaults = [None] * (len(given.args) - len(given.defaults)) + [*map(ast.unparse, given.defaults)]
    kept = [None if default is None else ast.unparse(default) for default in given.kw_defaults]

    def written(arguments: list[ast.arg], values: list[str | None]) -> list[str]:
        return [a.arg if v is None else f"{a.arg}={v}" for a, v in zip(arguments, values, strict=True)]

    return written(given.args, defaults), written(given.kwonlyargs, kept)


@pytest.mark.parametrize(("target", "contract"), OFFERS, ids=lambda value: value.name)
def test_texts_have_what_their_contract_says(target: Any, contract: Contract) -> None:
    tree = ast.parse(sr.emit(GRU, target.name, contract=contract.name))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name for name in functions if name[0] != "_"} == set(contract.verbs)
    for function in contract.functions:
        keywords = [k for text in function.keywords for k in (("n", "m") if text == "*" else (text,))]
        assert signature(functions[function.name]) == ([*function.arguments], keywords), function.name
        assert function.meaning
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert set(contract.records) <= classes
    tables = {node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    assert {name for name in tables if name[0] != "_"} == set(contract.tables)


def test_a_contract_without_keywords_keeps_the_rest() -> None:
    fewer = FULL.without("threads", "lengths")
    assert FULL.takes("threads")
    assert not fewer.takes("threads")
    assert not fewer.takes("lengths")
    assert fewer.takes("workspace")
    assert fewer.names == FULL.names
    assert "threads" not in fewer.words


def test_words_of_a_contract_are_forbidden_to_variables() -> None:
    for target, contract in OFFERS:
        assert contract.words <= target.namer.forbidden


def test_array_targets_compute_in_what_checks_hold_them_to() -> None:
    for target in ARRAY_TARGETS.values():
        assert set(target.dtypes) == set(TOLERANCES)


def test_unknown_targets_and_contracts() -> None:
    with pytest.raises(RequestError, match=r"no target 'abacus'\. Targets: .*numpy, numba"):
        require_target("abacus")
    with pytest.raises(RequestError, match=r"no contract 'short'\. Contracts: full, functional, minimal"):
        require_offer("numpy", "short")


@pytest.fixture
def abacus(monkeypatch: pytest.MonkeyPatch) -> str:
    """A target that makes no models and computes without arrays."""
    made = replace(TARGETS["numpy"], name="abacus", title="beads", model=None)
    monkeypatch.setitem(TARGETS, "abacus", made)
    return made.name


def test_a_target_without_models_says_so(abacus: str) -> None:
    said = (
        r"The full contract is written for cells, in beads, with save='all' or 'states', and not for a "
        r"model\. Write emit\(cell, 'abacus'\), or choose another target: numpy, numba\."
    )
    with pytest.raises(RequestError, match=said):
        sr.emit(zoo.MODELS["classifier"], abacus)


def test_a_target_without_arrays_is_not_checked(abacus: str) -> None:
    with pytest.raises(RequestError, match=r"target 'abacus' has none\. Choose one of: numpy, numba"):
        require_array_target(abacus, "check")
    for declared in (GRU, zoo.MODELS["classifier"]):
        with pytest.raises(RequestError, match="check runs kernels on arrays"):
            sr.check(declared, abacus)


def test_nothing_asks_for_a_target_by_name() -> None:
    """Targets differ by what their records say: no condition compares with one's name."""
    found = []
    for path in HOME.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
                if any(isinstance(part, ast.Constant) and part.value in TARGETS for part in sides):
                    found.append(f"{path.relative_to(HOME)}:{node.lineno}")
    assert not found
