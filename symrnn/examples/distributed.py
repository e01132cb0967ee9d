"""The language model of characters, trained by several processes on one machine or many.

torchrun --standalone --nproc-per-node 2 -m symrnn.examples.distributed --steps 100

The processes share every batch: each computes the gradient of its rows, and PyTorch sends what makes all of
them take the same step, that of one process with the whole batch. When one is killed, torchrun starts them
again (`--max-restarts`), and they go on from the last checkpoint. `generated/distributed.md` tells what to
type on a cluster.
"""

import argparse
import json
from pathlib import Path
from pydoc_data import topics

import numpy as np

from symrnn.distributed.engines import ENGINES
from symrnn.distributed.processes import joined
from symrnn.distributed.session import prepare_distributed
from symrnn.training.trainer import Snapshot, Taken

SETTINGS = {"hidden": 128, "layers": 1, "time": 64, "batch": 32, "seed": 0}


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    add = parser.add_argument
    add("text", nargs="*", type=Path, default=[Path(topics.__file__)], help="UTF-8; else Python's own help")
    add("--engine", choices=[*ENGINES], default="ddp", help="copies of the parameters, or shards")
    add("--accumulate", type=int, default=1, help="parts in which a process takes its samples")
    add("--dtype", choices=["float32", "float64"], default="float32", help="of all numbers")
    add("--steps", type=int, default=1000, help="from the training's beginning")
    add("--every", type=int, default=100, help="steps from checkpoint to checkpoint")
    add("--output", type=Path, default=Path("distributed.safetensors"), help="the checkpoint")
    add("--losses", type=Path, help="a file that gets a line of JSON for each step: its number, its loss")
    add("--resume", action="store_true", help="go on from the last checkpoint, if there is one")
    add("--force", action="store_true", help="overwrite the checkpoint")
    for name, value in SETTINGS.items():
        add(f"--{name}", type=int, default=value, help="as for symrnn train-text")
    return parser.parse_args()


def main() -> None:
    """Train."""
    asked = options()
    with joined("symrnn.examples.distributed") as place:
        training = prepare_distributed(
            asked.text,
            asked.output,
            place,
            ENGINES[asked.engine],
            cell="lstm",
            given={name: getattr(asked, name) for name in SETTINGS} | {"target": "numpy"},
            accumulate=asked.accumulate,
            resume=asked.resume,
            force=asked.force,
            dtype=np.dtype(asked.dtype),
        )

        def show(line: str) -> None:
            if place.first:
                print(line, flush=True)

        def tell(after: Snapshot, taken: Taken) -> None:
            if place.first and asked.losses:
                with asked.losses.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([after.step, taken.loss]) + "\n")

        show(training.heading)
        training.run(asked.steps, asked.every, show, tell)
        training.finish()


if __name__ == "__main__":
    main()
