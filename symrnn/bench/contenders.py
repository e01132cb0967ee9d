"""What a worker times: the kernels of a cell and its modules for frameworks; `layers` has ready-made ones.

A contender offers a task for every quantity that it can do:

- `train`: forward and backward; gradients of parameters, inputs and initial state. Parameters are unprepared,
  as they change at every step. Kernels use a `Workspace` and the gradients' arrays again, as a training
  loop does.
- `train_fixed`: the same without the gradient of the inputs, as for a first layer.
- `forward`: inference over the sequence, parameters prepared beforehand.
- `step`: one time step of one sample, parameters prepared beforehand.

A single sample leaves nothing to divide among threads. PyTorch and onnxruntime would do so all the same and
lose by it, so for B = 1 they get one thread, as a user who measures would give them.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.bench.data import Arrays, Data
from symrnn.bench.names import FORWARD, STEP, TRAIN, TRAIN_FIXED
from symrnn.running.loading import import_file


@dataclass(frozen=True, slots=True)
class Task:
    """Something to time.

    `call` is timed. `reset`, which is not, comes before every call. `around` is entered once, around many
    calls.
    """

    call: Callable[[], object]
    reset: Callable[[], object] | None = None
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


@dataclass(frozen=True, slots=True)
class Contender:
    """The tasks by quantity, each made afresh, and the results of one training step or one pass by name.

    Results are called "outputs" and "d_" with the name of an input, a state or a parameter; a contender that
    keeps its parameters in a layout of its own leaves those out.
    """

    tasks: Mapping[str, Callable[[], Task]]
    results: Callable[[], Arrays]


def open_kernel(data: Data, source: Path) -> Contender:
    """An emitted kernel, from its file."""
    module = import_file(source, f"bench_{source.stem}")
    parameters = module.Parameters(**data.parameters, **data.constants)
    inputs, state = module.Inputs(**data.inputs), module.State(**data.states)
    step_inputs, step_state = module.Inputs(**data.step_inputs), module.State(**data.step_states)

    def training(input_gradients: bool) -> Task:
        workspace, gradients = module.Workspace(), None

        def call() -> None:
            nonlocal gradients
            run = module.forward(parameters, inputs, state, workspace=workspace)
            gradients = module.backward(
                parameters,
                run.tape,
                data.d_outputs,
                input_gradients=input_gradients,
                workspace=workspace,
                out=gradients,
            )

        return Task(call)

    def inference() -> Task:
        prepared, workspace = module.prepare(parameters), module.Workspace()
        out = np.empty_like(data.d_outputs)
        return Task(lambda: module.predict(prepared, inputs, state, out=out, workspace=workspace))

    def streaming() -> Task:
        prepared = module.prepare(parameters)
        return Task(lambda: module.step(prepared, step_inputs, step_state))

    def results() -> Arrays:
        run = module.forward(parameters, inputs, state)
        gradients = module.backward(parameters, run.tape, data.d_outputs)
        made = {**gradients.parameters._asdict(), **gradients.inputs._asdict(), **gradients.state._asdict()}
        return {"outputs": run.outputs, **{f"d_{name}": a for name, a in made.items() if a is not None}}

    tasks = {TRAIN: partial(training, True), TRAIN_FIXED: partial(training, False)}
    return Contender({**tasks, FORWARD: inference, STEP: streaming}, results)


def torch_tensors(arrays: Arrays, *, gradients: bool = False) -> tuple[Any, ...]:
    """Arrays as PyTorch tensors, leaves of a graph if they want gradients; class indices never do."""
    import torch

    return tuple(
        torch.tensor(array, requires_grad=gradients and array.dtype.kind == "f") for array in arrays.values()
    )


def choose_threads(data: Data) -> None:
    """Give PyTorch one thread for one sample."""
    import torch

    if data.batch == 1:
        torch.set_num_threads(1)


def forget_gradients(leaves: Iterable[Any]) -> None:
    """What `zero_grad(set_to_none=True)` does."""
    for leaf in leaves:
        leaf.grad = None


def open_torch(data: Data, source: Path) -> Contender:
    """The cell's equations in eager PyTorch, differentiated by autograd."""
    import torch

    choose_threads(data)
    program = import_file(source, f"bench_{source.stem}")
    trained, fixed = torch_tensors(data.parameters, gradients=True), torch_tensors(data.constants)
    state, d_outputs = torch_tensors(data.states, gradients=True), torch.tensor(data.d_outputs)

    def step_of(inputs: tuple[Any, ...]) -> Any:
        outputs, _ = program.forward((*trained, *fixed), inputs, state)
        outputs.backward(d_outputs)
        return outputs

    def training(input_gradients: bool) -> Task:
        inputs = torch_tensors(data.inputs, gradients=input_gradients)
        leaves = (*trained, *state, *inputs)
        return Task(lambda: step_of(inputs), reset=lambda: forget_gradients(leaves))

    def prepared() -> Any:
        with torch.inference_mode():
            return program.prepare((*trained, *fixed))

    def inference() -> Task:
        ready, inputs, first = prepared(), torch_tensors(data.inputs), torch_tensors(data.states)
        return Task(lambda: program.forward(ready, inputs, first), around=torch.inference_mode)

    def streaming() -> Task:
        ready, inputs = prepared(), torch_tensors(data.step_inputs)
        first = torch_tensors(data.step_states)
        return Task(lambda: program.step(ready, inputs, first), around=torch.inference_mode)

    def results() -> Arrays:
        inputs = torch_tensors(data.inputs, gradients=True)
        forget_gradients((*trained, *state))
        outputs = step_of(inputs)
        names = (*data.parameters, *data.inputs, *data.states)
        made = dict(zip(names, (*trained, *inputs, *state), strict=True))
        return {"outputs": outputs.detach().numpy()} | {
            f"d_{name}": np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
            for name, leaf in made.items()
            if leaf.requires_grad
        }

    tasks = {TRAIN: partial(training, True), TRAIN_FIXED: partial(training, False)}
    return Contender({**tasks, FORWARD: inference, STEP: streaming}, results)


def open_jax(data: Data, source: Path) -> Contender:
    """The cell's equations in JAX: jit of the gradient of a scan.

    JAX works in the thread that calls, since every call waits for its result: its streaming step takes a
    fifth of the time that it takes with a hand-over to another thread, a small training step three quarters.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    program = import_file(source, f"bench_{source.stem}")

    def arrays(group: Arrays) -> tuple[Any, ...]:
        return tuple(jnp.asarray(array) for array in group.values())

    trained, state, inputs = arrays(data.parameters), arrays(data.states), arrays(data.inputs)
    fixed, d_outputs = arrays(data.constants), jnp.asarray(data.d_outputs)
    step_inputs, step_state = arrays(data.step_inputs), arrays(data.step_states)

    def loss(trained: Any, state: Any, inputs: Any, fixed: Any, d_outputs: Any) -> Any:
        outputs, _ = program.forward((*trained, *fixed), inputs, state)
        return (outputs * d_outputs).sum()

    gradients = {
        TRAIN: jax.jit(jax.grad(loss, argnums=(0, 1, 2), allow_int=True)),  # class indices get a zero
        TRAIN_FIXED: jax.jit(jax.grad(loss, argnums=(0, 1))),
    }
    run, step = jax.jit(program.forward), jax.jit(program.step)

    def training(quantity: str) -> Task:
        compiled = gradients[quantity]
        return Task(lambda: jax.block_until_ready(compiled(trained, state, inputs, fixed, d_outputs)))

    def inference() -> Task:
        prepared = jax.block_until_ready(jax.jit(program.prepare)((*trained, *fixed)))
        return Task(lambda: jax.block_until_ready(run(prepared, inputs, state)))

    def streaming() -> Task:
        prepared = jax.block_until_ready(jax.jit(program.prepare)((*trained, *fixed)))
        return Task(lambda: jax.block_until_ready(step(prepared, step_inputs, step_state)))

    def results() -> Arrays:
        outputs, _ = run(program.prepare((*trained, *fixed)), inputs, state)
        parts = gradients[TRAIN](trained, state, inputs, fixed, d_outputs)
        made = zip((data.parameters, data.states, data.inputs), parts, strict=True)
        named = {
            f"d_{name}": np.asarray(a)
            for group, part in made
            for name, a in zip(group, part, strict=True)
            if group[name].dtype.kind == "f"
        }
        return {"outputs": np.asarray(outputs), **named}

    tasks = {quantity: partial(training, quantity) for quantity in gradients}
    return Contender({**tasks, FORWARD: inference, STEP: streaming}, results)


def open_products(sizes: Iterable[int] = (1024, 2048)) -> Contender:
    """Square float32 products by NumPy: what the machine can do."""

    def product(size: int) -> Task:
        rng = np.random.default_rng(0)
        a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
        out = np.empty_like(a)
        return Task(lambda: np.matmul(a, b, out=out))

    return Contender({str(size): partial(product, size) for size in sizes}, dict)
