"""What weights are read from: a file, a mapping, a list or an array of NumPy or of another library."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.errors import RequestError, shown
from symrnn.layouts.records import Arrays
from symrnn.layouts.tensors import read_tensors, require_safetensors

FORMS = "Give a mapping of arrays by name, a list of arrays, or the path of a .safetensors file."

FILES = "Name a .safetensors file: safetensors.torch.save_file(module.state_dict(), path) writes one."


def arrays_of(source: object, names: Sequence[str], prefix: str = "") -> Arrays:
    """The arrays of a source by name, of those that begin with `prefix`, without it.

    Names of nested mappings are joined by slashes. A list has the arrays in the order of `names`.

    Raises:
        RequestError: it is no such source, the file cannot be read, or something in it is no array.

    """
    flat: dict[str, Any]
    if isinstance(source, str | os.PathLike):
        require_safetensors("Files of weights", "weights")
        flat, _ = read_tensors(Path(source), "file", FILES, prefix)
    else:
        flat = dict(_flattened(source, names, ""))
    taken = {name.removeprefix(prefix): value for name, value in flat.items() if name.startswith(prefix)}
    if not taken:
        fact = f"no name that begins with {prefix!r}" if flat else "no arrays"
        near = f" Names in it: {', '.join(list(flat)[:3])}." if flat else ""
        raise RequestError(f"The source has {fact}.{near} {FORMS}")
    return {name: as_array(value, name) for name, value in taken.items()}


def _flattened(source: object, names: Sequence[str], path: str) -> Iterator[tuple[str, object]]:
    if isinstance(source, Mapping):
        if [*source] == ["l0"]:  # of one layer, what it is called does not matter
            source = {"": source["l0"]} if not isinstance(source["l0"], Mapping) else source["l0"]
        for name, value in source.items():
            whole = "/".join(part for part in (path, str(name)) if part)
            if isinstance(value, Mapping | list | tuple):
                yield from _flattened(value, names, whole)
            else:
                yield whole, value
    elif isinstance(source, list | tuple):
        if len(source) > len(names):
            raise RequestError(
                f"A list of {len(source)} arrays is more than one layer of one direction has, which are "
                f"{', '.join(names)}. Name each, as in {{'l0': [...], 'l0_reverse': [...]}}."
            )
        for name, value in zip(names, source, strict=False):
            yield "/".join(part for part in (path, name) if part), value
    elif hasattr(source, "shape") and len(names):
        yield names[0], source
    else:
        raise RequestError(f"Weights cannot be read from {shown(source)}. {FORMS}")


def as_array(value: Any, name: str) -> np.ndarray[Any, Any]:
    """A tensor of any library, or what NumPy makes an array of, as an array.

    Raises:
        RequestError: it is neither, or its numbers are of a kind that NumPy lacks.

    """
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # PyTorch raises the last one
        raise RequestError(
            f"{name} cannot be made an array of NumPy: {error}. Convert it, for example to float32."
        ) from None
    if array.dtype.kind not in "fiub" and not hasattr(value, "dtype"):
        raise RequestError(f"{name} is {shown(value)}, which is no array of numbers. {FORMS}")
    return array
