"""`Style`: the notations between which an author of a paper chooses."""

from dataclasses import dataclass

from symrnn.errors import RequestError

TIMES = ("superscript", "subscript")
VECTORS = ("column", "row")


@dataclass(frozen=True, slots=True)
class Style:
    r"""How time and vectors are written.

    `time="superscript"` writes c^{\langle t\rangle}, `time="subscript"` c_t. With `vectors="column"` a matrix
    multiplies a vector from the left, W x; with `vectors="row"` a vector meets the transpose of a matrix of
    the same, declared shape, x W^T.

    Raises:
        RequestError: a choice that there is not.
    """

    time: str = "superscript"
    vectors: str = "column"

    def __post_init__(self) -> None:
        for what, chosen, known in (("time", self.time, TIMES), ("vectors", self.vectors, VECTORS)):
            if chosen not in known:
                raise RequestError(f"There is no {what}={chosen!r} in LaTeX. Choose {' or '.join(known)}.")

    @property
    def rows(self) -> bool:
        """Whether vectors are rows."""
        return self.vectors == "row"


DEFAULT = Style()
