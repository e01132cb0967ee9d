"""What all tests share: where kernels are compiled to, how JAX compiles, and room for its programs."""

import gc
import itertools
import os
from collections.abc import Iterator

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

import pytest  # noqa: E402
from compiled_programs import compile_in_turn, make_room  # noqa: E402

from symrnn import pipeline  # noqa: E402

gc.set_threshold(50_000, 20, 20)  # tests leave a lot of garbage, and there is room for it
COUNT = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Kernels that tests load lie in pytest's own cache folder: all processes and later runs share them."""
    os.environ.setdefault("SYMRNN_CACHE", str(config.cache.mkdir("kernels")))
    compile_in_turn(config.cache.mkdir("functions"))


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
