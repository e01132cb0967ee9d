"""A whole model as one standalone module: the kernels of its cells, and what joins them."""

import ast
import hashlib
from collections.abc import Mapping

from symrnn.declaration.axes import size_text
from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.quantities import Constant
from symrnn.kernels.docstrings import python_docstring
from symrnn.kernels.interface import Field, constants_note, shape_data, table_text, tuple_text
from symrnn.kernels.link import CONTRACT, Linked, link, own_name
from symrnn.kernels.models.checks import checks
from symrnn.kernels.models.code import ModelWriter, shape_with
from symrnn.kernels.models.steps import step_text
from symrnn.kernels.scopes import bound_in
from symrnn.kernels.support import with_support
from symrnn.kernels.targets import TARGETS
from symrnn.models.layers import ONCE, Feed, Layer
from symrnn.models.model import Model, model_digest
from symrnn.templates import render


def emit_model(model: Model, kernels: Mapping[str, str], target: str, version: str) -> str:
    """The source of a standalone module; `kernels` are the modules of the model's cells by name."""
    home = f"symrnn_{model.name}_{hashlib.sha256(repr(sorted(kernels.items())).encode()).hexdigest()[:12]}"
    empty = Linked("", "", {}, {cell: _prefixed(cell) for cell in kernels})
    taken = bound_in(ast.parse(_module(model, empty, target, version)))
    return _module(model, link(kernels, home=home, taken=taken), target, version)


def _prefixed(cell: str) -> dict[str, str]:
    """The names that a kernel's contract has in the module, unless something else is called so."""
    return {name: own_name(cell, name) for name in CONTRACT}


def _module(model: Model, linked: Linked, target: str, version: str) -> str:
    threads = TARGETS[target].threads
    writer = ModelWriter(model, linked.names, has_threads=bool(threads["threads_parameter"]))
    context = {
        "docstring": docstring(model, writer, target, version),
        "imports": linked.imports,
        "shared": linked.shared,
        "own": tuple(linked.own.values()),
        **_interface(model, writer),
        **_calls(model, writer),
        "layer_fields": tuple(run.label for run in model.runs),
        "layer_lines": tuple(line for run in model.runs for line in writer.parameters(run)),
        "prepare_lines": tuple(writer.prepared(run) for run in model.runs),
        "steps": step_text(model, writer),
        **checks(model),
        "threads_parameter": threads["threads_parameter"],
        "threads_note": threads["threads_note"],
    }
    return with_support("model.py.jinja", context, {"support": render("model_support.py.jinja", {})})


def docstring(model: Model, writer: ModelWriter, target: str, version: str) -> tuple[str, ...]:
    """The lines of the module's docstring."""
    what = f"a model of {len(model.runs)} layers, its loss and its gradients"
    lines = [f"{model.title}: {what}, in {TARGETS[target].title}.", ""]
    lines += [f"made by symrnn {version} from {model.name} ({model_digest(model)}), do not edit.", ""]
    if model.source:
        lines += [f"Source: {model.source}", ""]
    lines += ["The layers, each a cell run over sequences:", ""]
    for run in model.runs:
        lines.append(f"    {writer.forward_comment(run)}")
    lines += [
        "",
        "Arrays carry time T first, then the batch B. The loss is the mean over all steps of all samples.",
    ]
    lines += [note] if (note := step_text(model, writer).note) else []
    return python_docstring(lines)


def _lead(feed: Feed) -> tuple[str, ...]:
    return ("B",) if feed.over == ONCE else (feed.over, "B")


def _interface(model: Model, writer: ModelWriter) -> dict[str, object]:
    axes = [axis.name for axis in model.axes]
    times = tuple(time for time in model.times if time != ONCE)
    return {
        "axes": tuple_text(f'"{axis}"' for axis in axes),
        "inputs_table": table_text({feed.name: shape_data(shape) for feed, _, shape in model.feeds}),
        "states_table": table_text({name: shape_data(shape) for name, shape in model.states}),
        "parameters_table": table_text({name: shape_data(shape) for name, _, shape in model.parameters}),
        "input_fields": tuple(
            Field(feed.name, shape_with(_lead(feed), shape)) for feed, _, shape in model.feeds
        ),
        "state_fields": tuple(Field(name, shape_with(("B",), shape)) for name, shape in model.states),
        "no_states": not model.states,
        "parameter_fields": tuple(Field(name, shape_with((), shape)) for name, _, shape in model.parameters),
        "constants_note": constants_note(any(isinstance(q, Constant) for _, q, _ in model.parameters)),
        "times": times,
        "init_axes": "".join(f"{axis}, " for axis in axes),
        "axis_list": ", ".join(axes),
        **_fresh(model, writer),
    }


def _fresh(model: Model, writer: ModelWriter) -> dict[str, object]:
    """Lines that draw parameters: every layer those that no layer before it has."""
    owners: dict[str, str] = {}
    taken = {axis.name for axis in model.axes}
    lines = []
    for run in model.runs:
        new = {name: q for q, name in run.parameters if name not in owners}
        if not new:
            continue
        sizes = "".join(f"{axis}={size_text(size)}, " for axis, size in run.sizes)
        fresh = unique_name(f"{run.label}_parameters", taken)
        lines.append(f"{fresh} = {writer.kernel(run, 'init')}(rng, {sizes}dtype=dtype)")
        owners |= {name: f"{fresh}.{q.name}" for name, q in new.items()}
    return {
        "init_lines": tuple(lines),
        "fresh_lines": tuple(f"{name}={owners[name]}," for name, _, _ in model.parameters),
    }


def _calls(model: Model, writer: ModelWriter) -> dict[str, object]:
    backward, gradients = writer.backward()
    read = [feed.name for feed, _, _ in model.feeds if feed in _feeds_of(model.output, writer)]
    unread = [feed.name for feed, _, _ in model.feeds if feed.name not in read]
    label = model.run_of(model.output).label
    return {
        "loss_calls": writer.forward(model.loss, training=False),
        "forward_calls": writer.forward(model.loss, training=True),
        "backward_calls": backward,
        "gradient_lines": gradients,
        "loss_label": model.run_of(model.loss).label,
        "loss_lengths": writer.lengths(model.loss),
        "loss_states": writer.final_states(model.loss),
        "predict_calls": writer.forward(model.output, training=False),
        "predict_feeds": tuple_text(f'"{name}"' for name in read),
        "unread_note": f"it does not read {', '.join(unread)}" if unread else "it reads all inputs",
        "output_label": label,
        "output_text": f"{label}_outputs" + ("[0]" if model.output.time == ONCE else ""),
        "output_states": writer.final_states(model.output),
    }


def _feeds_of(layer: Layer, writer: ModelWriter) -> set[Feed]:
    sources = [source for run in writer.needed(layer) for _, source in run.layer.inputs]
    return {source for source in sources if isinstance(source, Feed)}
