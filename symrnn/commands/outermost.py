"""What the command line does with what goes wrong, at its outermost level, and all exit codes.

There is never a traceback, unless `--debug` asks for it.
"""

import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from symrnn.errors import PlanError, SymrnnError, ValidationError
from symrnn.files import REPAIRS

DONE, CHECK_FAILED, WRONG_REQUEST, FAULT, INTERRUPTED, UNREAD = 0, 1, 2, 70, 130, 141
"""Exit codes: the user can mend a wrong request, a fault is symrnn's own, and what nobody reads ends as
programs do that write to a closed pipe."""

DEBUG = "--debug"
PACKAGE = Path(__file__).parents[1]
REPORT = (
    "This is a fault of symrnn, not of your request. Please report it with what the same command prints as "
    "`symrnn --debug ...`, and with the cell."
)


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """End the process with a message and an exit code if something goes wrong in here."""
    try:
        yield
    except ValidationError as error:  # its message says whose fault it is
        _end(error, str(error), FAULT, debug)
    except PlanError as error:
        _end(error, f"{error}\n{REPORT}", FAULT, debug)
    except SymrnnError as error:
        _end(error, str(error), WRONG_REQUEST, debug)
    except UnicodeEncodeError as error:
        _end(error, _unwritable(error), WRONG_REQUEST, debug)
    except MemoryError as error:
        _end(error, "There is not enough memory for this. Take smaller sizes.", WRONG_REQUEST, debug)
    except OSError as error:
        _end(error, _refusal(error), WRONG_REQUEST, debug)
    except Exception as error:  # the one clause for all that should not be: it ends the process
        _end(error, f"{type(error).__name__}: {error}{_place(error)}.\n{REPORT}", FAULT, debug)


class ReportingGroup(TyperGroup):
    """Commands whose errors become messages and exit codes."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run the command line; `--debug`, wherever it stands, shows tracebacks too."""
        given = list(sys.argv[1:] if args is None else args)
        debug = DEBUG in given
        arguments = [DEBUG] * debug + [argument for argument in given if argument != DEBUG]
        with reported(debug):
            return super().main(arguments, *more, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; whoever stops it, or stops to read, hears nothing."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(UNREAD) from None


def interrupt_when_ended() -> None:
    """From now on an end that the system asks for (SIGTERM, SIGHUP) is an interrupt, as Ctrl-C is.

    So what is written at that moment is removed, and a training is saved.
    """
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


def _end(error: BaseException, message: str, code: int, debug: bool) -> NoReturn:
    """Say what went wrong, and end."""
    with suppress(OSError):  # nobody may hear it
        if debug:
            error.__suppress_context__ = False
            typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        typer.echo(f"symrnn: {message}", err=True)
    sys.exit(code)


def _refusal(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    repair = REPAIRS.get(error.errno or 0, "Mend that, then run the command again.")
    return f"The system refused something that symrnn needs: {error.strerror or error}{where}. {repair}"


def _unwritable(error: UnicodeEncodeError) -> str:
    sign = error.object[error.start]
    return (
        f"The output takes no {sign!a}, because its encoding is {error.encoding}. "
        "Set the environment variable PYTHONIOENCODING to utf-8, or write to a file with -o."
    )


def _place(error: BaseException) -> str:
    """The last line of symrnn that was running."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(PACKAGE)
    ]
    return f" ({Path(frames[-1].filename).relative_to(PACKAGE)}, line {frames[-1].lineno})" if frames else ""
