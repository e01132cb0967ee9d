"""`symrnn train-text` and `symrnn sample`: text, checkpoints, interrupts, and what is refused."""

import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_runs import invoked
from safetensors import safe_open
from safetensors.numpy import save_file

from symrnn.commands import rooms
from symrnn.errors import RequestError
from symrnn.training import display, session
from symrnn.training.checkpoints import read_checkpoint
from symrnn.training.language_model import language_model
from symrnn.training.text import (
    HELD_OUT,
    Stretches,
    Vocabulary,
    corpus,
    least_length,
    validation_stretches,
)
from symrnn.training.trainer import Snapshot
from symrnn.zoo import CELLS

TEXT = "der schnelle Fuchs läuft über den faulen Hund; 今日は。\n" * 30
SMALL = ("--hidden", 8, "--time", 6, "--batch", 4, "--target", "numpy", "--every", 10)
CELL_FILE = """
from sympy import Eq
from symrnn import Cell, Input, Parameter, State, axes, tanh

n, m = axes("n m")
s, h = Input("s", n), State("h", m)
mine = Cell("mine", Eq(h.next, tanh(Parameter("U", m, m) @ h + Parameter("W", m, n) @ s)))
own, k = Input("own", m), State("k", m)
square = Cell("square", Eq(k.next, tanh(Parameter("U", m, m) @ (k + own))))
fixed = Cell("fixed", Eq(h.next, tanh(h + Parameter("W", m, 3) @ Input("x", 3))))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in a folder with a text; the exit code is part of the question."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")

    return invoked


def contents(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A checkpoint's arrays, to the bit, and its record."""
    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        arrays = {name: file.get_tensor(name).tobytes() for name in names}
        return arrays, json.loads(file.metadata()["symrnn"])


def altered(path: Path, new: Path, change: Any) -> None:
    """A copy of a checkpoint in which `change` had its way with the arrays and the record."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in list(file.keys())}
        record = json.loads(file.metadata()["symrnn"])
    change(arrays, record)
    save_file(arrays, new, {"symrnn": json.dumps(record)})


# ---- Text --------------------------------------------------------------------------------------------


def test_characters_are_numbers_and_back():
    data = corpus(TEXT, 6, 4)
    codes = np.concatenate([data.training, data.validation])
    assert "".join(map(data.vocabulary.character, codes)) == TEXT
    np.testing.assert_array_equal(data.vocabulary.encode(TEXT), codes)
    assert len(data.vocabulary) == len(set(TEXT))
    assert len(data.validation) == len(TEXT) // HELD_OUT


@pytest.mark.parametrize(("T", "B"), [(1, 1), (6, 4), (64, 32), (19, 1), (100, 7)])
def test_the_shortest_text(T, B):
    length = least_length(T, B)
    text = ("ab" * length)[:length]
    data = corpus(text, T, B)
    assert Stretches(None, data.training, 2, T, B).per_pass >= 1
    assert len(data.validation) >= 2
    with pytest.raises(RequestError, match=f"The text has {length - 1:,} characters; .* need {length:,}"):
        corpus(text[:-1], T, B)


def test_stretches_are_the_text_and_targets_follow_inputs():
    class Inputs:
        def __init__(self, x, y):
            self.x, self.y = x, y

    data = corpus(TEXT, 6, 4)
    module = type("module", (), {"Inputs": Inputs})
    stretches = Stretches(module, data.training, len(data.vocabulary), 6, 4)
    rng = np.random.default_rng(0)
    for _ in range(2):
        position = begin = stretches.first(rng)
        read = []
        for number in range(stretches.per_pass):
            batch = stretches.batch(position)
            assert (batch.fresh, batch.tokens) == (number == 0, 24)
            x, y = batch.inputs.x, batch.inputs.y
            assert (x.shape, x.dtype) == ((6, 4, len(data.vocabulary)), np.float32)
            np.testing.assert_array_equal(x.sum(-1), 1)
            np.testing.assert_array_equal(y[:-1], x[1:])
            read.append(np.concatenate([x[:1], y]).argmax(-1))
            position = stretches.following(position, rng)
        for one, other in itertools.pairwise(read):
            np.testing.assert_array_equal(one[-1], other[0])
        rows = np.concatenate([part[:-1] for part in read]).T.ravel()
        np.testing.assert_array_equal(rows, data.training[begin[0] : begin[0] + len(rows)])
        assert position[1] == 0  # a new pass


@pytest.mark.parametrize(("length", "T", "B"), [(2, 6, 4), (7, 6, 4), (29, 6, 4), (200, 6, 4), (200, 64, 32)])
def test_validation_reads_every_pair_once(length, T, B):
    codes = np.arange(length)
    stretches = list(validation_stretches(codes, T, B))
    firsts = np.concatenate([part[:-1].ravel() for part in stretches])
    rows = stretches[0].shape[1]
    assert sorted(firsts) == list(range((length - 1) // rows * rows))
    assert all(np.all(part[1:] == part[:-1] + 1) and len(part) <= T + 1 for part in stretches)


def test_bits_per_character_are_those_of_reading_one_by_one():
    data = corpus(TEXT, 6, 4)
    language = language_model(CELLS["gru"], 2, 5, data.vocabulary, "numpy")
    parameters = language.init(np.random.default_rng(0), np.float64)
    codes, bits, state = data.validation[:50], [], None
    for code, following in itertools.pairwise(codes):
        x = np.eye(len(data.vocabulary))[None, None, code]
        logits, state = language.module.predict(parameters, language.module.Inputs(x=x, y=None), state)
        bits.append(-math.log2(np.exp(logits[0, 0, following]) / np.exp(logits[0, 0]).sum()))
    assert language.bits_per_character(parameters, codes, 6, 1) == pytest.approx(np.mean(bits), rel=1e-12)


# ---- Training and resuming ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--layers", 2), ("--cell", "gru"), ("--clip", 0.05)])
def test_training_learns_and_reports(run, options):
    lines = run("train-text", "text.txt", *SMALL, "--steps", 60, "--learning-rate", 0.02, *options).stdout
    heading, *reports = lines.splitlines()
    assert "characters to train on and" in heading
    assert [line.split(":")[0] for line in reports] == [f"step {step} of 60" for step in range(10, 61, 10)]
    bits = [float(line.split()[4]) for line in reports]
    assert bits[-1] < 0.9 * bits[0]
    assert reports[-1].endswith("in validation")


@pytest.mark.parametrize(("target", "stop"), [("numpy", 10), ("numpy", 60), ("numba", 13)])
def test_resuming_gives_the_same_bits(run, tmp_path, monkeypatch, target, stop):
    """Passes end at step 67: a new pass is drawn from the restored generator."""
    options = (*SMALL, "--target", target, "--seed", 5)
    whole = run("train-text", "text.txt", *options, "--steps", 80, "-o", "whole.safetensors")
    interrupted(monkeypatch, stop)
    first = run("train-text", "text.txt", *options, "--steps", 80, code=130)
    assert f"Interrupted after step {stop}. The training is saved in checkpoint.safetensors" in first.stderr
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    second = run("train-text", "text.txt", "--resume", "--steps", 80, "--every", 10)
    assert contents(tmp_path / "checkpoint.safetensors") == contents(tmp_path / "whole.safetensors")
    reports = [line for text in (first, second) for line in text.stdout.splitlines() if line[:4] == "step"]
    assert reports == whole.stdout.splitlines()[1:]


def interrupted(monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    """Ctrl-C while step `stop` is displayed."""
    from contextlib import contextmanager

    @contextmanager
    def progress(done: int, steps: int) -> Any:
        def tell(snapshot: Snapshot, taken: Any) -> None:
            if snapshot.step == stop:
                raise KeyboardInterrupt

        yield tell

    monkeypatch.setattr(rooms, "training_progress", progress)


def test_ctrl_c_saves_and_another_process_goes_on(run, tmp_path):
    """A real signal to a real process, and afterwards the numbers of a training that had none."""
    path = tmp_path / "checkpoint.safetensors"
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # as in a terminal
        "from symrnn.commands.command_line import main; main()"
    )
    command = [sys.executable, "-c", program]
    arguments = [*map(str, ("train-text", "text.txt", *SMALL, "--every", 1, "--steps", 50_000))]
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.split()[:2] == ["step", "3"]:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in errors
    step = contents(path)[1]["step"]
    assert f"Interrupted after step {step}. The training is saved in checkpoint.safetensors" in errors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.safetensors", "text.txt"]
    run("train-text", "text.txt", "--resume", "--every", 1, "--steps", step + 5)
    run("train-text", "text.txt", *SMALL, "--every", 1, "--steps", step + 5, "-o", "whole.safetensors")
    assert contents(path) == contents(tmp_path / "whole.safetensors")


def test_a_diverging_training_keeps_the_last_good_checkpoint(run, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    run("train-text", "text.txt", *SMALL, "--steps", 10)
    good = path.read_bytes()
    result = run(
        "train-text", "text.txt", "--resume", "--steps", 90, "--every", 20, "--learning-rate", 1e38, code=1
    )
    assert "The training stopped at step 1" in result.stderr
    assert "The checkpoint checkpoint.safetensors is as it was last saved." in result.stderr
    assert contents(path)[1]["step"] == 10
    assert contents(path)[0] == stored(good, tmp_path)
    monkeypatch.setattr(session.LanguageModel, "bits_per_character", lambda *_: math.inf, raising=True)
    result = run("train-text", "text.txt", "--resume", "--steps", 30, "--learning-rate", 1e-3, code=1)
    assert "stopped at step 30: the loss in validation is inf" in result.stderr
    assert contents(path)[1]["step"] == 10


def stored(data: bytes, folder: Path) -> dict[str, bytes]:
    (folder / "copy.safetensors").write_bytes(data)
    return contents(folder / "copy.safetensors")[0]


def test_what_a_resumed_training_may_change(run):
    run("train-text", "text.txt", *SMALL, "--steps", 10)
    run("train-text", "text.txt", "--resume", "--steps", 20, "--clip", 0.5, "--learning-rate", 0.01)
    result = run("train-text", "text.txt", "--resume", "--steps", 30, "--hidden", 9, code=2)
    assert "is of a training with --hidden 8, which cannot go on with --hidden 9" in result.stderr
    result = run("train-text", "text.txt", "--resume", "--cell", "gru", code=2)
    assert "is of a cell 'lstm' whose equations are not those of 'gru'" in result.stderr
    (Path("other.txt")).write_text(TEXT[::-1], encoding="utf-8")
    result = run("train-text", "other.txt", "--resume", code=2)
    assert "is of a training on a text which is not this text" in result.stderr
    (Path("other.txt")).write_text(TEXT + "ζ", encoding="utf-8")
    result = run("train-text", "other.txt", "--resume", code=2)
    assert "on a text whose characters are not those of this text" in result.stderr


def test_a_training_that_is_done_stays_as_it_is(run, tmp_path):
    run("train-text", "text.txt", *SMALL, "--steps", 10)
    before = contents(tmp_path / "checkpoint.safetensors")
    assert "step 10" in run("train-text", "text.txt", "--resume", "--steps", 10).stdout
    assert contents(tmp_path / "checkpoint.safetensors") == before


def test_a_cell_of_ones_own(run, tmp_path):
    (tmp_path / "cells.py").write_text(CELL_FILE)
    run("train-text", "text.txt", *SMALL, "--cell", "cells.py:mine", "--steps", 10)
    result = run("sample", "checkpoint.safetensors", code=2)
    assert (
        "is of the cell 'mine', which is not a shipped one. Name its file: --cell path/to/" in result.stderr
    )
    assert (
        len(run("sample", "checkpoint.safetensors", "--cell", "cells.py:mine", "--length", 20).stdout) == 21
    )
    run("train-text", "text.txt", "--resume", "--cell", "cells.py:mine", "--steps", 12)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("softmax_cross_entropy", "takes a cell with one vector as input and a vector as output"),
        (
            "cells.py:square",
            "The cell's output is as long as its input, so its size is the number of characters",
        ),
        (
            "cells.py:fixed",
            "The input of the cell has shape \\(3,\\), and characters need an axis of their own",
        ),
    ],
)
def test_cells_that_do_not_fit(run, tmp_path, cell, message):
    (tmp_path / "cells.py").write_text(CELL_FILE)
    with pytest.raises(AssertionError, match=message):
        run("train-text", "text.txt", *SMALL, "--cell", cell)
    assert not (tmp_path / "checkpoint.safetensors").exists()


# ---- Sampling ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint of a model that has almost learnt its text by heart."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text("hallo welt\n" * 100)
    arguments = ["train-text", folder / "text.txt", *SMALL, "--steps", 300, "--learning-rate", 0.02]
    arguments += ["--hidden", 24, "--every", 300, "-o", folder / "checkpoint.safetensors"]
    invoked(*arguments)
    return folder / "checkpoint.safetensors"


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_the_likeliest_text(run, trained, target):
    greedy = ("--temperature", 0, "--target", target)
    assert run("sample", trained, *greedy, "--length", 33).stdout == "hallo welt\n" * 3 + "\n"
    assert run("sample", trained, *greedy, "--prompt", "hallo w", "--length", 4).stdout == "hallo welt\n\n"
    assert run("sample", trained, *greedy, "--prompt", "hal", "--length", 0).stdout == "hal\n"


def test_a_seed_gives_a_text_and_heat_gives_others(run, trained):
    one, again, other = (
        run("sample", trained, "--temperature", 3, "--seed", seed).stdout for seed in (1, 1, 2)
    )
    assert one == again != other
    assert len(one) == 501
    cold = run("sample", trained, "--temperature", 1e-300, "--length", 11).stdout
    assert cold == "hallo welt\n\n"


def test_frequencies_are_the_probabilities(trained):
    checkpoint = read_checkpoint(trained, session.KIND)
    vocabulary = Vocabulary(checkpoint.arrays["settings.vocabulary"])
    language = language_model(CELLS["lstm"], 1, 24, vocabulary, "numpy")
    parameters = language.init(np.random.default_rng(1))
    x = np.eye(len(vocabulary), dtype=np.float32)[None, vocabulary.encode("h")]
    logits, _ = language.module.predict(parameters, language.module.Inputs(x=x, y=None))
    expected = np.exp(logits[0, 0] / 0.5) / np.exp(logits[0, 0] / 0.5).sum()
    rng = np.random.default_rng(2)
    drawn = [next(language.sample(parameters, "h", 1, 0.5, rng)) for _ in range(2000)]
    counts = np.bincount(vocabulary.encode("".join(drawn)), minlength=len(vocabulary))
    np.testing.assert_allclose(counts / 2000, expected, atol=0.04)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prompt", "haxlß"), "The model does not know the characters 'x', 'ß': .* It knows '.n ae"),
        (("--temperature", -1), "The temperature is -1.0. Give 0 or a positive number"),
        (("--temperature", "nan"), "The temperature is nan"),
        (("--length", -1), "A text of -1 characters cannot be written"),
        (("--target", "gpu"), "There is no target 'gpu'"),
    ],
)
def test_samples_that_cannot_be_drawn(run, trained, options, message):
    result = run("sample", trained, *options, code=2)
    assert result.stdout == ""
    with pytest.raises(RequestError, match=message):
        raise RequestError(result.stderr)


# ---- What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "There is no text in bad.txt. Name a file with text in UTF-8."),
        (b"\xef\xbb\xbf", "There is no text in bad.txt."),
        (b"short", "The text has 5 characters; batches of 4 samples of 6 steps need 40"),
        (b"a" * 1000, "The text has one character only, 'a': there is nothing to learn."),
        (b"x" * 700 + b"\xff" + b"x" * 700, "bad.txt is not UTF-8: invalid start byte at byte 700 (0xff)"),
        ("ä".encode() * 99 + b"\xc3", "bad.txt is not UTF-8: unexpected end of data at byte 198 (0xc3)"),
    ],
)  # fmt: skip
def test_texts_that_cannot_be_used(run, tmp_path, data, message):
    (tmp_path / "bad.txt").write_bytes(data)
    assert message in run("train-text", "bad.txt", *SMALL, code=2).stderr
    assert [path.name for path in tmp_path.glob("*safetensors*")] == []


def test_texts_that_are_not_there(run):
    assert "The text none.txt cannot be read: No such file" in run("train-text", "none.txt", code=2).stderr
    assert "The text . cannot be read: Is a directory" in run("train-text", "text.txt", ".", code=2).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "none/c.safetensors"), "there is no folder none. Make it first"),
        (("-o", "text.txt/c.safetensors"), "cannot be written"),
        (("-o", "text.txt"), "The file text.txt exists, so it is left as it is. Continue that training with"),
        (("-o", ".", "--force"), ". is a folder"),
        (("--resume",), "The checkpoint checkpoint.safetensors does not exist"),
        (("--hidden", 0), "--hidden is 0. Give a positive number"),
        (("--time", -1), "--time is -1. Give a positive number"),
        (("--learning-rate", "nan"), "--learning-rate is nan. Give a positive number"),
        (("--target", "gpu"), "There is no target 'gpu'"),
        (("--cell", "gruu"), "There is no shipped cell 'gruu'"),
    ],
)
def test_requests_that_are_refused_before_training(run, tmp_path, options, message):
    assert message in run("train-text", "text.txt", *SMALL, *options, code=2).stderr
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == TEXT
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_a_finished_training_is_not_overwritten_unasked(run, tmp_path):
    run("train-text", "text.txt", *SMALL, "--steps", 10)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    assert "overwrite it with --force" in run("train-text", "text.txt", *SMALL, code=2).stderr
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    run("train-text", "text.txt", *SMALL, "--steps", 5, "--force")
    assert contents(tmp_path / "checkpoint.safetensors")[1]["step"] == 5


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(run, tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        if contents(Path("checkpoint.safetensors"))[1]["step"] == 20:
            raise OSError(28, "No space left on device")
        synchronised(descriptor)

    synchronised = os.fsync
    run("train-text", "text.txt", *SMALL, "--steps", 10)
    monkeypatch.setattr(os, "fsync", full)
    result = run("train-text", "text.txt", "--resume", "--every", 10, "--steps", 40, code=2)
    assert "checkpoint.safetensors cannot be written: No space left on device" in result.stderr
    assert contents(tmp_path / "checkpoint.safetensors")[1]["step"] == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.safetensors", "text.txt"]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 0.999])
def test_checkpoints_that_are_cut_off(run, tmp_path, trained, share):
    data = trained.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data[: int(share * len(data))])
    result = run("sample", "cut.safetensors", code=2)
    assert "The file cut.safetensors is no safetensors file, or it is cut off" in result.stderr
    result = run("train-text", "text.txt", "--resume", "-o", "cut.safetensors", code=2)
    assert "is cut off" in result.stderr
    assert (tmp_path / "cut.safetensors").read_bytes() == data[: int(share * len(data))]


def test_checkpoints_of_others(run, tmp_path):
    save_file({"W": np.zeros(3)}, tmp_path / "other.safetensors")
    assert "other.safetensors was not written by symrnn" in run("sample", "other.safetensors", code=2).stderr
    assert "is no safetensors file" in run("sample", "text.txt", code=2).stderr
    assert "The checkpoint . is a folder" in run("sample", ".", code=2).stderr
    assert "none does not exist" in run("sample", "none", code=2).stderr


def without(name: str) -> Any:
    return lambda arrays, record: arrays.pop(name)


def changed(name: str, change: Any) -> Any:
    return lambda arrays, record: arrays.update({name: change(arrays[name])})


def recorded(**entries: Any) -> Any:
    return lambda arrays, record: record.update(entries)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (recorded(format=2, made="made by symrnn 9.0"), "format 2 (made by symrnn 9.0), and this is symrnn"),
        (recorded(kind="recipe"), "holds a recipe, where a language model of characters is wanted"),
        (recorded(settings={}), "is damaged: it has no 'hidden'"),
        (recorded(settings=5), "is damaged"),
        (without("parameters.layer_1_W_f"), "It belongs to another model"),
        (changed("parameters.layer_1_W_f", lambda a: a[:-1]), "parameters.layer_1_W_f of shape (23,"),
        (changed("parameters.head_b_y", lambda a: a.astype(np.float64)), "is damaged: parameters"),
        (changed("parameters.head_b_y", lambda a: a * np.nan), "has elements that are not finite"),
        (without("settings.vocabulary"), "is damaged: it has no 'settings.vocabulary'"),
        (changed("settings.vocabulary", lambda a: a[:-1]), "It belongs to another model"),
        (changed("settings.vocabulary", lambda a: a[::-1].copy()), "the vocabulary is not in order"),
        (changed("settings.vocabulary", lambda a: a.astype(np.int64)), "the vocabulary is an array"),
        (changed("settings.vocabulary", lambda a: a + np.uint32(0xD7F0)), "has surrogates"),
    ],
)  # fmt: skip
def test_checkpoints_that_do_not_fit(run, tmp_path, trained, change, message):
    altered(trained, tmp_path / "new.safetensors", change)
    assert message in run("sample", "new.safetensors", code=2).stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (recorded(step="many"), "is damaged: invalid literal"),
        (recorded(position=[0, 10**6]), "is damaged: its position in the text is (0, 1000000)"),
        (recorded(position=None), "is damaged"),
        (recorded(generator={"bit_generator": "MT19937"}), "is damaged"),
        (recorded(optimiser_steps=None), "is damaged"),
        (recorded(losses=[1.0]), "is damaged"),
        (without("moments.second.head_b_y"), "It belongs to another model"),
        (changed("state.layer_1_h", lambda a: a[1:]), "state.layer_1_h of shape (3, 24)"),
    ],
)
def test_trainings_that_cannot_go_on(run, tmp_path, trained, change, message):
    altered(trained, tmp_path / "new.safetensors", change)
    before = (tmp_path / "new.safetensors").read_bytes()
    result = run("train-text", trained.with_name("text.txt"), "--resume", "-o", "new.safetensors", code=2)
    assert message in result.stderr
    assert (tmp_path / "new.safetensors").read_bytes() == before


def test_without_safetensors(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    told = 'Checkpoints need the package safetensors. Install it with: pip install "symrnn[train]"'
    assert told in run("train-text", "text.txt", code=2).stderr
    assert told in run("sample", "checkpoint.safetensors", code=2).stderr


def test_reports_stand_above_the_bar(tmp_path):
    """In a terminal every report has a line of its own, whatever the bar does."""
    pty = pytest.importorskip("pty")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    ours, theirs = pty.openpty()
    program = "from symrnn.commands.command_line import main; main()"
    arguments = [*map(str, ("train-text", "text.txt", *SMALL, "--steps", 20))]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 4096):
            seen += data
    except OSError:  # what Linux says at the end
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", seen.decode())
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    assert [line.split(":")[0] for line in lines if "in validation" in line] == [
        "step 10 of 20",
        "step 20 of 20",
    ]
    assert any("tokens/s" in line and "/20" in line for line in lines)


def test_speed():
    assert display.speed_text([]) == display.speed_text([(1.0, 100)]) == ""
    assert display.speed_text([(1.0, 100), (1.5, 700), (3.0, 1300)]) == ", 1,000 tokens/s"
