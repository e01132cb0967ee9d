"""A model taken through every stage, and the first fault that shows."""

from types import ModuleType
from typing import Any

import numpy as np

from symrnn.checking.check import TOLERANCES
from symrnn.checking.model_check import ModelProblem, check_model_module
from symrnn.checking.model_reference import reference_outputs
from symrnn.checking.problem import largest_magnitude
from symrnn.errors import CheckError
from symrnn.fuzzing.comparing import AMPLIFIED, NOISE, require_equal
from symrnn.fuzzing.examination import DTYPES, Course, Examined, fault_of, loaded
from symrnn.kernels.targets import TARGETS
from symrnn.models.model import Model
from symrnn.pipeline import emit

STEPS, BATCH = 3, 2
AGAIN = "from symrnn.fuzzing.model_examination import examine_model\n\n"


def examine_model(model: Model, target: str = "numpy", seed: int = 0) -> Examined:
    """The examination of a model: emitted, run on samples of different lengths, and compared.

    Loss and gradients must be those of the reference, in both dtypes (compiled: in float64), and what
    `predict` gives that of its layers; a workspace must change nothing. Whatever is raised on the way is a
    fault.
    """
    course = Course()
    fault = fault_of(course, lambda: _model(model, target, seed, course))
    return Examined(fault, course.emitting, course.finite)


def _model(model: Model, target: str, seed: int, course: Course) -> None:
    course.at(f"emit {target}", f'print(symrnn.emit(model, target="{target}"))')
    with course.timed():
        source = emit(model, target)
    course.require_speed()
    again = f"{AGAIN}print(examine_model(model, {target!r}, {seed}))"
    course.at("reference", again)
    problem = ModelProblem(model, seed, STEPS, BATCH, eager=True)
    answer = problem.answer
    course.finite = bool(np.isfinite(answer.loss)) and all(
        np.isfinite(array).all() for array in answer.gradients.values()
    )
    with loaded(source, target) as module:
        dtypes = ("float64",) if TARGETS[target].compiled else DTYPES
        for dtype in dtypes if course.finite else ():
            course.at(f"compare {target} {dtype}", again)
            report = check_model_module(problem, module, dtype, target)
            if not report.passed and not _amplified(problem, module, dtype):
                report.raise_if_failed()
        course.at(f"predict {target}", again)
        require_outputs(problem, module)
        course.at(f"run {target}", again)
        require_workspace(problem, module, dtypes[-1])


class _Call:
    """The arguments of a model's module for a problem, in one dtype."""

    def __init__(self, problem: ModelProblem, module: ModuleType, dtype: str, noise: float = 0.0) -> None:
        rng = np.random.default_rng(problem.seed)

        def cast(arrays: dict[str, Any]) -> dict[str, Any]:
            return {
                name: (array * (1 + noise * rng.standard_normal(array.shape))).astype(dtype)
                if array.dtype.kind == "f"
                else array.copy()
                for name, array in arrays.items()
            }

        self.module = module
        self.arguments = (
            module.Parameters(**cast(problem.parameters)),
            module.Inputs(**cast(problem.inputs)),
            module.State(**cast(problem.state)),
        )
        self.lengths = module.Lengths(**problem.lengths)

    def results(self, **options: Any) -> dict[str, Any]:
        """Loss, gradients and states by name."""
        found = self.module.loss_and_gradients(*self.arguments, lengths=self.lengths, **options)
        named = {f"gradient of {name}": array for name, array in found.gradients._asdict().items()}
        named |= {f"final {name}": array for name, array in found.state._asdict().items()}
        return {"loss": np.asarray(found.loss), **{name: np.array(array) for name, array in named.items()}}


def _amplified(problem: ModelProblem, module: ModuleType, dtype: str) -> bool:
    """Whether what differs is no more than this problem makes of rounded arguments."""
    noise = NOISE * float(np.finfo(dtype).eps)
    exact = _Call(problem, module, "float64").results()
    moved = _Call(problem, module, "float64", noise).results()
    single = _Call(problem, module, dtype).results()
    answer = {"loss": np.asarray(problem.answer.loss)}
    answer |= {f"gradient of {name}": array for name, array in problem.answer.gradients.items()}
    return all(
        largest_magnitude(single[name] - array) <= AMPLIFIED * largest_magnitude(moved[name] - exact[name])
        or largest_magnitude(single[name] - array) <= TOLERANCES[dtype] * largest_magnitude(array)
        for name, array in answer.items()
    )


def require_outputs(problem: ModelProblem, module: ModuleType) -> None:
    """Raise unless `predict` gives the outputs of the reference, and zeros beyond a sample's end."""
    call = _Call(problem, module, "float64")
    found, _ = module.predict(*call.arguments, lengths=call.lengths)
    wanted = reference_outputs(
        problem.model, problem.parameters, problem.inputs, state=problem.state, lengths=problem.lengths
    )
    over_time = np.ndim(found) == wanted[0].ndim + 1
    for b, outputs in enumerate(wanted):
        steps = len(outputs)
        mine = found[:steps, b] if over_time else found[b][None]
        require_equal(f"outputs of sample {b}", {"outputs": mine}, {"outputs": outputs}, "float64")
        if over_time and largest_magnitude(found[steps:, b]):
            raise CheckError(f"The outputs of sample {b} are not zero beyond its end.")


def require_workspace(problem: ModelProblem, module: ModuleType, dtype: str) -> None:
    """Raise unless repeated calls in one workspace change no bit."""
    call, workspace = _Call(problem, module, dtype), module.Workspaces()
    wanted = call.results()
    for which in ("first", "second"):
        require_equal(f"the {which} call in a workspace", call.results(workspace=workspace), wanted)
