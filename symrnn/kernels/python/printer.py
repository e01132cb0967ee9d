"""A plan as comprehensions: every statement makes the nested list of one sample, at one time step.

`NAMES` are those that the module uses itself.
"""

from collections.abc import Callable, Iterable

from sympy import Expr

from symrnn.declaration.axes import Shape
from symrnn.declaration.operations import POINTWISE, sigmoid
from symrnn.errors import EmissionError
from symrnn.kernels.contract import FULL
from symrnn.kernels.docstrings import module_docstring
from symrnn.kernels.expressions import Dialect, ExpressionPrinter
from symrnn.kernels.interface import listed, record_fields
from symrnn.kernels.layout import Layout
from symrnn.kernels.names import PYTHON, Namer
from symrnn.kernels.support import Support
from symrnn.planning.ir import Block, Contraction, Fill, Pointwise, Stack, Statement
from symrnn.planning.plan import Plan

NAMES = Namer(PYTHON | FULL.words | {"math", "prepared", "saved", "sums", "d_output", "T", "B"})
FUNCTIONS = {f: f.facts.spelling.number for f in POINTWISE if "math." in f.facts.spelling.number}
FUNCTIONS |= {sigmoid: "(0.5 * math.tanh(0.5 * {}) + 0.5)"}
IMPORTS = "import math\nfrom typing import NamedTuple\n"


class Writer:
    """Writes the statements of a plan for one sample."""

    def __init__(self, plan: Plan) -> None:
        self.layout = Layout(plan, NAMES)
        self.plan, self.table = self.layout.plan, self.layout.table
        self.indices = [self.layout.fresh(letter) for letter in "ijklpq"]

    def element(self, name: str, index: Iterable[str]) -> str:
        """The text of an element of an array, or of the array itself where there is no index."""
        places, window = list(index), self.table[name].window
        if window is None or window.shift:
            return name + "".join(f"[{place}]" for place in places)
        if window.start is not None and window.start != 0:
            places[window.axis] = f"{self.layout.size(window.start)} + {places[window.axis]}"
        return self.element(window.base, places)

    def nested(self, shape: Shape, element: Callable[[list[str]], str]) -> str:
        """The text of a list of some shape, given that of its elements."""
        index = self.indices[: len(shape)]
        text = element(index)
        for variable, size in reversed([*zip(index, shape, strict=True)]):
            text = f"[{text} for {variable} in range({self.layout.size(size)})]"
        return text

    def whole(self, name: str) -> str:
        """The text of a whole array."""
        shape = self.table[name].shape
        is_part = self.held(name) != name
        return self.nested(shape, lambda index: self.element(name, index)) if is_part else name

    def held(self, name: str) -> str:
        """The variable in which an array lies."""
        return self.layout.held_in(name).name

    def statement(self, s: Statement) -> str:
        """The line of a statement."""
        if self.held(s.out) != s.out:
            raise EmissionError(f"The target 'python' cannot write into a part of {self.held(s.out)}.")
        if isinstance(s, Stack):
            return f"{s.out} = [{', '.join(f'*{self.whole(part)}' for part in s.parts)}]"
        before = [s.out] if s.update else []

        def summed(index: list[str]) -> str:
            return " + ".join([*(self.element(name, index) for name in before), self.term(s, index)])

        return f"{s.out} = {self.nested(self.table[s.out].shape, summed)}"

    def term(self, s: Statement, index: list[str]) -> str:
        """What a statement puts into an element of its result, or adds to it."""
        if isinstance(s, Pointwise):
            return self.expression(s.expr, index)
        if isinstance(s, Contraction):
            return self.product(s, index)
        if isinstance(s, Fill) and s.what != "identity":
            return "1.0" if s.what == "ones" else "0.0"
        raise EmissionError(f"The target 'python' cannot write {type(s).__name__}. Choose another target.")

    def expression(self, expr: Expr, index: list[str]) -> str:
        """The text of an expression for one element."""
        dialect = Dialect(
            lambda name: self.element(name, index[: len(self.table[name].shape)]),
            number=str,
            functions=FUNCTIONS,
            choose="({1} if {0} else {2})",
            logic=("and", "or", "not "),
            axis=lambda name: self.layout.axis_names[name],
        )
        return ExpressionPrinter(dialect, dict(self.plan.roles)).text(expr)

    def product(self, s: Contraction, index: list[str]) -> str:
        """The text of a product for one element: sums over the letters that the result has not."""
        parts = [part.replace("B", "") for part in (*s.inputs, s.output)]
        summed = [letter for letter in dict.fromkeys("".join(parts)) if letter not in parts[-1]]
        variables = dict(zip(parts[-1], index, strict=True))
        variables |= dict(zip(summed, self.indices[len(index) :], strict=False))
        factors = [
            self.element(name, [variables[letter] for letter in part])
            for name, part in zip(s.operands, parts, strict=False)
        ]
        loops = ""
        for letter in summed:
            name, part = next(pair for pair in zip(s.operands, parts, strict=False) if letter in pair[1])
            size = self.layout.size(self.table[name].shape[part.index(letter)])
            loops += f" for {variables[letter]} in range({size})"
        return f"sum({' * '.join(factors)}{loops})" if loops else " * ".join(factors)

    def lines(self, blocks: Iterable[Block]) -> tuple[str, ...]:
        """The lines of blocks, each under its equations."""
        return tuple(
            line
            for block in blocks
            for line in (*(f"# {text}" for text in block.sources), *map(self.statement, block.statements))
        )

    def sizes(self) -> tuple[str, ...]:
        """Lines that read the lengths of all axes off the parameters."""
        names = (*self.plan.parameters, *self.plan.constants)
        arrays = [(name, self.table[name].shape) for name in names]
        lines, missing = self.layout.size_lines(arrays, self.plan.axes, _length)
        if missing:
            raise EmissionError(f"The parameters of {self.plan.name} do not tell the lengths of all axes.")
        return tuple(lines)


def _length(name: str, axis: int) -> str:
    """The text of the length of a nested list along an axis."""
    return f"len({name}{'[0]' * axis})"


def emit(plan: Plan, version: str) -> str:
    """The source of a module that runs with a bare interpreter; no pass has rearranged the plan."""
    writer = Writer(plan)
    layout, plan = writer.layout, writer.plan
    ahead, back, gradients = plan.forward.loop, plan.backward.loop, dict(plan.gradients)
    given = [*plan.parameters, *plan.constants]
    shared = [*(layout.axis_names[axis.name] for axis in plan.axes), *given]
    shared += dict.fromkeys(s.out for block in plan.prepare for s in block.statements)
    read = dict.fromkeys(writer.held(n) for b in back.blocks for s in b.statements for n in s.reads)
    saved = [n for n in read if writer.table[n].kind in ("input", "value")]
    sums = [b.name for b in layout.kinds("gradient") if not b.lead]
    zeros = (writer.nested(writer.table[state].shape, lambda _: "0.0") for state in plan.states)
    made = (gradients.get(n) for n in given)
    context = {
        "docstring": module_docstring(layout, "plain Python", version),
        **record_fields(layout),
        "no_states": not plan.states,
        "no_parameters": not given,
        "parameter_names": listed(given),
        "size_lines": writer.sizes(),
        "prepare_lines": writer.lines(plan.prepare),
        "prepared": listed(shared),
        "zero_state": f"({listed(zeros)})",
        "inputs": listed(plan.inputs),
        "states": listed(carry.here for carry in ahead.carries),
        "step_lines": writer.lines(ahead.blocks),
        "output": writer.whole(plan.output),
        "next_states": listed(carry.there for carry in ahead.carries),
        "saved": listed(saved),
        "sums_lines": writer.lines(plan.backward.before),
        "sums": listed(sums),
        "d_output": plan.output_cotangent,
        "later": listed(carry.here for carry in back.carries),
        "back_lines": writer.lines(back.blocks),
        "earlier": listed(writer.whole(carry.there) for carry in back.carries),
        "d_inputs": listed(
            writer.whole(gradients[name]) if name in gradients else "None" for name in plan.inputs
        ),
        "finish_lines": writer.lines(plan.finish),
        "gradients": ", ".join(
            writer.whole(name) if name else writer.nested(writer.table[of].shape, lambda _: "0.0")
            for of, name in zip(given, made, strict=True)
        ),
    }
    return Support({}, IMPORTS).rendered("python.py.jinja", context)
