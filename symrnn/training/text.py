"""Text as data: characters as numbers, and stretches of it as batches of one-hot vectors."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.errors import RequestError
from symrnn.training.trainer import Batch, Position

HELD_OUT = 20
"""One part in so many, the last one of the text, is for validation."""

CODE_POINTS = 0x110000


def read_texts(paths: Sequence[Path]) -> str:
    """The texts of files in UTF-8, one after the other.

    Raises:
        RequestError: a file cannot be read or is not UTF-8 (the message names the byte), or there is no text.

    """
    texts = []
    for path in paths:
        try:
            texts.append(path.read_bytes().decode("utf-8").removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            raise RequestError(
                f"The text {path} is not UTF-8: {error.reason} at byte {error.start} "
                f"(0x{error.object[error.start]:02x}). Convert it to UTF-8 first."
            ) from None
        except OSError as error:
            raise RequestError(
                f"The text {path} cannot be read: {error.strerror}. Name a file with text in UTF-8."
            ) from None
    text = "".join(texts)
    if not text:
        raise RequestError(
            f"There is no text in {', '.join(map(str, paths))}. Name a file with text in UTF-8."
        )
    return text


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The characters that a model knows: their code points (V,), in rising order."""

    points: np.ndarray

    def __post_init__(self) -> None:
        points = self.points
        if points.dtype != np.uint32 or points.ndim != 1 or len(points) < 2:
            raise ValueError(f"the vocabulary is an array {points.shape} of {points.dtype}")
        if np.any(points[1:] <= points[:-1]) or points[-1] >= CODE_POINTS:
            raise ValueError("the vocabulary is not in order")
        if np.any((points >= 0xD800) & (points < 0xE000)):
            raise ValueError("the vocabulary has surrogates, which are no characters")

    def __len__(self) -> int:
        return len(self.points)

    def encode(self, text: str) -> np.ndarray:
        """The numbers (N,) of the characters of a text.

        Raises:
            RequestError: a character is not in the vocabulary; the message names it.

        """
        points = code_points(text)
        codes = np.minimum(np.searchsorted(self.points, points), len(self) - 1)
        unknown = points[self.points[codes] != points]
        if len(unknown):
            listed = ", ".join(repr(chr(point)) for point in dict.fromkeys(unknown[:1000].tolist()))
            known = "".join(map(chr, self.points[:200].tolist()))
            raise RequestError(
                f"The model does not know the characters {listed}: they are not in the text that it was "
                f"trained on. It knows {known!r}{' and others' if len(self) > 200 else ''}."
            )
        return codes

    def character(self, code: int) -> str:
        """The character with a number."""
        return chr(self.points[code])


def code_points(text: str) -> np.ndarray:
    """The code points (N,) of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """A text as numbers: its vocabulary, what is trained on, what is held out, and a fingerprint."""

    vocabulary: Vocabulary
    training: np.ndarray
    validation: np.ndarray
    digest: str


def corpus(text: str, T: int, B: int) -> Corpus:
    """A text made ready for batches of B samples of T steps.

    Raises:
        RequestError: the text is too short for one batch, or has one character only.

    """
    length, needed = len(text), least_length(T, B)
    if length < needed:
        raise RequestError(
            f"The text has {length:,} characters; batches of {B} samples of {T} steps need {needed:,}. "
            "Give more text, or a smaller --time or --batch."
        )
    points = code_points(text)
    seen = np.zeros(CODE_POINTS, np.bool_)
    seen[points] = True
    found = np.flatnonzero(seen).astype(np.uint32)
    if len(found) < 2:
        raise RequestError(f"The text has one character only, {text[0]!r}: there is nothing to learn.")
    numbers = np.zeros(CODE_POINTS, np.int32)
    numbers[found] = np.arange(len(found))
    codes = numbers[points]
    cut = length - length // HELD_OUT
    return Corpus(
        Vocabulary(found), codes[:cut], codes[cut:], hashlib.sha256(points.tobytes()).hexdigest()[:16]
    )


def least_length(T: int, B: int) -> int:
    """The length of the shortest text that makes one batch of training and two characters of validation."""
    needed = T * B + 1
    return max(2 * HELD_OUT, needed + (needed - 1) // (HELD_OUT - 1))


def one_hot(codes: np.ndarray, size: int, dtype: Any) -> np.ndarray:
    """Numbers (...) as vectors (..., size) that are 1 in one place."""
    flat = np.zeros((codes.size, size), dtype)
    flat[np.arange(codes.size), codes.reshape(-1)] = 1
    return flat.reshape(*codes.shape, size)


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Batches from a text that is cut into B rows, each read from left to right, T characters at a time.

    A position is where the first row begins and which stretch of the rows is next. Rows are cut anew after
    every pass, from a random beginning, so that what one pass leaves over is read in another. `rows` are the
    ones that batches hold, from the first to before the last, where the others are somebody else's.
    """

    module: Any
    codes: np.ndarray
    size: int
    T: int
    B: int
    dtype: Any = np.float32
    rows: tuple[int, int] | None = None

    @property
    def per_pass(self) -> int:
        """The number of batches of one pass over the text."""
        return (len(self.codes) - 1) // (self.T * self.B)

    def first(self, rng: np.random.Generator) -> Position:
        """A random beginning."""
        spare = len(self.codes) - 1 - self.per_pass * self.T * self.B
        return int(rng.integers(spare + 1)), 0

    def batch(self, position: Position) -> Batch:
        """Characters as inputs, and as targets those that follow; a new pass starts from the zero state."""
        begin, stretch = position
        row = np.arange(self.T + 1)[:, None] + begin + stretch * self.T
        held = np.arange(*(self.rows or (0, self.B)))
        codes = self.codes[row + held * (self.per_pass * self.T)]  # (T + 1, B)
        hot = one_hot(codes, self.size, self.dtype)
        return Batch(self.module.Inputs(x=hot[:-1], y=hot[1:]), self.T * len(held), fresh=stretch == 0)

    def following(self, position: Position, rng: np.random.Generator) -> Position:
        """The next stretch, or a new pass."""
        begin, stretch = position
        return (begin, stretch + 1) if stretch + 1 < self.per_pass else self.first(rng)

    def require(self, position: Position) -> None:
        """Raise unless there is a batch at a position.

        Raises:
            ValueError: there is none.

        """
        begin, stretch = position
        fits = begin + self.per_pass * self.T * self.B < len(self.codes)
        if not (begin >= 0 and fits and 0 <= stretch < self.per_pass):
            raise ValueError(f"its position in the text is {position}")


def validation_stretches(codes: np.ndarray, T: int, B: int) -> Iterator[np.ndarray]:
    """A text as stretches (up to T + 1, up to B) of rows, to be read in turn with the state carried over.

    A stretch begins with the character at which the one before it ends.
    """
    rows = max(1, min(B, (len(codes) - 1) // T))
    length = (len(codes) - 1) // rows
    starts = np.arange(rows) * length
    for begin in range(0, length, T):
        yield codes[np.arange(begin, min(begin + T, length) + 1)[:, None] + starts]
