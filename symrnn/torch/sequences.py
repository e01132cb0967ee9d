"""Sequences as `torch.nn.GRU` takes and gives them: batch first or not, without a batch, padded or packed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from symrnn.errors import RequestError, shown

Given: TypeAlias = Any
"""A tensor, a packed sequence, or several tensors by the names of a cell's inputs."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs (T, B, ...), the samples' numbers of steps, and how the caller had them."""

    inputs: list[Tensor]
    lengths: Tensor | None
    batch_first: bool
    single: bool
    packed: PackedSequence | None

    def given_back(self, outputs: Tensor) -> Any:
        """Outputs (T, B, ...) as the caller has the inputs."""
        if self.packed is not None:
            return _repacked(outputs, self.packed, self.lengths)
        if self.single:
            return outputs.squeeze(1)
        return outputs.transpose(0, 1) if self.batch_first else outputs


def named_tensors(what: str, given: Given, names: tuple[str, ...]) -> list[Tensor]:
    """Tensors in the order of their names: one bare, several in a mapping, or a tuple in that order.

    Raises:
        RequestError: there are others than these.
    """
    if isinstance(given, Tensor) and len(names) == 1:
        return [given]
    fits = isinstance(given, Sequence) and len(given) == len(names)
    if isinstance(given, dict):
        found = [given[name] for name in names if name in given]
        fits = len(found) == len(given) == len(names)
    else:
        found = list(given) if fits else []
    if not fits or not all(isinstance(tensor, Tensor) for tensor in found):
        wanted = names[0] if len(names) == 1 else f"a tuple or a dict of {', '.join(names) or 'nothing'}"
        raise RequestError(f"{what} is {shown(given)}; give tensors: {wanted}.")
    return found


def batch_of(
    given: Given,
    shapes: dict[str, tuple[str, ...]],
    lengths: Any,
    *,
    batch_first: bool,
) -> Batch:
    """What a caller gives as the inputs of a cell, which have these shapes per sample.

    Raises:
        RequestError: an input has another number of axes, or lengths come beside a packed sequence.
    """
    if isinstance(given, PackedSequence):
        if lengths is not None:
            raise RequestError("A packed sequence has its lengths; leave lengths= out.")
        if len(shapes) != 1:
            raise RequestError(
                f"A packed sequence is one input; this cell has {len(shapes)}: give lengths= instead."
            )
        _require_sorted(given)
        padded, lengths = pad_packed_sequence(given)
        return Batch([padded], lengths, batch_first=False, single=False, packed=given)
    tensors = named_tensors("input", given, tuple(shapes))
    ranks = {
        name: tensor.dim() - len(shape) for (name, shape), tensor in zip(shapes.items(), tensors, strict=True)
    }
    single = all(rank == 1 for rank in ranks.values())
    if not single:
        for (name, shape), tensor in zip(shapes.items(), tensors, strict=True):
            if ranks[name] != 2:
                lead = "B, T" if batch_first else "T, B"
                wanted = f"({', '.join([lead, *shape])}), or without B"
                raise RequestError(f"input {name} has shape {tuple(tensor.shape)}; it should have {wanted}.")
    if single:
        tensors = [tensor.unsqueeze(1) for tensor in tensors]
    elif batch_first:
        tensors = [tensor.transpose(0, 1) for tensor in tensors]
    return Batch(tensors, steps_of(lengths), batch_first, single, None)


def steps_of(lengths: Any) -> Tensor | None:
    """Samples' numbers of steps (B,), given as a tensor, an array, a list, or a number for a sample alone.

    Raises:
        RequestError: they are no whole numbers.
    """
    if lengths is None:
        return None
    wrong = f"lengths is {shown(lengths)}; give whole numbers, one for every sample."
    try:
        steps = torch.atleast_1d(torch.as_tensor(lengths, device="cpu"))
    except (TypeError, ValueError, RuntimeError) as error:
        raise RequestError(wrong) from error
    if steps.numel() and (steps.dtype == torch.bool or steps.is_floating_point()):
        raise RequestError(wrong)
    return steps.to(torch.int64)


def turned(sequence: Tensor, lengths: Tensor | None) -> Tensor:
    """A sequence (T, B, ...) with each sample's steps in the other order; what is beyond its end stays."""
    if lengths is None:
        return sequence.flip(0)
    T, B = (torch.arange(size, device=sequence.device) for size in sequence.shape[:2])
    lengths = lengths.to(sequence.device)
    steps = torch.where(T[:, None] < lengths, lengths - 1 - T[:, None], T[:, None])
    return sequence[steps, B]


def _require_sorted(packed: PackedSequence) -> None:
    """Raise unless the samples of a packed sequence go from the longest to the shortest."""
    sizes = packed.batch_sizes
    if bool((sizes[1:] > sizes[:-1]).any()):
        raise RequestError(
            f"The batch_sizes of the packed sequence grow: {sizes.tolist()}. Make it with "
            "pack_padded_sequence(), which sorts the samples."
        )


def _repacked(outputs: Tensor, packed: PackedSequence, lengths: Tensor | None) -> PackedSequence:
    assert lengths is not None
    order = packed.sorted_indices
    if order is not None:
        outputs, lengths = outputs.index_select(1, order), lengths[order]
    made = pack_padded_sequence(outputs, lengths)
    return PackedSequence(made.data, made.batch_sizes, order, packed.unsorted_indices)
