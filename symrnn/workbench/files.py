"""Writing files: whole or not at all, and never over what symrnn did not write.

A text is ours if the words "made by symrnn" stand in its first lines. A PDF cannot carry them: it is
ours if the `.tex` file beside it, of the same name, is.
"""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from symrnn.errors import RequestError

SIGNATURE = "made by symrnn"
SIGNED_LINES = 12
SIGNED_BYTES = 8192


def is_signed(text: str) -> bool:
    """Whether the first lines of `text` say that symrnn made it."""
    return any(SIGNATURE in line.lower() for line in text.splitlines()[:SIGNED_LINES])


def is_ours(path: Path) -> bool:
    """Whether symrnn wrote the file at `path`."""
    if path.suffix.lower() == ".pdf":
        source = path.with_suffix(".tex")
        return source.is_file() and is_ours(source)
    with path.open("rb") as file:
        return is_signed(file.read(SIGNED_BYTES).decode("utf-8", "replace"))


def require_writable(paths: Iterable[Path], *, force: bool = False) -> None:
    """Raise unless every one of `paths` may be written; nothing is written.

    Raises:
        RequestError: a path is not a regular file or its folder does not exist; or it is a file that
            symrnn did not write, and `force` is false.

    """
    for path in paths:
        try:
            _require_writable(path, force)
        except OSError as error:
            raise RequestError(f"The file {path} cannot be written: {error.strerror}.") from None


def _require_writable(path: Path, force: bool) -> None:
    if not path.parent.is_dir():
        raise RequestError(
            f"The file {path} cannot be written: there is no folder {path.parent}. Make it first."
        )
    if path.exists() and not path.is_file():
        raise RequestError(f"{path} is no regular file, so it cannot be written. Name a file.")
    if path.exists() and not force and not is_ours(path):
        raise RequestError(
            f"The file {path} exists and symrnn did not write it, so it is left as it is. "
            "Name another file, or overwrite it with --force (force=True)."
        )


def write(path: Path, content: str | bytes, *, force: bool = False) -> None:
    """Write `content` to `path`: afterwards the file is whole, or as it was.

    Text is written in UTF-8 with the line ends it has. A symbolic link keeps pointing to its file.

    Raises:
        RequestError: the file may not be written (see `require_writable`), or the system refuses.

    """
    require_writable([path], force=force)
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        replace(path.resolve(), data)
    except OSError as error:
        raise RequestError(f"The file {path} cannot be written: {error.strerror}.") from None


def replace(path: Path, data: bytes) -> None:
    """Put `data` into the file at `path` in one move, whatever was there."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_all(folder: Path, contents: Mapping[str, str | bytes], *, force: bool = False) -> tuple[Path, ...]:
    """The paths of the files written into `folder`, which is made if need be.

    Either every file may be written, or none is.

    Raises:
        RequestError: as for `write`, or the folder cannot be made.

    """
    make_folder(folder)
    paths = tuple(folder / name for name in contents)
    require_writable(paths, force=force)
    for path, content in zip(paths, contents.values(), strict=True):
        # A PDF is recognised by its source, which has just been replaced: the question was settled above.
        write(path, content, force=True)
    return paths


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it.

    Raises:
        RequestError: the system refuses, or a file is in the way.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"The folder {folder} cannot be made: {error.strerror}.") from None
