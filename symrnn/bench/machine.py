"""What a benchmark runs on: the processor, the packages, and which peers there are."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterable
from pathlib import Path

from symrnn.bench.names import PEERS
from symrnn.errors import RequestError

PACKAGES = ("symrnn", "numpy", "numba", "llvmlite", "torch", "jax", "jaxlib", "onnxruntime", "onnx")


def installed_peers() -> tuple[str, ...]:
    """The peers whose packages are installed."""
    return tuple(peer for peer in PEERS if importlib.util.find_spec(peer) is not None)


def require_peers(names: Iterable[str]) -> tuple[str, ...]:
    """The peers of these names, each once.

    Raises:
        RequestError: there is no such peer.
    """
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in PEERS:
            raise RequestError(f"There is no peer {name!r} to measure against. Peers: {', '.join(PEERS)}.")
    return chosen


def machine() -> tuple[tuple[str, str], ...]:
    """The machine in words."""
    return (
        ("processor", _processor()),
        ("cores", str(_cores())),
        ("system", platform.platform()),
        ("python", platform.python_version()),
    )


def versions() -> tuple[tuple[str, str], ...]:
    """The versions of the packages that take part, those that are installed."""
    found = []
    for package in PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


def busy_seconds() -> float | None:
    """The processor time that all processes have used so far, all cores together; None if that is unknown."""
    record = Path("/proc/stat")
    if not record.exists():
        return None
    user, nice, system, _idle, _waiting, hard, soft, stolen = map(
        int, record.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + hard + soft + stolen) / os.sysconf("SC_CLK_TCK")


def used_seconds(process: int) -> float:
    """The processor time that one process has used so far, all its threads together, where Linux tells."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    record = Path("/proc/cpuinfo")
    if record.exists():
        for line in record.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
