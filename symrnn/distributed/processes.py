"""The processes of a training: who they are, how they meet, and what they agree on."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from symrnn.errors import RequestError
from symrnn.torch import torch

dist = torch.distributed

GIVEN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells a process, as environment variables."""

UNNAMED = "none"
"""The name of a run that was given none; `torchrun --standalone` and `--rdzv-id` give one."""

NAME = "symrnn"
"""Where processes find the name of the part of the store that is theirs."""

PATIENCE = timedelta(seconds=1)
"""After this a process that was not answered looks for the name again."""

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process stands among all: which it is of how many, its device, and all of them as a mesh.

    `run` names what torchrun runs, the same in processes that it starts again; `restarted` tells that it did.
    """

    rank: int
    world: int
    device: Any
    mesh: Any
    run: str
    restarted: bool

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    @property
    def said(self) -> str:
        """The processes in words."""
        plural = "es" if self.world > 1 else ""
        return f"{self.world} process{plural} on {self.device.type}, {dist.get_backend()}"


@contextmanager
def joined(command: str) -> Iterator[Place]:
    """The place of this process among those that torchrun started; it leaves them in the end.

    They talk by NCCL where there are GPUs, each process with the one of its local rank, and else by gloo.

    Raises:
        RequestError: torchrun did not start this process; `command` is what it would run.

    """
    if missing := [name for name in GIVEN if name not in os.environ]:
        raise RequestError(
            f"A distributed training is started by torchrun, which did not start this process: it has no "
            f"{missing[0]}. Two processes on this machine: torchrun --standalone --nproc-per-node 2 "
            f"-m {command} (the same as python -m torch.distributed.run --standalone ...)."
        )
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    store, rank, world = next(dist.rendezvous("env://"))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(
        backend,
        store=_fresh(store, rank, world),
        rank=rank,
        world_size=world,
        device_id=device if device.type == "cuda" else None,
    )
    try:
        yield Place(
            rank,
            world,
            device,
            dist.init_device_mesh(device.type, (world,)),
            os.environ.get("TORCHELASTIC_RUN_ID", UNNAMED),
            int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0,
        )
    finally:
        dist.destroy_process_group()


def _fresh(store: Any, rank: int, world: int) -> Any:
    """A part of a store in which nothing stands yet.

    torchrun keeps its store when it starts processes again: they would find the addresses of dead ones, and
    wait for them (https://github.com/pytorch/pytorch/issues/135712). So the first process makes a name, and
    each other one asks under that name until it is answered: the names of earlier lives give no answer.
    """
    own = uuid.uuid4().hex
    if rank == 0:
        store.set(NAME, own)
        for other in range(1, world):
            store.set(f"{own}/{store.get(f'{own}/{other}').decode()}", "welcome")
        return dist.PrefixStore(own, store)
    while True:
        name = store.get(NAME).decode()
        store.set(f"{name}/{rank}", own)
        with suppress(dist.DistStoreError):
            store.wait([f"{name}/{own}"], PATIENCE)
            return dist.PrefixStore(name, store)


def agreed(value: Any) -> Any:
    """The value that the first process has, in all of them."""
    held = [value]
    dist.broadcast_object_list(held)
    return held[0]


def together(make: Callable[[], Made]) -> Made:
    """What `make` returns, once it has returned in all processes.

    Otherwise they would wait for one that has failed, until their patience ends.

    Raises:
        RequestError: in the first process that `make` raises it in; the others end with the exit code 2.

    """
    made, error = None, None
    try:
        made = make()
    except RequestError as raised:
        error = raised
    failed: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(failed, error is not None)
    if not any(failed):
        assert made is not None
        return made
    if error is not None and failed.index(True) == dist.get_rank():
        raise error
    raise SystemExit(2)
