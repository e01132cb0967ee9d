"""What all tests share: where kernels are compiled to, and room for the programs that JAX compiles."""

import itertools
import os
from collections.abc import Iterator

import pytest
from compiled_programs import make_room

COUNT = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Kernels that tests load lie in pytest's own cache folder, so that a second run finds them compiled."""
    os.environ.setdefault("SYMRNN_CACHE", str(config.cache.mkdir("kernels")))


@pytest.fixture(autouse=True)
def room_for_compiled_programs() -> Iterator[None]:
    yield
    if next(COUNT) % 5 == 0:
        make_room()
