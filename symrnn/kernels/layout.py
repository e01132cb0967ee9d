"""Where a plan's arrays live, and what they and the axes are called, in words that array targets share."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sympy import Add, Expr, Mul

from symrnn.declaration.axes import Axis, Shape, axes_of
from symrnn.declaration.normal_form import unique_name
from symrnn.kernels.names import Namer
from symrnn.planning.ir import Block, Buffer, Pointwise, Statement
from symrnn.planning.memory import overlap
from symrnn.planning.plan import Plan


class Layout:
    """Questions about a plan's memory, answered once for all targets."""

    def __init__(self, plan: Plan, namer: Namer, own_names: Mapping[str, str] | None = None) -> None:
        """Look at a plan under legal names; `own_names` are what a kernel's own become under a prefix."""
        self.plan = plan = namer.legal_plan(plan)
        self.own_names = own_names or {}
        self.sizes: dict[Expr, str] = {}
        self.table = plan.table()
        names = self.table.keys() | namer.forbidden
        taken = names | {axis.name for axis in plan.axes}
        # Authors' names win: an axis that shares its name with a quantity gets another variable.
        self.axis_names = {
            axis.name: unique_name(f"size_{axis.name}", taken) if axis.name in names else axis.name
            for axis in plan.axes
        }
        self.fields = dict(plan.header.fields)
        self.taken = taken | set(self.axis_names.values())
        self.classes = dict(plan.classes)
        self.optional = _optional_statements(plan)
        windows = [buffer.window for buffer in plan.buffers if buffer.window is not None]
        self.bases = {window.base for window in windows if not window.whole}
        self.kept = {self.root(name).name for name in (plan.output, *(name for name, _ in plan.saved))}
        self.results = _results(self)

    def own(self, name: str) -> str:
        """The name of something that the kernel itself defines."""
        return self.own_names.get(name, name)

    def fresh(self, name: str) -> str:
        """A variable name that no array and no axis has."""
        return unique_name(name, self.taken)

    def field(self, name: str) -> str:
        """The author's name of an input, state, parameter or constant, by which callers know it."""
        return self.fields.get(name, name)

    def held_in(self, name: str) -> Buffer:
        """The array whose variable holds `name`: the owner of its memory, or a state after the steps.

        That lies in the state's memory one step later, but where samples end early it has memory of its own.
        """
        buffer = self.table[name]
        if buffer.window is None or buffer.window.shift:
            return buffer
        return self.held_in(buffer.window.base)

    def root(self, name: str) -> Buffer:
        """The array that owns the memory of `name`."""
        return self.plan.root(name)

    def size(self, size: Expr) -> str:
        """The text of a size: `2 * m + n`."""
        if size not in self.sizes:
            terms = Add.make_args(size)
            ordered = sorted(terms, key=lambda term: (term.is_Integer, _axis_order(term, self.plan)))
            self.sizes[size] = " + ".join(self._product(term) for term in ordered) or "0"
        return self.sizes[size]

    def _product(self, term: Expr) -> str:
        factors = sorted(Mul.make_args(term), key=lambda f: (not f.is_Integer, str(f)))
        return " * ".join(str(f) if f.is_Integer else self.axis_names[f.name] for f in factors)

    def shape(self, buffer: Buffer) -> str:
        """The text of an array's shape, leading axes included: `(T, B, m)`."""
        axes = [*self.lead(buffer), *(self.size(size) for size in buffer.shape)]
        return f"({axes[0]},)" if len(axes) == 1 else f"({', '.join(axes)})"

    def lead(self, buffer: Buffer) -> tuple[str, ...]:
        """The lengths of an array's leading axes, time with one more where the first value is held, too."""
        return ("T + 1", *buffer.lead[1:]) if buffer.extended else tuple(buffer.lead)

    def is_brief(self, buffer: Buffer) -> bool:
        """Whether an array over time serves within a pass only, so that a few time steps of it suffice."""
        root = self.root(buffer.name)
        passing = root.kind in ("value", "adjoint", "recomputed") and root.lead == "TB" and not root.extended
        return passing and root.name not in self.kept

    def allocation(self, buffer: Buffer, steps: str = "T") -> str:
        """The line that gives an array its memory: the caller's for a result, else from `memory`.

        `steps` is the number of time steps held of arrays that serve within a pass only.
        """
        result = self.results.get(buffer.name)
        if result is None:
            return f"{buffer.name} = {self.memory(buffer, steps)}"
        if buffer.lead == "TB":
            nothing = (0,) * (len(buffer.lead) + len(buffer.shape))
            return f"{buffer.name} = {result} if input_gradients else np.empty({nothing}, dtype)"
        return f"{buffer.name} = {result}"

    def result_lines(self, in_place: set[str]) -> list[str]:
        """Lines that copy the gradients that were not made in place to where the caller gets them from."""
        lines = []
        for name, place in self.results.items():
            line = f"{place}[...] = {name}"
            if name not in in_place:
                optional = self.table[name].lead == "TB"
                lines += ["if input_gradients:", f"    {line}"] if optional else [line]
        return lines + [f"results.parameters.{self.field(name)}[...] = 0" for name in self.plan.constants]

    def rows(self, start: Expr, stop: Expr, whole: Expr) -> str:
        """The text of a slice, ends left out where they are those of the whole axis."""
        first = "" if start == 0 else self.size(start)
        last = "" if stop == whole else self.size(stop)
        return (
            f"{first}:{last}".replace(" ", "") if " " not in f"{first}{last}" else f"{first} : {last}".strip()
        )

    def kinds(self, *kinds: str) -> list[Buffer]:
        """The arrays of the given kinds that own their memory."""
        return [b for b in self.plan.buffers if b.kind in kinds and b.window is None]

    def is_base(self, name: str) -> bool:
        """Whether other arrays are ranges of this one."""
        return name in self.bases

    def saved_memory(self) -> list[Buffer]:
        """The arrays that the forward pass hands to the backward pass, each once."""
        held = {self.held_in(name).name for name, _ in self.plan.saved}
        return [b for b in self.plan.buffers if b.name in held]

    def next_states(self, whole: str, room: Callable[[Buffer], str]) -> list[str]:
        """The lines that name the states after the steps; `whole` says in code that no sample ends early.

        They are the states one step later. Beyond a sample's end they are apart: there the last step is
        computed again, from the state before it, so that nothing infinite turns up that was not there.
        """
        return [
            f"{carry.there} = {carry.here}[1:] if {whole} else {room(self.table[carry.there])}"
            for carry in self.plan.forward.loop.carries
        ]

    def memory(self, buffer: Buffer, steps: str = "T") -> str:
        """The text that asks for an array's memory; `steps` as in `allocation`."""
        shape = self.shape(buffer)
        held = shape.replace("(T,", f"({steps},", 1) if self.is_brief(buffer) else shape
        return f'memory("{buffer.name}", {held}, dtype)'

    def parameter_axes(self) -> list[Axis]:
        """The axes whose lengths the shapes of parameters and constants tell."""
        sizes = [s for n in (*self.plan.parameters, *self.plan.constants) for s in self.table[n].shape]
        known: list[Axis] = []
        while True:
            found = next((axis for s in sizes if (axis := self.open_axis(s, known)) is not None), None)
            if found is None:
                return [axis for axis in self.plan.axes if axis in known]
            known.append(found)

    @cached_property
    def prepares_late(self) -> bool:
        """Whether what is prepared needs a size that a call's inputs tell and the parameters' shapes do not.

        Then `prepare` checks what it can, and every call does the rest.
        """
        statements = [statement for block in self.plan.prepare for statement in block.statements]
        names = {name for s in statements for name in (s.out, *s.reads)}
        needed = [
            size
            for name in (*names, *self.plan.parameters, *self.plan.constants)
            for size in self._sizes(name)
        ]
        needed += [axis for s in statements if isinstance(s, Pointwise) for axis in s.expr.atoms(Axis)]
        return not set(axes_of(tuple(needed))) <= set(self.parameter_axes())

    def _sizes(self, name: str) -> list[Expr]:
        """The sizes of an array, and where it begins in another one's memory."""
        buffer = self.table[name]
        if buffer.window is None:
            return list(buffer.shape)
        ends = [size for size in (buffer.window.start, buffer.window.stop) if size is not None]
        return [*buffer.shape, *ends, *self._sizes(buffer.window.base)]

    def prepared_axes(self) -> list[Axis]:
        """The axes whose lengths are known where parameters are prepared."""
        return list(self.plan.axes) if self.prepares_late else self.parameter_axes()

    def open_axis(self, size: Expr, known: list[Axis]) -> Axis | None:
        """The axis that a known length `size` leaves to be worked out: the only unknown one, once."""
        unknown = [axis for axis in self.plan.axes if axis in size.free_symbols and axis not in known]
        if len(unknown) != 1 or size.coeff(unknown[0]) != 1:
            return None
        return unknown[0]

    def size_lines(
        self,
        arrays: Iterable[tuple[str, Shape]],
        wanted: Iterable[Axis],
        length: Callable[[str, int], str] = "{}.shape[{}]".format,
    ) -> tuple[list[str], list[Axis]]:
        """Lines that read axis lengths off the shapes of arrays, each given by its text; and what none tells.

        `length` is the text of the length of an array's axis.
        """
        places = [(length(text, i), size) for text, shape in arrays for i, size in enumerate(shape)]
        found: dict[Axis, tuple[str, Expr]] = {}
        while told := next(((t, s, a) for t, s in places if (a := self.open_axis(s, list(found)))), None):
            text, size, axis = told
            found[axis] = text, size - axis
        needed = set(wanted)
        missing = [axis for axis in self.plan.axes if axis in needed - found.keys()]
        lines: list[str] = []
        for axis, (text, rest) in reversed(found.items()):
            if axis in needed:
                needed |= {a for a in self.plan.axes if a in rest.free_symbols}
                less = self.size(rest)
                taken = "" if rest == 0 else f" - ({less})" if " + " in less else f" - {less}"
                lines.insert(0, f"{self.axis_names[axis.name]} = {text}{taken}")
        return lines, missing

    def initial_of(self, state: str) -> str:
        """The array of a state's initial value."""
        return next(c.initial for c in self.plan.forward.loop.carries if c.here == state)


def _axis_order(term: Expr, plan: Plan) -> tuple[int, str]:
    positions = [plan.axes.index(axis) for axis in term.atoms(Axis) if axis in plan.axes]
    return (-min(positions, default=-1), str(term))


def _results(layout: Layout) -> dict[str, str]:
    """Arrays with gradients, and the text of the caller's array for each."""
    plan, gradients = layout.plan, dict(layout.plan.gradients)
    found = {gradients[name]: f"results.parameters.{layout.field(name)}" for name in plan.parameters}
    trained = [name for name in plan.inputs if name in gradients]  # class indices are not
    found |= {gradients[name]: f"results.inputs.{layout.field(name)}" for name in trained}
    carries = zip(plan.states, plan.backward.loop.carries, strict=True)
    return found | {carry.here: f"results.state.{layout.field(state)}" for state, carry in carries}


def _optional_statements(plan: Plan) -> frozenset[Statement]:
    """The statements after the backward loop that serve the gradients of inputs alone."""
    inputs = {plan.root(gradient).name for name, gradient in plan.gradients if name in plan.inputs}
    statements = [s for block in plan.backward.after for s in block.statements]
    later = {name for block in plan.finish for name in block.reads}
    table = plan.table()
    read_in: dict[str, dict[Statement, list[str]]] = {}  # by memory who reads which arrays that lie in it
    for statement in statements:
        for name in statement.reads:
            read_in.setdefault(plan.root(name).name, {}).setdefault(statement, []).append(name)
    optional: dict[Statement, None] = {}
    for statement in reversed(statements):
        near = read_in.get(plan.root(statement.out).name, {})
        readers = [s for s, names in near.items() if any(overlap(statement.out, n, table) for n in names)]
        serves = bool(readers) and all(s in optional for s in readers) and statement.out not in later
        gradient = plan.root(statement.out).kind == "gradient"
        if plan.root(statement.out).name in inputs or (serves and not gradient):
            optional[statement] = None
    return frozenset(optional)


@dataclass(frozen=True, slots=True)
class Sourced:
    """A statement, and the equations to show above it: those of its block, if it is the block's first."""

    statement: Statement
    sources: tuple[str, ...]


def fused(blocks: Iterable[Block], layout: Layout) -> list[tuple[Sourced, ...]]:
    """Groups of neighbouring statements: pointwise ones of one shape together, others alone."""
    made: list[list[Sourced]] = []
    for block in blocks:
        for position, statement in enumerate(block.statements):
            sourced = Sourced(statement, block.sources if position == 0 else ())
            if made and _fuses(made[-1][-1].statement, statement, layout):
                made[-1].append(sourced)
            else:
                made.append([sourced])
    return [tuple(group) for group in made]


def _fuses(one: Statement, other: Statement, layout: Layout) -> bool:
    if not (isinstance(one, Pointwise) and isinstance(other, Pointwise)):
        return False
    a, b = layout.table[one.out], layout.table[other.out]
    same = a.shape == b.shape and bool(a.lead) == bool(b.lead)
    return same and (one in layout.optional) == (other in layout.optional)
