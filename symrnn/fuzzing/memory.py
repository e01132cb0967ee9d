"""What a process that examines many cells holds: programs that JAX compiled, and memory in all.

JAX keeps each program that it compiled in about ten mapped regions of memory, and Linux allows a process no
more than 65,530 of these: JAX's compiler then crashes.
"""

import os
import sys

MAPPED = 6_000
"""So many mapped regions are well below the limit of Linux."""
GIBIBYTES = 2.0
"""A process that holds more than this is replaced by a fresh one: Numba gives nothing back."""


def mapped_regions() -> int:
    """How many regions of memory this process has mapped; 0 where the system does not tell."""
    if not os.path.exists("/proc/self/maps"):
        return 0
    with open("/proc/self/maps", encoding="utf-8") as file:
        return sum(1 for _ in file)


def make_room() -> None:
    """Let JAX forget what it compiled, if that is a lot."""
    if (jax := sys.modules.get("jax")) and mapped_regions() > MAPPED:
        jax.clear_caches()


def is_full() -> bool:
    """Whether this process holds so much that a fresh one should take its place."""
    if not os.path.exists("/proc/self/statm"):
        return False
    with open("/proc/self/statm", encoding="utf-8") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") > GIBIBYTES * 2**30
