"""What the tests of emitted kernels share: cells, problems, arguments, and how to run a script on its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from math import prod
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Constant, Input, Parameter, State, Value
from symrnn.checking.problem import Problem, draw_problem
from symrnn.zoo import CELLS, elman

TARGETS = ("numpy", "numba")
DTYPES = ("float64", "float32")

n, m, k = sr.axes("n m k")
x, h, c = Input("x", n), State("h", m), State("c", m)
W, U, b = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m)


def constants() -> Cell:
    """A constant vector, a constant number, a scalar parameter, and parameters made of parameters."""
    decay, floor = Constant("decay", m, value=0.75), Constant("floor", value=0.25)
    scale, A = Parameter("scale", init=1.5), Value("A")
    return Cell(
        "constants",
        Eq(A, U - sr.transpose(U) - floor * sr.identity(m)),
        Eq(h.next, decay * h + sr.tanh(scale * (A @ h) + W @ x + b)),
    )


def several() -> Cell:
    """Two inputs, one a scalar; three states, one a matrix and one a scalar; a value as output."""
    signal, gain = Input("signal", n), Input("gain")
    C, norm, key, read = State("C", m, m), State("norm"), Value("key"), Value("read")
    W_k, W_q = Parameter("W_k", m, n), Parameter("W_q", k, m)
    return Cell(
        "several",
        Eq(key, sr.tanh(W_k @ signal + h)),
        Eq(C.next, sr.sigmoid(gain) * C + sr.outer(key, key)),
        Eq(norm.next, norm + sr.dot(key, key)),
        Eq(h.next, sr.tanh(C.next @ key + b)),
        Eq(read, W_q @ (C.next @ key) / (1 + norm.next**2)),
        output=read,
    )


def layer() -> Cell:
    """No state at all."""
    y = Value("y")
    return Cell("layer", Eq(y, sr.softplus(W @ x + b)), output=y)


def delayed() -> Cell:
    """The output is the state before the step."""
    return Cell("delayed", Eq(h.next, sr.tanh(U @ h + W @ x)), output=h)


def ties() -> Cell:
    """Every function with a tie, with zeros on its path when the initial state is zero."""
    return Cell(
        "ties",
        Eq(h.next, sr.relu(h) + abs(h) + sr.maximum(h, U @ h) + sr.minimum(h, 2 * h) + W @ x),
    )


def affine() -> Cell:
    """No product with the state: the loops are recurrences alone. One input meets only a constant matrix."""
    other, K, W_z, z, q = (
        Input("other", n),
        Constant("K", m, n, value=0.3),
        Parameter("W_z", m, n),
        Value("z"),
        Value("q"),
    )
    return Cell(
        "affine",
        Eq(z, sr.sigmoid(W_z @ x)),
        Eq(q, sr.tanh(W @ x + K @ other + b)),
        Eq(h.next, (1 - z) * h + z * q),
    )


EXTRA = {made.name: made for made in (constants(), several(), layer(), delayed(), ties(), affine())}
ALL = {**CELLS, "elman_relu": elman("relu"), **EXTRA}


@cache
def kernel(name: str, target: str, save: str = "all") -> ModuleType:
    """The kernel of one of the cells above."""
    return sr.load(ALL[name], target, save)


@cache
def problem(name: str, T: int = 4, B: int = 3, zero_state: bool = False, **sizes: int) -> Problem:
    """A random problem with the reference's answer, for all targets and dtypes."""
    seed, eager = T + 7 * B, T < 10 and not zero_state  # at zero a reference needs the rule about ties
    return draw_problem(ALL[name], sizes=sizes, T=T, B=B, seed=seed, zero_state=zero_state, eager=eager)


class Call:
    """The arguments of a kernel for a problem, in one dtype: fresh copies."""

    def __init__(self, module: ModuleType, made: Problem | SimpleNamespace, dtype: str) -> None:
        def cast(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {name: np.array(array, dtype) for name, array in arrays.items()}

        self.module = module
        self.parameters = module.Parameters(**cast(made.parameters))
        self.inputs = module.Inputs(**cast(made.inputs))
        self.state = module.State(**cast(made.state))
        self.d_outputs = made.d_outputs.astype(dtype)
        self.d_state = module.State(**cast(made.d_state))

    @property
    def arrays(self) -> list[Any]:
        """All arguments, in one order."""
        return [*self.parameters, *self.inputs, *self.state, self.d_outputs, *self.d_state]

    def replaced(self, change: Any) -> "Call":
        """The same call with every array changed."""
        made = object.__new__(Call)
        made.module = self.module
        for group in ("parameters", "inputs", "state", "d_state"):
            setattr(made, group, type(getattr(self, group))(*map(change, getattr(self, group))))
        made.d_outputs = change(self.d_outputs)
        return made

    def forward(self) -> Any:
        return self.module.forward(self.parameters, self.inputs, self.state)

    def results(self) -> list[Any]:
        """Everything that forward and backward return, in one order."""
        run = self.forward()
        gradients = self.module.backward(self.parameters, run.tape, self.d_outputs, self.d_state)
        return [run.outputs, *run.state, *flat(gradients)]


def call(name: str, target: str, dtype: str = "float64", **shape: Any) -> Call:
    """The arguments for a cell's kernel at a shared problem."""
    return Call(kernel(name, target), problem(name, **shape), dtype)


def drawn(
    name: str, target: str, T: int, B: int, dtype: str = "float64", save: str = "all", **sizes: int
) -> Call:
    """The arguments for a problem of any length: random ones, without the reference's answer.

    The parameters are small, so that long sequences do not amplify rounding.
    """
    module = kernel(name, target, save)
    return drawn_call(module, {**dict(zip(module.AXES, (3, 5, 4), strict=False)), **sizes}, T, B, dtype)


def drawn_call(module: ModuleType, sizes: Mapping[str, int], T: int, B: int, dtype: str = "float64") -> Call:
    """The arguments for a kernel whose axes have these sizes: random ones, but for classes."""
    rng = np.random.default_rng([T, B])

    def arrays(table: Mapping[str, tuple[str, ...]], *lead: int) -> dict[str, Any]:
        return {
            field: rng.standard_normal((*lead, *(number_of(size, sizes) for size in shape)))
            for field, shape in table.items()
        }

    fresh = module.init(rng, **sizes, dtype=np.float64)._asdict()
    made = SimpleNamespace(
        parameters={
            field: array
            if field in module.CONSTANTS
            else rng.standard_normal(array.shape) / (2 * np.sqrt((1, *array.shape)[-1]))
            for field, array in fresh.items()
        },
        inputs=arrays(module.INPUTS, T, B),
        state=arrays(module.STATES, B),
        d_outputs=arrays({"output": module.OUTPUT}, T, B)["output"],
        d_state=arrays(module.STATES, B),
    )
    return Call(module, made, dtype)


def number_of(size: str, sizes: Mapping[str, int]) -> int:
    """The number that the text of a size is: `2*m + n`."""
    terms = (term.split("*") for term in size.split(" + "))
    return sum(prod(sizes[factor] if factor in sizes else int(factor) for factor in term) for term in terms)


def flat(gradients: Any) -> list[Any]:
    """The arrays of `Gradients`, in one order."""
    return [*gradients.parameters, *(gradients.inputs or ()), *gradients.state]


def spoiled(results: Any) -> Any:
    """Arrays like these, full of NaN; tuples stay tuples of their kind."""
    if isinstance(results, np.ndarray):
        return np.full_like(results, np.nan)
    return None if results is None else type(results)(*map(spoiled, results))


def assert_same(found: list[Any], expected: list[Any]) -> None:
    """Equal bit for bit, NaN included, with equal shapes and dtypes."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_array_equal(one, other)


def assert_close(found: list[Any], expected: list[Any], dtype: str = "float64") -> None:
    """Equal but for rounding: the same sums, perhaps in another order."""
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        scale = np.max(np.abs(other), initial=1.0)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


USE = '''
import numpy as np


def use(module):
    """Forward, backward, one finite difference, and a digest of the results."""
    rng = np.random.default_rng(0)
    p = module.init(rng, n=3, m=4, dtype=np.float64)
    x, cotangent = rng.standard_normal((5, 2, 3)), rng.standard_normal((5, 2, 4))
    run = module.forward(p, x)
    gradients = module.backward(p, run.tape, cotangent)
    name, weights = p._fields[0], p[0]
    direction, step = rng.standard_normal(weights.shape), 1e-6

    def loss(shift):
        moved = p._replace(**{name: weights + shift * direction})
        return (module.forward(moved, x).outputs * cotangent).sum()

    difference = (loss(step) - loss(-step)) / (2 * step)
    gradient = (gradients.parameters[0] * direction).sum()
    assert abs(difference - gradient) < 1e-7 * abs(gradient), (difference, gradient)
    results = [run.outputs, *gradients.parameters, *gradients.inputs, *gradients.state]
    return " ".join(float(array.sum()).hex() for array in results)
'''


def run_python(script: str, folder: Path, *options: str, **variables: str) -> str:
    """What a fresh Python prints; its warnings are errors, and it must end well."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NUMBA", "SYMRNN"))}
    environment |= {"NUMBA_CACHE_DIR": str(folder / "cache"), "NUMBA_OPT": "1", **variables}
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        "ignore:.*fork:DeprecationWarning",
        *options,
        "-c",
        script,
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.strip()


def importable(name: str) -> tuple[str, dict[str, str]]:
    """The module name of a compiled kernel above, and the variables with which a fresh Python finds it.

    What is compiled for it lies beside it, where the tests' own processes look, too.
    """
    file = Path(str(kernel(name, "numba").__file__))
    return file.stem, {"PYTHONPATH": str(file.parent), "NUMBA_CACHE_DIR": ""}
