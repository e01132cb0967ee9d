"""The verb `check`: what is checked, a cell's kernel or a whole model, and on which problem."""

from collections.abc import Mapping
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike

from symrnn.checking.check import check_cell, check_module, dtype_name
from symrnn.checking.model_check import ModelProblem, check_model_module
from symrnn.checking.problem import Problem, draw_problem
from symrnn.checking.report import CheckReport
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown
from symrnn.kernels.targets import require_array_target
from symrnn.models.model import Model
from symrnn.running.loading import load


def problem_for(declared: Cell | Model, seed: int = 0) -> Problem | ModelProblem:
    """A random problem for a cell or a model, with the reference's answer, for all targets and dtypes."""
    return ModelProblem(declared, seed) if isinstance(declared, Model) else draw_problem(declared, seed=seed)


def check_loaded(
    problem: Problem | ModelProblem, module: ModuleType, *, dtype: str = "float64", target: str = ""
) -> CheckReport:
    """The report on a loaded module at a problem; `target` only names it in the report."""
    if isinstance(problem, ModelProblem):
        return check_model_module(problem, module, dtype, target)
    return check_module(problem, module, dtype=dtype, target=target)


def check(
    declared: Cell | Model,
    target: str = "numpy",
    *,
    sizes: Mapping[str, int] | None = None,
    dtype: DTypeLike = np.float64,
    seed: int = 0,
    T: int = 5,
    B: int = 3,
    save: str = "all",
) -> CheckReport:
    """The report on a freshly emitted kernel of a cell, or on a model, for `target`, at a random problem.

    The reference works in float64 whatever `dtype` the module runs in; `save` is what forward passes keep
    (see `symrnn.plan`), `sizes` are lengths of a cell's axes. Samples of a model have different lengths.
    Call `raise_if_failed()` on the report to make a failure an error.

    Raises:
        RequestError: `target`, `dtype`, `save`, T, B or a name in `sizes` does not exist or cannot be used.

    """
    if not isinstance(declared, Cell | Model):
        raise RequestError(
            f"check() takes a Cell or a Model, and got {shown(declared)}. "
            "A shipped cell is symrnn.zoo.cell('gru')."
        )
    if not isinstance(declared, Model):
        return check_cell(declared, target, sizes=sizes, dtype=dtype, seed=seed, T=T, B=B, save=save)
    if sizes is not None:
        raise RequestError(
            f"The model {declared.name!r} is checked with sizes of its own. Leave sizes= out; T= and B= give "
            "the numbers of steps and samples."
        )
    module, named = load(declared, require_array_target(target, "check"), save), dtype_name(dtype)
    return check_model_module(ModelProblem(declared, seed, T, B), module, named, target)
