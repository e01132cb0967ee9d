"""symrnn turns the equations of a recurrent cell into the paper, the kernel and the proof.

What is public is loaded when it is first asked for, by the table below; the functions of the vocabulary are
named in their families alone.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from symrnn.places import found_at, places_of
from symrnn.version import __version__ as __version__

if TYPE_CHECKING:
    from symrnn import layouts as layouts
    from symrnn import zoo as zoo
    from symrnn.checking.proof import check as check
    from symrnn.declaration.axes import axes as axes
    from symrnn.declaration.cell import Cell as Cell
    from symrnn.declaration.operations import concatenate as concatenate
    from symrnn.declaration.operations import dot as dot
    from symrnn.declaration.operations import einsum as einsum
    from symrnn.declaration.operations import identity as identity
    from symrnn.declaration.operations import matmul as matmul
    from symrnn.declaration.operations import mean as mean
    from symrnn.declaration.operations import one_hot as one_hot
    from symrnn.declaration.operations import ones as ones
    from symrnn.declaration.operations import outer as outer
    from symrnn.declaration.operations import take as take
    from symrnn.declaration.operations import total as total
    from symrnn.declaration.operations import transpose as transpose
    from symrnn.declaration.operations import where as where
    from symrnn.declaration.quantities import Constant as Constant
    from symrnn.declaration.quantities import Index as Index
    from symrnn.declaration.quantities import Input as Input
    from symrnn.declaration.quantities import Parameter as Parameter
    from symrnn.declaration.quantities import State as State
    from symrnn.declaration.quantities import Value as Value
    from symrnn.derivation.jacobian import step_jacobian as step_jacobian
    from symrnn.derivation.tangent import tangent as tangent
    from symrnn.errors import DeclarationError as DeclarationError
    from symrnn.errors import SymrnnError as SymrnnError
    from symrnn.errors import SymrnnWarning as SymrnnWarning
    from symrnn.mathematics.style import Style as Style
    from symrnn.models.closed_loop import closed_loop as closed_loop
    from symrnn.models.layers import Feed as Feed
    from symrnn.models.layers import Layer as Layer
    from symrnn.models.model import Model as Model
    from symrnn.onnx_graphs.export import onnx as onnx
    from symrnn.pipeline import derive as derive
    from symrnn.pipeline import emit as emit
    from symrnn.pipeline import plan as plan
    from symrnn.running.loading import load as load
    from symrnn.vocabulary.activations import *  # noqa: F403
    from symrnn.vocabulary.piecewise import *  # noqa: F403
    from symrnn.vocabulary.powers import *  # noqa: F403
    from symrnn.vocabulary.reductions import *  # noqa: F403
    from symrnn.vocabulary.trigonometric import *  # noqa: F403
    from symrnn.writing import diff as diff
    from symrnn.writing import latex as latex

_NAMES = {
    "symrnn.checking.proof": "check",
    "symrnn.declaration.axes": "axes",
    "symrnn.declaration.cell": "Cell",
    "symrnn.declaration.operations": "concatenate dot einsum identity matmul mean one_hot ones outer take "
    "total transpose where",
    "symrnn.declaration.quantities": "Constant Index Input Parameter State Value",
    "symrnn.derivation.jacobian": "step_jacobian",
    "symrnn.derivation.tangent": "tangent",
    "symrnn.errors": "DeclarationError SymrnnError SymrnnWarning",
    "symrnn.mathematics.style": "Style",
    "symrnn.models.closed_loop": "closed_loop",
    "symrnn.models.layers": "Feed Layer",
    "symrnn.models.model": "Model",
    "symrnn.onnx_graphs.export": "onnx",
    "symrnn.pipeline": "derive emit plan",
    "symrnn.running.loading": "load",
    "symrnn.writing": "diff latex",
}
"""Public names by the module in which they are; beside them: `layouts`, the shelf `zoo` and the functions."""

_PLACES = {**places_of(_NAMES), "layouts": "symrnn.layouts", "zoo": "symrnn.zoo"}


def _functions() -> dict[str, Any]:
    """The functions of the vocabulary by name."""
    functions: dict[str, Any] = found_at("symrnn.vocabulary.families:PUBLIC")
    return functions


def __dir__() -> list[str]:
    """All public names."""
    return sorted([*_PLACES, *_functions(), "__version__"])


def _public(name: str) -> Any:
    """What is public under `name`, loaded when it is first asked for."""
    if name == "__all__":
        return __dir__()
    if name in _PLACES:
        return found_at(_PLACES[name])
    if not name.startswith("_"):
        if find_spec(f"{__name__}.{name}") is not None:
            return found_at(f"{__name__}.{name}")
        if name in (functions := _functions()):
            return functions[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # type checkers see what is imported above, and nothing else
    __getattr__ = _public
