"""The house as a picture: its rooms, what stands on what, and four walks through it, read from the source.

PYTHONPATH=tests/tools python tests/tools/architecture.py
draws it anew in the README.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import symrnn

HOME = Path(symrnn.__file__).parent
README = HOME.parent / "README.md"

ROOMS = (
    "errors",
    "version",
    "places",
    "field_names",
    "files",
    "console",
    "printing",
    "templates",
    "notation",
    "vocabulary",
    "declaration",
    "models",
    "derivation",
    "mathematics",
    "comparison",
    "planning",
    "kernels",
    "diagrams",
    "papers",
    "validation",
    "pipeline",
    "writing",
    "zoo",
    "layouts",
    "onnx_graphs",
    "running",
    "checking",
    "torch",
    "training",
    "distributed",
    "publishing",
    "gradients",
    "bench",
    "notebook",
    "commands",
    "fuzzing",
    "examples",
)
"""A module imports from its own room and from those before it."""


class Step(NamedTuple):
    """A place that a walk comes through: a file below `symrnn/`, a name in it, and what happens there."""

    file: str
    name: str
    words: str


TO_A_PLAN = (
    Step("declaration/cell.py", "Cell", "the equations are validated, and get an order"),
    Step("declaration/resolution.py", "Resolver", "which shapes fit, and what is said where they do not"),
    Step("declaration/normal_form.py", "normalize", "one operation per equation, each with a name"),
    Step("derivation/reverse.py", "derived", "the adjoint of everything; the rules are in `rules.py`"),
)
WALKS = {
    "A declaration becomes a kernel": (
        *TO_A_PLAN,
        Step("planning/lowering.py", "lower", "loops over time, blocks, arrays"),
        Step("planning/checker.py", "check", "before the first pass and after each"),
        Step("planning/passes/split.py", "split_stacks", "the first of the passes in `planning/passes/`"),
        Step("validation/plans.py", "prove_plan", "the plan computes what the equations say"),
        Step("kernels/arrays.py", "ArrayPrinter", "a module of a target whose kernels compute with arrays"),
        Step("kernels/numpy/code.py", "NumpyWriter", "the plan as statements of the target, here NumPy"),
        Step("templates.py", "render", "the statements at their places in `templates/`"),
        Step("validation/texts.py", "prove_text", "the text computes what the plan says"),
        Step("running/loading.py", "load", "a file, imported"),
    ),
    "A declaration becomes a paper": (
        *TO_A_PLAN,
        Step("planning/cost.py", "step_cost", "what a step costs: data for the paper, which knows no plans"),
        Step("papers/document.py", "latex_document", "what is told, in which order"),
        Step("mathematics/sections.py", "derivation_parts", "equations, reasons and words"),
        Step("mathematics/printer.py", "Printer", "each expression as mathematics"),
        Step("templates.py", "render", "the parts at their places in `templates/`"),
    ),
}
"""Walks that are taken in this order, `load` aside, in which the others happen."""

VIEWS = {
    "A new function is a record in the file of its family, and these read it": (
        Step("vocabulary/activations.py", "sigmoid", "name, value, derivative, limits, words, spellings"),
        Step("vocabulary/families.py", "NAMED", "the records of all families"),
        Step(
            "derivation/rules.py",
            "pointwise_term",
            "its derivative, in terms of its own value where it can be",
        ),
        Step("kernels/expressions.py", "ExpressionPrinter", "its spelling in a target"),
        Step("onnx_graphs/operations.py", "Operations", "its operator in ONNX, or its formula in operators"),
        Step("mathematics/printer.py", "Printer", "its notation"),
        Step("checking/formulas.py", "formula", "its value for the reference"),
        Step("fuzzing/terms.py", "", "its range and its limits, by which it is drawn"),
    ),
    "A new target is a folder of `kernels/` and a template, and these find it": (
        Step(
            "kernels/python/target.py", "TARGET", "the shortest example: its name, contract and capabilities"
        ),
        Step("kernels/python/printer.py", "NAMES", "its statements, and the names that it forbids"),
        Step("kernels/autodiff/module.py", "AutodiffPrinter", "the text where a framework differentiates"),
        Step("kernels/targets.py", "TARGETS", "all folders that have a target"),
        Step("kernels/names.py", "Namer", "how a name becomes legal in it"),
        Step(
            "validation/texts.py", "prove_text", "its text computes what the plan says, in its `surroundings`"
        ),
    ),
    "What is decided where": (
        Step(
            "zoo/__init__.py", "HEADS", "layers and losses that are shipped; they are declared in `heads.py`"
        ),
        Step("planning/passes/__init__.py", "PASSES", "the passes of each save mode, in their order"),
        Step("declaration/cell.py", "Cell", "the order of parameters, as the equations first use them"),
        Step("kernels/contract.py", "FULL", "the public functions of a kernel, and their arguments"),
        Step("kernels/layout.py", "Layout", "what arrays and axes are called in a kernel"),
        Step("checking/check.py", "TOLERANCES", "which errors pass"),
        Step("commands/command_line.py", "COMMANDS", "the commands, and what the list of all says of them"),
        Step("commands/outermost.py", "reported", "which error ends a command with which exit code"),
        Step("notation/breaking.py", "", "where a formula that is too wide is broken"),
        Step("errors.py", "SymrnnError", "the kinds of errors"),
    ),
}
"""What changes and what reads it, each in its file."""


def module_files() -> list[Path]:
    """All modules but the faces, for Python and for the command line, which show what is inside."""
    faces = {HOME / "__init__.py", HOME / "__main__.py"}
    return sorted(path for path in HOME.rglob("*.py") if path not in faces)


def room_of(path: Path) -> str:
    """The room that a module belongs to."""
    return path.relative_to(HOME).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    """A module's syntax."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    """The modules that an import statement names; relative ones do not occur."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "a relative import"
        if node.module == "symrnn":
            yield from (f"symrnn.{alias.name}" for alias in node.names)
        else:
            yield node.module or ""


def own_imports(path: Path) -> set[str]:
    """The rooms that a module imports from."""
    names = {name for node in ast.walk(tree_of(path)) for name in imported(node)}
    return {name.split(".")[1] for name in names if name.startswith("symrnn.")}


@cache
def stands_on() -> dict[str, frozenset[str]]:
    """The rooms that each room imports from."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in module_files():
        found[room_of(path)] |= (own_imports(path) & set(ROOMS)) - {room_of(path)}
    return {room: frozenset(below) for room, below in found.items()}


def _reached(room: str) -> set[str]:
    """All rooms that a room stands on, on however many floors."""
    below = stands_on()[room]
    return set(below).union(*map(_reached, below)) if below else set()


def arrows() -> list[tuple[str, str]]:
    """From a room to those that stand on it with no other between; all other imports follow from these."""
    ground = set(ROOMS[: ROOMS.index("notation")])
    shown = [room for room in ROOMS if room not in ground and room != "examples"]
    found = []
    for room in shown:
        below = stands_on()[room] - ground
        between = set[str]().union(*map(_reached, below))
        found += [(lower, room) for lower in shown if lower in below - between]
    return found


def described(room: str) -> str:
    """What a room says of itself: the first sentence of its docstring."""
    folder = HOME / room / "__init__.py"
    text = ast.get_docstring(tree_of(folder if folder.exists() else HOME / f"{room}.py")) or ""
    return " ".join(text.split("\n\n")[0].split()).rstrip(".")


def section() -> str:
    """The part of the README that is read from the source."""
    lines = ["```mermaid", "flowchart TB", *(f"    {one} --> {other}" for one, other in arrows()), "```", ""]
    lines += ["| room | what lives there |", "|---|---|"]
    lines += [f"| `{room}` | {described(room)} |" for room in ROOMS]
    for title, steps in (WALKS | VIEWS).items():
        lines += ["", f"**{title}.**", ""]
        lines += [
            f"{n}. `{s.file}`{f' `{s.name}`' * bool(s.name)}: {s.words}" for n, s in enumerate(steps, 1)
        ]
    return "\n".join(lines)


def with_section(readme: str) -> str:
    """The README with this part drawn anew."""
    made, count = re.subn(
        r"(?s)(?<=<!-- the house -->\n).*?(?=\n<!-- end of the house -->)", lambda _: section(), readme
    )
    assert count == 1
    return made


if __name__ == "__main__":
    README.write_text(with_section(README.read_text(encoding="utf-8")), encoding="utf-8")
