"""The results in print, read back as numbers in every notation, agree with the kernel.

The reader knows nothing of the printer: it takes the symbols of the table and the equations of the box as
text, and makes arrays of them, vectors of shape (1, n) where the paper says rows and (n, 1) where it says
columns. A wrong transpose or order of factors does not even fit.
"""

import re
from collections.abc import Mapping

import numpy as np
import pytest

import symrnn as sr
from symrnn.declaration.cell import Cell
from symrnn.derivation.reverse import derive
from symrnn.mathematics import contractions as latex_contractions
from symrnn.mathematics import naming
from symrnn.mathematics.parts import Equation, Parts
from symrnn.mathematics.sections import derivation_parts
from symrnn.mathematics.style import TIMES, VECTORS, Style
from symrnn.notation.rendering.latex import latex
from symrnn.papers.lines import prose_latex
from symrnn.zoo import CELLS

STYLES = [Style(time, vectors) for time in TIMES for vectors in VECTORS]
SIZES = {"n": 3, "m": 4}
LATER, OUT = r"\delta_{\mathrm{later}} ", r"\delta_{\mathrm{out}} "
PLAIN = {
    r"\sum_{t=1}^{T}": "",  # of one step
    r"\odot": "*",
    r"\sigma": "sigma",
    r"\tanh^{2}": "tanh2",
    r"\tanh": "tanh",
    r"^{\top}": ".T",
    r"^{2}": "**2",
    r"\begin{bmatrix}": "stack(",
    r"\end{bmatrix}": ")",
    r" & ": ",",
    r" \\ ": ",",
}
Numbers = dict[str, np.ndarray]


def sigma(a: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-a))


class Reader:
    """Evaluates equations of a document, symbol by symbol as it is written."""

    def __init__(self, numbers: Numbers, rows: bool) -> None:
        self.numbers = dict(numbers)
        self.axis = 1 if rows else 0

    def value(self, right: str) -> np.ndarray:
        """What a right side is."""
        values, text = [], right
        for symbol in sorted(self.numbers, key=len, reverse=True):
            turned = f"{symbol[:-1]}" + r"\top}" if symbol.endswith("}") and "^{" in symbol else ""
            for written, number in ((turned, self.numbers[symbol].T), (symbol, self.numbers[symbol])):
                if written and written in text:
                    text = text.replace(written, f"<{len(values)}>")
                    values.append(number)
        for written, plain in PLAIN.items():
            text = text.replace(written, plain)
        text = re.sub(r"\\[bB]igg?[lr]", "", text)
        text = re.sub(r"(?<=[>)T]) +(?=[<(s])", "@", text)  # factors side by side
        text = re.sub(r"<(\d+)>", r"v[\1]", text)
        known = {
            "v": values,
            "sigma": sigma,
            "tanh": np.tanh,
            "tanh2": lambda a: np.tanh(a) ** 2,
            "stack": lambda *parts: np.concatenate(parts, axis=self.axis),
        }
        made = eval(text, {"__builtins__": {}}, known)  # the text of our own equations
        assert isinstance(made, np.ndarray)
        return made

    def take(self, equations: tuple[Equation, ...]) -> None:
        for equation in equations:
            self.numbers[latex(equation.left)] = self.value(latex(equation.rights[-1]))

    def split(self, parts: Parts) -> None:
        """The column blocks, by the sizes of what they multiply."""
        for passage in parts.premises[1:]:
            names = re.findall(
                r"\$(\S+) = \\begin\{bmatrix\} (.*?) \\end\{bmatrix\}\$", prose_latex(passage.text)
            )
            for (matrix, inside), equation in zip(names, passage.equations, strict=True):
                stack = re.search(r"\\begin\{bmatrix\} (.*?) \\end\{bmatrix\}", latex(equation.left))
                assert stack is not None
                pieces = re.split(r" & | \\\\ ", stack[1])
                ends = np.cumsum([self.value(piece).size for piece in pieces])
                blocks = np.split(self.numbers[matrix], ends[:-1], axis=1)
                self.numbers |= dict(zip(inside.split(" & "), blocks, strict=True))


def vector(array: np.ndarray, style: Style) -> np.ndarray:
    if array.ndim == 2:
        return array
    return array[None, :] if style.rows else array[:, None]


def given(cell: Cell, parts: Parts, arrays: Mapping[str, np.ndarray], style: Style) -> Numbers:
    """The numbers of inputs, states, parameters and adjoints from outside, by the symbols of the table."""
    symbols = [latex(row.symbol) for row in parts.symbols]
    head = [*cell.inputs, *cell.states, *(equation.target for equation in cell.equations)]
    tail = symbols[-len(cell.parameters) - len(cell.axes) - 2 :]
    written = dict(zip(head, symbols, strict=False)) | dict(zip(cell.parameters, tail, strict=False))
    numbers = {
        written[q]: vector(arrays[q.name], style) for q in (*cell.inputs, *cell.states, *cell.parameters)
    }
    for state in cell.states:
        numbers[LATER + written[state.next]] = vector(arrays[f"later {state.name}"], style)
    numbers[OUT + written[cell.output]] = vector(arrays["out"], style)
    return numbers


def agrees(name: str, style: Style) -> None:
    """Raise unless the results in print have the kernel's numbers, for one step."""
    cell = CELLS[name]
    parts = derivation_parts(derive(cell), style)
    kernel = sr.load(cell, target="numpy")
    rng = np.random.default_rng(0)
    arrays = {
        q.name: rng.standard_normal([SIZES[str(s)] for s in q.shape]) for q in (*cell.inputs, *cell.states)
    }
    parameters = kernel.init(rng, dtype=np.float64, **SIZES)
    parameters = kernel.Parameters(*(p + 0.3 * rng.standard_normal(p.shape) for p in parameters))
    arrays |= parameters._asdict()
    arrays |= {f"later {s.name}": rng.standard_normal(SIZES["m"]) for s in cell.states}
    arrays["out"] = rng.standard_normal(SIZES["m"])

    state = kernel.State(*(arrays[s.name][None] for s in cell.states))
    run = kernel.forward(parameters, arrays["x"][None, None], state)
    later = kernel.State(*(arrays[f"later {s.name}"][None] for s in cell.states))
    expected = kernel.backward(parameters, run.tape, arrays["out"][None, None], later)

    reader = Reader(given(cell, parts, arrays, style), style.rows)
    forward, backward = parts.results.passages
    reader.take(forward.equations)
    reader.split(parts)
    reader.take(backward.equations)
    symbols = given(cell, parts, arrays, style)
    written = [symbol for symbol in symbols if not symbol.startswith(r"\delta")]
    wanted = [expected.inputs.x[0, 0], *(g[0] for g in expected.state), *expected.parameters]
    for symbol, gradient in zip(written, wanted, strict=True):
        is_state = symbol in written[1 : 1 + len(cell.states)]
        read = reader.numbers[(LATER if is_state else r"\delta ") + symbol]
        np.testing.assert_allclose(read, vector(gradient, style), rtol=1e-10, atol=1e-12, err_msg=symbol)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.time}-{style.vectors}")
@pytest.mark.parametrize("name", CELLS)
def test_results_in_every_notation_have_the_kernels_numbers(name: str, style: Style) -> None:
    agrees(name, style)


def test_slips_in_the_notations_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, subscripts = Style("subscript", "row"), Style("subscript", "column")
    with monkeypatch.context() as patch:
        patch.setattr(latex_contractions, "_as_rows", lambda order, letters, output: order)
        with pytest.raises((AssertionError, ValueError)):
            agrees("gru", rows)
    with monkeypatch.context() as patch:
        patch.setattr(naming, "BEFORE", naming.NOW)
        with pytest.raises((AssertionError, ValueError, KeyError)):
            agrees("gru", subscripts)
    with monkeypatch.context() as patch:
        patch.setattr(latex_contractions, "transposed", lambda tree: tree)
        with pytest.raises((AssertionError, ValueError, SyntaxError)):
            agrees("lstm", rows)
    agrees("gru", rows)
