"""What a teacher does: paste the fragment that the command line prints into an article of one's own."""

from pathlib import Path

import pytest
from latex_proofs import document_of, problem_of, prove
from latex_reader import Document
from test_latex import compiled, complaints
from typer.testing import CliRunner

from symrnn.commands.command_line import app
from symrnn.mathematics.style import Style

EXAMPLE = Path(__file__).parents[2] / "symrnn" / "examples" / "minimal_gated_unit.py"

ARTICLE = r"""\documentclass{article}
\usepackage{amsmath}
\begin{document}
\section{Lecture 7}
Recall Newton's method,
\begin{equation}
x_{k+1} = x_k - \frac{f(x_k)}{f'(x_k)} \label{eq:c}
\end{equation}
and the identity
\begin{align}
(a + b)^2 &= a^2 + 2ab + b^2 \label{eq:r} \\
(a - b)^2 &= a^2 - 2ab + b^2
\end{align}

%s

\section{Exercises}
Show that \eqref{eq:r} follows from \eqref{eq:c}, or that it does not. See \eqref{%s}.
\begin{equation}
E = mc^2
\end{equation}
\end{document}
"""


@pytest.mark.parametrize(
    ("name", "argument", "options", "style", "part", "label"),
    [
        ("gru", "gru", (), Style(), "body", "symrnn:gru:adjoint:c"),
        (
            "mgu",
            str(EXAMPLE),
            ("--time", "subscript", "--vectors", "row", "--only", "results"),
            Style("subscript", "row"),
            "results",
            "eq:c",
        ),
    ],
)
def test_a_pasted_fragment_compiles_and_says_what_autodiff_says(
    name: str, argument: str, options: tuple[str, ...], style: Style, part: str, label: str, tmp_path: Path
) -> None:
    printed = CliRunner().invoke(app, ["latex", argument, "--fragment", *options])
    assert printed.exit_code == 0, printed.output
    article = ARTICLE % (printed.output, label)
    assert not list(complaints(compiled(article, tmp_path)))
    whole = document_of(name, style)
    prove(Document(article, whole.symbols), problem_of(name), part, whole)
