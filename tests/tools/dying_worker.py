"""The example of several processes, of which the last one is killed before step DIES_AT, the first time."""

import os
import signal
from typing import Any

from symrnn.distributed.trainer import DistributedTrainer
from symrnn.examples import distributed
from symrnn.training.trainer import Snapshot

taken = DistributedTrainer.step


def step(self: DistributedTrainer, before: Snapshot, workspace: Any = None) -> Any:
    last = self.place.rank == self.place.world - 1
    if last and not self.place.restarted and before.step == int(os.environ["DIES_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return taken(self, before, workspace)


DistributedTrainer.step = step  # type: ignore[method-assign]
distributed.main()
