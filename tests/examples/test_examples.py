"""The examples, in a short version each."""

import numpy as np
import pytest

import symrnn as sr
from symrnn import zoo
from symrnn.examples.adding import train_adding
from symrnn.examples.dates import Dates, dates_model, decoded, train_dates, written
from symrnn.examples.sine import train_sine


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_gated_cells_learn_to_add_over_a_lag(name: str) -> None:
    error = train_adding(zoo.cell(name), 400, hidden=24, length=20, learning_rate=1e-2, target="numpy")
    assert error < 0.05  # saying 1, without any memory, is 0.167


def test_a_sine_sequence_grows_from_its_frequency_and_phase() -> None:
    """Saying 0 is wrong by 0.5 in the mean square; a short training already knows the waves' shapes."""
    assert train_sine(600, hidden=32, length=15, target="numpy") < 0.05


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, other = (train_adding(zoo.cell("elman"), 3, hidden=4, length=20, target="numpy") for _ in range(2))
    assert one == other


def test_dates_are_learnt() -> None:
    """A short training already writes some dates without a mistake; guessing gets none of them."""
    assert train_dates(600, hidden=64, target="numpy", test=100) > 0.05
    module = sr.load(dates_model(), "numpy")
    data = Dates(module, samples=8)
    batch = data.batch((0,))
    assert set(batch.lengths.S) != {len(batch.inputs.source)}
    assert written(736612, "en_GB", "full") == "Tuesday, 10 October 2017"
    sizes = {
        "source_v": len(data.characters),
        "n": 3,
        "v": 12,
        "m": 4,
        "encoder_m": 5,
        "target_v": 11,
    }
    assert decoded(module, module.init(np.random.default_rng(0), **sizes), batch).shape == (10, 8)


def test_unseen_dates_are_not_seen() -> None:
    module = sr.load(dates_model(), "numpy")

    def dates(unseen: bool) -> set[tuple[int, ...]]:
        batches = [Dates(module, 20, unseen).batch((seed,)) for seed in range(10)]
        return {tuple(date) for batch in batches for date in batch.inputs.target.T}

    assert not dates(True) & dates(False)
