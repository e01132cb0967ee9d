"""What the tests' processes compile: every kernel once for all of them, and room for the programs of JAX."""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from numba import config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

MAPPED = 6_000
"""So many mapped regions are well below 65,530: Linux allows no more, and JAX's compiler crashes.

A compiled program has about ten of them.
"""

SHIPPED = ("elman_", "lstm_")
"""How the names of kernels begin that are optimised nearly as users' are; all others take less time.

The README's first command compiles and checks `gru` as users do.
"""

_LEVEL = config.OPT
_compile = Dispatcher.compile
lock_of = cache(FileLock)


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


def compile_in_turn() -> None:
    """Let a process that needs what another one compiles wait, and load it from Numba's cache on disk.

    Besides, Numba's cache must not be written to by two processes at once: both may choose the same file for
    the machine code of different types.
    """
    Dispatcher.compile = _compile_in_turn


def _compile_in_turn(dispatcher: Any, signature: Any) -> Any:
    folder = dispatcher.stats.cache_path
    if folder is None:  # it is not cached
        return _compile(dispatcher, signature)
    function = dispatcher.py_func
    name = Path(function.__code__.co_filename).stem
    path = Path(folder) / f"{name}.{function.__qualname__}.lock"
    with global_compiler_lock, lock_of(path):  # in this order everywhere: threads compile, too
        config.OPT = type(_LEVEL)(2 if name.startswith(SHIPPED) else 1)
        try:
            return _compile(dispatcher, signature)
        finally:
            config.OPT = _LEVEL
