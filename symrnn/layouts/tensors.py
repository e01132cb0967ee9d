"""The one door to safetensors: a file's arrays by name, and one JSON text of ours in its metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.errors import RequestError
from symrnn.files import write

KEY = "symrnn"
"""The entry of the metadata that holds our JSON text."""


def require_safetensors(what: str, extra: str) -> None:
    """Raise unless files can be written and read; `what` are these, and `extra` brings the package.

    Raises:
        RequestError: the package safetensors is not installed.

    """
    try:
        import safetensors.numpy  # noqa: F401
    except ImportError:
        raise RequestError(
            f'{what} need the package safetensors. Install it with: pip install "symrnn[{extra}]"'
        ) from None


def write_tensors(path: Path, arrays: Mapping[str, Any], record: Mapping[str, Any], *, force: bool) -> None:
    """Write arrays and a record of what they are: afterwards the file is whole, or as it was.

    Raises:
        RequestError: the file may not be written, or the system refuses.

    """
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    write(path, save(whole, {KEY: json.dumps(record)}), force=force)


def read_tensors(
    path: Path, what: str, repair: str, prefix: str = ""
) -> tuple[dict[str, np.ndarray[Any, Any]], str | None]:
    """The arrays of a file by name, and the JSON text of ours that it has.

    What does not begin with `prefix` is named, but not read: its arrays are empty.

    Raises:
        RequestError: there is no such file, or it is cut off, or no safetensors file; the message ends with
            `repair`.

    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        fact = "is a folder" if path.is_dir() else "does not exist"
        raise RequestError(f"The {what} {path} {fact}. {repair}")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {
                name: file.get_tensor(name) if name.startswith(prefix) else np.empty(0)
                for name in file.keys()  # noqa: SIM118
            }
            return arrays, (file.metadata() or {}).get(KEY)
    except SafetensorError as error:
        raise RequestError(
            f"The file {path} is no safetensors file, or it is cut off ({error}). {repair}"
        ) from None
    except OSError as error:
        raise RequestError(f"The {what} {path} cannot be read: {error.strerror}. {repair}") from None
    except (TypeError, AttributeError) as error:
        raise RequestError(
            f"The {what} {path} has numbers of a kind that NumPy lacks ({error}). Convert them to float32."
        ) from None
