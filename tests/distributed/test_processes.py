"""Several processes give the losses of one, killed or not, from the command line too."""

import re
from pathlib import Path

import numpy as np
import pytest
from command_runs import invoked
from process_runs import TEXT, TOOLS, Runs, one_process, sizes

from symrnn.distributed import checkpoints
from symrnn.distributed.engines import COPIES, SHARDS, Engine
from symrnn.distributed.processes import Place
from symrnn.distributed.session import KIND, prepare_distributed, shards_of
from symrnn.training.checkpoints import read_checkpoint

STEPS = 100
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


def test_two_and_four_processes_give_the_losses_of_one(runs: Runs) -> None:
    wanted = runs.alone(STEPS)
    asked = [*EXAMPLE, "text.txt", *sizes(), "--dtype=float64", f"--steps={STEPS}", "--every=50"]
    for processes, accumulate in ((2, 2), (4, 1)):
        own = [f"--output={processes}.safetensors", f"--losses={processes}.jsonl"]
        printed = runs.torchrun(processes, *asked, *own, f"--accumulate={accumulate}")
        assert printed.count("step 100 of 100") == 1  # the first process speaks for all
        np.testing.assert_allclose(once(runs.losses(f"{processes}.jsonl")), wanted, **EXACT)
    assert wanted[-1] < wanted[0] - 0.2  # it learns


def test_a_killed_worker_costs_the_steps_since_the_last_checkpoint(runs: Runs) -> None:
    """Two processes with a shard each; then one goes on with all of it, in two ways."""
    wanted = runs.alone(STEPS + 10)
    printed = runs.torchrun(
        2,
        *("--max-restarts=1", TOOLS / "dying_worker.py", "text.txt", *sizes(), "--dtype=float64"),
        *(f"--steps={STEPS}", "--every=20", "--engine=fsdp", "--accumulate=2", "--losses=killed.jsonl"),
        DIES_AT="73",
    )
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
    with one_process() as place:
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
