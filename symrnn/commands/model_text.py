"""A model as text for a terminal: its origin, what a batch brings, its layers, parameters, loss, output."""

from collections.abc import Iterable

from symrnn.console import wrapped
from symrnn.declaration.axes import Shape, size_text
from symrnn.models.layers import ONCE, Feed
from symrnn.models.model import Model, Run

JOINT = "\xa0"
"""A space at which no line is broken."""
EQUALS = f"{JOINT}={JOINT}"


def model_text(model: Model, width: int) -> str:
    """`model` for a terminal of `width` columns; its cells are texts of their own."""
    lines = [f"{model.title} ({model.name})" if model.title != model.name else model.name]
    lines += [model.source] if model.source else []
    sections = (
        ("sizes", [", ".join(axis.name for axis in model.axes)]),
        ("inputs", _named((feed.name, _fed(model, feed, shape)) for feed, _, shape in model.feeds)),
        ("states, carried from call to call", _named((n, _shape(("B",), s)) for n, s in model.states)),
        ("layers", _named((run.label, _layer(run)) for run in model.runs)),
        ("parameters", _parameters(model)),
        ("loss", [f"{model.loss}, the mean over all steps of all samples"]),
        ("output of predict", [str(model.output)]),
    )
    for heading, found in sections:
        if any(found):
            lines += ["", heading, *(f"  {line}" for line in found)]
    return "\n".join(wrapped(line, width).replace(JOINT, " ") for line in lines)


def _named(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of two columns."""
    found = list(pairs)
    left = max((len(name) for name, _ in found), default=0)
    return [f"{name:<{left}}  {text}" for name, text in found]


def _shape(lead: tuple[str, ...], shape: Shape) -> str:
    """A shape with its leading axes; that of a number is ()."""
    sizes = [*lead, *map(size_text, shape)]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def _fed(model: Model, feed: Feed, shape: Shape) -> str:
    text = _shape(("B",) if feed.over == ONCE else (feed.over, "B"), shape)
    classes = model.classes.get(feed)
    return text if classes is None else f"{text}, class numbers below {size_text(classes)}"


def _parameters(model: Model) -> list[str]:
    """Lines of shapes and the parameters that have them."""
    by_shape: dict[str, list[str]] = {}
    for name, _, shape in model.parameters:
        by_shape.setdefault(_shape((), shape), []).append(name)
    return _named((shape, ", ".join(names)) for shape, names in by_shape.items())


def _layer(run: Run) -> str:
    layer = run.layer
    takes = ", ".join(f"{q}{EQUALS}{source}" for q, source in layer.inputs)
    starts = ", ".join(f"{state}{EQUALS}{reading}" for state, reading in layer.initial)
    parts = [f"{layer.cell.name} of {takes}"]
    parts += [f"started from {starts}"] if starts else []
    parts += ["from the last step to the first"] if layer.reverse else []
    return ", ".join(parts)
