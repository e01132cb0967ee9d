"""`symrnn train-text` and `symrnn sample`: from a request to a checkpoint, and from a checkpoint to text."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.checking.memory import require_room
from symrnn.declaration.cell import Cell
from symrnn.declaration.digest import cell_digest
from symrnn.errors import RequestError
from symrnn.files import is_stream, require_writable
from symrnn.running.amounts import require_whole
from symrnn.running.cells import find_cell
from symrnn.training.checkpoints import (
    Checkpoint,
    damage_told,
    parameters_of,
    read_checkpoint,
    require_checkpoints,
    restored,
    write_checkpoint,
)
from symrnn.training.language_model import LanguageModel, language_model
from symrnn.training.optimisers import Adam
from symrnn.training.text import Corpus, Stretches, Vocabulary, corpus, read_texts
from symrnn.training.trainer import DivergenceError, Snapshot, Steps, Taken, Trainer, train
from symrnn.zoo import SHIPPED

KIND = "language model of characters"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a training of a language model depends on, beside the text and the cell's equations."""

    hidden: int = 128
    layers: int = 1
    time: int = 64
    batch: int = 32
    learning_rate: float = 2e-3
    clip: float = 1.0
    seed: int = 0
    target: str = "numba"

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "time", "batch"):
            if getattr(self, name) < 1:
                raise RequestError(f"--{name} is {getattr(self, name)}. Give a positive number.")
        for name in ("learning_rate", "clip"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                option = name.replace("_", "-")
                raise RequestError(f"--{option} is {getattr(self, name)}. Give a positive number.")
        require_whole("--seed", self.seed)


WORSE = 1.5
"""A loss so many times that of guessing, or of the first step if more, tells of a training that diverges."""

CHANGEABLE = ("learning_rate", "clip", "target")
"""The settings that a resumed training may take anew; with the others it would be another training."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a training stands: losses in bits per character, and whether it is too bad to be saved."""

    step: int
    steps: int
    training: float
    validation: float
    saved: bool = True

    def __str__(self) -> str:
        training, validation = (
            f"{bits:.3f}" if bits < 1000 else f"{bits:.3g}" for bits in (self.training, self.validation)
        )
        return (
            f"step {self.step:>{len(str(self.steps))}} of {self.steps}: {training} bits per character in "
            f"training, {validation} in validation{'' if self.saved else ', worse than guessing: not saved'}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is trained, on what, and how."""

    cell: Cell
    settings: Settings
    text: Corpus
    language: LanguageModel

    @property
    def record(self) -> dict[str, Any]:
        """The settings that a checkpoint keeps."""
        return asdict(self.settings) | {
            "cell": self.cell.name,
            "cell_digest": cell_digest(self.cell),
            "text_digest": self.text.digest,
        }

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays among them."""
        return {"vocabulary": self.text.vocabulary.points}

    def stretches(self, dtype: Any = np.float32) -> Stretches:
        """The batches of the text."""
        text, settings = self.text, self.settings
        size = len(text.vocabulary)
        return Stretches(
            self.language.module, text.training, size, settings.time, settings.batch, dtype=dtype
        )


@dataclass(frozen=True, slots=True, eq=False)
class TextTraining:
    """A training of a language model, ready to run, and where its checkpoint lies."""

    subject: Subject
    trainer: Steps
    snapshot: Snapshot
    output: Path

    @property
    def heading(self) -> str:
        """What is trained, on what, from where, in one line."""
        begun = f"; from step {self.snapshot.step}" if self.snapshot.step else ""
        text = self.subject.text
        return (
            f"{self.subject.cell.name}, {self.subject.language.size:,} parameters, "
            f"{len(text.training):,} characters to train on and "
            f"{len(text.validation):,} to validate, {len(text.vocabulary)} different{begun}"
        )

    def save(self, snapshot: Snapshot) -> None:
        """Write the checkpoint."""
        write_checkpoint(self.output, KIND, self.subject.record, snapshot, self.subject.arrays)

    def validation(self, snapshot: Snapshot) -> float:
        """The loss on the text that is held out, in bits per character."""
        settings = self.subject.settings
        return self.subject.language.bits_per_character(
            snapshot.parameters, self.subject.text.validation, settings.time, settings.batch
        )

    def report(self, snapshot: Snapshot, steps: int) -> Report:
        """How a training stands.

        Raises:
            DivergenceError: the validation gives no finite number.

        """
        bits = self.validation(snapshot)
        if not math.isfinite(bits):
            raise DivergenceError(
                f"The training stopped at step {snapshot.step}: the loss in validation is {bits}. "
                "Take a smaller learning rate."
            )
        saved = bits * math.log(2) <= self.bound(snapshot)
        return Report(snapshot.step, steps, snapshot.mean_loss / math.log(2), bits, saved)

    def bound(self, snapshot: Snapshot) -> float:
        """The loss, in nats per character, from which on the training is worse than when it knew nothing."""
        guessing = math.log(len(self.subject.text.vocabulary))
        return WORSE * max(guessing, snapshot.first_loss or 0.0)

    def run(
        self, steps: int, every: int, show: Callable[[str], None], tell: Callable[[Snapshot, Taken], None]
    ) -> Snapshot:
        """Train up to step `steps`; report and save every `every` steps."""

        def report(snapshot: Snapshot) -> float:
            made = self.report(snapshot, steps)
            show(str(made))
            return made.validation * math.log(2)

        return train(
            self.trainer,
            self.snapshot,
            steps,
            every=every,
            save=self.save,
            report=report,
            tell=tell,
            bound=self.bound,
        )


def prepare_training(
    paths: list[Path],
    output: Path,
    *,
    cell: str | None,
    given: Mapping[str, Any],
    resume: bool = False,
    force: bool = False,
) -> TextTraining:
    """A training from its beginning, whose checkpoint is written at once, or from a checkpoint on.

    `given` are the settings that the user asked for.

    Raises:
        RequestError: a text, the cell, a setting or the checkpoint cannot be used, or a checkpoint would be
            lost.

    """
    require_checkpoints()
    if not resume:
        require_free(output, force)
    checkpoint = read_checkpoint(output, KIND) if resume else None
    require_place(output)
    subject = subject_of(paths, checkpoint, cell, given)
    trainer, snapshot = training_of(subject, checkpoint)
    made = TextTraining(subject, trainer, snapshot, output)
    made.save(snapshot)  # now we know that it can be written
    return made


def require_place(output: Path) -> None:
    """Raise unless a checkpoint can be written to `output`, and read again.

    Raises:
        RequestError: it cannot.

    """
    if is_stream(output):
        raise RequestError(f"{output} is no regular file, and a checkpoint is read again. Name a file.")
    require_writable([output], force=True)


def subject_of(
    paths: list[Path], checkpoint: Checkpoint | None, cell: str | None, given: Mapping[str, Any]
) -> Subject:
    """What a request is about, which goes on from a checkpoint if there is one.

    Raises:
        RequestError: a text, the cell or a setting cannot be used, or they are not those of the checkpoint.

    """
    settings = Settings(**given) if checkpoint is None else _resumed_settings(checkpoint, given)
    text = corpus(read_texts(paths), settings.time, settings.batch)
    if checkpoint is None:
        found = find_cell(cell or "lstm")
    else:
        found = _cell_of(checkpoint, cell)
        _require_same_text(checkpoint, text)
    language = language_model(found, settings.layers, settings.hidden, text.vocabulary, settings.target)
    require_room(
        f"The parameters of {found.name!r}, their gradients and moments with --hidden {settings.hidden}",
        4 * language.size,
        np.dtype(np.float32).itemsize,
        "Take a smaller --hidden or fewer --layers.",
    )
    return Subject(found, settings, text, language)


def training_of(
    subject: Subject, checkpoint: Checkpoint | None = None, dtype: Any = np.float32
) -> tuple[Trainer, Snapshot]:
    """What trains in this process, from the beginning or from a checkpoint on.

    Raises:
        RequestError: the checkpoint is damaged or of another model.

    """
    settings, language, stretches = subject.settings, subject.language, subject.stretches(dtype)
    trainer = Trainer(language.module, stretches, Adam(settings.learning_rate), clip_norm=settings.clip)
    if checkpoint is None:
        rng = np.random.default_rng(settings.seed)
        return trainer, trainer.begin(language.init(rng, dtype), rng)
    states = language.states(settings.batch)
    snapshot = restored(checkpoint, language.module, trainer.optimiser, language.shapes, states)
    with damage_told(checkpoint.path):
        stretches.require(snapshot.position)
    return trainer, snapshot


def require_free(output: Path, force: bool) -> None:
    """Raise if there is something: a training may have taken hours, so not even our own is replaced unasked.

    Raises:
        RequestError: there is, and `force` is false.

    """
    if output.exists() and not force:
        raise RequestError(
            f"The file {output} exists, so it is left as it is. Continue that training with --resume, name "
            "another file with -o, or overwrite it with --force."
        )


def _settings_of(checkpoint: Checkpoint) -> Settings:
    with damage_told(checkpoint.path):
        return Settings(**{field.name: checkpoint.settings[field.name] for field in fields(Settings)})


def _resumed_settings(checkpoint: Checkpoint, given: Mapping[str, Any]) -> Settings:
    settings = _settings_of(checkpoint)
    for name, value in given.items():
        kept = getattr(settings, name)
        if name not in CHANGEABLE and value != kept:
            raise RequestError(
                f"The checkpoint {checkpoint.path} is of a training with --{name} {kept}, which cannot go on "
                f"with --{name} {value}. Leave it out, or begin anew with another -o."
            )
    return replace(settings, **given)


def _cell_of(checkpoint: Checkpoint, request: str | None) -> Cell:
    """The cell of a checkpoint, which says only its name: nothing that it names is executed."""
    with damage_told(checkpoint.path):
        name, digest = str(checkpoint.settings["cell"]), checkpoint.settings["cell_digest"]
    if request is None and name not in SHIPPED:
        raise RequestError(
            f"The checkpoint {checkpoint.path} is of the cell {name!r}, which is not a shipped one. Name its "
            f"file: --cell path/to/file.py:{name}."
        )
    cell = find_cell(request) if request is not None else SHIPPED[name]
    if cell_digest(cell) != digest:
        raise RequestError(
            f"The checkpoint {checkpoint.path} is of a cell {name!r} whose equations are not those of "
            f"{cell.name!r}. Name the file that has them: --cell path/to/file.py:{name}."
        )
    return cell


def _require_same_text(checkpoint: Checkpoint, text: Corpus) -> None:
    if _vocabulary_of(checkpoint).points.tolist() != text.vocabulary.points.tolist():
        fact = "whose characters are not those of this text"
    elif checkpoint.settings["text_digest"] != text.digest:
        fact = "which is not this text"
    else:
        return
    raise RequestError(
        f"The checkpoint {checkpoint.path} is of a training on a text {fact}. Name the same files in the "
        "same order, or begin anew with another -o."
    )


def _vocabulary_of(checkpoint: Checkpoint) -> Vocabulary:
    with damage_told(checkpoint.path):
        return Vocabulary(checkpoint.arrays["settings.vocabulary"])


def sampled(
    path: Path,
    *,
    cell: str | None,
    prompt: str,
    length: int,
    temperature: float,
    seed: int,
    target: str,
) -> Iterator[str]:
    """A text from a checkpoint's model: the prompt, and then character by character.

    Raises:
        RequestError: the checkpoint, its cell or the prompt cannot be used.

    """
    checkpoint = read_checkpoint(path, KIND)
    settings, vocabulary = _settings_of(checkpoint), _vocabulary_of(checkpoint)
    if prompt:
        vocabulary.encode(prompt)  # an error comes before all work
    found = _cell_of(checkpoint, cell)
    language = language_model(found, settings.layers, settings.hidden, vocabulary, target)
    parameters = parameters_of(checkpoint, language.module, language.shapes)
    yield prompt
    yield from language.sample(parameters, prompt, length, temperature, np.random.default_rng(seed))
