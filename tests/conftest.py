"""What all tests share: where kernels are compiled to, how JAX compiles, and room for its programs."""

import gc
import itertools
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

# The processes that run the tests are the parallelism: threads that wait for work would slow them down.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# Kernels run for moments here: optimising them takes longer. The commands of `.ci/run` compile as users do.
os.environ.setdefault("NUMBA_OPT", "1")
# The reference runs a program once: compiling it takes longer than running it, however slow.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    " --xla_cpu_parallel_codegen_split_count=1",
)

# Where PyTorch is missing, the folder `torch` of these tests is not PyTorch either.
found = find_spec("torch")
if found is None or found.origin is None:
    sys.modules["torch"] = None  # type: ignore[assignment]

import pytest  # noqa: E402
from compiled_programs import compile_in_turn, make_room  # noqa: E402
from devices import PROCESSOR, computes_there, title_of  # noqa: E402

from symrnn import pipeline  # noqa: E402

gc.set_threshold(50_000, 20, 20)  # tests leave a lot of garbage, and there is room for it
COUNT = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Kernels that tests load lie in pytest's own cache folder: all processes and later runs share them."""
    os.environ.setdefault("SYMRNN_CACHE", str(config.cache.mkdir("kernels")))
    compile_in_turn(config.cache.mkdir("functions"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--device cuda`: run what can be run there, and nothing else."""
    parser.addoption("--device", default=PROCESSOR, help="where PyTorch computes: cpu, cuda, cuda:1, mps")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """On which device the tests compute, if one is asked for."""
    asked = config.getoption("--device")
    return [] if asked == PROCESSOR else [f"tests that compute on {title_of(asked)}, and no others"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not compute on the device that is asked for."""
    if config.getoption("--device") != PROCESSOR:
        config.hook.pytest_deselected(items=[item for item in items if not computes_there(item)])
        items[:] = [item for item in items if computes_there(item)]


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> str:
    """Where PyTorch computes."""
    return str(pytestconfig.getoption("--device"))


def pytest_collection_finish() -> None:
    """To look for garbage among all that is imported would take a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def made_anew_where_something_is_patched(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the pipeline remembers was made before a test changes what makes it."""
    patches = "monkeypatch" in request.fixturenames
    if patches:
        pipeline.forget()
    yield
    if patches:
        pipeline.forget()


@pytest.fixture(autouse=True)
def room_for_compiled_programs() -> Iterator[None]:
    yield
    if next(COUNT) % 5 == 0:
        make_room()
