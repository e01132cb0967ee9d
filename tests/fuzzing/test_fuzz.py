"""The fuzzer: a slice of its cells and models is well, and a planted fault is found, shrunk and told."""

import io
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from declared_cells import declared
from rich.console import Console
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, tanh, zoo
from symrnn.declaration.digest import cell_digest
from symrnn.errors import CheckError
from symrnn.fuzzing import cells, examination
from symrnn.fuzzing.cells import PAIRS_PER_CELL, build_cell, scheduled_cell, scheduled_pairs
from symrnn.fuzzing.comparing import Kernel, require_equal, require_lengths, require_streaming
from symrnn.fuzzing.constructs import (
    LEAVES,
    PLACES,
    POSSIBLE,
    RESULTS,
    Pair,
    all_pairs,
    impossible,
    pairs_of,
    stack_depth,
)
from symrnn.fuzzing.examination import examine_cell, loaded, problem_for
from symrnn.fuzzing.findings import CELL, MODEL, Outcome, Task, perform, planned_tasks
from symrnn.fuzzing.model_examination import examine_model
from symrnn.fuzzing.model_source import model_source
from symrnn.fuzzing.models import scheduled_model
from symrnn.fuzzing.processes import Crew
from symrnn.fuzzing.session import Tally, pairs_table, run, summary
from symrnn.fuzzing.shrinking import shrunk, size
from symrnn.models.model import Model

n, m = sr.axes("n m")
x, h, W = Input("x", n), State("h", m), Parameter("W", m, n)


@pytest.mark.parametrize("number", range(14))
def test_a_cell_of_the_slice_is_well(number: int) -> None:
    cell = scheduled_cell(0, number)
    found = examine_cell(cell, "numpy", number)
    assert found.fault is None, f"{found.fault}\n{cell}"
    assert found.finite


@pytest.mark.parametrize("number", range(3))
def test_a_model_of_the_slice_is_well(number: int) -> None:
    found = examine_model(scheduled_model(0, number), "numpy", number)
    assert found.fault is None, found.fault


def test_a_compiled_cell_is_well() -> None:
    found = examine_cell(zoo.cell("elman"), "numba")
    assert found.fault is None, found.fault


# -- what is reached --------------------------------------------------------------------------------------


def test_pairs_are_read_off_a_cell() -> None:
    cell = Cell("f", Eq(h.next, tanh(W @ x - 2 * h * h.next.state + h)))
    assert pairs_of(cell) == {
        Pair("tanh", "of", "sum", 1),
        Pair("sum", "first", "scaled", 1),
        Pair("sum", "middle", "matrix @ vector", 1),
        Pair("sum", "last", "state", 1),
        Pair("scaled", "of", "square", 1),
        Pair("square", "of", "state", 1),
        Pair("matrix @ vector", "left", "parameter", 2),
        Pair("matrix @ vector", "right", "input", 1),
    }
    assert stack_depth(cell) == 0
    nested = sr.concatenate(sr.concatenate(x, h), h)
    assert stack_depth(Cell("f", Eq(h.next, Parameter("V", m, 2 * m + n) @ nested))) == 2


def test_every_pair_is_possible_or_has_a_reason() -> None:
    assert len(set(POSSIBLE)) == len(POSSIBLE)
    for pair in set(all_pairs()) - set(POSSIBLE):
        assert impossible(pair)
    assert impossible(Pair("softmax", "of", "identity", 2)) == "the ranks do not go together"
    assert set(PLACES) == set(RESULTS)
    assert {pair.inner for pair in POSSIBLE} == {*LEAVES, *RESULTS}


def test_what_is_said_to_be_impossible_is() -> None:
    """SymPy and the declaration merge what the table says that they merge."""
    g = Parameter("g", m)
    for expr, pair in (
        ((h + g) + tanh(h), Pair("sum", "first", "sum", 1)),
        (2 * (3 * tanh(h)), Pair("scaled", "of", "scaled", 1)),
        ((h * g) ** 2, Pair("square", "of", "product", 1)),
        ((h**2) ** 3, Pair("square", "of", "square", 1)),
        (tanh(sr.sigmoid(2) * h), Pair("sigmoid", "of", "number", 0)),
    ):
        assert impossible(pair)
        assert pair not in pairs_of(Cell("f", Eq(h.next, expr + W @ x)))


def test_all_pairs_come_in_turn() -> None:
    """A round through the pairs leaves none out, and every seed has an order of its own."""
    cells = -(-len(POSSIBLE) // PAIRS_PER_CELL)
    seen = {pair for number in range(cells) for pair in scheduled_pairs(0, number)}
    assert seen == set(POSSIBLE)
    assert scheduled_pairs(0, 0) == scheduled_pairs(0, 0) != scheduled_pairs(1, 0)


def test_scheduled_pairs_are_reached() -> None:
    wanted = [(number, pair) for number in range(40) for pair in scheduled_pairs(3, number)]
    reached = [pair in pairs_of(scheduled_cell(3, number)) for number, pair in wanted]
    assert sum(reached) >= 0.85 * len(wanted)


# -- what a kernel must do --------------------------------------------------------------------------------


def test_a_kernel_that_ignores_lengths_is_noticed() -> None:
    cell = zoo.cell("elman")
    with loaded(sr.emit(cell, "numpy"), "numpy") as module:
        kernel = Kernel(module, problem_for(cell, 0), "float64")
        require_lengths(kernel, np.array([2, 3]))
        forward = module.forward

        def deaf(*given: Any, lengths: Any = None, **options: Any) -> Any:
            return forward(*given, **options)

        module.forward = deaf  # type: ignore[attr-defined]
        with pytest.raises(CheckError, match="lengths: "):
            require_lengths(kernel, np.array([2, 3]))


def test_a_kernel_whose_steps_differ_is_noticed() -> None:
    cell = zoo.cell("elman")
    with loaded(sr.emit(cell, "numpy"), "numpy") as module:
        kernel = Kernel(module, problem_for(cell, 0), "float64")
        require_streaming(kernel)
        step = module.step
        module.step = lambda *given: (step(*given)[0] + 1e-6, step(*given)[1])  # type: ignore[attr-defined]
        with pytest.raises(CheckError, match="streaming: outputs differs"):
            require_streaming(kernel)


def test_arrays_are_equal_in_every_bit_or_within_a_tolerance() -> None:
    one = {"a": np.array([1.0, 2.0])}
    require_equal("it", {"a": one["a"] + 1e-14}, one, "float64")
    with pytest.raises(CheckError, match="it: a differs"):
        require_equal("it", {"a": one["a"] + 1e-14}, one)
    with pytest.raises(CheckError, match="it: a differs"):
        require_equal("it", {"a": one["a"] * np.nan}, one, "float64")
    with pytest.raises(CheckError, match="it: a is float32 of shape"):
        require_equal("it", {"a": one["a"].astype(np.float32)}, one, "float64")


# -- a planted fault --------------------------------------------------------------------------------------


def forgetful(source: Any, target: str = "numba", save: str = "all") -> str:
    """Emission with a fault: a hyperbolic tangent loses one part in a thousand on the way."""
    text = sr.emit(source, target, save)
    return text.replace("np.tanh(", "1.001 * np.tanh(")


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "emit", forgetful)


@pytest.mark.usefixtures("fault")
def test_a_planted_fault_is_found_and_shrunk() -> None:
    """The script of the finding declares a small cell, which has the fault."""
    number = next(i for i in range(50) if scheduled_cell(0, i).states and "tanh" in str(scheduled_cell(0, i)))
    whole = scheduled_cell(0, number)
    outcome = perform(Task(CELL, 0, number, "numpy"), 30.0)
    assert outcome.kind.startswith("compare numpy")
    assert outcome.finding.startswith(f"cell {number} of seed 0, numpy: compare numpy")
    script = outcome.finding[outcome.finding.index("from sympy") :]
    small = declared(script[: script.index("import symrnn")], "cell")
    assert "tanh" in str(small)
    assert size(small) < size(whole)
    assert len(small.definitions) <= 4
    found: dict[str, Any] = {}
    exec(script.replace("print(", "result = ("), found)
    assert found["result"].fault.kind == "CheckError"


def test_a_raw_exception_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise KeyError("m")

    monkeypatch.setattr(examination, "emit", broken)
    fault = examine_cell(zoo.cell("elman")).fault
    assert fault is not None
    assert (fault.stage, fault.kind) == ("emit numpy all", "raw KeyError")


def test_slow_emission_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "SLOW", 0.0)
    fault = examine_cell(zoo.cell("elman")).fault
    assert fault is not None
    assert fault.stage == "speed"
    assert "s to make a text" in fault.message


def test_faults_of_one_cause_are_told_from_others() -> None:
    one = examination.Fault(
        "plan all", "PlanError", "In the plan of f, [d_x] 'd_x' is read before it is set.", ""
    )
    same = examination.Fault(
        "plan all", "PlanError", "In the plan of f, [y_2] 'y_2' is read before it is set.", ""
    )
    other = examination.Fault("plan all", "PlanError", "ones needs the size m, which no shape tells.", "")
    assert one.like(same)
    assert not one.like(other)
    assert not one.like(None)


def test_shrinking_keeps_what_fails_and_nothing_else() -> None:
    cell = scheduled_cell(0, 11)
    wanted = next(iter(sorted(pair for pair in pairs_of(cell) if pair.outer == "sum")))
    small = shrunk(cell, lambda smaller: wanted in pairs_of(smaller), 20.0)
    assert wanted in pairs_of(small)
    assert size(small) < size(cell)


# -- models -----------------------------------------------------------------------------------------------


def test_the_script_of_a_model_declares_it() -> None:
    for number in range(12):
        model = scheduled_model(0, number)
        names: dict[str, Any] = {}
        exec(model_source(model), names)
        assert isinstance(names["model"], Model)
        assert names["model"] == model
        assert {cell_digest(run.layer.cell) for run in names["model"].runs} == {
            cell_digest(run.layer.cell) for run in model.runs
        }


def test_models_of_every_shape_are_made() -> None:
    models = [scheduled_model(0, number) for number in range(60)]
    runs = [run for model in models for run in model.runs]
    assert {time for model in models for time in model.times} == {"T", "S", "once"}
    assert any(run.layer.reverse for run in runs)
    assert any(run.layer.initial for run in runs)
    assert any("closed_loop" in run.layer.cell.name for run in runs)
    assert any(run.layer.cell.name.startswith("random") for run in runs)
    assert any(
        len({run.layer.name for run in model.runs if run.layer.name}) < len(model.runs) - 2
        for model in models
    )


def test_a_model_with_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symrnn.fuzzing.model_examination.emit", forgetful)
    number = next(i for i in range(20) if "random_1" in str(scheduled_model(0, i)))
    outcome = perform(Task(MODEL, 0, number, "numpy"), 5.0)
    assert outcome.kind.startswith("compare numpy")
    assert "model = Model(" in outcome.finding


# -- a run ------------------------------------------------------------------------------------------------


def test_tasks_are_the_same_for_a_seed_and_go_on() -> None:
    whole = planned_tasks(20, 5, 7, 0, 0.3)
    assert whole == planned_tasks(20, 5, 7, 0, 0.3)
    assert len(whole) == 25
    assert {task.what for task in whole[:8]} == {CELL, MODEL}
    later = planned_tasks(10, 0, 7, 10, 0.3)
    assert later == [task for task in whole if task.what == CELL and task.number >= 10]
    assert {task.target for task in whole} == {"numpy", "numba"}


def outcome(finding: str = "", emitting: float = 0.5) -> Outcome:
    pairs = frozenset(POSSIBLE[:3])
    return Outcome(
        Task(CELL, 0, 4, "numpy"), "plan all: PlanError" * bool(finding), finding, pairs, 2, emitting, True
    )


def shown(*tables: Any) -> str:
    console = Console(file=io.StringIO(), width=80)
    for table in tables:
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    return str(text)


def test_the_tables_of_a_run() -> None:
    tally = Tally()
    tally.add(outcome())
    tally.add(outcome("cell 4: what it says", 2.0))
    text = shown(summary(tally), pairs_table(tally))
    assert f"3 │ of {len(POSSIBLE):,} that there can be" in text
    assert "2.00 s │ cell 4 of seed 0, numpy" in text
    assert "1 │ plan all: PlanError" in text
    assert "cannot be" in text


def test_a_run_writes_findings_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without processes: what a crew would send."""

    class Two:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> "Two":
            return self

        def __exit__(self, *_: object) -> None: ...
        def outcomes(self, tasks: Any) -> Any:
            for _ in tasks:
                yield outcome("cell 4: [what] it says")
            raise KeyboardInterrupt

    monkeypatch.setattr("symrnn.fuzzing.session.Crew", Two)
    console = Console(file=io.StringIO(), width=80)
    file = tmp_path / "findings.txt"
    tasks = planned_tasks(2, 0, 0, 0, 0.0)
    tally = run(tasks, console, processes=1, minutes=1.0, shrinking=1.0, output=file)
    assert tally.findings == 2
    assert file.read_text("utf-8").count("cell 4: [what] it says") == 2
    assert "Interrupted" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_process_that_ends_is_a_finding() -> None:
    with Crew(1, 1.0) as crew:
        worker = crew.start(Task(CELL, 0, 0, "numpy"))
        worker.process.kill()
        worker.process.join()
        (found,) = crew.outcomes(iter(()))
    assert found.kind == "crashes"
    assert "exit code -9" in found.finding


def test_a_process_that_hangs_is_given_up() -> None:
    with Crew(1, 1.0, limit=0.0) as crew:
        (found,) = crew.outcomes(iter([Task(CELL, 0, 0, "numpy")]))
        assert found.kind == "hangs"
        assert not crew.workers


def test_the_command() -> None:
    command = [sys.executable, "-m", "symrnn.fuzzing", "--cells", "1", "--numba", "0", "--pairs"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Examined" in done.stdout
    assert "Pairs by place" in done.stdout


def test_states_that_the_last_equations_need_have_equations_too(monkeypatch: pytest.MonkeyPatch) -> None:
    right, made = cells._Builder.recurrence, []

    def recurrence(builder: Any, state: Any, depth: int) -> Any:
        if len(made) < 4:
            made.append(builder.quantities.state(state.shape))
        return right(builder, state, depth)

    monkeypatch.setattr(cells._Builder, "recurrence", recurrence)
    states = set(build_cell(random.Random(1).randrange).states)
    assert {term.expr for term in made} <= states
    assert len(made) == 4
