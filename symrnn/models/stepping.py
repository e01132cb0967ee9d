"""Which layers of a model can be taken through time one step after the other, as it is used when streaming.

From the output down, every layer over the same time axis takes one step; what their states start from is
worked out once, before the first step.
"""

from symrnn.declaration.axes import shape_text
from symrnn.declaration.quantities import Index, Input
from symrnn.errors import DeclarationError
from symrnn.models.layers import ONCE, Feed, Layer, Reading, Sequence, called


def sources_of(layer: Layer) -> list[Sequence]:
    """Everything that a layer takes: sources of its inputs, and what its states start from."""
    return [source for _, source in (*layer.inputs, *layer.initial)]


def layer_of(source: Sequence) -> Layer | None:
    """The layer that a sequence comes from; None for a feed."""
    return source.layer if isinstance(source, Reading) else source if isinstance(source, Layer) else None


def layers_below(*wanted: Layer) -> tuple[Layer, ...]:
    """The layers that some layers need, and these, each after those that it takes something from."""
    order: dict[Layer, None] = {}

    def visit(layer: Layer) -> None:
        if layer in order:
            return
        for before in map(layer_of, sources_of(layer)):
            if before is not None:
                visit(before)
        order[layer] = None

    for layer in wanted:
        visit(layer)
    return tuple(order)


def stepped_layers(output: Layer) -> tuple[Layer, ...]:
    """The layers that take a step when the output does, in an order in which they can."""
    found: set[Layer] = set()
    queue = [output]
    while queue:
        layer = queue.pop()
        if layer not in found:
            found.add(layer)
            queue += [source for _, source in layer.inputs if isinstance(source, Layer)]
    return tuple(layer for layer in layers_below(output) if layer in found)


def starting_layers(output: Layer) -> tuple[Layer, ...]:
    """The layers that must have run before the first step: those that states of stepped layers start from."""
    starts = [reading.layer for layer in stepped_layers(output) for _, reading in layer.initial]
    return layers_below(*starts)


def why_no_step(output: Layer) -> str:
    """Why a model with this output cannot take one step after the other; empty if it can."""
    if output.time == ONCE:
        return f"the output {output} has no time: it is read at the end"
    stepped = stepped_layers(output)
    for layer in stepped:
        if layer.reverse:
            return f"{layer} runs from the last step to the first"
    for layer in starting_layers(output):
        if layer in stepped:
            return f"a layer starts from what {layer} has at the end"
    return ""


def stepped_feeds(output: Layer) -> dict[Feed, Input]:
    """What the batch brings to the stepped layers, and the first input that takes it."""
    found: dict[Feed, Input] = {}
    for layer in stepped_layers(output):
        for quantity, source in layer.inputs:
            if isinstance(source, Feed):
                found.setdefault(source, quantity)
    return found


def chosen_feedback(model: str, output: Layer, asked: Feed | None) -> Feed | None:
    """The feed to which the output goes back in a closed loop; None if there is none.

    Unless it is asked for, it is the only feed of the stepped layers, if that brings class numbers and the
    output is a vector, which scores the classes.

    Raises:
        DeclarationError: what is asked for cannot be fed from the output.
    """
    feeds = {} if why_no_step(output) else stepped_feeds(output)
    if asked is None:
        scores = len(feeds) == 1 and len(output.cell.output_shape) == 1
        return next((feed for feed, q in feeds.items() if scores and isinstance(q, Index)), None)
    if not isinstance(asked, Feed):
        raise DeclarationError(f"The feedback of model {model!r} is {called(asked)}. Give a Feed.")
    where = f"The output {output} of model {model!r} cannot be fed back to {asked}: "
    if reason := why_no_step(output):
        raise DeclarationError(f"{where}{reason}.")
    if set(feeds) != {asked}:
        taken = ", ".join(map(str, feeds)) or "nothing"
        raise DeclarationError(
            f"{where}step by step, the layers up to the output take {taken}, and {asked} must be all they "
            "take. For a loop beside other inputs, close it in the cell: closed_loop(cell, head)."
        )
    if isinstance(feeds[asked], Index) and len(output.cell.output_shape) != 1:
        shape = shape_text(output.cell.output_shape)
        raise DeclarationError(
            f"{where}it brings class numbers, and the output has shape {shape}. "
            "Give an output that is a vector with a number for every class."
        )
    return asked
