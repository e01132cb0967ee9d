"""Emitted source as an imported module, from a real file, so that debuggers and Numba's cache work."""

import hashlib
import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from types import ModuleType

from symrnn.derivation.derivation import Derivation
from symrnn.derivation.model_derivation import ModelDerivation
from symrnn.errors import RequestError, shown
from symrnn.files import write_all
from symrnn.pipeline import Source, emit

CACHE_VARIABLE = "SYMRNN_CACHE"
PACKAGE = "symrnn.running.loaded"
"""Whose modules the files in the cache folder are."""

_importing = threading.RLock()


def load(plan: Source, target: str = "numba", save: str = "all", *, contract: str = "full") -> ModuleType:
    """The kernel of a cell, or the module of a model, or of what is made of them, emitted and imported.

    `save` is what the forward pass keeps (see `symrnn.plan`); a plan that is made already keeps its own.
    `contract` is what the kernel offers (see `symrnn.emit`). The same source gives the same module. Its file
    lies in the cache folder (see `cache_folder`), where other processes find it that read what was pickled
    with it.

    Raises:
        RequestError: there is no such target, contract or `save`, `plan` is nothing that can be emitted, or
            the cache folder cannot be written.

    """
    if not isinstance(plan, Source):
        raise RequestError(
            f"load() takes a Cell, a Model, or what is made from one, and got {shown(plan)}. "
            "A shipped cell is symrnn.zoo.cell('gru')."
        )
    source = emit(plan, target=target, save=save, contract=contract)
    if isinstance(plan, Derivation | ModelDerivation):
        plan = plan.cell if isinstance(plan, Derivation) else plan.model
    return load_source(source, f"{plan.name}_{target}")


def cache_folder() -> Path:
    """Where loaded kernels lie: $SYMRNN_CACHE, else `symrnn` in the user's cache folder.

    Raises:
        RequestError: neither is known.

    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "symrnn" / "cache"
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "symrnn"
    try:
        return Path.home() / ".cache" / "symrnn"
    except RuntimeError:
        raise RequestError(
            "Kernels are kept in your home folder, and the system does not say which it is. "
            f"Set the environment variable {CACHE_VARIABLE} to a folder that you may write to."
        ) from None


def load_source(source: str, name: str) -> ModuleType:
    """The module that `source` makes; `name` goes into its file name and its module name.

    File and module are named by the digest of the source, so equal sources share one module, and the
    file of a source that was loaded before is left as it is: Numba's cache for it stays good.

    Raises:
        RequestError: the cache folder cannot be written.

    """
    digest = hashlib.sha256(source.encode("utf-8")).hexdigest()[:16]
    path = cache_folder() / f"{name}_{digest}.py"
    module_name = f"{PACKAGE}.{path.stem}"
    with _importing:
        if module_name in sys.modules:
            return sys.modules[module_name]
        _write_if_changed(path, source.encode("utf-8"))
        return importlib.import_module(module_name)


def _write_if_changed(path: Path, data: bytes) -> None:
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        write_all(path.parent, {path.name: data}, force=True)
    except (OSError, RequestError) as error:
        raise RequestError(
            f"The kernel cannot be kept in {path}, from which it is imported: {error} "
            f"Set the environment variable {CACHE_VARIABLE} to a folder that you may write to."
        ) from None


def import_file(path: Path, module_name: str) -> ModuleType:
    """The module in the file at `path`, registered under `module_name` unless its code raises."""
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module
