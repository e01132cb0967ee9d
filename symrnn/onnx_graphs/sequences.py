"""What is done to sequences (T, B, ...) of a graph on their way from layer to layer."""

from symrnn.onnx_graphs.arrays import Array
from symrnn.onnx_graphs.operations import Operations


def turned(sequence: Array, lengths: Array | None) -> Array:
    """A sequence with each sample's steps in the other order; what is beyond its end stays."""
    numpy = Operations(sequence.recorder).numpy
    T = sequence.shape[0]
    t = numpy.arange(T)
    if lengths is None:
        return sequence.rows(T - 1 - t)
    t = t[:, None]
    return at_steps(sequence, numpy.where(t < lengths, lengths - 1 - t, t))


def at_steps(sequence: Array, steps: Array) -> Array:
    """The rows of each sample at these steps (T, B): (T, B, ...)."""
    numpy = Operations(sequence.recorder).numpy
    samples = numpy.broadcast_to(numpy.arange(sequence.shape[1]), steps.shape)
    places = numpy.concatenate([steps[..., None], samples[..., None]], 2)
    shape = (*steps.shape, *sequence.shape[2:])
    return sequence.recorder.node("GatherND", [sequence, places], sequence.dtype, shape)


def first(sequence: Array) -> Array:
    """The first step of every sample, (B, ...); zeros where there is none."""
    numpy = Operations(sequence.recorder).numpy
    return _after_zeros(sequence).rows(numpy.minimum(sequence.recorder.array(sequence.shape[0], int), 1))


def last(sequence: Array, lengths: Array | None) -> Array:
    """The last step of every sample, (B, ...); zeros where there is none."""
    whole = _after_zeros(sequence)
    if lengths is None:
        return whole.rows(sequence.shape[0])
    return at_steps(whole, lengths[None])[0]


def _after_zeros(sequence: Array) -> Array:
    """A sequence with a step of zeros before its first one."""
    numpy = Operations(sequence.recorder).numpy
    zeros = numpy.zeros((1, *sequence.shape[1:]), dtype=sequence.dtype)
    made: Array = numpy.concatenate([zeros, sequence], 0)
    return made
