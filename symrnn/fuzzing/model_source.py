"""A model as the Python code that declares it: a script that stands by itself and defines `model`."""

from textwrap import indent

from symrnn.declaration.source_text import cell_source
from symrnn.models.layers import Feed, Layer, Reading, Sequence
from symrnn.models.model import Model


def model_source(model: Model) -> str:
    """A script that declares `model` and names it `model`; to run it gives an equal model."""
    cells = {run.layer.cell.name: run.layer.cell for run in model.runs}
    parts = ["from symrnn import Feed, Layer, Model"]
    for name, cell in cells.items():
        parts.append(f"def {name}_cell():\n{indent(cell_source(cell), '    ')}    return cell\n")
    names = {run.layer: f"layer_{number}" for number, run in enumerate(model.runs, 1)}
    parts.append("\n".join(_declared(run.layer, names) for run in model.runs))
    options = f", output={names[model.output]}"
    if model.feedback is not None and Model(model.name, model.loss, output=model.output) != model:
        options += f", feedback={_source(model.feedback, names)}"
    parts.append(f"model = Model({model.name!r}, {names[model.loss]}{options})\n")
    return "\n\n".join(parts)


def _declared(layer: Layer, names: dict[Layer, str]) -> str:
    inputs = ", ".join(f'"{q.name}": {_source(source, names)}' for q, source in layer.inputs)
    options = f", name={layer.name!r}" * bool(layer.name) + ", reverse=True" * layer.reverse
    if layer.initial:
        starts = ", ".join(f'"{q.name}": {_source(reading, names)}' for q, reading in layer.initial)
        options += f", initial={{{starts}}}"
    return f"{names[layer]} = Layer({layer.cell.name}_cell(), {{{inputs}}}{options})"


def _source(source: Sequence, names: dict[Layer, str]) -> str:
    if isinstance(source, Feed):
        return f"Feed({source.name!r}, over={source.over!r})"
    if isinstance(source, Reading):
        read = "last" if source.state is None else f"final({source.state.name!r})"
        return f"{names[source.layer]}.{read}"
    assert isinstance(source, Layer)
    return names[source]
