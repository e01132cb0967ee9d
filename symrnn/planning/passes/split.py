"""Split stacked weights: W [h, x] becomes W_h h + W_x x, so that the parts can move apart."""

from dataclasses import replace

from sympy import Add, Expr, Integer

from symrnn.planning.ir import Contraction, Pointwise, Stack, Statement, array_symbol
from symrnn.planning.passes.draft import Draft, Line
from symrnn.planning.plan import Plan


def split_stacks(plan: Plan) -> Plan:
    """Contract with the parts of a stack instead of with the stack, forwards and backwards."""
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
    for gathered in _gathered(draft):
        _scatter(draft, gathered)
    _drop_unused_stacks(draft)
    return draft.finished("stacks split")


def _split(statement: Statement, stacks: dict[str, tuple[str, ...]], draft: Draft) -> list[Statement]:
    if not isinstance(statement, Contraction):
        return [statement]
    for position, operand in enumerate(statement.operands):
        letter = statement.inputs[position].removeprefix("B")[:1]
        # Where the axis stays, only a shared result is cut up: a sample's array is written as one.
        if operand in stacks and (letter not in statement.output or draft.is_static(statement.out)):
            made: list[Statement] = []
            start: Expr = Integer(0)
            for part in stacks[operand]:
                stop = start + draft.buffers[part].shape[0]
                piece = _piece(statement, letter, start, stop, part, draft)
                operands = list(piece.operands)
                operands[position] = part
                summed = letter not in statement.output
                piece = replace(
                    piece, operands=tuple(operands), update=statement.update or (summed and bool(made))
                )
                made += _split(piece, stacks, draft)
                start = stop
            return made
    return [statement]


def _piece(
    statement: Contraction, letter: str, start: Expr, stop: Expr, part: str, draft: Draft
) -> Contraction:
    """The contraction over rows `start` to `stop` of the axis `letter`, in every array that has it."""

    def window(name: str, letters: str) -> str:
        sample = letters.removeprefix("B")
        if letter not in sample:
            return name
        return draft.part(name, sample.index(letter), start, stop, f"{name}_{part}")

    operands = tuple(
        name if name_is_stack(name, draft) else window(name, letters)
        for name, letters in zip(statement.operands, statement.inputs, strict=True)
    )
    return replace(statement, out=window(statement.out, statement.output), operands=operands)


def name_is_stack(name: str, draft: Draft) -> bool:
    """Whether `name` is written by a stack, so that its parts stand for its windows."""
    return any(isinstance(line.statement, Stack) and line.statement.out == name for line in draft.lines())


def _gathered(draft: Draft) -> list[str]:
    """Adjoints of stacks: written whole by contractions, read only through windows."""
    statements = [line.statement for line in draft.lines()]
    cut = {b.window.base for b in draft.buffers.values() if b.window is not None}
    read_whole = {name for statement in statements for name in statement.reads}
    kept = read_whole | {s.out for s in statements if not isinstance(s, Contraction)}
    written = dict.fromkeys(line.statement.out for line in draft.regions["backward loop"])
    return [name for name in written if draft.buffers[name].lead and name in cut and name not in kept]


def _scatter(draft: Draft, gathered: str) -> None:
    """Let the contractions that fill a stack's adjoint fill its parts' adjoints."""
    windows = [b for b in draft.buffers.values() if b.window is not None and b.window.base == gathered]
    lines: list[Line] = []
    for line in draft.regions["backward loop"]:
        statement = line.statement
        if statement.out != gathered or not isinstance(statement, Contraction):
            lines.append(line)
            continue
        letter = statement.output.removeprefix("B")[0]
        for window in windows:
            assert window.window is not None
            assert window.window.start is not None
            assert window.window.stop is not None
            start, stop = window.window.start, window.window.stop
            operands = tuple(
                draft.part(name, letters.removeprefix("B").index(letter), start, stop, f"{name}_part")
                if letter in letters
                else name
                for name, letters in zip(statement.operands, statement.inputs, strict=True)
            )
            lines.append(replace(line, statement=replace(statement, out=window.name, operands=operands)))
    draft.regions["backward loop"] = lines
    for window in windows:
        draft.buffers[window.name] = replace(window, window=None)
        _absorb(draft, window.name)


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
    if symbol not in terms or max(writers) > readers[0]:
        return
    terms.remove(symbol)
    if any(term.has(symbol) for term in terms):
        return
    replacement: list[Line] = []
    if terms or reader.statement.update:
        replacement.append(replace(reader, statement=replace(reader.statement, expr=Add(*terms))))
    for position in writers:
        statement = replace(lines[position].statement, out=reader.statement.out)
        update = reader.statement.update or bool(replacement)
        replacement.append(
            Line(replace(statement, update=update), reader.title, (*reader.sources, *lines[position].sources))
        )
    kept = [line for i, line in enumerate(lines[: readers[0]]) if i not in writers]
    draft.regions["backward loop"] = [*kept, *replacement, *lines[readers[0] + 1 :]]


def _drop_unused_stacks(draft: Draft) -> None:
    read = {name for line in draft.lines() for name in line.statement.reads}
    draft.regions["forward loop"] = [
        line
        for line in draft.regions["forward loop"]
        if not (isinstance(line.statement, Stack) and line.statement.out not in read)
        or line.statement.out == draft.plan.output
    ]
