"""Checkpoints of many processes: which one is taken, what is refused, and what a user is told."""

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_runs import invoked
from process_runs import SIZES, TEXT, Runs, one_process

from symrnn.distributed import checkpoints, export, measuring, processes
from symrnn.distributed.engines import COPIES, SHARDS, Engine
from symrnn.distributed.processes import GIVEN, Place, joined, together
from symrnn.distributed.session import export_text, prepare_distributed, shards_of
from symrnn.errors import RequestError
from symrnn.training.trainer import InterruptedTrainingError


@pytest.fixture(scope="module")
def place(device: str) -> Iterator[Place]:
    with one_process(device) as made:
        yield made


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return Runs(tmp_path)


def prepared(runs: Runs, place: Place, **options: Any) -> Any:
    given = {"hidden": 3, "time": 4, "batch": 4, "target": "numpy"}
    begin = {"cell": "gru", "given": given, "engine": COPIES} | options
    return prepare_distributed([runs.folder / "text.txt"], runs.folder / "m.safetensors", place, **begin)


def trained(made: Any, steps: int) -> list[float]:
    losses: list[float] = []
    made.run(steps, 2, lambda line: None, lambda after, taken: losses.append(taken.loss))
    return losses


def test_a_damaged_checkpoint_is_passed_over(runs: Runs, place: Place) -> None:
    losses = trained(prepared(runs, place), 6)
    folder = shards_of(runs.folder / "m.safetensors")
    names = ["step_00000004", "step_00000006"]
    assert sorted(path.name for path in folder.iterdir()) == names
    shutil.copytree(folder / names[1], folder / "step_00000008.part")
    cut = next((folder / names[1]).glob("*.distcp"))
    cut.write_bytes(cut.read_bytes()[:-1])
    made = prepared(runs, place, given={}, cell=None, resume=True)
    assert made.heading.splitlines()[:2] == [
        f"The checkpoint {folder}/step_00000008.part is passed over: it was not written to its end.",
        f"The checkpoint {folder}/{names[1]} is passed over: its file {cut.name} has {cut.stat().st_size} "
        f"bytes of {cut.stat().st_size + 1}.",
    ]
    assert made.snapshot.step == 4
    assert trained(made, 6) == losses[4:]  # to the bit
    (folder / names[1] / ".metadata").unlink()
    (folder / names[0] / "training.json").write_text("{")
    found = checkpoints.newest(folder)
    assert found.path is None
    assert "has no file .metadata" in found.notes[0]
    assert "training.json cannot be read" in found.notes[1]
    with pytest.raises(RequestError, match=r"^There is no whole checkpoint in .*m\.shards\. Name a folder"):
        export_text(folder, runs.folder / "other.safetensors")
    made = prepared(runs, place, resume=True)
    assert "There is no checkpoint in" in made.heading
    assert trained(made, 6) == losses


def test_bits_that_do_not_fit_are_refused(runs: Runs, place: Place) -> None:
    trained(prepared(runs, place), 2)
    folder = shards_of(runs.folder / "m.safetensors") / "step_00000002"
    for shard in folder.glob("*.distcp"):
        shard.write_bytes(b"?" * shard.stat().st_size)
    with pytest.raises(RequestError, match=r"^The checkpoint .*step_00000002 cannot be read: "):
        prepared(runs, place, given={}, cell=None, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"^The file .*m\.shards exists, so it is left as it is\. Continue that training with --resume"),
        ({"resume": True, "given": {"hidden": 5}}, "with --hidden 3, which cannot go on with --hidden 5"),
        ({"resume": True, "given": {}, "cell": "lstm"}, "of a cell 'gru' whose equations are not those of"),
        ({"force": True, "accumulate": 3}, r"^A batch of 4 samples .* 1 processes that take 3 each\. Give a"),
    ],
)
def test_what_does_not_fit_a_checkpoint(
    runs: Runs, place: Place, options: dict[str, Any], message: str
) -> None:
    prepared(runs, place)
    with pytest.raises(RequestError, match=message):
        prepared(runs, place, **options)


def test_another_text_is_refused(runs: Runs, place: Place) -> None:
    prepared(runs, place)
    (runs.folder / "text.txt").write_text(TEXT[::-1], encoding="utf-8")
    with pytest.raises(RequestError, match="on a text which is not this text"):
        prepared(runs, place, given={}, cell=None, resume=True)


def test_a_run_that_is_started_again_goes_on_by_itself(runs: Runs, place: Place) -> None:
    named = replace(place, run="job-17")
    trained(prepared(runs, named), 2)
    assert prepared(runs, named, given={}, cell=None).snapshot.step == 2
    with pytest.raises(RequestError, match="exists, so it is left as it is"):
        prepared(runs, replace(place, run="job-18"))
    assert prepared(runs, replace(place, run="job-18"), force=True).snapshot.step == 0
    record = shards_of(runs.folder / "m.safetensors") / "step_00000000" / "training.json"
    assert json.loads(record.read_text())["run"] == "job-18"


def test_an_interrupt_saves_the_step_before(runs: Runs, place: Place) -> None:
    made = prepared(runs, place, engine=SHARDS)

    def stop(after: Any, taken: Any) -> None:
        if after.step == 3:
            made.trainer.asked.hear()

    with pytest.raises(InterruptedTrainingError, match="Interrupted after step 3"):
        made.run(10, 100, lambda line: None, stop)
    again = prepared(runs, place, given={}, cell=None, resume=True)
    assert again.snapshot.step == 3
    undisturbed = trained(prepared(runs, place, force=True), 6)
    trained(prepared(runs, place, force=True), 3)
    resumed = prepared(runs, place, given={}, cell=None, resume=True)
    np.testing.assert_array_equal(trained(resumed, 6), undisturbed[3:])


def test_what_is_further_is_gone_on_from(runs: Runs, place: Place) -> None:
    """The file, if one process has trained on with it; else the shards."""
    made = prepared(runs, place)
    trained(made, 2)
    made.finish()
    options = ("-o", runs.folder / "m.safetensors", "--resume", "--every=2")
    invoked("train-text", runs.folder / "text.txt", *options, "--steps=6")
    further = prepared(runs, place, given={}, cell=None, resume=True)
    assert further.snapshot.step == 6
    losses = trained(further, 8)
    again = prepared(runs, place, given={}, cell=None, resume=True)
    assert again.snapshot.step == 8
    invoked("train-text", runs.folder / "text.txt", *options, "--steps=8")
    undisturbed = trained(prepared(runs, place, force=True), 8)
    np.testing.assert_allclose(losses, undisturbed[6:], rtol=0, atol=1e-5)


def test_a_folder_becomes_a_file(runs: Runs, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    trained(prepared(runs, place), 2)
    folder, output = shards_of(runs.folder / "m.safetensors"), runs.folder / "made.safetensors"
    assert export.main([str(folder), str(output)]) == 0
    assert capsys.readouterr().out == f"{folder}/step_00000002 as {output}\n"
    assert len(invoked("sample", output, "--length=5").output) == 6
    assert export.main([str(runs.folder), str(output)]) == 2
    assert "There is no whole checkpoint in" in capsys.readouterr().err
    assert export.main([]) == 2
    assert "python -m symrnn.distributed.export model.shards FILE" in capsys.readouterr().err


def test_steps_are_measured(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    del place  # with which nothing is compiled
    for name, small in (("STEPS", 3), ("CHARACTERS", 4)):
        monkeypatch.setattr(measuring, name, small)
    found = measuring.measured("here", (2, 3), (1, 2))
    assert found["machine"] == "here"
    assert [*found["seconds"]] == ["2", "3"]
    assert all(0 < time < 60 for times in found["seconds"].values() for time in times.values())


@pytest.mark.parametrize("engine", [COPIES, SHARDS], ids=["copies", "shards"])
def test_one_process_takes_the_steps_of_the_trainer(
    runs: Runs, place: Place, device: str, engine: Engine
) -> None:
    """On the device, and by the library that sends there."""
    options = {"given": SIZES | {"target": "numpy"}, "cell": "lstm", "accumulate": 2, "dtype": np.float64}
    made = prepared(runs, place, engine=engine, **options)
    assert place.said == f"1 process on {device.partition(':')[0]}, {'gloo' if device == 'cpu' else 'nccl'}"
    np.testing.assert_allclose(trained(made, 20), runs.alone(20), rtol=0, atol=1e-12)


def test_single_numbers_are_not_sharded(place: Place) -> None:
    network = torch.nn.Module()
    network.scale = torch.nn.Parameter(torch.tensor(1.0))
    with pytest.raises(RequestError, match="The parameter scale is a single number, which FSDP2 does not"):
        SHARDS.wrapped(network, place)


def test_an_error_of_one_process_ends_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> None:
        raise RequestError("wrong")

    with pytest.raises(RequestError, match=r"^wrong$"):
        together(wrong)

    def elsewhere(failed: list[Any], own: Any) -> None:
        failed[:] = [True]

    monkeypatch.setattr(torch.distributed, "all_gather_object", elsewhere)
    with pytest.raises(SystemExit, match="2"):
        together(lambda: 1)


def test_processes_do_not_meet_where_earlier_ones_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a store that torchrun kept, with names of processes that died before they had all met."""
    server = torch.distributed.TCPStore("localhost", 0, is_master=True)
    stores = [server, *(torch.distributed.TCPStore("localhost", server.port) for _ in range(2))]
    for name, value in (("symrnn", "old"), ("old/1", "dead"), ("old/dead", "welcome")):
        server.set(name, value)
    monkeypatch.setattr(processes, "PATIENCE", timedelta(seconds=0.05))
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(processes._fresh, stores[rank], rank, 3) for rank in (1, 2)]
        time.sleep(0.2)
        assert not any(other.done() for other in others)
        first = processes._fresh(server, 0, 3)
        met = [other.result(10) for other in others]
    first.set("word", "heard")
    assert [store.get("word") for store in met] == [b"heard"] * 2


def test_without_torchrun_the_line_to_type_is_told(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["symrnn", "train-text", "my text.txt", "--distributed"])
    text = runs.folder / "text.txt"
    printed = invoked("train-text", text, "--distributed", code=2).output
    line = "torchrun --standalone --nproc-per-node 2 -m symrnn train-text 'my text.txt' --distributed"
    assert line in printed
    with pytest.raises(RequestError, match="it has no RANK"), joined("a.program"):
        raise AssertionError
    for option in ("--shard", "--accumulate=2"):
        printed = invoked("train-text", text, option, code=2).output
        assert f"{option.partition('=')[0]} is for several processes. Give --distributed as well." in printed
