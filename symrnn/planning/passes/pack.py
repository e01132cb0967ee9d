"""Pack products that share an operand: four gates' products of x become one with stacked weights.

Pre-activations whose products share an operand are laid side by side in one array, in an order that lets as
many groups of products as possible become one contraction: with stacked weights forwards, with stacked
adjoints backwards, and one weight gradient that is cut into the parameters' parts afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import permutations

from sympy import Symbol

from symrnn.planning import ir
from symrnn.planning.ir import Contraction, Pointwise, Stack, Window, array_symbol
from symrnn.planning.passes.draft import Draft, Line, first_defines
from symrnn.planning.plan import BACKWARD, FORWARD, Plan

GRADIENT = ("Bi,Bj->ij", "TBi,TBj->ij")  # adjoint, operand
BIAS = ("Bi->i", "TBi->i")
PACKED = {"value": "a_all", "recomputed": "a_all_again", "adjoint": "d_a_all"}
"""What arrays of a kind that lie side by side are called together."""

PREPARED = "packed parameters"


@dataclass(frozen=True, slots=True)
class _Member:
    """A statement of a group: its line's position in a region, and the array that would be packed."""

    position: int
    array: str


def pack_products(plan: Plan) -> Plan:
    """Merge products that share an operand or a result, forwards and backwards."""
    draft = Draft(plan)
    for regions in (FORWARD, BACKWARD):
        groups = [group for region in regions for group in _groups(draft, region).values()]
        position = {b: i for i, b in enumerate(draft.buffers)}
        for component in _components([{m.array for m in group} for group in groups]):
            component.sort(key=position.__getitem__)
            if draft.buffers[component[0]].kind == "adjoint":
                component.reverse()  # adjoints come in reverse: so both directions stack weights alike
            relevant = [{m.array for m in group} & set(component) for group in groups]
            _lay_side_by_side(draft, _best_order(component, relevant))
    for region in (*FORWARD, *BACKWARD):
        _merge_region(draft, region)
        _merge_biases(draft, region)
    _merge_bias_gradients(draft)
    return draft.finished("products packed")


def _groups(draft: Draft, region: str) -> dict[tuple[str, ...], list[_Member]]:
    """Products of a region that may become one, by what they share."""
    found: dict[tuple[str, ...], list[_Member]] = {}
    for position, line in enumerate(draft.regions[region]):
        s = line.statement
        if not isinstance(s, Contraction):
            continue
        if s.spec in ir.FORWARD and draft.is_static(s.operands[0]):
            array, shared = s.out, ("forward", s.operands[1], str(s.update))
        elif s.spec in ir.BACKWARD and draft.is_static(s.operands[1]):
            array, shared = s.operands[0], ("backward", s.out, "")
        elif s.spec in GRADIENT:
            array, shared = s.operands[0], ("gradient", s.operands[1], str(s.update))
        else:
            continue
        if _packable(draft, array):
            key = (*shared, draft.buffers[array].kind)
            found.setdefault(key, []).append(_Member(position, array))
    movable = {key: _movable(draft, region, group) for key, group in found.items() if key[0] != "backward"}
    return {
        key: group
        for key, group in (found | movable).items()
        if len(group) > 1 and len({member.array for member in group}) == len(group)
    }


def _movable(draft: Draft, region: str, group: list[_Member]) -> list[_Member]:
    """The members whose statements may stand where the first one stands, so that they can be one there."""
    first = min((member.position for member in group), default=0)
    return [m for m in group if _may_pass(draft, region, m.position, range(first, m.position))]


def _may_pass(draft: Draft, region: str, position: int, others: Iterable[int]) -> bool:
    """Whether the statement at a position of a region may change places with those at others."""
    lines = draft.regions[region]
    return all(draft.may_swap(lines[position].statement, lines[other].statement, region) for other in others)


def _may_come_last(draft: Draft, lines: list[Line], position: int) -> bool:
    """Whether the line at a position after the loop may come last, if the first line of a sum defines it."""
    statement = lines[position].statement
    others = (line.statement for line in lines[position + 1 :])
    return all(s.out == statement.out or draft.may_swap(statement, s, "backward after") for s in others)


def _packable(draft: Draft, name: str) -> bool:
    """Whether an array may be laid beside others: a vector per sample and step that owns its memory."""
    buffer = draft.buffers[name]
    own = buffer.window is None or _is_pack(buffer.window.base)
    kind = buffer.kind in PACKED and name not in draft.plan.carried and name != draft.plan.output
    return own and kind and buffer.lead == "TB" and len(buffer.shape) == 1


def _is_pack(name: str) -> bool:
    return name.rstrip("_0123456789") in PACKED.values()


def _components(groups: list[set[str]]) -> list[list[str]]:
    """Arrays that are connected through groups."""
    components: list[set[str]] = []
    for group in groups:
        touching = [c for c in components if c & group]
        components = [c for c in components if not c & group] + [set().union(group, *touching)]
    return [sorted(component) for component in components]


def _best_order(component: list[str], groups: list[set[str]]) -> list[str]:
    """The order in which most groups are contiguous; arrays of the same groups stay neighbours."""
    classes: dict[tuple[bool, ...], list[str]] = {}
    for name in component:
        classes.setdefault(tuple(name in group for group in groups), []).append(name)
    kinds = list(classes.values())
    if len(kinds) > 6:  # 720 orders are quick, more are not worth it
        return component

    def contiguous(order: Iterable[list[str]]) -> int:
        names = [name for kind in order for name in kind]
        return sum(_is_run(sorted(names.index(n) for n in group)) for group in groups if len(group) > 1)

    best = max(permutations(kinds), key=contiguous)
    return [name for kind in best for name in kind]


def _is_run(positions: list[int]) -> bool:
    return positions == list(range(positions[0], positions[0] + len(positions)))


def _lay_side_by_side(draft: Draft, members: list[str]) -> None:
    """Make the arrays `members` windows of one new array."""
    if len(members) < 2:
        return
    kind = draft.buffers[members[0]].kind
    rows = draft.rows(members)
    base = draft.new(PACKED[kind], "TB", (rows[-1][1],), kind)
    for member, (start, stop) in zip(members, rows, strict=True):
        draft.buffers[member] = replace(draft.buffers[member], window=Window(base, 0, start, stop))


def _runs(draft: Draft, group: list[_Member]) -> list[list[_Member]]:
    """The members that lie next to each other in one array, in their order there."""

    def window(member: _Member) -> Window | None:
        return draft.buffers[member.array].window

    placed = [m for m in group if window(m) is not None]
    by_start = {(w.base, w.start): m for m in placed if (w := window(m)) is not None}
    ends = {(w.base, w.stop) for m in placed if (w := window(m)) is not None}
    runs = []
    for key, member in by_start.items():
        if key in ends:
            continue
        run = [member]
        while (w := window(run[-1])) is not None and (w.base, w.stop) in by_start:
            run.append(by_start[w.base, w.stop])
        runs.append(run)
    return [run for run in runs if len(run) > 1]


def _spanning(draft: Draft, run: list[str]) -> str:
    """The array that spans a run of neighbours."""
    first, last = draft.buffers[run[0]].window, draft.buffers[run[-1]].window
    assert first is not None
    assert last is not None
    base = draft.buffers[first.base]
    if first.start == 0 and last.stop == base.shape[0]:
        return base.name
    assert first.start is not None
    assert last.stop is not None
    return draft.part(base.name, 0, first.start, last.stop, f"{run[0]}_to_{run[-1]}")


def _merge_region(draft: Draft, region: str) -> None:
    """Replace every run of groupable products by one product."""
    merged: dict[int, list[Line]] = {}
    dropped: set[int] = set()
    for key, group in _groups(draft, region).items():
        for run in _runs(draft, group):
            positions = [member.position for member in run]
            lines = [draft.regions[region][p] for p in positions]
            kind = key[0]
            if kind == "backward" and not _may_meet_last(draft, region, positions):
                continue
            make = {"forward": _forward, "backward": _backward, "gradient": _gradient}[kind]
            where = max(positions) if kind == "backward" else min(positions)
            merged[where] = make(draft, [m.array for m in run], lines)
            dropped |= set(positions)
    _replace(draft, region, merged, dropped)


def _replace(draft: Draft, region: str, merged: dict[int, list[Line]], dropped: set[int]) -> None:
    """Leave out the lines at some positions of a region, and put others in the place of some of these."""
    draft.regions[region] = [
        made
        for position, line in enumerate(draft.regions[region])
        for made in (merged.get(position, []) if position in dropped else [line])
    ]


def _may_meet_last(draft: Draft, region: str, positions: list[int]) -> bool:
    """Whether all statements at the positions may stand where the last one stands."""
    last = max(positions)
    return all(
        _may_pass(draft, region, p, [other for other in range(p + 1, last) if other not in positions])
        for p in positions
    )


def _sources(lines: list[Line]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for line in lines for source in line.sources))


def _products(lines: list[Line]) -> list[Contraction]:
    return [line.statement for line in lines if isinstance(line.statement, Contraction)]


def _forward(draft: Draft, arrays: list[str], lines: list[Line]) -> list[Line]:
    products = _products(lines)
    weights = _stacked(draft, [p.operands[0] for p in products], f"W_on_{products[0].operands[1]}")
    out = _spanning(draft, arrays)
    statement = replace(products[0], out=out, operands=(weights, products[0].operands[1]))
    title = ", ".join(arrays)
    return [Line(statement, title, (f"{title}: the part that {products[0].operands[1]} gives",))]


def _backward(draft: Draft, arrays: list[str], lines: list[Line]) -> list[Line]:
    products = _products(lines)
    weights = _stacked(draft, [p.operands[1] for p in products], f"W_on_{products[0].out.partition('_')[2]}")
    first = min(products, key=lambda p: p.update)
    statement = replace(first, operands=(_spanning(draft, arrays), weights))
    return [Line(statement, lines[-1].title, _sources(lines))]


def _gradient(draft: Draft, arrays: list[str], lines: list[Line]) -> list[Line]:
    products = _products(lines)
    operand = products[0].operands[1]
    columns = draft.buffers[operand].shape[0]
    packed = draft.new(f"d_W_on_{operand}", "", (draft.rows(arrays)[-1][1], columns), "gradient")
    title = f"weights of {operand}"
    statement = replace(products[0], out=packed, operands=(_spanning(draft, arrays), operand), update=False)
    made = [Line(statement, title, _sources(lines))]
    return made + _unpacked(draft, packed, [p.out for p in products], [p.update for p in products], title)


def _unpacked(draft: Draft, packed: str, outs: list[str], updates: list[bool], title: str) -> list[Line]:
    """Copies from a packed gradient to where the parameters' gradients are."""
    pieces = [draft.part(packed, 0, *rows, f"{packed}_part") for rows in draft.rows(outs)]
    return [
        Line(Pointwise(out, array_symbol(piece), update), title)
        for out, piece, update in zip(outs, pieces, updates, strict=True)
    ]


def _stacked(draft: Draft, parts: list[str], hint: str) -> str:
    """The prepared array that stacks `parts`."""
    for line in draft.regions["prepare"]:
        if isinstance(line.statement, Stack) and line.statement.parts == tuple(parts):
            return line.statement.out
    shape = (draft.rows(parts)[-1][1], *draft.buffers[parts[0]].shape[1:])
    packed = draft.new(hint, "", shape, "prepared")
    draft.regions["prepare"].append(Line(Stack(packed, tuple(parts)), PREPARED))
    return packed


def _merge_biases(draft: Draft, region: str) -> None:
    """Add what parameters alone give to neighbouring pre-activations in one statement."""
    group: list[_Member] = []
    for position, line in enumerate(draft.regions[region]):
        s = line.statement
        if (
            isinstance(s, Pointwise)
            and s.update
            and draft.buffers[s.out].kind in ("value", "recomputed")
            and all(draft.is_static(name) for name in s.reads)
            and draft.buffers[s.out].window is not None
            and any(draft.buffers[name].shape for name in s.reads)
            and s.out not in {member.array for member in group}
        ):
            group.append(_Member(position, s.out))
    merged: dict[int, list[Line]] = {}
    dropped: set[int] = set()
    for run in _runs(draft, _movable(draft, region, group)):
        lines = [draft.regions[region][m.position] for m in run]
        parts = [_static_vector(draft, line) for line in lines]
        packed = _stacked(draft, parts, "b_all")
        out = _spanning(draft, [m.array for m in run])
        statement = Pointwise(out, array_symbol(packed), update=True)
        title = ", ".join(m.array for m in run)
        positions = [m.position for m in run]
        merged[min(positions)] = [Line(statement, f"biases of {title}", (f"{title}: the biases",))]
        dropped |= set(positions)
    _replace(draft, region, merged, dropped)


def _static_vector(draft: Draft, line: Line) -> str:
    """The array that holds a static pointwise expression."""
    statement = line.statement
    assert isinstance(statement, Pointwise)
    if isinstance(statement.expr, Symbol):
        return str(statement.expr.name)
    shape = draft.buffers[statement.out].shape
    for known in draft.regions["prepare"]:
        if known.title == PREPARED and known.statement == Pointwise(known.statement.out, statement.expr):
            return known.statement.out
    name = draft.new(f"b_{statement.out}", "", shape, "prepared")
    draft.regions["prepare"].append(Line(Pointwise(name, statement.expr), PREPARED))
    return name


def _merge_bias_gradients(draft: Draft) -> None:
    """Sum neighbouring adjoints over time and batch once, for all the biases that they reach."""
    region = draft.regions["backward after"]
    targets: dict[str, list[Line]] = {}
    for position, line in enumerate(region):
        s = line.statement
        if not (isinstance(s, Contraction) and s.spec == BIAS[1] and draft.buffers[s.operands[0]].window):
            continue
        if _may_come_last(draft, region, position):
            targets.setdefault(s.operands[0], []).append(line)
    moved: list[Line] = []
    made: list[Line] = []
    for run in _runs(draft, [_Member(i, array) for i, array in enumerate(targets)]):
        arrays = [m.array for m in run]
        rows = draft.rows(arrays)
        packed = draft.new("d_b_all", "", (rows[-1][1],), "gradient")
        lines = [line for array in arrays for line in targets[array]]
        made.append(
            Line(Contraction(packed, BIAS[1], (_spanning(draft, arrays),)), "biases", _sources(lines))
        )
        for array, place in zip(arrays, rows, strict=True):
            piece = array_symbol(draft.part(packed, 0, *place, f"{packed}_part"))
            made += [
                Line(Pointwise(line.statement.out, piece, line.statement.update), "biases")
                for line in targets[array]
            ]
        moved += lines
    kept = [line for line in region if line not in moved]
    defined = {line.statement.out for line in region if not line.statement.update}
    draft.regions["backward after"] = first_defines([*kept, *made], defined)
