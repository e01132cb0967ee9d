"""One call on several threads, several calls at once, and sequences cut into chunks of time steps."""

import importlib
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kernel_problems import (
    DTYPES,
    EXTRA,
    TARGETS,
    USE,
    Call,
    assert_close,
    assert_same,
    call,
    drawn,
    flat,
    importable,
    kernel,
    run_python,
    spoiled,
)

targets = pytest.mark.parametrize("target", TARGETS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


# ---- The number of threads ---------------------------------------------------------------------------


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that makes a kernel cut every call, however small, and gives the list of slices to come."""

    def record(module: ModuleType) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        in_slices = (
            module._in_slices
        )  # its argument changes, not the function's name, which compiled code reads

        def recording(bounds: Any, run: Any, *arguments: Any) -> None:
            def recorded(part: int, lo: int, hi: int, *rest: Any) -> None:
                found.append((part, lo, hi))
                run(part, lo, hi, *rest)

            in_slices(bounds, recorded, *arguments)

        monkeypatch.setattr(module, "_in_slices", recording)
        monkeypatch.setattr(module, "_WORTHWHILE", 1)
        return found

    return record


def with_threads(made: Call, threads: int | None) -> list[Any]:
    """Everything that the three verbs return with so many threads."""
    module = made.module
    predicted, after = module.predict(made.parameters, made.inputs, made.state, threads=threads)
    run = module.forward(made.parameters, made.inputs, made.state, threads=threads)
    gradients = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, threads=threads)
    return [predicted, *after, run.outputs, *run.state, *flat(gradients)]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in ("lstm",) for dtype in DTYPES]
    + [(name, "float64") for name in ("several", "ties", "affine")],
)
def test_any_number_of_threads_gives_the_same(name: str, dtype: str, slices: Any) -> None:
    made = drawn(name, "numba", 5, 7, dtype)
    alone = with_threads(made, 1)
    found = slices(made.module)
    for threads in (1, 2, 3, 100):
        del found[:]
        assert_close(with_threads(made, threads), alone, dtype)
        assert {part for part, _, _ in found} == set(range(min(threads, 7)))


def test_slices_take_every_sample_once(slices: Any) -> None:
    made = drawn("gru", "numba", 4, 23)
    found = slices(made.module)
    for threads in (1, 2, 5, 23, 24):
        for verb in (made.module.forward, made.module.predict):
            del found[:]
            verb(made.parameters, made.inputs, made.state, threads=threads)
            samples = [sample for _, lo, hi in found for sample in range(lo, hi)]
            assert sorted(samples) == list(range(23))


def test_none_is_one_thread_per_processor(slices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = drawn("gru", "numba", 4, 9)
    found = slices(made.module)
    for processors in (1, 2, 3):
        monkeypatch.setattr(made.module, "_CPUS", processors)
        del found[:]
        made.module.forward(made.parameters, made.inputs, made.state)
        assert len(found) == processors


def test_threads_are_a_limit_not_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutting a small call would cost more than it saves: it stays whole."""
    made = drawn("gru", "numba", 4, 9)
    expected = with_threads(made, None)
    monkeypatch.setattr(made.module, "_POOL", ["no threads are called for"])
    assert_same(with_threads(made, 8), expected)


@pytest.mark.parametrize("threads", [0, -1, 2.5, 2.0, True, False, "2", [2]], ids=repr)
@pytest.mark.parametrize("B", [0, 3])
def test_numbers_of_threads_that_are_none(threads: Any, B: int) -> None:
    made = drawn("lstm", "numba", 4, B)
    module, tape = made.module, made.forward().tape
    for verb, arguments in (
        (module.predict, (made.parameters, made.inputs)),
        (module.forward, (made.parameters, made.inputs)),
        (module.backward, (made.parameters, tape, made.d_outputs)),
    ):
        message = f"threads is {threads!r}; pass an integer of at least 1, or None for one per processor."
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            verb(*arguments, threads=threads)


def test_bounds_cover_the_batch_without_gaps() -> None:
    module = kernel("lstm", "numba")
    for batch in (0, 1, 2, 3, 17, 32, 100):
        for operations in (0, 1e6, 1e7, 1e9):
            for threads in (None, 1, 2, 3, 5, 64, 1000):
                bounds = module._bounds(batch, operations, threads)
                assert (bounds[0], bounds[-1]) == (0, batch)
                assert all(low <= high for low, high in pairwise(bounds))
                assert all(isinstance(bound, int) for bound in bounds)
                assert len(bounds) - 1 <= (threads or module._CPUS)


# ---- A batch that is cut -----------------------------------------------------------------------------


def cut(module: Any, monkeypatch: pytest.MonkeyPatch, *bounds: int) -> None:
    """Cut every batch at the given places, however small."""
    monkeypatch.setattr(module, "_bounds", lambda batch, operations, threads: [*bounds, batch])


CUTS = [(0, 1), (0, 2), (0, 1, 2)]


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize(
    ("name", "dtype"), [("lstm", "float64"), ("lstm", "float32"), *((name, "float64") for name in EXTRA)]
)
def test_a_batch_cut_into_parts_gives_the_same(
    name: str, cuts: tuple[int, ...], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = call(name, "numba", dtype)
    whole = made.results()
    predicted, state = made.module.predict(made.parameters, made.inputs, made.state)
    cut(made.module, monkeypatch, *cuts)
    found = made.results()
    assert_close(found, whole, dtype)
    run = made.forward()
    assert_same(
        [run.outputs, *run.state], whole[: 1 + len(run.state)]
    )  # samples do not meet in the forward pass
    again, other = made.module.predict(made.parameters, made.inputs, made.state)
    assert_same([again, *other], [predicted, *state])


@pytest.mark.parametrize("T", [0, 1])
def test_parts_of_short_sequences(T: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = call("lstm", "numba", T=T)
    whole = made.results()
    cut(made.module, monkeypatch, 0, 1, 2)
    assert_close(made.results(), whole)


# ---- Chunks of time steps ----------------------------------------------------------------------------


LONG = [(700, 1), (70, 9)]


@pytest.mark.parametrize(("T", "B"), LONG)
def test_long_sequences_are_several_chunks_and_a_rest(T: int, B: int) -> None:
    """Else the tests below would prove nothing."""
    steps = kernel("lstm", "numba")._steps_together(T, [0, B])
    assert 1 < steps < T / 2
    assert T % steps


def in_two(made: Call, middle: int) -> list[Any]:
    """The results of a call, from two calls: state and d_state are handed from one to the other."""
    module, p = made.module, made.parameters
    first, second = (module.Inputs(*(a[part] for a in made.inputs)) for part in halves(middle))
    early = module.forward(p, first, made.state)
    late = module.forward(p, second, early.state)
    d_early, d_late = (made.d_outputs[part] for part in halves(middle))
    g_late = module.backward(p, late.tape, d_late, made.d_state)
    g_early = module.backward(p, early.tape, d_early, g_late.state)
    return [
        np.concatenate([early.outputs, late.outputs]),
        *late.state,
        *map(np.add, g_early.parameters, g_late.parameters),
        *map(lambda *parts: np.concatenate(parts), g_early.inputs, g_late.inputs),
        *g_early.state,
    ]


def halves(middle: int) -> tuple[slice, slice]:
    return slice(middle), slice(middle, None)


@pytest.mark.parametrize(("T", "B"), LONG)
@pytest.mark.parametrize(
    ("name", "dtype", "save"),
    [(name, dtype, "all") for name in ("lstm", "gru") for dtype in DTYPES]
    + [("several", "float64", "all")]
    + [("constants", "float64", "all"), ("delayed", "float64", "all"), ("layer", "float64", "all")]
    + [("several", "float64", "states")],
)
def test_chunks_do_not_show(name: str, dtype: str, save: str, T: int, B: int) -> None:
    """Against two calls that are cut elsewhere, and against the NumPy kernel, in which this is one chunk."""
    made = drawn(name, "numba", T, B, dtype, save)
    whole = made.results()
    assert all(np.isfinite(array).all() for array in whole)
    for middle in (1, T // 2 + 1):
        assert_close(in_two(made, middle), whole, dtype)
    assert_close(drawn(name, "numpy", T, B, dtype).results(), whole, dtype)
    predicted, state = made.module.predict(made.parameters, made.inputs, made.state)
    assert_close([predicted, *state], whole[: 1 + len(state)], dtype)


@dtypes
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_chunks_of_slices_do_not_show(name: str, dtype: str, slices: Any) -> None:
    """The fewer samples a thread has, the more steps are in its chunks."""
    made = drawn(name, "numba", 170, 9, dtype)
    alone = with_threads(made, 1)
    found = slices(made.module)
    for threads in (2, 3, 9):
        assert_close(with_threads(made, threads), alone, dtype)
    assert {part for part, _, _ in found} == set(range(9))


@pytest.mark.parametrize("rows", [1, 17, 27])
@pytest.mark.parametrize(
    ("name", "save"), [*((name, "all") for name in ("lstm", "gru", *EXTRA)), ("lstm", "states")]
)
def test_chunks_of_the_numpy_kernel_do_not_show(
    name: str, save: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one step each, and of several with a rest."""
    made = drawn(name, "numpy", 16, 3, save=save)
    expected = in_all_ways(made)
    monkeypatch.setattr(made.module, "_ROWS", rows)
    assert 16 % made.module._steps_together(3) or rows == 1
    assert_close(in_all_ways(made), expected)


def in_all_ways(made: Call) -> list[Any]:
    """What the verbs return, gradients also in given arrays and without those of the inputs."""
    module = made.module
    predicted, after = module.predict(made.parameters, made.inputs, made.state)
    run = made.forward()
    arguments = (made.parameters, run.tape, made.d_outputs, made.d_state)
    gradients = module.backward(*arguments)
    given = module.backward(*arguments, out=spoiled(gradients))
    less = module.backward(*arguments, input_gradients=False)
    return [predicted, *after, run.outputs, *run.state, *flat(gradients), *flat(given), *flat(less)]


# ---- Several calls at once ---------------------------------------------------------------------------


@targets
@pytest.mark.parametrize("parts", [False, True], ids=["whole", "cut"])
def test_calls_from_several_threads_give_the_same(
    parts: bool, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Different problems at once, many times; with the batch cut, all share the kernel's own threads."""
    if parts and target == "numba":
        cut(kernel("lstm", target), monkeypatch, 0, 1, 2)
    calls = [call("lstm", target, T=4, B=3), call("lstm", target, "float32"), call("lstm", target, T=2, B=5)]
    expected = [made.results() for made in calls]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda made: made.results(), calls * 20))
    for position, results in enumerate(found):
        assert_same(results, expected[position % len(calls)])


@targets
def test_one_tape_serves_several_threads(target: str) -> None:
    made = call("lstm", target)
    tape = made.forward().tape
    prepared = made.module.prepare(made.parameters)

    def work(given: Any) -> list[np.ndarray]:
        return flat(made.module.backward(given, tape, made.d_outputs, made.d_state))

    expected = work(prepared)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(work, [made.parameters, prepared] * 20):
            assert_same(found, expected)


# ---- Other users of threads in the process -----------------------------------------------------------


def threading_layers() -> list[str]:
    """Numba's threading layers on this machine."""
    found = []
    for layer, pool in (("omp", "omppool"), ("workqueue", "workqueue"), ("tbb", "tbbpool")):
        try:
            importlib.import_module(f"numba.np.ufunc.{pool}")
        except ImportError:
            continue
        found.append(layer)
    return found


layers = pytest.mark.parametrize("layer", threading_layers())

REGION = """
import numba
import numpy as np


@numba.njit(parallel=True, cache=True)
def total(x):
    sums = np.zeros(x.shape[0])
    for i in numba.prange(x.shape[0]):
        sums[i] = x[i].sum()
    return sums.sum()


def enter_region():
    assert total(np.ones((64, 1000))) == 64000
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a parallel region of Numba, and a cache that all processes share."""
    made = tmp_path_factory.mktemp("threads")
    (made / "region.py").write_text(REGION)
    return made


def run_script(script: str, folder: Path, **variables: str) -> str:
    """What a fresh Python prints that imports the kernel of elman as `elman_numba`."""
    name, found_by = importable("elman")
    return run_python(USE + script.replace("elman_numba", name), folder, **found_by, **variables)


def test_numba_has_a_threading_layer() -> None:
    assert "workqueue" in threading_layers()  # Numba's own


@layers
def test_calls_beside_a_parallel_region(layer: str, folder: Path) -> None:
    """Numba's own layer may be entered by one thread only, the kernel by any: it uses none of the layers."""
    script = """
import sys
sys.path.insert(0, ".")
from concurrent.futures import ThreadPoolExecutor
import numba
import elman_numba as module
from region import enter_region
module._bounds = lambda batch, operations, threads: [0, batch // 2, batch]
enter_region()
expected = use(module)
with ThreadPoolExecutor(4) as pool:
    answers = [pool.submit(use, module) for _ in range(16)]
    while not all(answer.done() for answer in answers):
        enter_region()
assert {answer.result() for answer in answers} == {expected}
assert module._POOL
enter_region()
print(numba.threading_layer())
"""
    assert run_script(script, folder, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2") == layer


FORK = """
import os, signal, sys
sys.path.insert(0, ".")
import elman_numba as module
module._bounds = lambda batch, operations, threads: [0, batch // 2, batch]
{before}
before = use(module)
assert module._POOL
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(100)  # a child that waits for threads of its parent would wait forever
    assert not module._POOL
    os.write(writer, use(module).encode())
    assert module._POOL
    {inside}
    os._exit(0)
os.close(writer)
answer = b"".join(iter(lambda: os.read(reader, 65536), b"")).decode()
_, status = os.waitpid(child, 0)
assert status == 0, status
assert answer == before == use(module), answer
{after}
"""


def test_a_forked_child_computes_the_same(folder: Path) -> None:
    assert run_script(FORK.format(before="", inside="", after="print('good')"), folder) == "good"


@layers
def test_a_forked_child_of_a_process_with_a_parallel_region(layer: str, folder: Path) -> None:
    """GNU OpenMP ends a forked child that enters a region of it: the child's kernel must enter none."""
    before = "import numba; from region import enter_region; enter_region()"
    inside = "" if layer == "omp" else "enter_region()"
    script = FORK.format(before=before, inside=inside, after="enter_region(); print(numba.threading_layer())")
    found = run_script(script, folder, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")
    assert found == layer


def test_large_calls_are_cut_without_being_asked(folder: Path) -> None:
    script = """
import os, sys
sys.path.insert(0, ".")
import elman_numba as module
rng = np.random.default_rng(0)
p = module.init(rng, n=64, m=128, dtype=np.float64)
x = rng.standard_normal((30, 64, 64))
module._CPUS = 1
one = module.forward(p, x)
alone = module.backward(p, one.tape, np.ones_like(one.outputs))
assert not module._POOL
module._CPUS = 2
two = module.forward(p, x)
shared = module.backward(p, two.tape, np.ones_like(two.outputs))
assert module._POOL
assert (one.outputs == two.outputs).all()
assert (alone.inputs.x == shared.inputs.x).all()
for a, b in zip(alone.parameters, shared.parameters):
    assert np.allclose(a, b, rtol=1e-10, atol=1e-10 * abs(a).max())
print("good")
"""
    assert run_script(script, folder) == "good"
