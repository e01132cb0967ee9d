"""What a check found: one row per compared quantity, and the verdict."""

import math
from dataclasses import dataclass
from typing import Self

from symrnn.errors import CheckError
from symrnn.printing import Printed

AGREES, DIFFERS, NOT_A_NUMBER = "agrees", "differs", "not a number"
WRONG_SHAPE, WRONG_DTYPE, CHANGED = "wrong shape", "wrong dtype", "argument written to"
UNDEFINED = "undefined here"

HEADINGS = ("quantity", "role", "shape", "largest relative error", "tolerance", "verdict")


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One compared quantity.

    `error` is the largest relative error; NaN where there is nothing to compare. `verdict` is "agrees" or
    says what is wrong: "differs", "not a number", "wrong shape", "wrong dtype", "argument written to",
    or "undefined here" (the reference itself is not finite).
    """

    quantity: str
    role: str
    shape: tuple[int, ...]
    error: float
    tolerance: float
    verdict: str

    @property
    def passed(self) -> bool:
        """Whether this quantity agrees with the reference."""
        return self.verdict == AGREES

    @property
    def texts(self) -> tuple[str, str, str, str, str, str]:
        """The row as text, under `HEADINGS`."""
        shape = " x ".join(map(str, self.shape)) or "scalar"
        return self.quantity, self.role, shape, f"{self.error:.1e}", f"{self.tolerance:.1e}", self.verdict


@dataclass(frozen=True, slots=True)
class CheckReport(Printed):
    """A kernel's values and gradients against the reference.

    `reference` is "JAX autodiff" or "central differences". `T` is the number of time steps, `B` the
    batch size, `sizes` the number of every axis by name.
    """

    cell: str
    target: str
    dtype: str
    seed: int
    T: int
    B: int
    sizes: tuple[tuple[str, int], ...]
    reference: str
    rows: tuple[CheckRow, ...]

    @property
    def passed(self) -> bool:
        """Whether there are rows and all of them agree."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def undefined(self) -> bool:
        """Whether no draw was found at which the cell is finite."""
        return any(row.verdict == UNDEFINED for row in self.rows)

    @property
    def largest_error(self) -> float:
        """The largest relative error of all rows; NaN if a row has none."""
        errors = [row.error for row in self.rows]
        return float("nan") if any(map(math.isnan, errors)) else max(errors, default=0.0)

    @property
    def title(self) -> str:
        """The conditions of the check, in one line."""
        sizes = ", ".join(f"{axis}={size}" for axis, size in (("T", self.T), ("B", self.B), *self.sizes))
        return (
            f"{self.cell}, {self.target}, {self.dtype}, against {self.reference} ({sizes}, seed {self.seed})"
        )

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        if self.passed:
            return f"All {len(self.rows)} quantities agree; largest relative error {self.largest_error:.1e}."
        if self.undefined:
            return (
                f"Undefined: the equations of {self.cell} give NaN or infinity for every draw. "
                "Check the arguments of log, sqrt, powers and quotients."
            )
        failed = ", ".join(
            f"{row.role} {row.quantity} ({row.verdict})" for row in self.rows if not row.passed
        )
        return f"FAILED: {failed}."

    def raise_if_failed(self) -> Self:
        """This report, if every row agrees.

        Raises:
            CheckError: a row does not; the message is the whole table.

        """
        if not self.passed:
            raise CheckError(str(self))
        return self

    def __str__(self) -> str:
        table = [HEADINGS, *(row.texts for row in self.rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
        lines = ["  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)).rstrip() for line in table]
        return "\n".join([f"check of {self.title}", "", *lines, "", self.verdict])
