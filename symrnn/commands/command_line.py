"""The command `symrnn`: what it is called with before a command, and the table of the commands.

Exit codes: 0 done, 1 a check failed or a training diverged, 2 the request or the declaration was wrong, 70 a
fault of symrnn, 130 interrupted (a training after it saved its checkpoint).
"""

import gc
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand
from typer.main import get_command

from symrnn.commands.outermost import DEBUG, ReportingGroup, interrupt_when_ended
from symrnn.places import found_at
from symrnn.version import __version__

COMMANDS = {
    "list": ("symrnn.commands.list:list_cells", "List the shipped cells and models."),
    "show": (
        "symrnn.commands.show:show",
        "Show a cell's equations and gradients; of a model, its layers and its cells.",
    ),
    "latex": (
        "symrnn.commands.latex:write_latex",
        "Write the derivation of backpropagation through time as LaTeX.",
    ),
    "emit": (
        "symrnn.commands.emit:emit_kernel",
        "Write a kernel, or a model's module, that runs alone, to a file or to the standard output.",
    ),
    "plan": (
        "symrnn.commands.plan:show_plan",
        "Show what a kernel computes, block by block; of a model, its calls and the kernels of its cells.",
    ),
    "check": (
        "symrnn.commands.check:check_cell",
        "Compare the values and gradients of a kernel, or of a model, with the reference.",
    ),
    "build": (
        "symrnn.commands.build:build_cells",
        "Make everything of a cell or a model: LaTeX, PDF, plans and kernels, and check the kernels.",
    ),
    "page": (
        "symrnn.commands.page:write_web_pages",
        "Write a web page per cell, with derivation, plan and kernels, and an index of these pages.",
    ),
    "bench": (
        "symrnn.commands.bench:bench_cells",
        "Time a cell's kernels and the same equations in PyTorch, JAX and onnxruntime, on this machine.",
    ),
    "diff": (
        "symrnn.commands.diff:show_difference",
        "Show how two cells differ, and whether one is a special case of the other.",
    ),
    "gradients": (
        "symrnn.commands.gradients:show_gradients",
        "Show how gradients vanish or explode over time: the norm of the state's derivative k steps back.",
    ),
    "import": (
        "symrnn.commands.import_weights:import_weights",
        "Read another framework's weights as parameters of a shipped cell, and say what was done to them.",
    ),
    "train-text": (
        "symrnn.commands.train_text:train_text",
        "Train a language model of characters on a text; Ctrl-C saves it.",
    ),
    "sample": ("symrnn.commands.sample:sample_text", "Write text with a trained language model."),
}
"""The place of every command, and what the list of all says of it."""


WORDS: dict[Any, type[str] | type[Path]] = {
    kind: made for made in (str, Path) for kind in (made, made | None)
}
"""What a word on the command line becomes, by the kind of an argument."""


def _take_as_given(command: Any, ctx: Any) -> None:
    """Let a command take words and defaults as they are; for all else Typer loads a library to convert it."""
    kinds = get_type_hints(command.callback)
    for parameter in command.get_params(ctx):
        if parameter.nargs == 1 and not parameter.multiple:
            made = WORDS.get(kinds.get(parameter.name))
            parameter.process_value = partial(_value, parameter, made, parameter.process_value)


def _value(
    parameter: Any, made: type[str] | type[Path] | None, convert: Callable[..., Any], ctx: Any, value: Any
) -> Any:
    """What is made of a parameter's word, or of its default."""
    if value is parameter.default and not parameter.required:
        return parameter.callback(ctx, parameter, value) if parameter.callback else value
    if made is None or not isinstance(value, str):
        return convert(ctx, value)
    unreadable = made is Path and os.path.exists(value) and not os.access(value, os.R_OK)
    return convert(ctx, value) if unreadable else made(value)


class Command(TyperCommand):
    """A command of the table."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is left of the arguments; the others are taken."""
        _take_as_given(self, ctx)
        return super().parse_args(ctx, args)


class CommandGroup(ReportingGroup):
    """The commands of the table, each loaded when it is called, completed, or asked for its own help."""

    def __init__(self, **options: Any) -> None:
        """Nothing is loaded yet: every command has its name and what the list of all says of it."""
        super().__init__(**options)
        self.commands = {name: TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is left of the arguments; the options before a command are taken."""
        _take_as_given(self, ctx)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name of a command, the command itself, and its arguments."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and loaded(str(found.name)), rest


def loaded(name: str) -> Any:
    """A command of the table, with its arguments and options."""
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=Command)(found_at(COMMANDS[name][0]))
    return get_command(alone)


app = typer.Typer(
    name="symrnn",
    cls=CommandGroup,
    help="From the equations of a recurrent cell to the paper, the kernel and the proof.",
    epilog="CELL is a shipped name (see `symrnn list`), path/to/file.py:name, or a file.py with one cell. "
    "show, latex, plan, emit, check and build take models too.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"symrnn {__version__}")
        raise typer.Exit


@app.callback()
def _symrnn(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error, too.")] = False,
) -> None:
    """Hold the options that come before a command."""


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(300_000, 20, 20)  # what is loaded stays: to look for garbage there takes its time
    interrupt_when_ended()
    try:
        app(prog_name="symrnn")
    finally:
        gc.freeze()  # nor is it looked for in what ends with the process
