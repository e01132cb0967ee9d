"""What is sent, when sending costs as much as computing, and the page that tells it."""

import math
import re
import subprocess

import numpy as np
import pytest
from command_runs import invoked

from symrnn import zoo
from symrnn.distributed.page import page
from symrnn.distributed.traffic import (
    CHARACTERS,
    NETWORKS,
    SENDING,
    UNITS,
    Network,
    StepTimes,
    balance,
    of_units_and_characters,
    ring_seconds,
    sent_bytes,
    trained_numbers,
)
from symrnn.training.language_model import character_model, language_model
from symrnn.training.text import Vocabulary

FAST = Network("fast", 8e9, 1e-3)
TIMES = StepTimes(128, 10**6, {1: 0.01, 2: 0.02, 8: 0.05})


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("lstm", 2), ("gru", 1), ("elman", 1)])
def test_gradients_are_counted_in_the_symbols(cell: str, layers: int) -> None:
    model = character_model(zoo.cell(cell), layers)
    counted = of_units_and_characters(model, trained_numbers(model))
    assert counted.free_symbols == {UNITS, CHARACTERS}
    made = language_model(zoo.cell(cell), layers, 7, Vocabulary(np.arange(40, 45, dtype=np.uint32)), "numpy")
    assert counted.xreplace({UNITS: 7, CHARACTERS: 5}) == made.size


@pytest.mark.parametrize("processes", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("rounds", [2, 5])
def test_a_ring_takes_what_its_formula_says(processes: int, rounds: int) -> None:
    size = 10**6
    seconds = ring_seconds(size, processes, FAST, rounds)
    sent = sent_bytes(size // 4, processes, rounds, 4)
    assert seconds == pytest.approx(rounds * (processes - 1) * FAST.latency + 8 * sent / FAST.bits)


def test_engines_send_as_often_as_they_gather_and_reduce() -> None:
    assert [SENDING["ddp"].rounds(a) for a in (1, 4)] == [2, 2]
    assert [SENDING["fsdp"].rounds(a) for a in (1, 4)] == [2, 5]


def test_times_lie_between_those_that_were_measured() -> None:
    assert [TIMES.computing(p) for p in (1, 4, 8)] == [0.05, 0.02, 0.01]
    assert TIMES.computing(2) == pytest.approx(0.03)  # four samples, between two and eight
    assert TIMES.batch == 8


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.title)
def test_at_the_balance_sending_begins_to_cost_more(network: Network) -> None:
    found = balance(TIMES, network, 2, 4)
    last = TIMES.batch if found.processes is None else found.processes - 1
    for processes in range(1, last + 1):
        assert ring_seconds(4e6, processes, network, 2) < TIMES.computing(processes)
    if found.processes is not None:
        assert found.sending == ring_seconds(4e6, found.processes, network, 2) >= found.computing
        assert found.computing == TIMES.computing(found.processes)


def test_a_slow_network_balances_early_and_a_perfect_one_never() -> None:
    assert balance(TIMES, Network("slow", 1e6, 0), 2, 4).processes == 2
    never = balance(TIMES, Network("perfect", math.inf, 0), 2, 4)
    assert (never.processes, never.computing, never.sending) == (None, 0.01, 0)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page(), flags=re.DOTALL)


def test_what_the_page_says_to_type_can_be_typed() -> None:
    local, slurm = blocks("bash")
    (manifest,) = blocks("yaml")
    for script in (local, slurm):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    help_text = invoked("train-text", "--help").output
    for text in (local, slurm, manifest):
        command = text[text.index("train-text") : text.index("env:") if "env:" in text else None]
        options = re.findall(r"--[a-z-]+", command)
        assert "--distributed" in options
        assert set(options) <= set(re.findall(r"--[a-z-]+", help_text))
    assert set(re.findall(r"^\| `(--[a-z]+)", page(), flags=re.MULTILINE)) < set(help_text.split())


def test_its_tables_are_numbers() -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d,.]+)( ms)? \| (.*) \|$", page(), flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["128", "512", "1024"] * 2
    assert rows[0][1] == "130,148"  # 4 m (m + n) + 4 m + n m + n
    assert rows[0][3].split(" | ")[0] == f"{130148 * 4 / 1e6:.2f}"  # two processes: half of it, twice
