"""Where PyTorch is missing, the tests of training on several processes are left out, and pytest says so."""

from importlib.util import find_spec

MISSING = find_spec("torch") is None

collect_ignore_glob = ["test_processes.py", "test_shards.py"] if MISSING else []


def pytest_report_header() -> list[str]:
    """What is said before the tests run."""
    return ["tests/distributed are left out: PyTorch is not installed"] if MISSING else []
