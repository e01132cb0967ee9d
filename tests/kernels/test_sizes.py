"""Sizes that no machine has room for are refused before memory is touched; nothing takes no time."""

from pathlib import Path
from typing import Any

import model_problems
import numpy as np
import pytest
from command_runs import invoked
from kernel_problems import TARGETS, drawn, kernel

import symrnn as sr
from symrnn import zoo
from symrnn.checking.problem import draw_problem
from symrnn.errors import RequestError

targets = pytest.mark.parametrize("target", TARGETS)
HUGE = 10**12


def endless(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    """Zeros of any shape, in the memory of one number."""
    return np.broadcast_to(np.zeros((), dtype), shape)


@targets
def test_parameters_that_no_machine_has_room_for(target: str) -> None:
    rng = np.random.default_rng(0)
    module = kernel("gru", target)
    for n, m in ((10**9, 10**9), (1, 10**9), (10**18, 1), (np.int64(2**62), np.int64(2**62))):
        size = 4 * 3 * int(m) * (int(n) + int(m) + 1)
        message = f"^There is no room for parameters with n = {n}, m = {m}: {size:,} bytes; this machine has "
        with pytest.raises(ValueError, match=message):
            module.init(rng, n=n, m=m)
    model = model_problems.module("plain", target)
    with pytest.raises(
        ValueError, match=r"^There is no room for parameters with n = 1, m = 1000000000, p = 1: "
    ):
        model.init(rng, n=1, m=10**9, p=1)


@targets
def test_the_limit_is_the_memory_of_the_machine(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = kernel("gru", target)
    size = 4 * 3 * 5 * (4 + 5 + 1)
    monkeypatch.setattr(module, "_MEMORY", size)
    module.init(np.random.default_rng(0), n=4, m=5)
    monkeypatch.setattr(module, "_MEMORY", size - 1)
    with pytest.raises(ValueError, match=f"n = 4, m = 5: {size} bytes; this machine has {size - 1}"):
        module.init(np.random.default_rng(0), n=4, m=5)


@targets
def test_sizes_of_narrow_integers_add_up(target: str) -> None:
    parameters = kernel("gru", target).init(np.random.default_rng(0), n=np.int8(100), m=np.uint8(100))
    assert parameters.W_r.shape == (100, 200)


@targets
def test_sequences_that_no_machine_has_room_for(target: str) -> None:
    made = drawn("gru", target, 4, 3)
    module, p = made.module, made.parameters
    for T, B in ((HUGE, 1), (1, HUGE), (2**20, 2**25), (0, HUGE), (2**31, 2**20)):
        calls = [
            (module.forward, {}),
            (module.predict, {}),
            (module.forward, {"workspace": module.Workspace()}),
        ]
        if T * B < 10**15:
            calls.append((module.forward, {"lengths": endless(B, dtype=np.int64)}))
        for verb, options in calls:
            message = rf"^There is no room for outputs of shape \({T}, {B}, 5\): {max(T, 1) * B * 40:,} bytes"
            with pytest.raises(ValueError, match=message):
                verb(p, endless(T, B, 3), **options)
    with pytest.raises(ValueError, match=rf"^There is no room for outputs of shape \(1, {HUGE}, 5\)"):
        module.step(p, endless(HUGE, 3), module.State(endless(HUGE, 5)))


@targets
def test_arrays_besides_the_outputs_that_no_machine_has_room_for(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tape of a run, a workspace's memory, and copies of inputs in one piece."""
    made = drawn("gru", target, 40, 3, n=30)
    monkeypatch.setattr(made.module, "_MEMORY", made.d_outputs.nbytes)
    for workspace in (None, made.module.Workspace()):
        with pytest.raises(ValueError, match=r"^There is no room for the array c of shape \("):
            made.module.forward(made.parameters, made.inputs, workspace=workspace)
    if target == "numba":
        with pytest.raises(ValueError, match=r"a copy in one piece of an array of shape \(40, 3, 30\)"):
            made.module.predict(made.parameters, made.inputs.x[::-1])


@targets
def test_classes_that_no_machine_has_room_for(target: str) -> None:
    module = sr.load(zoo.embedding, target)
    parameters = module.init(np.random.default_rng(0), v=5, m=3)
    out = np.empty((0, 0, 3), np.float32)
    with pytest.raises(ValueError, match=rf"^There is no room for inputs\.k of shape \({HUGE}, 1000\)"):
        module.predict(parameters, endless(HUGE, 1000, dtype=np.int64), out=out)


@pytest.mark.parametrize(
    ("name", "save", "target"),
    [
        *((name, save, "numpy") for name in ("lstm", "gru", "several") for save in ("all", "states")),
        ("lstm", "all", "numba"),
    ],
)
def test_any_number_of_steps_of_no_sample_takes_no_time(name: str, save: str, target: str) -> None:
    made = drawn(name, target, 1, 0, save=save)

    def longer(array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(array, (HUGE, *array.shape[1:])) if array.shape[:2] == (1, 0) else array

    made = made.replaced(longer)
    module = made.module
    for lengths in (None, np.zeros(0, np.int64)):
        run = module.forward(made.parameters, made.inputs, made.state, lengths=lengths)
        assert run.outputs.shape == made.d_outputs.shape
        gradients = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
        assert not any(array.any() for array in gradients.parameters)
        assert [array.shape for array in gradients.inputs] == [array.shape for array in made.inputs]
        outputs, _ = module.predict(made.parameters, made.inputs, made.state, lengths=lengths)
        assert outputs.shape == made.d_outputs.shape


@targets
def test_axes_of_no_length(target: str) -> None:
    """`init` makes no such parameters, but who has them gets the right numbers."""
    module = kernel("gru", target)
    for n, m in ((0, 3), (3, 0)):
        rng = np.random.default_rng(0)
        shapes = {"m": (m,), "m + n": (m, m + n)}
        p = module.Parameters(*(rng.standard_normal(shapes[s[-1]]) for s in module.PARAMETERS.values()))
        run = module.forward(p, np.ones((4, 2, n)))
        gradients = module.backward(p, run.tape, np.ones_like(run.outputs))
        assert gradients.inputs.x.shape == (4, 2, n)
        if m == 0:
            assert run.outputs.shape == (4, 2, 0)
            continue
        one_input = {f"W_{gate}": np.pad(getattr(p, f"W_{gate}"), ((0, 0), (0, 1))) for gate in "ruc"}
        same = module.forward(p._replace(**one_input), np.ones((4, 2, 1))).outputs
        np.testing.assert_allclose(run.outputs, same, rtol=0, atol=1e-12)


# ---- Requests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train-text", "TEXT", "--hidden", HUGE], f"and moments with --hidden {HUGE} take "),
        (["gradients", "gru", "--hidden", HUGE], f"--hidden {HUGE}; Jacobians of more than 1024 rows"),
        (["gradients", "gru", "--hidden", 10**40], "Take at most --hidden 1024."),
        (
            ["gradients", "gru", "--input", HUGE],
            f"of 'gru' with --steps 100 --hidden 64 --input {HUGE} take ",
        ),
        (["gradients", "elman", "gru", "--steps", HUGE], f"of 'elman' with --steps {HUGE} --hidden 64 take "),
        (["bench", "gru", "--grid", f"5,1,{HUGE}"], f"In --grid, the arrays of 'gru' at 5,1,{HUGE} take "),
        (["bench", "gru", "--grid", f"5,1,4 {HUGE},8,8"], f"the arrays of 'gru' at {HUGE},8,8 take "),
    ],
)
def test_requests_that_no_machine_has_room_for(arguments: list[Any], message: str, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("a word and another one\n" * 300)
    words = [text if word == "TEXT" else word for word in arguments]
    if arguments[0] == "train-text":
        words += ["-o", tmp_path / "checkpoint"]
    assert message in invoked(*words, code=2).stderr
    assert not (tmp_path / "checkpoint").exists()


def test_problems_that_no_machine_has_room_for() -> None:
    message = rf"^The arrays of 'gru' with n=3, m={HUGE}, T=5, B=3 take .* bytes, but this machine has "
    with pytest.raises(RequestError, match=message):
        draw_problem(zoo.cell("gru"), sizes={"m": HUGE})
    with pytest.raises(RequestError, match=rf"T={HUGE}, B=3 take"):
        draw_problem(zoo.cell("gru"), T=HUGE)
