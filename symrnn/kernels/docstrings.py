"""An author's words in the docstrings of emitted modules, in which they are words and nothing else."""

from collections.abc import Iterable

from symrnn.kernels.layout import Layout


def python_docstring(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines of a docstring in Python that reads as the given ones, its quotes included."""
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', r"\"\"\"")
    if "\n" not in text and not text.endswith('"'):
        return (f'"""{text}"""',)
    return (*f'"""{text}'.split("\n"), '"""')


BOTH_PASSES = "forward and backward pass over a sequence"


def module_docstring(
    layout: Layout, language: str, version: str, note: str = "", does: str = BOTH_PASSES
) -> tuple[str, ...]:
    """The lines of a kernel's docstring, its equations among them; `note` is a last sentence."""
    plan, header = layout.plan, layout.plan.header
    variant = f" ({header.variant})" if header.variant else ""
    lines = [
        f"{header.title}{variant}: {does}, in {language}.",
        "",
        f"made by symrnn {version} from {plan.name} ({header.digest}), do not edit.",
    ]
    if header.source:
        lines += ["", f"Source: {header.source}"]
    lines += ["", "The step (a bare state is its value at t-1, .next the one at t):", ""]
    lines += [f"    {equation}" for equation in header.equations]
    lines += ["", f"The output is {header.output}. Arrays carry time T first, then the batch B."]
    return python_docstring([*lines, *([note] if note else [])])
