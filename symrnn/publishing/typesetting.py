"""A LaTeX document as a PDF, by the pdflatex of the machine."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from symrnn.errors import EmissionError
from symrnn.files import write

RUNS = 2  # the second run settles the references
SECONDS = 120
NO_TEX = "pdflatex is not installed, so no PDF was made; the .tex file is complete."


def find_pdflatex() -> str | None:
    """The path of pdflatex, or None where it is not installed."""
    return shutil.which("pdflatex")


def typeset(document: str, name: str) -> bytes:
    """The PDF of `document`; `name` is what pdflatex calls it.

    Raises:
        EmissionError: pdflatex is not installed, refuses the document (the message quotes its log) or does
            not end.

    """
    program = find_pdflatex()
    if program is None:
        raise EmissionError(f"{NO_TEX} Install TeX Live, for example.")
    with tempfile.TemporaryDirectory(prefix="symrnn_tex_") as folder:
        source = Path(folder) / f"{name}.tex"
        write(source, document)
        command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", source.name]
        for _ in range(RUNS):
            _run(command, folder, name)
        return source.with_suffix(".pdf").read_bytes()


def _run(command: list[str], folder: str, name: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EmissionError(f"pdflatex did not finish {name}.tex within {SECONDS} s.") from None
    except OSError as error:
        raise EmissionError(f"pdflatex cannot be started: {error.strerror}.") from None
    if done.returncode != 0 or not (Path(folder) / f"{name}.pdf").is_file():
        complaint = error_lines(done.stdout.decode("utf-8", "replace"))
        raise EmissionError(f"pdflatex refused {name}.tex:\n{complaint}")


def error_lines(log: str) -> str:
    """The lines of a TeX log that tell what went wrong: each error and where it is, or the last lines."""
    lines = log.splitlines()
    kept: list[str] = []
    for position, line in enumerate(lines):
        if line.startswith("!"):
            kept.append(line)
            rest = lines[position + 1 : position + 12]
            kept.extend(next(([place] for place in rest if re.match(r"l\.\d+", place)), []))
    return "\n".join(kept or lines[-5:])
