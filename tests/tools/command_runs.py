"""Runs of the command line within a test: their results, once their exit codes are what is expected."""

from typing import Any

from typer.testing import CliRunner, Result

from symrnn.commands import command_line


def invoked(*arguments: Any, code: int = 0) -> Result:
    """The result of `symrnn` with these arguments; an error that the command does not catch is raised."""
    result = CliRunner().invoke(command_line.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result
