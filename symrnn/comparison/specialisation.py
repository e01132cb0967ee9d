"""Whether one cell is another under a choice of its parameters: found by matching, proved by substitution.

The general cell's parameters are unknowns. Its functions are matched with the special cell's one call at a
time (a gate may also be met by its complement, because sigmoid(-a) = 1 - sigmoid(a)); what multiplies equal
moving factors must then be equal, which gives linear equations for the unknowns. What is found is put into
the general cell's form and must give the special cell's form, symbol for symbol. So it is with a limit, once
the functions that only approach a value are put in as that value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from sympy import Add, Expr, S
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from symrnn.comparison.elimination import eliminate
from symrnn.comparison.forms import AT_ZERO, TRANSPOSE, Form, calls_in, normal, shape_of
from symrnn.comparison.pairing import Pairing, World, translated
from symrnn.comparison.slots import Slot, slots_of
from symrnn.declaration.operations import POINTWISE, Contract, sigmoid, tanh, where
from symrnn.declaration.quantities import Part, Quantity, Value

Goals: TypeAlias = tuple[tuple[Expr, Expr], ...]

MOST_STEPS = 1500
"""How many calls may be tried to be matched, before a search is given up as undecided."""

LIMITS: dict[type[Expr], tuple[Expr, ...]] = {f: f.facts.limits for f in POINTWISE if f.facts.limits}
"""What functions approach, and never reach, as their argument grows without bound."""


@dataclass(frozen=True, slots=True)
class Held:
    """A function of the general cell that is constant: reached with parameters zero, or only approached.

    `quantity` is the value that it defines, if any, `call` the function otherwise. `bias` is the parameter
    that must grow beyond all bounds, to minus infinity with `sinks`, for a value that is only approached;
    `origin` is the function as it stands in the general cell then, before anything is chosen.
    """

    quantity: Value | None
    call: Expr
    value: Expr
    limit: bool
    bias: Quantity | None = None
    sinks: bool = False
    origin: Expr | None = None


@dataclass(frozen=True, slots=True)
class Specialisation:
    """How the special cell comes out of the general one.

    `choices` gives every parameter of the general cell (a divided matrix as its blocks) as an expression in
    the special cell's; `held` are its functions that are constant. With `limit` the special cell is
    approached as closely as one likes, and not reached.
    """

    general: Form
    special: Form
    choices: tuple[tuple[Quantity, Expr], ...]
    held: tuple[Held, ...]

    @property
    def limit(self) -> bool:
        """Whether no finite parameters reach it."""
        return any(held.limit for held in self.held)

    @property
    def renames(self) -> bool:
        """Whether every parameter of the general cell is one of the special cell's, and each once."""
        found = [expr for _, expr in self.choices]
        return sorted(map(str, found)) == sorted(map(str, self.special.symbols)) and not self.held


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found, if anything, and in how many steps; `complete` tells that it was not given up."""

    found: Specialisation | None
    complete: bool
    steps: int


@dataclass(frozen=True, slots=True)
class _Node:
    """What remains to be matched: pairs (general, special); what was found on the way.

    `names` has every value of the general cell that is one function, as it reads by now. `wishes` are
    equations that would make a tidier result, where the others leave it open.
    """

    goals: tuple[tuple[Expr, Expr], ...]
    names: tuple[tuple[Expr, Value], ...]
    equations: tuple[Expr, ...] = ()
    wishes: tuple[Expr, ...] = ()
    held: tuple[Held, ...] = ()


class _GivenUpError(Exception):
    """The search has taken too many steps."""


def specialise(
    special: Form, general: Form, pairing: Pairing, *, limits: bool, most: int = MOST_STEPS
) -> Outcome:
    """How `special` comes out of `general` under a choice of the latter's parameters, if it is found.

    `pairing` pairs the special cell (left) with the general one. With `limits`, gates may also be held at
    values that they only approach, and not at values that they reach. The search is given up
    after `most` steps.
    """
    world = translated(special, general, pairing)
    search = _Search(special, general, world, limits, most)
    try:
        for node in search.run(search.start):
            made = search.made(node)
            if made is not None:
                return Outcome(made, True, search.steps)
    except _GivenUpError:
        return Outcome(None, False, search.steps)
    return Outcome(None, True, search.steps)


class _Search:
    def __init__(self, special: Form, general: Form, world: World, limits: bool, most: int) -> None:
        self.special, self.general, self.world, self.limits = special, general, world, limits
        self.steps, self.most = 0, most
        self.unknowns = world.unknowns
        theirs = dict(world.states)
        goals = [(theirs[state], expr) for state, expr in special.states]
        goals.append((world.output, special.output))
        self.known: dict[Expr, Expr] = {}
        self.start = _Node(tuple((normal(b, {}), a) for b, a in goals), world.values)
        self.functions = {inner for theirs, _ in self.start.goals for inner in _all_calls(theirs)}

    def open_calls(self, expr: Expr) -> list[Expr]:
        """The outermost functions with unknowns in them."""
        return [call for call in calls_in(expr) if call.atoms(Part) & set(self.unknowns)]

    def run(self, node: _Node) -> Iterator[_Node]:
        """Every way to meet all goals."""
        if not node.goals:
            yield node
            return
        (theirs, ours), *rest = node.goals
        found = self.open_calls(theirs)
        if not found:
            equations = self.equated(theirs, ours)
            if equations is None:
                return
            everything = (*node.equations, *equations)
            if eliminate(everything, self.unknowns) is not None:
                wishes = (*node.wishes, *self.wished(theirs, ours))
                yield from self.run(replace(node, goals=tuple(rest), equations=everything, wishes=wishes))
            return
        self.steps += 1
        if self.steps > self.most:
            raise _GivenUpError
        call = found[0]
        for value, aims in met(call, ours):
            yield from self.run(self.with_call(replace(node, goals=(*aims, *node.goals)), call, value))
        for value, aims, held in self.constants(node, call):
            noted = replace(node, goals=(*aims, *node.goals), held=(*node.held, held))
            yield from self.run(self.with_call(noted, call, value))

    def with_call(self, node: _Node, call: Expr, value: Expr) -> _Node:
        """The node with a function of the general cell replaced wherever it stands."""

        def replaced(expr: Expr) -> Expr:
            return normal(expr.xreplace({call: value}), {}, self.known)

        goals = tuple((replaced(theirs), ours) for theirs, ours in node.goals)
        names = tuple((replaced(expr), quantity) for expr, quantity in node.names)
        return replace(node, goals=goals, names=names)

    def constants(self, node: _Node, call: Expr) -> Iterator[tuple[Expr, Goals, Held]]:
        """Values at which a function of the general cell may be held."""
        if len(call.args) != 1:
            return
        quantity = dict(node.names).get(call)
        if not self.limits:
            if type(call) in AT_ZERO:
                value = AT_ZERO[type(call)]
                yield value, ((call.args[0], S.Zero),), Held(quantity, call, value, False)
            return
        own = self.own_bias(call)
        if own is None:
            return
        bias, origin = own
        for value in LIMITS.get(type(call), ()):
            symbol = next(symbol for symbol, part in self.world.symbols if part == bias.given[0])
            sinks = (value < S.Half) == (bias.number > 0)
            yield value, (), Held(quantity, call, value, True, symbol, bool(sinks), origin)

    def own_bias(self, call: Expr) -> tuple[Slot, Expr] | None:
        """A bias that only this function has, so that it can take the argument beyond all bounds.

        With it comes the function as it stands in the general cell.
        """
        for slot in slots_of(call.args[0]):
            if slot.moving != 1 or len(slot.given) != 1 or slot.given[0] not in self.unknowns:
                continue
            bias = slot.given[0]
            near = [f for f in self.functions if any(bias in Add.make_args(arg) for arg in f.args)]
            if len(near) != 1:
                continue
            without = [theirs.xreplace({near[0]: S.One}) for theirs, _ in self.start.goals]
            if not any(bias in goal.atoms(Part) for goal in without):
                return slot, near[0]
        return None

    def equated(self, theirs: Expr, ours: Expr) -> list[Expr] | None:
        """Equations that make two sums equal, given that moving factors are independent; None if none can."""
        mine, general = _grouped(ours), _grouped(theirs)
        for key in [key for key in mine if key not in general]:
            lifted = self.lifted(key, mine[key], general)
            if lifted is None:
                return None
            mine.setdefault(lifted[0].moving, []).extend(lifted)
            del mine[key]
        equations = []
        for key, slots in general.items():
            made = self.slot_equations(slots, mine.get(key, []))
            if made is None:
                return None
            equations += made
        return equations

    def wished(self, theirs: Expr, ours: Expr) -> list[Expr]:
        """Parameters that are only added, as many on either side: one for one."""
        made = []
        mine = _grouped(ours)
        for key, slots in _grouped(theirs).items():
            others = mine.get(key, [])
            if len(slots) == len(others) > 1 and all(len(slot.given) == 1 for slot in (*slots, *others)):
                left = sorted(slots, key=lambda slot: str(slot.given[0]))
                right = sorted(others, key=lambda slot: str(slot.given[0]))
                made += [one.weight - other.weight for one, other in zip(left, right, strict=True)]
        return made

    def lifted(self, key: Expr, slots: list[Slot], general: Mapping[Expr, list[Slot]]) -> list[Slot] | None:
        """A vector alone as the product with the identity, where the general cell has a matrix."""
        for other in general:
            template = [slot for slot in general[other] if slot.unwrapped == key]
            if template and all(not slot.given for slot in slots):
                unit = template[0].unit(shape_of(key, {}) or ())
                return [Slot(other, slot.number, (unit,), key) for slot in slots]
        return None

    def slot_equations(self, theirs: list[Slot], mine: list[Slot]) -> list[Expr] | None:
        single = all(len(slot.given) <= 1 for slot in (*theirs, *mine))
        simple = single and all(self.is_linear(given) for slot in theirs for given in slot.given)
        if simple:
            total = Add(*(slot.weight for slot in theirs)) - Add(*(slot.weight for slot in mine))
            return [total]
        if len(theirs) != len(mine):
            return None
        equations = []
        for their, my in zip(sorted(theirs, key=_form_key), sorted(mine, key=_form_key), strict=True):
            if their.number != my.number or len(their.given) != len(my.given):
                return None
            for one, other in zip(their.given, my.given, strict=True):
                made = _leaves(one, other, self.unknowns)
                if made is None:
                    return None
                equations += made
        return equations

    def is_linear(self, given: Expr) -> bool:
        """Whether an unknown stands alone, perhaps transposed, or none is there."""
        if isinstance(given, Contract) and given.spec == TRANSPOSE:
            given = given.operands[0]
        return given in self.unknowns or not given.atoms(Part) & set(self.unknowns)

    def made(self, node: _Node) -> Specialisation | None:
        """The result of a node without goals, if it is proved."""
        equations = node.equations
        for wish in node.wishes:
            if eliminate((*equations, wish), self.unknowns) is not None:
                equations = (*equations, wish)
        solution = eliminate(equations, self.unknowns)
        if solution is None:
            return None
        chosen = {unknown: solution.get(unknown, S.Zero) for unknown in self.unknowns}
        if not self.proved(chosen, node.held):
            return None
        choices = tuple((symbol, chosen[part]) for symbol, part in self.world.symbols)
        return Specialisation(self.general, self.special, choices, node.held)

    def proved(self, chosen: Mapping[Part, Expr], held: tuple[Held, ...]) -> bool:
        """Whether the general cell with these parameters is the special cell, symbol for symbol.

        Functions that only approach a value have that value: then the limit is the special cell.
        """
        limits = {item.origin: item.value for item in held if item.origin is not None}
        return all(
            normal(theirs.xreplace(limits).xreplace(dict(chosen)), {}) == normal(ours, {})
            for theirs, ours in self.start.goals
        )


def met(call: Expr, ours: Expr) -> Iterator[tuple[Expr, Goals]]:
    """What a function of the general cell may be in the special one, and what its arguments must be then."""
    wanted = _movements(call)
    candidates = [mine for mine in calls_in(ours) if type(mine) is type(call)]
    for mine in sorted(candidates, key=lambda mine: len(wanted ^ _movements(mine))):
        aims = _aims(call, mine)
        if aims is None:
            continue
        yield mine, aims
        if isinstance(call, sigmoid):
            yield 1 - mine, ((call.args[0], -mine.args[0]),)
        elif isinstance(call, tanh):
            yield -mine, ((call.args[0], -mine.args[0]),)


def _movements(call: Expr) -> set[Expr]:
    return {slot.moving for arg in call.args if not isinstance(arg, Boolean) for slot in slots_of(arg)}


def _aims(call: Expr, mine: Expr) -> Goals | None:
    """The pairs of arguments that make two functions equal; None where no parameters can."""
    if not isinstance(call, where):
        return tuple(zip(call.args, mine.args, strict=True))
    condition, other = call.args[0], mine.args[0]
    if not isinstance(condition, Relational) or type(condition) is not type(other):
        return None
    pairs = (*zip(condition.args, other.args, strict=True), *zip(call.args[1:], mine.args[1:], strict=True))
    return tuple(pairs)


def _all_calls(expr: Expr) -> list[Expr]:
    found = list(calls_in(expr))
    return found + [
        inner for call in found for arg in call.args if isinstance(arg, Expr) for inner in _all_calls(arg)
    ]


def _grouped(expr: Expr) -> dict[Expr, list[Slot]]:
    made: dict[Expr, list[Slot]] = {}
    for slot in slots_of(expr):
        made.setdefault(slot.moving, []).append(slot)
    return made


def _form_key(slot: Slot) -> tuple[int, str]:
    """An order of products of parameters that does not look at their names."""
    return len(slot.given), "".join(
        sorted(type(node).__name__ for expr in slot.given for node in _nodes(expr))
    )


def _nodes(expr: Expr) -> list[Expr]:
    return [expr, *(inner for arg in expr.args for inner in _nodes(arg))]


def _leaves(theirs: Expr, ours: Expr, unknowns: tuple[Part, ...]) -> list[Expr] | None:
    """Equations that make two expressions of parameters the same expression."""
    if theirs == ours:
        return []
    if theirs in unknowns:
        return [theirs - ours]
    if isinstance(theirs, Contract) and theirs.spec == TRANSPOSE and theirs.operands[0] in unknowns:
        return [theirs.operands[0] - normal(Contract(TRANSPOSE, ours), {})]
    if type(theirs) is not type(ours) or len(theirs.args) != len(ours.args) or not theirs.args:
        return None
    equations = []
    for one, other in zip(theirs.args, ours.args, strict=True):
        made = _leaves(one, other, unknowns)
        if made is None:
            return None
        equations += made
    return equations
