"""`symrnn train-text --distributed`: the training of a text by many processes, and its checkpoints.

The checkpoint `-o model.safetensors` is the folder `model.shards` while the training runs, from which any
number of processes goes on, and at its end the file as well.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.distributed import checkpoints
from symrnn.distributed.engines import Engine
from symrnn.distributed.processes import UNNAMED, Place, agreed, together
from symrnn.distributed.trainer import DistributedTrainer, distributed_trainer
from symrnn.errors import RequestError
from symrnn.torch import module, torch
from symrnn.training.checkpoints import (
    Checkpoint,
    arrays_of,
    damage_told,
    read_checkpoint,
    record_of,
    require_checkpoints,
    snapshot_of,
)
from symrnn.training.optimisers import Adam
from symrnn.training.session import (
    KIND,
    Subject,
    TextTraining,
    require_free,
    require_place,
    subject_of,
    training_of,
)
from symrnn.training.trainer import DivergenceError, InterruptedTrainingError, Snapshot

SUFFIX = ".shards"


def shards_of(output: Path) -> Path:
    """The folder of shards that belongs to a checkpoint's file."""
    return output.with_suffix(SUFFIX)


@dataclass(frozen=True, slots=True, eq=False)
class DistributedTextTraining(TextTraining):
    """A training of a language model by several processes; each of them has one of these."""

    trainer: DistributedTrainer
    notes: tuple[str, ...]

    @property
    def heading(self) -> str:
        """What is trained, by whom, on what, from where."""
        who = f"{self.trainer.place.said}; {self.trainer.engine.title}"
        return "\n".join([*self.notes, super(DistributedTextTraining, self).heading, who])

    def validation(self, snapshot: Snapshot) -> float:
        """The loss on the text that is held out, in bits per character: the first process computes it."""
        whole = replace(snapshot, parameters=self.trainer.whole(snapshot.parameters))
        alone = super(DistributedTextTraining, self).validation
        return float(agreed(alone(whole) if self.trainer.place.first else None))

    def save(self, snapshot: Snapshot) -> None:
        """Write the shards, all processes together."""
        checkpoints.save(
            shards_of(self.output),
            _tensors(self.trainer, snapshot),
            record_of(KIND, self.subject.record, snapshot) | {"run": self.trainer.place.run},
            {f"settings.{name}": array for name, array in self.subject.arrays.items()},
        )

    def work(self, steps: int, every: int) -> None:
        """Train in silence, as all processes but the first do."""
        with suppress(InterruptedTrainingError, DivergenceError):
            self.run(steps, every, lambda line: None, lambda after, taken: None)

    def finish(self) -> None:
        """Write the checkpoint's file from the newest shards, in the first process."""
        if self.trainer.place.first:
            export_text(shards_of(self.output), self.output)


def export_text(folder: Path, output: Path) -> Path:
    """Write the newest checkpoint of a folder as one file; the folder that it was read from.

    Raises:
        RequestError: there is none, or it is damaged, or the file cannot be written.

    """
    found = checkpoints.newest(folder).path
    if found is None:
        raise RequestError(f"There is no whole checkpoint in {folder}. Name a folder with step_... in it.")
    checkpoints.export(checkpoints.record_at(found, KIND), output)
    return found


def _tensors(trainer: DistributedTrainer, snapshot: Snapshot) -> dict[str, Any]:
    """The tensors of a training by their names in a checkpoint, states as parts of those of all rows."""
    tensors = arrays_of(snapshot)
    if snapshot.carried is not None:
        rows = trainer.rows_of_all(snapshot.carried)
        tensors |= {f"state.{name}": tensor for name, tensor in rows._asdict().items()}
    return tensors


def prepare_distributed(
    paths: list[Path],
    output: Path,
    place: Place,
    engine: Engine,
    *,
    cell: str | None,
    given: Mapping[str, Any],
    accumulate: int = 1,
    resume: bool = False,
    force: bool = False,
    dtype: Any = np.float32,
) -> DistributedTextTraining:
    """This process's share in a training, from its beginning or from a checkpoint on.

    It goes on from the newest checkpoint, a folder of shards or the file, if that is asked for, and from the
    newest shards if the same run wrote them, whose processes torchrun has started again.

    Raises:
        RequestError: as `prepare_training`, or the samples cannot be cut among the processes; in one process
            alone, the others end.

    """
    found = checkpoints.found_by_all(shards_of(output))

    def subject_and_start() -> tuple[Subject, Checkpoint | None, tuple[str, ...]]:
        require_checkpoints()
        require_place(output)
        begun, notes = _begun(found, output, place, resume=resume, force=force)
        return subject_of(paths, begun, cell, given), begun, notes

    subject, begun, notes = together(subject_and_start)
    trainer = together(lambda: _trainer(subject, place, engine, accumulate, dtype))
    if begun is not None and begun.path.is_dir():
        return DistributedTextTraining(subject, trainer, _resumed(trainer, subject, begun), output, notes)
    if place.first:
        checkpoints.forget_all(shards_of(output))
    snapshot = trainer.taken_up(together(lambda: training_of(subject, begun, dtype)[1]))
    made = DistributedTextTraining(subject, trainer, snapshot, output, notes)
    made.save(snapshot)  # now we know that it can be written
    return made


def _begun(
    found: checkpoints.Found, output: Path, place: Place, *, resume: bool, force: bool
) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The checkpoint from which a training goes on, if it does, and what is to be said."""
    checkpoint = None if found.path is None else checkpoints.record_at(found.path, KIND)
    if not (resume or (checkpoint is not None and _same_run(checkpoint, place))):
        require_free(output, force)
        require_free(shards_of(output), force)
        return None, ()
    file = read_checkpoint(output, KIND) if resume and output.is_file() else None
    if file is not None and (checkpoint is None or _step(file) > _step(checkpoint)):
        return file, found.notes
    if checkpoint is not None:
        return checkpoint, found.notes
    return None, (*found.notes, f"There is no checkpoint in {shards_of(output)}: from the beginning.")


def _step(checkpoint: Checkpoint) -> int:
    """How many steps a checkpoint's training has taken."""
    with damage_told(checkpoint.path):
        return int(checkpoint.record["step"])


def _same_run(checkpoint: Checkpoint, place: Place) -> bool:
    """Whether torchrun has started a run's processes again, since it wrote a checkpoint."""
    return checkpoint.record.get("run") == place.run and (place.run != UNNAMED or place.restarted)


def _trainer(
    subject: Subject, place: Place, engine: Engine, accumulate: int, dtype: Any
) -> DistributedTrainer:
    """This process's share, with parameters as they come."""
    settings, language = subject.settings, subject.language
    kind = torch.from_numpy(np.empty(0, dtype)).dtype
    return distributed_trainer(
        language.module,
        lambda device: module(language.model, *language.sizes.values(), dtype=kind, device=device),
        subject.stretches(dtype),
        Adam(settings.learning_rate),
        engine=engine,
        place=place,
        clip_norm=settings.clip,
        accumulate=accumulate,
    )


def _resumed(trainer: DistributedTrainer, subject: Subject, checkpoint: Checkpoint) -> Snapshot:
    """The training of a checkpoint of shards, of which each process reads its part."""
    states = subject.language.states(subject.settings.batch)
    carried = trainer.no_rows(states) if checkpoint.record["carried"] else None
    parameters, moments = trainer.live(int(checkpoint.record["optimiser_steps"]))
    made = snapshot_of(checkpoint, parameters, moments.means, carried)
    checkpoints.load(checkpoint, _tensors(trainer, made))
    with damage_told(checkpoint.path):
        trainer.batches.require(made.position)
    return made
