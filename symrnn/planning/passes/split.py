"""Split stacked weights: W [h, x] becomes W_h h + W_x x, so that the parts can move apart."""

from dataclasses import replace

from sympy import Add, Expr

from symrnn.planning.ir import Contraction, Pointwise, Stack, Statement, array_symbol
from symrnn.planning.passes.draft import Draft, Line
from symrnn.planning.plan import REGIONS, Plan

CALLED = ("input", "initial state", "output cotangent", "final cotangent")
"""Arrays of a sample that a call gives: kernels know them whole."""


def split_stacks(plan: Plan) -> Plan:
    """Contract with the parts of a stack instead of with the stack, forwards and backwards.

    Which of the contractions that fill one array defines it is settled at the end.
    """
    draft = Draft(plan)
    stacks = {
        line.statement.out: line.statement.parts
        for line in draft.regions["forward loop"]
        if isinstance(line.statement, Stack)
    }
    for region in ("forward loop", "backward loop"):
        lines: list[Line] = []
        for line in draft.regions[region]:
            lines += [replace(line, statement=s) for s in _split(line.statement, stacks, draft)]
        draft.regions[region] = lines
    scattered: set[str] = set()
    while gathered := _gathered(draft, scattered):
        scattered.add(gathered)
        _scatter(draft, gathered)
        _drop_unread(draft, "backward loop", scattered)
    _drop_unread(draft, "forward loop", {*stacks} - {plan.output})
    draft.settle()
    return draft.finished("stacks split")


def _split(statement: Statement, stacks: dict[str, tuple[str, ...]], draft: Draft) -> list[Statement]:
    """A contraction as a sum of contractions with the parts of the first stack that it sums over."""
    if not isinstance(statement, Contraction):
        return [statement]
    for position, operand in enumerate(statement.operands):
        letter = statement.inputs[position].removeprefix("B")[:1]
        # Where the axis stays, only a shared result is cut up: a sample's array is written as one.
        fits = letter not in statement.output or draft.is_static(statement.out)
        if operand in stacks and fits and _cuts_shared(statement, position, letter, draft):
            made: list[Statement] = []
            for part, rows in zip(stacks[operand], draft.rows(stacks[operand]), strict=True):
                piece = _piece(statement, letter, rows, {operand: part}, part, draft)
                made += _split(piece, stacks, draft)
            return made
    return [statement]


def _cuts_shared(statement: Contraction, position: int, letter: str, draft: Draft) -> bool:
    """Whether all other operands with a stack's axis are shared, so that cutting them up costs nothing."""
    others = [
        pair for i, pair in enumerate(zip(statement.operands, statement.inputs, strict=True)) if i != position
    ]
    return all(draft.is_static(name) for name, letters in others if letter in letters.removeprefix("B"))


def _piece(
    statement: Contraction,
    letter: str,
    rows: tuple[Expr, Expr],
    known: dict[str, str],
    hint: str,
    draft: Draft,
) -> Contraction:
    """The contraction over a range of the axis `letter`, in every array that has it.

    `known` names arrays whose first axis in that range is an array of its own; `hint` names the others.
    """

    def cut(name: str, letters: str) -> str:
        axis = letters.removeprefix("B").find(letter)
        if axis < 0:
            return name
        if axis == 0 and name in known:
            return known[name]
        return draft.part(name, axis, *rows, f"{name}_{hint}")

    operands = tuple(
        cut(name, letters) for name, letters in zip(statement.operands, statement.inputs, strict=True)
    )
    return replace(statement, out=cut(statement.out, statement.output), operands=operands)


def _gathered(draft: Draft, done: set[str]) -> str | None:
    """The first adjoint of a stack, but for those done: made whole by contractions, read in ranges alone."""
    lines = draft.regions["backward loop"]
    read = _read(draft)
    for name in dict.fromkeys(line.statement.out for line in lines):
        plain = all(_can_scatter(line.statement, draft) for line in lines if line.statement.out == name)
        if name not in done | read and plain and draft.buffers[name].lead and _ranges_read(draft, name):
            return name
    return None


def _can_scatter(statement: Statement, draft: Draft) -> bool:
    """Whether a statement is a product that can be made range by range: what a call gives is not cut up."""
    if not isinstance(statement, Contraction):
        return False
    letter = statement.output.removeprefix("B")[:1]
    cut = [name for name, part in zip(statement.operands, statement.inputs, strict=True) if letter in part]
    return all(draft.is_static(name) or draft.buffers[name].kind not in CALLED for name in cut)


def _read(draft: Draft) -> set[str]:
    return {name for line in draft.lines() for name in line.statement.reads}


def _ranges_read(draft: Draft, name: str) -> dict[str, tuple[Expr, Expr]]:
    """The windows of an array that some statement reads, with the rows that they cover."""
    read = _read(draft)
    windows = {b.name: b.window for b in draft.buffers.values() if b.window is not None and b.name in read}
    return {
        part: window.rows
        for part, window in windows.items()
        if window.base == name and window.rows is not None and window.axis == 0
    }


def _scatter(draft: Draft, gathered: str) -> None:
    """Let every range that is read of a stack's adjoint be an array of its own, filled by contractions."""
    ranges = _ranges_read(draft, gathered)
    lines: list[Line] = []
    for line in draft.regions["backward loop"]:
        lines.append(line)
        statement = line.statement
        if statement.out == gathered and isinstance(statement, Contraction):
            letter = statement.output.removeprefix("B")[0]
            for name, rows in ranges.items():
                piece = _piece(statement, letter, rows, {gathered: name}, "part", draft)
                lines.append(replace(line, statement=piece))
    draft.regions["backward loop"] = lines
    for name in ranges:
        draft.buffers[name] = replace(draft.buffers[name], window=None)
        _absorb(draft, name)


def _absorb(draft: Draft, name: str) -> None:
    """Where `name` is a plain summand of one pointwise statement, add its contractions there directly."""
    lines = draft.regions["backward loop"]
    readers = [i for i, line in enumerate(lines) if name in line.statement.reads]
    writers = [i for i, line in enumerate(lines) if line.statement.out == name]
    if len(readers) != 1 or not isinstance(lines[readers[0]].statement, Pointwise):
        return
    reader = lines[readers[0]]
    assert isinstance(reader.statement, Pointwise)
    terms = list(Add.make_args(reader.statement.expr))
    symbol = array_symbol(name)
    same_shape = draft.buffers[name].shape == draft.buffers[reader.statement.out].shape
    if symbol not in terms or not same_shape or max(writers) > readers[0]:
        return
    terms.remove(symbol)
    if any(term.has(symbol) for term in terms):
        return
    replacement: list[Line] = []
    if terms:
        replacement.append(replace(reader, statement=replace(reader.statement, expr=Add(*terms))))
    for position in writers:
        statement = replace(lines[position].statement, out=reader.statement.out)
        replacement.append(Line(statement, reader.title, (*reader.sources, *lines[position].sources)))
    kept = [line for i, line in enumerate(lines[: readers[0]]) if i not in writers]
    draft.regions["backward loop"] = [*kept, *replacement, *lines[readers[0] + 1 :]]


def _drop_unread(draft: Draft, region: str, names: set[str]) -> None:
    """Leave out what fills one of the arrays `names` if nothing reads it any more."""
    others = [line for other in REGIONS if other != region for line in draft.regions[other]]
    read = {draft.root(name) for line in others for name in line.statement.reads}
    draft.drop_unread(region, read, names)
