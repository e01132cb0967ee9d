"""The functional contract: pure functions of arrays, with the numbers of the full one."""

import pickle
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL, DTYPES, TARGETS, flat
from random_cells import random_cell

import symrnn as sr
from symrnn import Cell, zoo
from symrnn.checking.problem import Problem, draw_problem
from symrnn.checking.reference import indices_of
from symrnn.declaration.axes import size_number
from symrnn.errors import RequestError, ValidationError
from symrnn.kernels.targets import TARGETS as RECORDS
from symrnn.planning.plan import Plan
from symrnn.validation.texts import prove_text

HEADS = ("softmax_cross_entropy", "class_cross_entropy", "embedding", "layer_norm")
CELLS = {**ALL, **{name: zoo.cell(name) for name in HEADS}}


class Arrays:
    """The arguments of both contracts for a problem, as plain tuples."""

    def __init__(self, problem: Problem, dtype: str) -> None:
        picked = indices_of(problem.cell)

        def cast(arrays: dict[str, Any]) -> tuple[Any, ...]:
            return tuple(np.array(a, int if name in picked else dtype) for name, a in arrays.items())

        self.parameters, self.inputs, self.state = map(
            cast, (problem.parameters, problem.inputs, problem.state)
        )
        self.d_outputs, self.d_state = problem.d_outputs.astype(dtype), cast(problem.d_state)

    def full(self, module: ModuleType, lengths: Any) -> list[Any]:
        """What the full contract gives."""
        parameters = module.Parameters(*self.parameters)
        inputs, state = module.Inputs(*self.inputs), module.State(*self.state)
        run = module.forward(parameters, inputs, state, lengths=lengths)
        made = module.backward(parameters, run.tape, self.d_outputs, module.State(*self.d_state))
        outputs, final = module.predict(parameters, inputs, state, lengths=lengths)
        return [run.outputs, *run.state, *flat(made), outputs, *final]

    def functional(self, module: ModuleType, lengths: Any) -> list[Any]:
        """What the functional contract gives; between the two passes there are bytes alone."""
        given = self.parameters, self.inputs, self.state
        outputs, state, *saved = module.forward(*given, lengths=lengths)
        arrays = [outputs, *state, *saved]
        assert all(array.flags.carray for array in arrays)
        for i, array in enumerate(arrays):
            others = (*arrays[:i], *self.parameters, *self.inputs, *self.state)
            assert not any(np.may_share_memory(array, other) for other in others)
        sizes = self.sizes(module) | {"T": len(outputs), "B": outputs.shape[1]}
        assert [a.shape for a in saved] == [
            tuple(size_number(size, sizes) for size in shape) for shape in module.SAVED.values()
        ]
        kept = pickle.loads(pickle.dumps(saved))
        made = module.backward(*given, kept, self.d_outputs, self.d_state, lengths=lengths)
        predicted, final = module.predict(*given, lengths=lengths)
        return [outputs, *state, *flat(made), predicted, *final]

    def sizes(self, module: ModuleType) -> dict[str, int]:
        """The lengths of the axes, told by the shapes."""
        told = zip(
            (*module.PARAMETERS.values(), *module.CONSTANTS.values(), *module.STATES.values()),
            (*self.parameters, *(array[0] for array in self.state)),
            strict=True,
        )
        plain = {name: size for texts, a in told for name, size in zip(texts, a.shape, strict=True)}
        told_by_inputs = zip(module.INPUTS.values(), self.inputs, strict=True)
        plain |= {n: s for texts, a in told_by_inputs for n, s in zip(texts, a.shape[2:], strict=True)}
        return {name: size for name, size in plain.items() if name in module.AXES}


def require_equal(cell: Cell, target: str, save: str, problem: Problem, dtype: str) -> None:
    arrays, B, T = Arrays(problem, dtype), problem.B, problem.T
    full = sr.load(cell, target, save)
    functional = sr.load(cell, target, save, contract="functional")
    for lengths in (None, np.resize([1, T, 0], B) if T else np.zeros(B, int)):
        wanted, found = arrays.full(full, lengths), arrays.functional(functional, lengths)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


COMPILED = ("gru", "several", "constants", "delayed", "class_cross_entropy")
"""The others' compiled functions are those of the full contract, whose text is proved."""


@pytest.mark.parametrize(
    ("name", "target"), [*((name, "numpy") for name in CELLS), *((name, "numba") for name in COMPILED)]
)
def test_its_numbers_are_those_of_the_full_contract(name: str, target: str) -> None:
    for T, B, dtype in ((0, 2, "float64"), (1, 1, "float64"), (5, 3, "float64"), (4, 2, "float32")):
        problem = draw_problem(CELLS[name], T=T, B=B, eager=True)
        require_equal(CELLS[name], target, "all", problem, dtype)


@pytest.mark.parametrize("name", ["lstm", "several", "delayed", "layer"])
def test_states_alone_can_be_saved(name: str) -> None:
    problem = draw_problem(ALL[name], T=5, B=3, eager=True)
    require_equal(ALL[name], "numpy", "states", problem, "float64")
    saved = sr.load(ALL[name], "numpy", "states", contract="functional").SAVED
    assert len(saved) <= len(sr.load(ALL[name], "numpy", contract="functional").SAVED)


@pytest.mark.parametrize("seed", range(60, 80))
def test_random_cells_too(seed: int) -> None:
    cell = random_cell(seed)
    problem = draw_problem(cell, T=3, B=3, eager=True)
    require_equal(cell, "numpy", ("all", "states")[seed % 2], problem, "float64")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_may_be_bare_missing_and_read_only(target: str, dtype: str) -> None:
    arrays = Arrays(draw_problem(zoo.cell("gru"), T=4, B=2, zero_state=True, eager=True), dtype)
    module = sr.load(zoo.cell("gru"), target, contract="functional")
    outputs, state, *saved = module.forward(arrays.parameters, arrays.inputs[0])
    other, final, *kept = module.forward(
        module.Parameters(*arrays.parameters), arrays.inputs, arrays.state[0]
    )
    for one, two in zip([outputs, *state, *saved], [other, *final, *kept], strict=True):
        np.testing.assert_array_equal(one, two)
        one.flags.writeable = False
    given = arrays.parameters, arrays.inputs[0]
    read_only = module.backward(*given, None, saved, arrays.d_outputs)
    wanted = module.backward(*given, arrays.state, kept, arrays.d_outputs, np.zeros_like(arrays.state[0]))
    for one, two in zip(flat(read_only), flat(wanted), strict=True):
        np.testing.assert_array_equal(one, two)
    assert module.backward(*given, None, saved, arrays.d_outputs, input_gradients=False).inputs is None


@pytest.mark.parametrize("target", TARGETS)
def test_what_does_not_fit_is_named(target: str) -> None:
    arrays = Arrays(draw_problem(zoo.cell("lstm"), T=4, B=2, eager=True), "float64")
    module = sr.load(zoo.cell("lstm"), target, contract="functional")
    given = arrays.parameters, arrays.inputs, arrays.state
    _, _, *saved = module.forward(*given)
    with pytest.raises(ValueError, match=r"^parameters is a tuple of 7; pass the 8 arrays W_i, b_i, W_f"):
        module.forward(arrays.parameters[1:], arrays.inputs, arrays.state)
    with pytest.raises(ValueError, match=r"^state is a tuple of 1; pass the 2 arrays c, h\.$"):
        module.forward(arrays.parameters, arrays.inputs, arrays.state[:1])
    with pytest.raises(ValueError, match=r"^state is a ndarray; pass the 2 arrays c, h\.$"):
        module.forward(arrays.parameters, arrays.inputs, arrays.state[0])
    with pytest.raises(ValueError, match=r"^saved has 3 arrays; it should have 4: c, h, tanh_c, a_all\.$"):
        module.backward(*given, saved[1:], arrays.d_outputs)
    for odd in (None, iter(saved), dict(zip(module.SAVED, saved, strict=True)), saved[0]):
        with pytest.raises(
            ValueError,
            match=r"^saved is a \w+; pass the 4 arrays c, h, tanh_c, a_all that forward gave, as a list\.$",
        ):
            module.backward(*given, odd, arrays.d_outputs)
    with pytest.raises(
        ValueError, match=r"^saved.tanh_c has shape \(3, 2, \d+\); it should have \(4, 2, \d+\)"
    ):
        module.backward(*given, [*saved[:2], saved[2][1:], saved[3]], arrays.d_outputs)
    with pytest.raises(ValueError, match=r"^saved.h has dtype float32; it should have float64"):
        module.backward(*given, [saved[0], saved[1].astype("f"), *saved[2:]], arrays.d_outputs)
    with pytest.raises(ValueError, match=r"^d_outputs has shape"):
        module.backward(*given, saved, arrays.d_outputs[1:])


def test_what_a_kernel_promises_is_all_that_it_has() -> None:
    for target in TARGETS:
        contract = RECORDS[target].offer("functional").contract
        module = sr.load(zoo.cell("gru"), target, contract="functional")
        public = {name for name in vars(module) if not name.startswith("_")}
        assert public.issuperset(contract.names)
        text = sr.emit(zoo.cell("gru"), target, contract="functional")
        assert not {"Workspace", "Run", "Tape"} & public
        assert "workspace=" not in text


def test_models_have_full_modules_alone() -> None:
    with pytest.raises(
        RequestError, match=r"^The functional contract is written for cells, .* not for a model"
    ):
        sr.emit(zoo.MODELS["classifier"], "numpy", contract="functional")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("*saved, outputs = _apart([*saved, outputs], given)", "saved = [*saved]"),
        ('"tanh_c": ("T", "B", "m")', '"tanh_c": ("T", "B", "2*m")'),
        ("_Pass(inputs, state, saved, lengths)", "_Pass(inputs, state, saved, None)"),
    ],
)
def test_a_slip_would_be_seen(right: str, wrong: str) -> None:
    planned = sr.plan(zoo.cell("lstm"))
    assert isinstance(planned, Plan)
    text = sr.emit(planned, "numpy", contract="functional")
    prove_text(text, planned, "numpy", "functional")
    assert right in text
    with pytest.raises(ValidationError, match=r"^In the emitted text of lstm, "):
        prove_text(text.replace(right, wrong), planned, "numpy", "functional")
