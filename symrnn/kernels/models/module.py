"""A whole model as one standalone module: the kernels of its cells, and what joins them."""

from collections.abc import Mapping

from symrnn.declaration.axes import size_text
from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.quantities import Constant
from symrnn.errors import EmissionError
from symrnn.kernels.docstrings import python_docstring
from symrnn.kernels.interface import Field, constants_note, shape_data, table_text, tuple_text
from symrnn.kernels.models.checks import checks
from symrnn.kernels.models.code import ModelWriter, gradient_lines, lengths_text, shape_with, state_texts
from symrnn.kernels.models.steps import step_text
from symrnn.kernels.target import Target
from symrnn.models.layers import ONCE, Feed
from symrnn.models.model import Model, model_digest
from symrnn.planning.model_plan import Evaluation, ModelPlan
from symrnn.templates import render


def emit_model(planned: ModelPlan, target: Target, version: str) -> str:
    """The source of a standalone module of a model, with the kernels of its cells.

    Raises:
        EmissionError: the target has no modules of models.
    """
    printer = target.model
    if printer is None:
        raise EmissionError(f"The target {target.name!r} has nothing that prints models.")
    threads, model = printer.threads, planned.model

    def values(names: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
        writer = ModelWriter(names, bool(threads["threads_parameter"]))
        return {
            "docstring": docstring(planned, target.title, version),
            **_interface(model, writer),
            **_calls(planned, writer),
            "layer_fields": tuple(run.label for run in model.runs),
            "layer_lines": tuple(line for run in model.runs for line in writer.parameters(run)),
            "prepare_lines": tuple(writer.prepared(run) for run in model.runs),
            "steps": step_text(planned, writer),
            **checks(model),
            "threads_parameter": threads["threads_parameter"],
            "threads_note": threads["threads_note"],
        }

    plans = {of_cell.name: of_cell for of_cell in planned.cells}
    return printer.module(planned.name, plans, values, {"sequences": render("model_support.py.jinja", {})})


def docstring(planned: ModelPlan, title: str, version: str) -> tuple[str, ...]:
    """The lines of the module's docstring."""
    model = planned.model
    what = f"a model of {len(model.runs)} layers, its loss and its gradients"
    lines = [f"{model.title}: {what}, in {title}.", ""]
    lines += [f"made by symrnn {version} from {model.name} ({model_digest(model)}), do not edit.", ""]
    if model.source:
        lines += [f"Source: {model.source}", ""]
    lines += ["The layers, each a cell run over sequences:", ""]
    lines += [f"    {call.layer}: {call.words}" for call in planned.layers]
    lines += [
        "",
        "Arrays carry time T first, then the batch B. The loss is the mean over all steps of all samples.",
    ]
    lines += [] if planned.step else [f"There is no `step`, because {planned.no_step}."]
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
        lines.append(f"{fresh} = {writer.kernel(run.layer.cell.name, 'init')}(rng, {sizes}dtype=dtype)")
        owners |= {name: f"{fresh}.{q.name}" for name, q in new.items()}
    return {
        "init_lines": tuple(lines),
        "fresh_lines": tuple(f"{name}={owners[name]}," for name, _, _ in model.parameters),
    }


def _calls(planned: ModelPlan, writer: ModelWriter) -> dict[str, object]:
    loss, output = planned.loss, planned.output
    unread = [feed.name for feed, _, _ in planned.model.feeds if feed.name not in output.reads]
    return {
        "loss_calls": writer.forward(loss, training=False),
        "forward_calls": writer.forward(loss, training=True),
        "backward_calls": tuple(map(writer.backward_call, planned.backward)),
        "gradient_lines": gradient_lines(planned),
        "loss_label": loss.layer,
        "loss_lengths": lengths_text(loss.over),
        "loss_states": _state(loss),
        "predict_calls": writer.forward(output, training=False),
        "predict_feeds": tuple_text(f'"{name}"' for name in output.reads),
        "unread_note": f"it does not read {', '.join(unread)}" if unread else "it reads all inputs",
        "output_label": output.layer,
        "output_text": f"{output.layer}_outputs" + ("[0]" if output.over == ONCE else ""),
        "output_states": _state(output),
    }


def _state(evaluation: Evaluation) -> str:
    """The text of the states that are carried to the next call."""
    return f"State({', '.join(state_texts(evaluation.states))})"
