"""Records of kernels and models: copied, pickled, read by other processes, sent to those of a pool."""

import copy
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL, TARGETS, Call, assert_same, drawn, flat, kernel, run_python
from model_problems import MODELS
from model_problems import drawn as batch_of
from model_problems import module as model_module

import symrnn as sr
from symrnn.running.loading import CACHE_VARIABLE, cache_folder

targets = pytest.mark.parametrize("target", TARGETS)


def same(one: Any, other: Any) -> bool:
    """Whether two records, or what is in them, have the same types and numbers."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or type(one).__name__ == "Workspace"


def records(call: Call) -> dict[str, Any]:
    """Every kind of record that a kernel has, and of tapes one that lies in a workspace."""
    module, workspace = call.module, call.module.Workspace()
    run = call.forward()
    in_workspace = module.forward(call.parameters, call.inputs, call.state, workspace=workspace)
    gradients = module.backward(call.parameters, run.tape, call.d_outputs)
    return {
        "Parameters": call.parameters,
        "Inputs": call.inputs,
        "State": call.state,
        "Run": run,
        "Gradients": gradients,
        "Prepared": module.prepare(call.parameters),
        "Tape": run.tape,
        "Tape in a workspace": in_workspace.tape,
        "Workspace": workspace,
    }


def copies(record: Any) -> Iterator[Any]:
    yield copy.copy(record)
    yield copy.deepcopy(record)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(record, protocol))


@pytest.mark.parametrize(("name", "target"), [("gru", "numpy"), ("several", "numpy"), ("several", "numba")])
def test_every_record_is_copied_and_pickled(name: str, target: str) -> None:
    call = drawn(name, target, 4, 3)
    for kind, record in records(call).items():
        assert type(record).__name__ == kind.partition(" ")[0]
        for made in copies(record):
            assert same(record, made), kind


def test_every_kind_of_record_is_tried() -> None:
    call = drawn("gru", "numpy", 4, 3)
    kinds = {name for name, value in vars(call.module).items() if isinstance(value, type) and name[0] != "_"}
    assert {kind.partition(" ")[0] for kind in records(call)} == kinds - {"Any", "NamedTuple"}


@targets
def test_copies_serve(target: str) -> None:
    """Gradients from a copied tape are those from the tape, whatever became of its workspace since."""
    call = drawn("lstm", target, 4, 3)
    expected = call.results()
    workspace = call.module.Workspace()
    tape = call.module.forward(call.parameters, call.inputs, call.state, workspace=workspace).tape
    made = [copy.deepcopy(tape), pickle.loads(pickle.dumps(tape))]
    other = call.replaced(lambda array: 2 * array)
    call.module.forward(other.parameters, other.inputs, other.state, workspace=workspace)
    with pytest.raises(ValueError, match="a later forward"):
        call.module.backward(call.parameters, tape, call.d_outputs, call.d_state)
    for copied in made:
        for memory in (None, workspace, copied.workspace):
            gradients = call.module.backward(
                call.parameters, copied, call.d_outputs, call.d_state, workspace=memory
            )
            assert_same(flat(gradients), expected[-len(flat(gradients)) :])


@pytest.mark.parametrize("target", ["numpy"])
def test_a_copied_workspace_has_memory_of_its_own(target: str) -> None:
    call = drawn("gru", target, 4, 3)
    workspace = call.module.Workspace()
    run = call.module.forward(call.parameters, call.inputs, call.state, workspace=workspace)
    before = run.outputs.copy()
    other = call.replaced(lambda array: 2 * array)
    for made in copies(workspace):
        call.module.forward(other.parameters, other.inputs, other.state, workspace=made)
        assert_same([run.outputs], [before])
    assert_same(
        flat(call.module.backward(call.parameters, run.tape, call.d_outputs, call.d_state)),
        call.results()[-len(flat(call.module.backward(call.parameters, run.tape, call.d_outputs))) :],
    )


@pytest.mark.parametrize("target", ["numpy"])
def test_records_of_models_are_copied_and_pickled(target: str) -> None:
    module = model_module("language_model", target)
    p, x, state = batch_of(MODELS["language_model"], T=3, B=2).given(module)
    workspace = module.Workspaces()
    evaluation = module.loss_and_gradients(p, x, state, workspace=workspace)
    for record in (p, x, state, evaluation, module.prepare(p), module.Lengths(T=np.array([3, 1]))):
        for made in copies(record):
            assert same(record, made), type(record)
    for made in copies(workspace):
        assert same(module.loss_and_gradients(p, x, state, workspace=made), evaluation)


# ---- Other processes ---------------------------------------------------------------------------------

READ = """
import pathlib, pickle
records = pickle.loads(pathlib.Path("records").read_bytes())
module = records["module"]
module = __import__(module, fromlist=["forward"])
call = records["call"]
run = module.forward(*call)
gradients = module.backward(call[0], records["Tape"], records["Run"].outputs)
assert (run.outputs == records["Run"].outputs).all()
assert (gradients.parameters[0] == records["Gradients"].parameters[0]).all()
assert all(type(records[name]) is getattr(module, name) for name in KINDS)
print("read")
"""


COMPILED_HERE = {"NUMBA_CACHE_DIR": ""}
"""The machine code beside the kernels' files, which this process has compiled."""


def written(module: ModuleType, folder: Path) -> str:
    """Write the records of a gru's kernel, and return the names of their types as a line of Python."""
    rng = np.random.default_rng(0)
    p = module.init(rng, n=3, m=4)
    x = rng.standard_normal((5, 2, 3)).astype(np.float32)
    run = module.forward(p, x, workspace=module.Workspace())
    records = {
        "Parameters": p,
        "Prepared": module.prepare(p),
        "Run": run,
        "Tape": run.tape,
        "Gradients": module.backward(p, run.tape, run.outputs),
        "Workspace": module.Workspace(),
    }
    kinds = f"KINDS = {list(records)}"
    (folder / "records").write_bytes(pickle.dumps({**records, "module": module.__name__, "call": (p, x)}))
    return kinds


@targets
def test_another_process_reads_records_of_loaded_kernels(target: str, tmp_path: Path) -> None:
    """It imports nothing before it reads them, not even symrnn."""
    kinds = written(kernel("lstm", target), tmp_path)
    root = str(Path(sr.__file__).parents[1])
    where = {CACHE_VARIABLE: str(cache_folder()), "PYTHONPATH": root, **COMPILED_HERE}
    assert run_python(f"{kinds}\n{READ}", tmp_path, **where) == "read"


@pytest.mark.parametrize("target", ["numpy"])
def test_another_process_reads_records_of_emitted_kernels(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without symrnn, under whatever name the file is imported."""
    name = f"any_name_{target}"
    (tmp_path / f"{name}.py").write_text(sr.emit(ALL["gru"], target))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = __import__(name)
    kinds = written(module, tmp_path)
    wall = "import sys\nsys.modules['symrnn'] = None\nsys.path.insert(0, '.')\n"
    assert run_python(f"{wall}{kinds}\n{READ}", tmp_path, **COMPILED_HERE) == "read"


def test_a_kernel_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    written(kernel("gru", "numpy"), tmp_path)
    script = """
import pathlib, pickle
try:
    pickle.loads(pathlib.Path("records").read_bytes())
except ModuleNotFoundError as error:
    print(error)
"""
    where = {CACHE_VARIABLE: str(tmp_path / "empty"), "PYTHONPATH": str(Path(sr.__file__).parents[1])}
    told = run_python(script, tmp_path, **where)
    assert told.startswith(f"There is no kernel {tmp_path / 'empty'}")
    assert "Load it with symrnn.load()" in told
    assert CACHE_VARIABLE in told


POOL = """
import multiprocessing
import numpy as np
import symrnn
from symrnn import zoo

kernel = symrnn.load(zoo.cell("gru"), "numpy")
p = kernel.init(np.random.default_rng(0), n=3, m=4)
inputs = [np.full((5, 2, 3), value, np.float32) for value in (0.5, 1.0)]
with multiprocessing.get_context("spawn").Pool(1) as pool:
    runs = pool.starmap(kernel.forward, [(p, x) for x in inputs])
for x, run in zip(inputs, runs):
    assert type(run) is kernel.Run
    assert (run.outputs == kernel.forward(p, x).outputs).all()
    kernel.backward(p, run.tape, run.outputs)
print("same")
"""


def test_a_pool_of_spawned_processes(tmp_path: Path) -> None:
    where = {CACHE_VARIABLE: str(tmp_path / "cache"), "PYTHONPATH": str(Path(sr.__file__).parents[1])}
    assert run_python(POOL, tmp_path, **where) == "same"
