"""The tagger of words, in a short version."""

import numpy as np
import pytest

pytest.importorskip("torch")

from symrnn.examples.tagger import accelerated, apart, fresh, train_tagger


def test_a_tagger_whose_gru_becomes_a_kernel_has_the_same_losses_and_leaves_as_onnx() -> None:
    """It learns: to say that every tag is as likely as any other is 1.95."""
    plain, tagger = train_tagger(fresh(16), 30), accelerated(fresh(16))
    made = train_tagger(tagger, 30)
    assert np.allclose(plain.losses, made.losses, rtol=1e-5, atol=0)
    assert np.mean(made.losses[-5:]) < 1
    assert apart(tagger) < 1e-6
