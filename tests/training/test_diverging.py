"""Trainings that explode or are cut off: what is told, and that the last good checkpoint stays whole."""

import math
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command_runs import invoked
from test_training import Waves, begin, drifting_model, ignore, interrupting

import symrnn
from symrnn.training import session
from symrnn.training.checkpoints import read_checkpoint
from symrnn.training.optimisers import Sgd
from symrnn.training.trainer import (
    PATIENCE,
    DivergenceError,
    InterruptedTrainingError,
    Snapshot,
    Trainer,
    far_above,
    train,
)

SMALL = ("--hidden", 8, "--time", 6, "--batch", 4, "--target", "numpy")
CHECKPOINT = "checkpoint.safetensors"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("der schnelle Fuchs springt über den faulen Hund.\n" * 30)
    return invoked


def step_of(folder) -> int:
    return int(read_checkpoint(folder / CHECKPOINT, session.KIND).record["step"])


# On a text


@pytest.mark.parametrize("rate", [300.0, 1e4, 1e30])
def test_a_training_that_explodes_is_told_and_not_saved(run, tmp_path, rate):
    run("train-text", "text.txt", *SMALL, "--steps", 10)
    options = ("--steps", 400, "--every", 100, "--learning-rate", rate)
    result = run("train-text", "text.txt", "--resume", *options, code=1)
    assert "symrnn: The training stopped at step " in result.stderr
    assert "in the first step it was" in result.stderr
    assert "Continue it with --resume and a smaller --learning-rate." in result.stderr
    assert "worse than guessing: not saved" in result.stdout
    assert "0000000" not in result.stdout
    assert step_of(tmp_path) == 10
    result = run("train-text", "text.txt", "--resume", "--steps", 20, "--learning-rate", 1e-3)
    assert step_of(tmp_path) == 20
    assert [path.name for path in sorted(tmp_path.iterdir())] == [CHECKPOINT, "text.txt"]


def test_a_first_training_that_explodes_leaves_its_beginning(run, tmp_path):
    run("train-text", "text.txt", *SMALL, "--steps", 4, "--every", 2, "--learning-rate", 1e30, code=1)
    assert step_of(tmp_path) == 0


def test_ctrl_c_does_not_save_what_has_exploded(run, tmp_path, monkeypatch):
    from test_training_text import interrupted

    run("train-text", "text.txt", *SMALL, "--steps", 10)
    interrupted(monkeypatch, 15)
    result = run("train-text", "text.txt", "--resume", "--steps", 20, "--learning-rate", 1e4, code=130)
    assert "Interrupted after step 15, and not saved: the loss is " in result.stderr
    assert "The checkpoint checkpoint.safetensors is as it was last saved; continue" in result.stderr
    assert step_of(tmp_path) == 10


def test_a_bad_start_is_no_divergence(run, tmp_path):
    """The loss of the first steps is above that of guessing, and comes down."""
    result = run("train-text", "text.txt", *SMALL, "--steps", 150, "--every", 1, "--learning-rate", 2.0)
    assert "not saved" in result.stdout
    assert step_of(tmp_path) == 150


def test_a_resumed_training_knows_its_first_loss(run, tmp_path):
    run("train-text", "text.txt", *SMALL, "--steps", 5)
    record = read_checkpoint(tmp_path / CHECKPOINT, session.KIND).record
    assert record["first_loss"] == pytest.approx(math.log(25), rel=0.3)
    run("train-text", "text.txt", "--resume", "--steps", 10)
    assert read_checkpoint(tmp_path / CHECKPOINT, session.KIND).record["first_loss"] == record["first_loss"]


# In Python


@pytest.fixture(scope="module")
def module():
    return symrnn.load(drifting_model(), "numpy")


class Rising:
    """A module whose losses are what is asked for, whatever is trained."""

    def __init__(self, module: Any, losses: Any) -> None:
        self.module, self.losses, self.Workspaces = module, iter(losses), module.Workspaces

    def loss_and_gradients(self, *arguments: Any, **options: Any) -> Any:
        return self.module.loss_and_gradients(*arguments, **options)._replace(loss=next(self.losses))


def trained(module, losses, steps, *, tell=ignore, report=ignore, **options):
    """The steps of the saves of a training with these losses, and what ended it."""
    trainer = Trainer(Rising(module, losses), Waves(module), Sgd(1e-6))
    start = begin(Trainer(module, Waves(module), Sgd(1e-6)))
    saved: list[Snapshot] = []
    end = None
    try:
        train(trainer, start, steps, every=10, save=saved.append, report=report, tell=tell, **options)
    except (DivergenceError, InterruptedTrainingError) as error:
        end = error
    return [snapshot.step for snapshot in saved], end


def test_a_loss_that_stays_far_above_the_first_is_divergence(module):
    losses = [2.0] * 20 + [5000.0] * 300
    saved, end = trained(module, losses, 300)
    assert saved == [10, 20]
    assert f"stopped at step {20 + PATIENCE}: the loss is 5e+03, above 2e+03; in the first" in str(end)
    assert "Take a smaller learning rate" in str(end)


def test_a_loss_that_is_too_large_at_the_end_is_divergence(module):
    saved, end = trained(module, [2.0] * 20 + [5000.0] * 10, 30)
    assert saved == [10, 20]
    assert isinstance(end, DivergenceError)


def test_a_loss_that_comes_down_again_is_none(module):
    losses = [2.0] * 20 + [5000.0] * (PATIENCE - 10) + [1.0] * 100
    saved, end = trained(module, losses, 130)
    assert end is None
    assert saved == [10, 20, 120, 130]


def test_a_bound_of_ones_own_and_a_loss_on_other_data(module):
    saved, end = trained(module, [2.0] * 30, 30, report=lambda s: 3.0 + s.step, bound=lambda _: 20.0)
    assert saved == [10]
    assert "the loss is 33, above 20; in the first step it was 2." in str(end)


@pytest.mark.parametrize(
    ("losses", "stop", "saved"),
    [
        ([2.0] * 9, 5, [5]),
        ([2.0] * 10 + [9e9] * 9, 15, [10]),
        ([2.0] * 10 + [9e9] * 10 + [2.0] * 9, 25, [10, 25]),
        ([9e9] * 30, 15, [10, 15]),  # it was so from the beginning
    ],
)
def test_an_interrupt_saves_what_is_good(module, losses, stop, saved):
    found, end = trained(module, losses, 30, tell=interrupting(stop))
    assert isinstance(end, InterruptedTrainingError)
    assert found == saved
    assert end.saved == (saved[-1] == stop)
    assert ("not saved" in str(end)) != end.saved


def test_an_interrupt_right_after_a_bad_report_saves_nothing(module):
    def report(snapshot: Snapshot) -> float:
        return 9e9 if snapshot.step == 20 else 1.0

    def stopped_report(snapshot: Snapshot) -> float:
        return report(snapshot)

    calls = []

    def loss_and_gradients(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 21:
            raise KeyboardInterrupt
        return module.loss_and_gradients(*arguments, **options)

    stopping = SimpleNamespace(loss_and_gradients=loss_and_gradients, Workspaces=module.Workspaces)
    trainer = Trainer(stopping, Waves(module), Sgd(1e-6))
    saved: list[int] = []
    with pytest.raises(
        InterruptedTrainingError, match="step 20, and not saved: it is worse than at its start"
    ):
        train(
            trainer,
            begin(Trainer(module, Waves(module), Sgd(1e-6))),
            30,
            every=10,
            save=lambda snapshot: saved.append(snapshot.step),
            report=stopped_report,
            tell=ignore,
        )
    assert saved == [10]


@pytest.mark.parametrize(("loss", "bound"), [(None, math.inf), (2.0, 2002.0), (-5.0, 4995.0), (0.0, 1000.0)])
def test_the_bound_that_needs_no_knowledge_of_the_loss(loss, bound):
    assert far_above(loss) == bound


# Processes


def started(folder, *options):
    """A training in a process of its own, which has reported once."""
    program = "from symrnn.commands.command_line import main; main()"
    arguments = ["train-text", "text.txt", *SMALL, "--steps", 10**6, *options]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not process.stdout.readline().startswith("step"):
        assert process.poll() is None, process.stderr.read()
    return process


def test_a_killed_training_leaves_a_whole_checkpoint(run, tmp_path):
    """It saves after every step, so that a kill is likely to come while it writes."""
    for number, wait in enumerate((0.0, 0.07, 0.16)):
        options = ("--resume",) if number else ("--seed", 3)
        process = started(tmp_path, "--every", 1, *options)
        time.sleep(wait)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert step_of(tmp_path) >= max(0, number - 1)  # it is read, so it is whole
    reached = step_of(tmp_path)
    run("train-text", "text.txt", "--resume", "--steps", reached + 2)
    assert step_of(tmp_path) == reached + 2


def test_a_training_that_the_system_ends_is_saved(run, tmp_path):
    process = started(tmp_path, "--every", 10)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The training is saved in checkpoint.safetensors; continue it with --resume." in errors
    assert step_of(tmp_path) >= 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT, "text.txt"]
    assert np.all(
        [
            np.isfinite(array).all()
            for array in read_checkpoint(tmp_path / CHECKPOINT, session.KIND).arrays.values()
        ]
    )
