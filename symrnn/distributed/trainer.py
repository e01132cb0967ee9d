"""A training that several processes take the steps of, each on its part of every batch.

It is the training that `symrnn.training.trainer.Trainer` would be in one process: the loss is the mean over
the whole batch, its gradient the mean of the processes' gradients, and the rules that follow are the same.
"""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.nn.utils import get_total_norm

from symrnn.distributed.engines import Engine
from symrnn.distributed.processes import Place
from symrnn.errors import RequestError
from symrnn.torch import Network, torch
from symrnn.training.optimisers import Adam, Bundle, Moments
from symrnn.training.text import Stretches
from symrnn.training.trainer import Snapshot, Taken, generator_from, require_finite

MEANS = {"first": "exp_avg", "second": "exp_avg_sq"}
"""What the running means of Adam are called here and in PyTorch."""


@dataclass(slots=True)
class _Asked:
    """Whether the system has asked this process to stop."""

    stop: bool = False

    def hear(self, *_: Any) -> None:
        """Take note; the processes stop together, after a step of all."""
        self.stop = True


@dataclass(frozen=True, slots=True, eq=False)
class DistributedTrainer:
    """One process's share in the training of a network.

    `module` is the emitted module of the network's model, `wrapped` the network as an engine calls it.
    `batches` are this process's rows of every batch, which it takes in `accumulate` parts.

    The arrays of its snapshots are the engine's own tensors: a step changes parameters and moments in place.
    """

    module: Any
    network: Network
    wrapped: Any
    engine: Engine
    place: Place
    batches: Stretches
    optimiser: Any
    clip_norm: float
    accumulate: int
    asked: _Asked = field(default_factory=_Asked)

    def stop_when_asked(self) -> None:
        """From now on interrupts (Ctrl-C, SIGTERM) let all processes stop before the same step."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.asked.hear)

    def step(self, before: Snapshot, workspace: Any = None) -> tuple[Snapshot, Taken]:
        """The training one step later, and what the step saw, of all processes.

        Raises:
            DivergenceError: the loss or the norm of its gradients is NaN or infinite, in all processes.
            KeyboardInterrupt: one was asked to stop, in all processes; nothing has changed.

        """
        del workspace  # PyTorch has its own
        batch = self.batches.batch(before.position)
        loss, carried = self._gradients(batch.inputs, None if batch.fresh else before.carried)
        told = torch.stack([loss, torch.tensor(float(self.asked.stop)).to(loss)])
        dist.all_reduce(told)
        mean, stopped = (told / self.place.world).tolist()
        if stopped:
            self.optimiser.zero_grad()
            raise KeyboardInterrupt
        norm = self._clipped()
        require_finite(before.step + 1, mean, norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        rng = generator_from(before.generator)
        after = Snapshot(
            before.step + 1,
            before.parameters,
            Moments(before.moments.steps + 1, before.moments.means),
            carried,
            self.batches.following(before.position, rng),
            rng.bit_generator.state,
            before.loss_sum + mean,
            before.loss_count + 1,
            mean if before.first_loss is None else before.first_loss,
        )
        return after, Taken(mean, norm, batch.tokens * self.place.world)

    def _gradients(self, inputs: Any, carried: Any) -> tuple[Tensor, Any]:
        """The mean loss of this process's rows, and their states; gradients are sent with the last part."""
        arrays = {name: torch.from_numpy(array) for name, array in inputs._asdict().items()}
        rows = next(iter(arrays.values())).shape[1] // self.accumulate
        losses, ends = [], []
        for part in range(self.accumulate):
            cut = slice(part * rows, (part + 1) * rows)
            given = {name: array[:, cut].to(self.place.device) for name, array in arrays.items()}
            start = None if carried is None else {k: t[cut] for k, t in carried._asdict().items()}
            with self.engine.sending(self.wrapped, part == self.accumulate - 1):
                loss, end = self.wrapped(given, start)
                (loss / self.accumulate).backward()
            losses.append(loss.detach().double())
            ends.append(end)
        states = {name: torch.cat([end[name].detach() for end in ends]) for name in ends[0]}
        return torch.stack(losses).mean(), self.module.State(**states)

    def _clipped(self) -> float:
        """The global norm of the gradients, within its limit afterwards: `clip_by_norm` in place."""
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        total = get_total_norm(gradients)
        norm = float(total.full_tensor() if isinstance(total, DTensor) else total)
        if norm > self.clip_norm:
            for gradient in gradients:
                gradient.mul_(self.clip_norm / norm)
        return norm

    def taken_up(self, start: Snapshot) -> Snapshot:
        """A training whose arrays are whole ones of NumPy, now in the hands of the processes."""
        parameters, moments = self.live(start.moments.steps)
        with torch.no_grad():
            pairs = [(parameters, start.parameters)]
            pairs += [(moments.means[name], start.moments.means[name]) for name in MEANS]
            for tensors, arrays in pairs:
                for tensor, array in zip(tensors, arrays, strict=True):
                    tensor.copy_(_spread(torch.from_numpy(np.array(array)).to(tensor.device), tensor))
        carried = start.carried
        if carried is not None:
            held = slice(*(self.batches.rows or (None, None)))
            carried = self.module.State(
                *(torch.from_numpy(np.array(a[held])).to(self.place.device) for a in carried)
            )
        return replace(start, parameters=parameters, moments=moments, carried=carried)

    def live(self, steps: int) -> tuple[Bundle, Moments]:
        """The engine's own tensors: parameters, and moments after so many steps, to be filled."""
        parameters = {name: self.network.named(name) for name in self.module.Parameters._fields}
        state = self.optimiser.state
        for parameter in parameters.values():
            state[parameter] = {key: torch.zeros_like(parameter) for key in MEANS.values()}
            state[parameter]["step"] = torch.tensor(float(steps))
        means = {
            name: self.module.Parameters(**{n: state[p][key] for n, p in parameters.items()})
            for name, key in MEANS.items()
        }
        return self.module.Parameters(**parameters), Moments(steps, means)

    def whole(self, parameters: Bundle) -> Bundle:
        """Parameters as arrays of NumPy, which all processes gather together."""
        return parameters._make(
            (p.full_tensor() if isinstance(p, DTensor) else p).detach().cpu().numpy() for p in parameters
        )

    def rows_of_all(self, carried: Bundle) -> Bundle:
        """States of this process's rows as a part of those of all rows."""
        return carried._make(DTensor.from_local(t, self.place.mesh, [Shard(0)]) for t in carried)

    def no_rows(self, states: Mapping[str, tuple[int, ...]]) -> Bundle:
        """States of this process's rows, to be filled, by the shapes of all rows' states."""
        options = {"dtype": next(self.network.parameters()).dtype, "device": self.place.device}
        shapes = ((shape[0] // self.place.world, *shape[1:]) for shape in states.values())
        return self.module.State(*(torch.zeros(shape, **options) for shape in shapes))


def _spread(whole: Tensor, like: Tensor) -> Tensor:
    """A tensor that all processes have, cut as another one is."""
    return distribute_tensor(whole, like.device_mesh, like.placements) if isinstance(like, DTensor) else whole


def distributed_trainer(
    module: Any,
    network: Callable[[Any], Network],
    batches: Stretches,
    optimiser: Adam,
    *,
    engine: Engine,
    place: Place,
    clip_norm: float,
    accumulate: int = 1,
) -> DistributedTrainer:
    """This process's share in the training of what `network` makes on a device.

    Raises:
        RequestError: the rows of a batch cannot be cut among the processes.

    """
    share, rest = divmod(batches.B, place.world * accumulate)
    if rest or not share:
        raise RequestError(
            f"A batch of {batches.B} samples cannot be cut into equal parts for {place.world} processes that "
            f"take {accumulate} each. Give a batch that is a multiple of {place.world * accumulate}."
        )
    rows = (place.rank * share * accumulate, (place.rank + 1) * share * accumulate)
    made = network(place.device)
    wrapped = engine.wrapped(made, place)
    adam = torch.optim.Adam(
        made.parameters(),
        lr=optimiser.learning_rate,
        betas=(optimiser.beta_1, optimiser.beta_2),
        eps=optimiser.epsilon,
    )
    part = replace(batches, rows=rows)
    return DistributedTrainer(module, made, wrapped, engine, place, part, adam, clip_norm, accumulate)
