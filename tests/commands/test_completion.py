"""The table of commands, what the list of all says of them, and what a shell is told to complete."""

import inspect
import re

import pytest
from command_runs import invoked
from typer.testing import CliRunner

from symrnn.commands import command_line
from symrnn.commands.command_line import COMMANDS
from symrnn.kernels.target_list import ARRAY_TARGET_NAMES, TARGET_NAMES
from symrnn.kernels.targets import ARRAY_TARGETS, TARGETS
from symrnn.places import found_at
from symrnn.zoo import MODELS, SHIPPED


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_all_says_what_the_command_says(name):
    place, line = COMMANDS[name]
    assert line == inspect.getdoc(found_at(place))
    assert line in " ".join(re.sub("[│╭╮╰╯─]", " ", invoked(name, "--help").stdout).split())
    assert name in invoked("--help").stdout


def test_the_names_of_the_targets_are_those_of_the_targets():
    assert tuple(TARGETS) == TARGET_NAMES
    assert tuple(ARRAY_TARGETS) == ARRAY_TARGET_NAMES


def completed(words, shell="bash"):
    """What a shell may put in the place of the last word."""
    environment = {
        "_SYMRNN_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    result = CliRunner().invoke(command_line.app, [], prog_name="symrnn", env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout.split("\n")[:-1]


def test_commands_are_completed():
    assert completed("symrnn ") == [*COMMANDS]
    assert completed("symrnn pl") == ["plan"]
    assert completed("symrnn emit --c") == ["--contract"]


@pytest.mark.parametrize("command", ["show", "latex", "emit", "plan", "check", "build", "build elman"])
def test_cells_and_models_are_completed(command):
    assert completed(f"symrnn {command} ") == [*SHIPPED, *MODELS]
    assert completed(f"symrnn {command} la") == ["layer_norm", "language_model"]


@pytest.mark.parametrize("command", ["page", "bench", "gradients", "diff", "diff gru", "page gru lstm"])
def test_where_no_model_is_taken_cells_alone_are_completed(command):
    assert completed(f"symrnn {command} la") == ["layer_norm"]


def test_targets_are_completed():
    assert completed("symrnn emit gru --target ") == [*TARGETS, "onnx"]
    for command in ("check gru", "train-text", "sample"):
        assert completed(f"symrnn {command} --target ") == [*ARRAY_TARGETS]


def test_a_shell_that_shows_more_is_told_titles():
    assert any("Gated recurrent unit" in line for line in completed("symrnn emit gru", "fish"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_written(shell):
    """By what the options call; they themselves ask the processes above which shell this is."""
    environment = {"_SYMRNN_COMPLETE": f"source_{shell}"}
    result = CliRunner().invoke(command_line.app, [], prog_name="symrnn", env=environment)
    assert "_SYMRNN_COMPLETE=" in result.stdout


def test_completion_is_offered():
    shown = invoked("--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown
