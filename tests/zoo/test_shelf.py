"""The shelf of shipped declarations: every name leads to what is called so, when it is asked for."""

import subprocess
import sys

import pytest

from symrnn import Cell, zoo

SHELVES = {
    "cells": zoo.CELLS,
    "elsewhere": zoo.ELSEWHERE,
    "heads": zoo.HEADS,
    "shipped": zoo.SHIPPED,
    "models": zoo.MODELS,
}


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_name_leads_to_what_is_called_so(shelf):
    assert {name: declared.name for name, declared in SHELVES[shelf].items()} == {
        name: name for name in SHELVES[shelf]
    }
    assert len(SHELVES[shelf]) == len(list(SHELVES[shelf]))


@pytest.mark.parametrize("shelf", SHELVES)
def test_the_list_says_what_the_declarations_say(shelf):
    for name, entry in SHELVES[shelf].entries.items():
        declared = SHELVES[shelf][name]
        note = declared.variant if isinstance(declared, Cell) else ", ".join(r.label for r in declared.runs)
        assert (entry.title, entry.note) == (declared.title, note)


def test_all_that_is_public_is_there():
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None
    assert zoo.gru is zoo.CELLS["gru"] is zoo.cell("gru") is zoo.shipped("gru")
    assert set(zoo.SHIPPED) == {*zoo.CELLS, *zoo.ELSEWHERE, *zoo.HEADS}
    with pytest.raises(AttributeError, match=r"module 'symrnn\.zoo' has no attribute 'grü'"):
        zoo.grü  # noqa: B018
    with pytest.raises(KeyError):
        zoo.CELLS["grü"]
    assert "grü" not in zoo.SHIPPED


def test_the_command_line_declares_no_cell_that_nobody_asked_for():
    text = "import sys, symrnn.commands.command_line; print(*sorted(m for m in sys.modules if '.zoo' in m))"
    shown = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    assert {*shown.split()} <= {"symrnn.zoo", "symrnn.zoo.shelf"}
