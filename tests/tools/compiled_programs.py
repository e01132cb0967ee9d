"""What the tests' processes compile: each function once for all, and room for programs of JAX."""

import ast
import dis
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from functools import cache, partialmethod
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from filelock import FileLock
from numba import config
from numba.core.caching import IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.sigutils import normalize_signature

MAPPED = 6_000
"""So many mapped regions are well below 65,530: Linux allows no more, and JAX's compiler crashes.

A compiled program has about ten of them.
"""

SHIPPED = ("elman_", "lstm_")
"""How the names of kernels begin that are optimised nearly as users' are; all others take less time.

The README's first command compiles and checks `gru` as users do.
"""

HOME = "_HOME"
"""The place of a module's functions in Numba's cache: its name is a cell's, and all that may differ."""

HOME_NAME = re.compile(r"symrnn_\w+_[0-9a-f]{12}")

_STORE: dict[Any, Any] = {}
"""What this process has compiled or read, by the text of a function and of what it uses, types and level."""

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


class Homes(MetaPathFinder):
    """Finds homes of kernels' functions, empty: what is shared has that of the kernel that had it first."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module of a name such as `symrnn_gru_0123456789ab`."""
        return ModuleSpec(name, self) if HOME_NAME.fullmatch(name) else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """A new one."""

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is in it."""


def compile_in_turn(store: Path) -> None:
    """Let a process that needs what another one compiles wait, and load it from the folder `store`.

    There, machine code has the name of the text that it was made of: kernels of any name share it.

    Besides, Numba's cache must not be written to by two processes at once: both may choose the same file for
    the machine code of different types.
    """
    store.mkdir(parents=True, exist_ok=True)
    Dispatcher.compile = partialmethod(_compile_in_turn, store)
    sys.meta_path.append(Homes())


def _compile_in_turn(dispatcher: Any, store: Path, signature: Any) -> Any:
    folder = dispatcher.stats.cache_path
    if folder is None:  # it is not cached
        return _compile(dispatcher, signature)
    function = dispatcher.py_func
    file = Path(function.__code__.co_filename)
    shipped = file.stem.startswith(SHIPPED)  # processes without these homes load it, too
    level = 2 if shipped else 1
    text = "" if shipped else f"{_text_of(str(file), function.__name__)}_{level}"
    path = Path(folder) / f"{file.stem}.{function.__qualname__}.lock" if shipped else store / f"{text}.lock"
    with global_compiler_lock, lock_of(path):  # in this order everywhere: threads compile, too
        config.OPT = type(_LEVEL)(level)
        try:
            if shipped:
                return _compile(dispatcher, signature)
            dispatcher._cache._cache_file = IndexDataCacheFile(str(store), text, "")
            return _compile_once(dispatcher, signature, text)
        finally:
            config.OPT = _LEVEL


def _compile_once(dispatcher: Any, signature: Any, text: str) -> Any:
    """Modules that have a function in common, with all that it uses, have it compiled once."""
    arguments = tuple(normalize_signature(signature)[0])
    key = (text, arguments)
    if key in _STORE and arguments not in dispatcher.overloads:
        dispatcher.add_overload(_STORE[key])
    entry = _compile(dispatcher, signature)
    _STORE[key] = dispatcher.overloads[arguments]
    return entry


def _text_of(file: str, name: str) -> str:
    """A digest of a function's text and of the text of all that it uses of its module."""
    parts, reached, left = _definitions(file), set[str](), [name]
    while left:
        name = left.pop()
        if name in parts and name not in reached:
            reached.add(name)
            left += parts[name][1]
    texts = (f"{name}\n{parts[name][0]}" for name in sorted(reached - {HOME}))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


@cache
def _definitions(file: str) -> dict[str, tuple[str, frozenset[str]]]:
    """The text of everything that a module defines, and the names in it."""
    source = Path(file).read_text(encoding="utf-8")
    return {
        name: (ast.unparse(node), frozenset(_globals(compile(ast.Module([node], []), file, "exec"))))
        for node in ast.parse(source).body
        for name in _defined(node)
    }


def _globals(code: CodeType) -> Iterator[str]:
    """The names that code, and the functions in it, look up outside themselves."""
    yield from (i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
