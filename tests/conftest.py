"""What all tests share: where kernels are compiled to, and room for the programs that JAX compiles."""

import itertools
import os
import sys
from collections.abc import Iterator

import pytest

MAPPED = 6_000
"""So many mapped regions are well below 65,530: Linux allows no more, and JAX's compiler crashes."""

COUNT = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Kernels that tests load lie in pytest's own cache folder, so that a second run finds them compiled."""
    os.environ.setdefault("SYMRNN_CACHE", str(config.cache.mkdir("kernels")))


def mapped_regions() -> int:
    """How many regions of memory this process has mapped; every program that JAX keeps has about ten."""
    if not os.path.exists("/proc/self/maps"):
        return 0
    with open("/proc/self/maps", encoding="utf-8") as file:
        return sum(1 for _ in file)


@pytest.fixture(autouse=True)
def room_for_compiled_programs() -> Iterator[None]:
    yield
    if "jax" in sys.modules and next(COUNT) % 5 == 0 and mapped_regions() > MAPPED:
        sys.modules["jax"].clear_caches()
