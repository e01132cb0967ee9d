"""How long a step of one process takes, by samples and size.

`python -m symrnn.distributed.measuring one core of a ...` writes `step_times.json`, from which the page about
several machines is made.
"""

import datetime
import json
import statistics
import sys
import time
from typing import Any

import numpy as np

from symrnn.distributed.page import STEP_TIMES
from symrnn.files import write
from symrnn.torch import module, torch
from symrnn.training.language_model import axis_sizes, character_model
from symrnn.training.text import one_hot
from symrnn.zoo import lstm

CHARACTERS, STEPS = 100, 64
SIZES = (128, 512, 1024)
SAMPLES = (1, 2, 4, 8, 16, 32, 64)
REPEATED = 5


def step_seconds(hidden: int, samples: int, repeated: int = REPEATED) -> float:
    """The median time of a step of the language model: losses, gradients and Adam, in float32."""
    model = character_model(lstm, 1)
    network = module(model, *axis_sizes(model, CHARACTERS, hidden).values(), dtype=torch.float32)
    optimiser = torch.optim.Adam(network.parameters())
    codes = np.random.default_rng(0).integers(0, CHARACTERS, (STEPS + 1, samples))
    hot = torch.from_numpy(one_hot(codes, CHARACTERS, np.float32))
    seconds = []
    for _ in range(repeated + 1):  # the first one compiles
        begun = time.perf_counter()
        loss, _ = network({"x": hot[:-1], "y": hot[1:]})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def measured(
    machine: str, sizes: tuple[int, ...] = SIZES, samples: tuple[int, ...] = SAMPLES
) -> dict[str, Any]:
    """The times of all sizes, in JSON's kinds, and of what."""
    return {
        "machine": machine,
        "date": datetime.date.today().isoformat(),
        "release": torch.__version__,
        "threads": torch.get_num_threads(),
        "steps": STEPS,
        "characters": CHARACTERS,
        "seconds": {
            str(hidden): {str(b): float(f"{step_seconds(hidden, b):.3g}") for b in samples}
            for hidden in sizes
        },
    }


if __name__ == "__main__":
    write(STEP_TIMES, json.dumps(measured(" ".join(sys.argv[1:])), indent=1) + "\n", force=True)
