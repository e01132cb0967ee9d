"""Where PyTorch is missing, its tests are left out, and pytest's header says so."""

from importlib.util import find_spec

MISSING = find_spec("torch") is None

collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header() -> list[str]:
    """What is said before the tests run."""
    return ["tests/torch are left out: PyTorch is not installed"] if MISSING else []
