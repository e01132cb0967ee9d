"""Views for notebooks: how models, plans, reports and comparisons show themselves there in HTML.

IPython asks an object for `_repr_latex_` and `_repr_html_`. Records have these by the table of
`symrnn.printing`, which leads to the views in HTML here and to the formulas of the papers.
"""

from collections.abc import Iterable, Sequence
from html import escape

from symrnn.checking.report import HEADINGS, CheckReport
from symrnn.comparison.comparison import Comparison
from symrnn.comparison.wording import PlainWords, sentences
from symrnn.declaration.axes import shape_text
from symrnn.models.model import Model
from symrnn.notation.nodes import Node
from symrnn.notation.rendering.latex import latex
from symrnn.papers.difference import partner_rows
from symrnn.papers.formulas import comparison_display
from symrnn.planning.ir import Block
from symrnn.planning.model_plan import Array, ModelPlan
from symrnn.planning.model_printout import sum_text
from symrnn.planning.plan import Plan


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table in HTML; its cells are HTML already."""
    top = "".join(f'<th style="text-align:left">{escape(heading)}</th>' for heading in headings)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in row) + "</tr>" for row in rows
    )
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f"<table>{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def plan_html(plan: Plan) -> str:
    """The blocks of a plan by pass, and the whole printout to unfold."""
    passes = (
        ("prepare, once", plan.prepare),
        ("forward, before the loop", plan.forward.before),
        ("forward, every t = 1 ... T", plan.forward.loop.blocks),
        ("forward, after the loop", plan.forward.after),
        ("backward, before the loop", plan.backward.before),
        ("backward, every t = T ... 1", plan.backward.loop.blocks),
        ("backward, after the loop", plan.backward.after),
        ("finish, once", plan.finish),
    )
    rows = [_block_row(title, block) for title, blocks in passes for block in blocks]
    saved = [(f"<code>{escape(name)}</code>", escape(reason)) for name, reason in plan.saved]
    blocks = table(("when", "block", "reads", "writes"), rows, f"plan of {plan.name}")
    kept = table(("saved", "for"), saved, "kept for the backward pass") if saved else ""
    return blocks + kept + _unfolded(plan)


def _block_row(when: str, block: Block) -> tuple[str, str, str, str]:
    reads, writes = (f"<code>{escape(', '.join(names))}</code>" for names in (block.reads, block.writes))
    return escape(when), escape(block.title), reads, writes


def model_plan_html(plan: ModelPlan) -> str:
    """The calls of a model's plan, forwards and backwards, and the whole printout to unfold."""
    rows = [("forward", call.layer, call.cell, _equations(call.inputs)) for call in plan.layers]
    rows += [
        ("backward", call.layer, call.cell, f"d_outputs = {sum_text(call.arrives)}") for call in plan.backward
    ]
    shown = [[escape(text) for text in row] for row in rows]
    return table(("when", "layer", "cell", "takes"), shown, f"plan of the model {plan.name}") + _unfolded(
        plan
    )


def _unfolded(plan: Plan | ModelPlan) -> str:
    return f"<details><summary>the whole plan</summary><pre>{escape(str(plan))}</pre></details>"


def _equations(pairs: Iterable[tuple[str, Array]]) -> str:
    return ", ".join(f"{name} = {sum_text([array])}" for name, array in pairs)


def report_html(report: CheckReport) -> str:
    """The table and the verdict of a check."""
    rows = [[escape(text) for text in row.texts] for row in report.rows]
    verdict = escape(report.verdict)
    shown = verdict if report.passed else f"<strong>{verdict}</strong>"
    return f"{table(HEADINGS, rows, f'check of {report.title}')}<p>{shown}</p>"


def model_html(model: Model) -> str:
    """The layers of a model, what they take, and the parameters."""
    layers = [
        (
            escape(run.label),
            escape(run.layer.cell.name),
            escape(", ".join(name for _, name in run.parameters)) or "none",
        )
        for run in model.runs
    ]
    feeds = [(escape(feed.name), escape(shape_text(shape))) for feed, _, shape in model.feeds]
    return table(("layer", "cell", "parameters"), layers, f"model {model.name}") + table(
        ("a batch brings", "shape per sample"), feeds
    )


def comparison_html(comparison: Comparison) -> str:
    """What corresponds, the aligned equations, and the verdict."""
    rows = [(escape(row.role), _formula(row.left), _formula(row.right)) for row in partner_rows(comparison)]
    words = []
    for text in sentences(comparison, PlainWords()):
        inside = escape(text.strip())
        item = text.startswith(" ")
        words.append(f'<p style="margin-left:2em"><code>{inside}</code></p>' if item else f"<p>{inside}</p>")
    corresponds = table(("", *comparison.names), rows, "what corresponds")
    return corresponds + escape(comparison_display(comparison), quote=False) + "".join(words)


def _formula(node: Node | None) -> str:
    return f"${escape(latex(node), quote=False)}$" if node is not None else ""
