"""What a failed proof tells its reader: whose fault it is, and a script that shows it again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from symrnn.declaration.cell import Cell
from symrnn.declaration.source_text import cell_source
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.model_derivation import ModelDerivation
from symrnn.errors import ValidationError
from symrnn.models.model import Model
from symrnn.planning.model_plan import ModelPlan
from symrnn.planning.plan import Plan

Source: TypeAlias = Cell | Derivation | Plan | Model | ModelDerivation | ModelPlan


@contextmanager
def told_of(source: Source, call: str) -> Iterator[None]:
    """A context whose failed proofs say that symrnn is at fault, with a script that ends in `call`."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError(
            f"{error}\nThis is a fault of symrnn, not of what you declared, and nothing was written. Please "
            f"report it with {_script(source, call)}"
        ) from None


def _script(source: Source, call: str) -> str:
    """What shows the fault again: a script, or for what no script declares its equations."""
    cell = source.cell if isinstance(source, Derivation) else source
    if isinstance(cell, Cell):
        script = cell_source(cell).strip()
        return f"this script, which shows it again:\n\nimport symrnn\n{script}\nsource = cell\n{call}\n"
    return f"the call {call}, where source is made from\n\n{_told(source)}\n"


def _told(source: Source) -> str:
    """The equations of a plan, or the layers of a model."""
    if isinstance(source, Plan):
        return "\n".join(source.header.equations)
    return str(source.model if isinstance(source, ModelDerivation | ModelPlan) else source)
