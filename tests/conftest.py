"""Kernels that tests load lie in pytest's own cache folder, so that a second run finds them compiled."""

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("SYMRNN_CACHE", str(config.cache.mkdir("kernels")))
