"""The operators, as PyTorch's own checks see them: their schema, their shapes, and their gradients."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from random_cells import random_cell
from torch.utils._python_dispatch import TorchDispatchMode
from torch_problems import CELLS, Tensors, uncompiled

import symrnn.torch
from symrnn.errors import RequestError
from symrnn.torch.operators import axis_sizes, run

assert symrnn.torch

UTILITIES = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
COMPILED = 24
"""So many of the random cells go through PyTorch's compilers, too, which takes most of the time."""


@pytest.fixture(scope="module", autouse=True)
def as_plain_python() -> Iterator[None]:
    with uncompiled():
        yield


def require_checked(given: Tensors, lengths: torch.Tensor | None, utilities: tuple[str, ...]) -> None:
    """PyTorch's checks of both operators; those of the forward one compile the backward one as well."""
    groups = given.parameters, given.inputs, given.state
    torch.library.opcheck(torch.ops.symrnn.forward, (given.name, *groups, lengths), test_utils=utilities)
    plain = [[t.detach() for t in group] for group in groups]
    outputs, *rest = torch.ops.symrnn.forward(given.name, *plain, lengths)
    state, saved = rest[: len(given.state)], rest[len(given.state) :]
    for input_gradients, of_backward in ((True, UTILITIES[:-1]), (False, utilities)):
        arguments = (given.name, *plain, saved, outputs, state, lengths, input_gradients)
        torch.library.opcheck(torch.ops.symrnn.backward, arguments, test_utils=of_backward)


def require_gradients(given: Tensors) -> None:
    """Gradients as the reference has them."""
    problem = given.problem
    outputs, *state = given.results()
    cotangents = [torch.tensor(a) for a in (problem.d_outputs, *problem.d_state.values())]
    torch.autograd.backward([outputs, *state], cotangents)
    answer = problem.answer
    wanted = (answer.parameters | answer.inputs | answer.state).items()
    named = (problem.parameters, problem.inputs, problem.state)
    given_tensors = (*given.parameters, *given.inputs, *given.state)
    tensors = dict(zip((n for group in named for n in group), given_tensors, strict=True))
    scale = 1 + problem.largest
    for name, array in wanted:
        if tensors[name].requires_grad:
            found = tensors[name].grad
            assert found is not None
            np.testing.assert_allclose(found.numpy(), array, rtol=0, atol=1e-10 * scale)


def is_differentiated(given: Tensors, lengths: torch.Tensor | None) -> bool:
    """Whether differences tell the same, along one way for all gradients: each alone takes long."""
    leaves = tuple(leaf.detach().requires_grad_() for leaf in given.leaves)
    return torch.autograd.gradcheck(lambda *l: given.results(lengths, *l), leaves, fast_mode=True)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_passes_the_checks_of_pytorch(name: str) -> None:
    given = Tensors(CELLS[name])
    require_gradients(given)
    assert given.is_smooth()
    assert is_differentiated(given, None)
    require_checked(given, None, UTILITIES)


@pytest.mark.parametrize("seed", range(100))
def test_random_cells_do(seed: int) -> None:
    """All are compared with the reference, and where differences tell derivatives, with these as well."""
    lengths = torch.tensor([1, 2]) if seed % 3 == 0 else None
    given = Tensors(random_cell(400 + seed), save=("all", "states")[seed % 2])
    require_gradients(given)
    if given.is_smooth(lengths):
        assert is_differentiated(given, lengths)
    require_checked(given, lengths, UTILITIES if seed < COMPILED else UTILITIES[:-1])


class Listening(TorchDispatchMode):
    """A mode that hears of operators, as profilers and compilers do."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.heard.add(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("lengths", [None, torch.tensor([1, 2])])
@pytest.mark.parametrize("name", ["lstm", "embedding"])
def test_plain_tensors_get_what_operators_give(name: str, lengths: torch.Tensor | None) -> None:
    """Without a mode kernels are called at once, and the numbers are the same."""
    found = []
    listening = Listening()
    for mode in (nullcontext(), listening):
        given = Tensors(CELLS[name])
        with mode:
            results = given.results(lengths)
            sum(r.sin().sum() for r in results).backward()
        found.append([*results, *(leaf.grad for leaf in given.leaves)])
    assert {"symrnn::forward", "symrnn::backward"} <= listening.heard
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_negative_views_are_no_plain_tensors() -> None:
    """Their memory holds the numbers with the other sign."""
    given = Tensors(CELLS["gru"])
    numbers = given.inputs[0].detach()
    view = torch.complex(numbers, -numbers).conj().imag
    assert view.is_neg()
    for one, other in zip(
        *(run(given.name, given.parameters, [x], given.state, None) for x in (view, numbers)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("mode", [nullcontext, Listening])
def test_gradients_of_gradients_are_refused(mode: Any) -> None:
    """Of a plain sum too, whose gradient depends on no cotangent."""
    given = Tensors(CELLS["gru"])
    with mode():
        outputs, _ = run(given.name, given.parameters, given.inputs, given.state, None)
        gradients = torch.autograd.grad(outputs.sum(), given.leaves, create_graph=True)
        with pytest.raises(RequestError, match=r'gradient of a gradient; backend="torch"'):
            sum(g.sum() for g in gradients).backward()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # PyTorch's own
def test_forward_mode_and_transforms_are_refused() -> None:
    given = Tensors(CELLS["gru"])
    x = given.inputs[0].detach()
    with (
        torch.autograd.forward_ad.dual_level(),
        pytest.raises(RequestError, match=r'not in forward mode; backend="torch"'),
    ):
        run(given.name, given.parameters, [torch.autograd.forward_ad.make_dual(x, x)], given.state, None)
    with pytest.raises(RequestError, match=r'not in forward mode; backend="torch"'):
        torch.func.jvp(lambda x: run(given.name, given.parameters, [x], given.state, None)[0], (x,), (x,))
    with pytest.raises(RequestError, match=r'not by the transforms of torch\.func.* backend="torch"'):
        torch.func.grad(lambda x: run(given.name, given.parameters, [x], given.state, None)[0].sum())(x)


def test_lengths_of_axes_follow_from_shapes() -> None:
    shapes = [("m", "m + n"), ("2*m + 3*k + 1",), ("p",)]
    assert axis_sizes(shapes, [(4, 7), (24,), (2,)]) == {"m": 4, "n": 3, "k": 5, "p": 2}


def test_a_kernel_that_is_not_here_is_told_of() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^There is no kernel .*nowhere\.py\. Load it with"):
        torch.ops.symrnn.forward("nowhere", [torch.ones(1)], [torch.ones(1, 1, 1)], [], None)
