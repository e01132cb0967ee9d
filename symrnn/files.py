"""Writing files, all through this door: whole or not at all, and never over what symrnn did not write.

What is written together is made aside first, every file beside its place and so on the same file system, and
moved into place when all of it is made. What fails or is interrupted before leaves the old files, and nothing
else. A pipe or a terminal cannot be replaced: it takes the bytes as they are.

A text is ours if the words "made by symrnn" stand in its first lines. A PDF cannot carry them: it is
ours if the `.tex` file beside it, of the same name, is.
"""

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from symrnn.errors import RequestError
from symrnn.version import __version__

SIGNATURE = "made by symrnn"
SIGNED_LINES = 12
SIGNED_BYTES = 8192

STANDARD_STREAMS = ("/dev/stdout", "/dev/stderr")
DESCRIPTORS = ("/dev/fd", "/proc/self/fd")
"""Names of what is open already, a pipe or a file of the shell's: it is written to and never replaced."""

REPAIRS = {
    errno.ENOSPC: "Make room on the disk, or name another place.",
    errno.EDQUOT: "Make room in your quota, or name another place.",
    errno.EFBIG: "Files of that size are not allowed there; name another place.",
    errno.EACCES: "Name a place that you may write to.",
    errno.EPERM: "Name a place that you may write to.",
    errno.EROFS: "Name a place that can be written to.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}
"""What helps when the system refuses, by its reason."""


def is_signed(text: str) -> bool:
    """Whether the first lines of `text` say that symrnn made it."""
    return any(SIGNATURE in line.lower() for line in text.splitlines()[:SIGNED_LINES])


def signed(text: str, name: str, comment: str) -> str:
    """`text` under a line that says who made it of which cell or model, unless it says so itself."""
    if is_signed(text):
        return text
    return f"{comment} {SIGNATURE} {__version__} from {name}, do not edit\n{text.rstrip()}\n"


def is_ours(path: Path) -> bool:
    """Whether symrnn wrote the file at `path`."""
    if path.suffix.lower() == ".pdf":
        source = path.with_suffix(".tex")
        return source.is_file() and is_ours(source)
    with path.open("rb") as file:
        return is_signed(file.read(SIGNED_BYTES).decode("utf-8", "replace"))


def is_stream(path: Path) -> bool:
    """Whether what is at `path` takes bytes as they come: a pipe, a terminal, the standard output."""
    if str(path) in STANDARD_STREAMS or str(path.parent) in DESCRIPTORS:
        return path.exists()
    mode = path.stat().st_mode if path.exists() else 0
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def require_writable(paths: Iterable[Path], *, force: bool = False, make_folders: bool = False) -> None:
    """Raise unless every one of `paths` may be written; nothing is written.

    Raises:
        RequestError: a path is a folder, may not be written, or its folder does not exist (`make_folders`:
            and cannot be made); or it is a file that symrnn did not write, and `force` is false; or one
            file is named twice.

    """
    listed = list(paths)
    for path in listed:
        if listed.count(path) > 1 and not is_stream(path):
            raise RequestError(f"Two things would be written to {path}. Name a file for each.")
        try:
            _require_writable(path, force, make_folders)
        except OSError as error:
            raise refused(path, error) from None


def _require_writable(path: Path, force: bool, make_folders: bool) -> None:
    if is_stream(path):
        return
    _require_folder(path, make_folders)
    if path.is_dir():
        raise RequestError(f"{path} is a folder, so no file can be written there. Name a file.")
    if path.exists() and not path.is_file():
        raise RequestError(f"{path} is no regular file, so it cannot be written. Name a file.")
    if path.exists() and not force and not is_ours(path):
        raise RequestError(
            f"The file {path} exists and symrnn did not write it, so it is left as it is. "
            "Name another file, or overwrite it with --force (force=True)."
        )
    if path.exists() and not os.access(path, os.W_OK):
        raise RequestError(
            f"The file {path} cannot be written: it is read-only. Name another file, or allow to write it."
        )


def _require_folder(path: Path, make_folders: bool) -> None:
    """Raise unless a file can be made at `path`."""
    folder = path.parent
    while make_folders and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"The file {path} cannot be written: {folder} is no folder. Name another place.")
    if not folder.is_dir():
        raise RequestError(
            f"The file {path} cannot be written: there is no folder {path.parent}. Make it first."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RequestError(
            f"The file {path} cannot be written: you may not write to the folder {folder}. "
            f"{REPAIRS[errno.EACCES]}"
        )


def refused(path: Path, error: OSError) -> RequestError:
    """The error that says why the system does not let `path` be written, and what helps."""
    repair = REPAIRS.get(error.errno or 0, "Name another place.")
    return RequestError(f"The file {path} cannot be written: {error.strerror}. {repair}")


def write(path: Path, content: str | bytes, *, force: bool = False) -> None:
    """Write `content` to `path`: afterwards the file is whole, or as it was.

    Text is written in UTF-8 with the line ends it has. A symbolic link keeps pointing to its file.

    Raises:
        RequestError: the file may not be written (see `require_writable`), or the system refuses.

    """
    write_files({path: content}, force=force)


def write_files(contents: Mapping[Path, str | bytes], *, force: bool = False) -> None:
    """Write every content to its path, once all are made: if that fails, all files are as they were.

    Raises:
        RequestError: as for `write`.

    """
    require_writable(contents, force=force)
    replace_all({path: c.encode("utf-8") if isinstance(c, str) else c for path, c in contents.items()})


def write_all(folder: Path, contents: Mapping[str, str | bytes], *, force: bool = False) -> tuple[Path, ...]:
    """The paths of the files written into `folder`, by names that may have folders of their own.

    Folders are made if need be. Either every file is written, or none is and no folder made.

    Raises:
        RequestError: as for `write`, or a folder cannot be made.

    """
    files = {folder / name: content for name, content in contents.items()}
    require_writable(files, force=force, make_folders=True)
    with ExitStack() as undo:
        for home in dict.fromkeys(path.parent for path in files):
            _make_folder(home, undo)
        write_files(files, force=force)
        undo.pop_all()
    return tuple(files)


def _make_folder(folder: Path, undo: ExitStack) -> None:
    """Make `folder` and those above it; `undo` learns how to remove what was made, if it is empty."""
    try:
        for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
            missing.mkdir(exist_ok=True)
            undo.callback(_remove_if_empty, missing)
    except OSError as error:
        raise RequestError(
            f"The folder {folder} cannot be made: {error.strerror}. {REPAIRS[errno.EACCES]}"
        ) from None


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def replace_all(contents: Mapping[Path, bytes]) -> None:
    """Put bytes into files, whatever was there, once all are made aside; streams get theirs last.

    Raises:
        RequestError: the system refuses.

    """
    with ExitStack() as aside:
        parts: list[tuple[Path, Path]] = []
        streams = {path: data for path, data in contents.items() if is_stream(path)}
        for path, data in contents.items():
            if path not in streams:
                parts.append((path, _made_aside(path, data, aside)))
        for path, part in parts:
            try:
                os.replace(part, os.path.realpath(path))
            except OSError as error:
                raise refused(path, error) from None
        for path, data in streams.items():
            _send(path, data)


def _made_aside(path: Path, data: bytes, aside: ExitStack) -> Path:
    """A file beside the one at `path`, with its mode; `aside` removes it in the end if it is still there."""
    place = Path(os.path.realpath(path))
    part = place.with_name(f".symrnn_{os.urandom(8).hex()}")
    aside.callback(part.unlink, missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            part.chmod(stat.S_IMODE(place.stat().st_mode))
    except OSError as error:
        raise refused(path, error) from None
    return part


def _send(path: Path, data: bytes) -> None:
    """Write to what is open at `path`, behind what it has; who reads a pipe may have gone."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as stream:
            stream.write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refused(path, error) from None
