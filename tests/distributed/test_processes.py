"""Several processes give the losses of one, killed or not, from the command line too."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command_runs import invoked
from process_runs import SIZES, TEXT, TOOLS, Runs, one_process, sizes

from symrnn.distributed import checkpoints
from symrnn.distributed.engines import COPIES, SHARDS, Engine
from symrnn.distributed.processes import Place
from symrnn.distributed.session import KIND, prepare_distributed, shards_of
from symrnn.distributed.traffic import (
    CHARACTERS,
    SENDING,
    UNITS,
    of_units_and_characters,
    trained_numbers,
)
from symrnn.training.checkpoints import read_checkpoint

STEPS = 100
WATCHED = TOOLS / "watched_worker.py"
EXAMPLE = ("-m", "symrnn.examples.distributed")
EXACT = {"rtol": 0, "atol": 1e-12}
"""Sums of another order in float64; 1e-6 is promised."""


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return Runs(tmp_path)


def once(losses: dict[int, list[float]]) -> list[float]:
    """The losses of steps that were taken once each."""
    assert [len(seen) for seen in losses.values()] == [1] * STEPS
    return [seen[0] for seen in losses.values()]


def sent(runs: Runs, operation: str) -> int:
    """How many times a step sends as many bytes as the symbols say that all gradients have."""
    subject = runs.subject()
    numbers = of_units_and_characters(subject.language.model, trained_numbers(subject.language.model))
    size = 8 * numbers.xreplace({UNITS: SIZES["hidden"], CHARACTERS: len(subject.text.vocabulary)})
    seen = json.loads((runs.folder / "sent.json").read_text())
    assert sum(found for _, found in seen if found != size) < 200  # the loss, and flags of DDP's own
    return sum(operation in name and found == size for name, found in seen)


def test_two_and_four_processes_give_the_losses_of_one(runs: Runs) -> None:
    wanted = runs.alone(STEPS)
    asked = ["text.txt", *sizes(), "--dtype=float64", f"--steps={STEPS}", "--every=50"]
    for processes, program, accumulate in ((2, [WATCHED], 2), (4, EXAMPLE, 1)):
        own = [f"--output={processes}.safetensors", f"--losses={processes}.jsonl"]
        printed = runs.torchrun(
            processes, *program, *asked, *own, f"--accumulate={accumulate}", SENT="sent.json"
        )
        assert printed.count("step 100 of 100") == 1  # the first process speaks for all
        np.testing.assert_allclose(once(runs.losses(f"{processes}.jsonl")), wanted, **EXACT)
    assert wanted[-1] < wanted[0] - 0.2  # it learns
    assert sent(runs, "allreduce") == SENDING["ddp"].reductions // 2  # an all-reduce is two


def test_a_killed_worker_costs_the_steps_since_the_last_checkpoint(runs: Runs) -> None:
    """Two processes with a shard each; then one goes on with all of it, in two ways."""
    wanted = runs.alone(STEPS + 10)
    printed = runs.torchrun(
        2,
        *("--max-restarts=1", WATCHED, "text.txt", *sizes(), "--dtype=float64"),
        *(f"--steps={STEPS}", "--every=20", "--engine=fsdp", "--accumulate=2", "--losses=killed.jsonl"),
        DIES_AT="73",
        SENT="sent.json",
    )
    assert sent(runs, "allgather") == 2 * SENDING["fsdp"].gathers  # for each of two parts
    assert sent(runs, "reduce_scatter") == SENDING["fsdp"].reductions
    assert "from step 60" in printed
    losses = runs.losses("killed.jsonl")
    assert list(losses) == [*range(1, STEPS + 1)]
    assert {step for step, seen in losses.items() if len(seen) > 1} == {*range(61, 74)}
    for step, seen in losses.items():
        np.testing.assert_allclose(seen, wanted[step - 1], **EXACT)

    output = runs.folder / "distributed.safetensors"
    assert [path.name for path in sorted(shards_of(output).iterdir())] == ["step_00000080", "step_00000100"]
    shards = checkpoints.whole(checkpoints.record_at(shards_of(output) / "step_00000100", KIND))
    np.testing.assert_allclose(runs.alone(STEPS + 10, shards), wanted[STEPS:], **EXACT)
    np.testing.assert_allclose(runs.alone(STEPS + 10, read_checkpoint(output, KIND)), wanted[STEPS:], **EXACT)
    with one_process("cpu") as place:
        for engine in (COPIES, SHARDS):
            np.testing.assert_allclose(gone_on(runs, output, place, engine), wanted[STEPS:], **EXACT)
            checkpoints.forget_all(shards_of(output))  # so the second one goes on from the file


def gone_on(runs: Runs, output: Path, place: Place, engine: Engine) -> list[float]:
    """The losses of ten more steps, in one process."""
    training = prepare_distributed(
        *([runs.folder / "text.txt"], output, place, engine),
        cell=None,
        given={},
        resume=True,
        dtype=np.float64,
    )
    assert training.snapshot.step == STEPS
    losses: list[float] = []
    training.run(STEPS + 10, 100, lambda line: None, lambda after, taken: losses.append(taken.loss))
    return losses


def test_the_command_trains_together_and_one_process_goes_on(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs.folder)
    options = [*sizes(), "--target=numpy", "--every=10"]
    command = ["train-text", "text.txt", "--steps=20", "-o", "model.safetensors"]
    printed = runs.torchrun(2, "-m", "symrnn", *command, *options, "--distributed", "--shard")
    assert "2 processes on cpu, gloo; shards of the parameters (FSDP2)" in printed
    assert len(re.findall(r"step \d+ of 20: ", printed)) == 2
    one = invoked("train-text", "text.txt", "--steps=20", "-o", "alone.safetensors", *options)
    reports = [re.findall(r"step.*", text) for text in (printed, one.output)]
    assert reports[0] == reports[1]  # to the digits that are printed
    arguments = ["--steps=30", "--every=10", "--resume"]
    more = [
        invoked("train-text", "text.txt", *arguments, "-o", f"{n}.safetensors") for n in ("model", "alone")
    ]
    after = [re.findall(r"step 30.*", result.output) for result in more]
    assert after[0] == after[1] != []
    assert len(invoked("sample", "model.safetensors", "--length=20").output) == 21
