"""Pictures as files: what may be asked for, and the bytes of a PNG or SVG that says who made it."""

import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING

from symrnn.errors import RequestError
from symrnn.files import SIGNATURE
from symrnn.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")


def require_figure_name(path: Path) -> None:
    """Raise unless a figure can be drawn for a file of this name.

    Raises:
        RequestError: the suffix is neither .png nor .svg, or matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"--plot draws {' or '.join(SUFFIXES)} files, not {path}. Name one of these.")
    if importlib.util.find_spec("matplotlib") is None:
        raise RequestError("--plot needs matplotlib. Install it: pip install 'symrnn[bench]'.")


def picture_bytes(picture: "Figure", suffix: str) -> bytes:
    """A figure of matplotlib as a PNG or SVG file, for a file name's suffix, with our signature in it."""
    file = io.BytesIO()
    kind = suffix.lower().removeprefix(".")
    about = {"Software": f"{SIGNATURE} {__version__}"} if kind == "png" else {"Date": None}
    picture.savefig(file, format=kind, dpi=150, metadata=about)
    return file.getvalue() if kind == "png" else _signed(file.getvalue())


def _signed(drawing: bytes) -> bytes:
    """An SVG file with our signature below its first line."""
    first, _, rest = drawing.partition(b"\n")
    return b"\n".join([first, f"<!-- {SIGNATURE} {__version__} -->".encode(), rest])
