"""PyTorch's engines: whole copies of the parameters in every process, or a part of them in each."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from symrnn.distributed.processes import Place
from symrnn.errors import RequestError


@dataclass(frozen=True, slots=True)
class Engine:
    """How processes share the work on a network.

    `wrapped` makes of it what is called; in `sending(wrapped, now)` gradients are sent, or kept for later.
    """

    name: str
    title: str
    wrapped: Callable[[nn.Module, Place], Any]
    sending: Callable[[Any, bool], AbstractContextManager[Any]]


def _copied(network: nn.Module, place: Place) -> Any:
    devices = [place.device] if place.device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=devices)


def _sending_copies(wrapped: Any, now: bool) -> AbstractContextManager[Any]:
    return nullcontext() if now else wrapped.no_sync()


def _sharded(network: nn.Module, place: Place) -> Any:
    for name, parameter in network.named_parameters():
        if parameter.dim() == 0:
            raise RequestError(
                f"The parameter {name} is a single number, which FSDP2 does not shard. Train copies of the "
                "parameters instead: DistributedDataParallel, train-text without --shard."
            )
    return fully_shard(network, mesh=place.mesh)


@contextmanager
def _sending_shards(wrapped: Any, now: bool) -> Iterator[None]:
    wrapped.set_requires_gradient_sync(now)
    yield


COPIES = Engine("ddp", "copies of the parameters (DistributedDataParallel)", _copied, _sending_copies)
SHARDS = Engine("fsdp", "shards of the parameters (FSDP2)", _sharded, _sending_shards)
ENGINES = {engine.name: engine for engine in (COPIES, SHARDS)}
