"""Room for the programs that JAX compiles: it keeps each in memory, in about ten mapped regions."""

import os
import sys

MAPPED = 6_000
"""So many mapped regions are well below 65,530: Linux allows no more, and JAX's compiler crashes."""


def mapped_regions() -> int:
    """How many regions of memory this process has mapped; 0 where the system does not tell."""
    if not os.path.exists("/proc/self/maps"):
        return 0
    with open("/proc/self/maps", encoding="utf-8") as file:
        return sum(1 for _ in file)


def make_room() -> None:
    """Let JAX forget what it compiled, if that is a lot."""
    if "jax" in sys.modules and mapped_regions() > MAPPED:
        sys.modules["jax"].clear_caches()
