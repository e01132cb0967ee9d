"""Which derivatives of a step get names, so that no Jacobian has to be multiplied out."""

from collections import Counter

from sympy import Expr

from symrnn.declaration.nodes import depth_of
from symrnn.declaration.quantities import Quantity
from symrnn.derivation.tangent import Tangent

ALL = 1000
"""How many nodes all derivatives by one state may have together before some of them get names."""

DEEP = 40
"""How many levels they may have."""

USED_AGAIN = 16
"""How many nodes a derivative must have that stands in several places to get a name then."""

USED_ONCE = 120
"""How many nodes a derivative must have that stands in one place to get a name then."""

LEVELS = 20
"""How many levels it must have for that."""


def values_to_name(tangent: Tangent, direction: Quantity) -> frozenset[Quantity]:
    """The quantities whose derivative in a direction gets a name.

    None where the derivatives of all next states are small when written out: each of them is one formula.
    """
    weights = _Weights(tangent, direction)
    states = [state.next for state in tangent.of.states]
    sizes, levels, _ = weights.measured(naming=False)
    small = sum(sizes.get(state, 0) for state in states) <= ALL
    if small and max((levels.get(state, 0) for state in states), default=0) <= DEEP:
        return frozenset()
    return weights.measured(naming=True)[2]


class _Weights:
    """How large derivatives are, and which of them that makes worth a name."""

    def __init__(self, tangent: Tangent, direction: Quantity) -> None:
        partners = {partner: q for q, partner in tangent.dotted.items()}
        self.reads: dict[Quantity, Counter[Quantity]] = {}
        self.nodes: dict[Quantity, int] = {}
        self.depth: dict[Quantity, int] = {}
        alive: set[Quantity] = set()
        for target, moved in tangent.equations.items():
            counted, found = _counted(moved)
            read = Counter({partners[q]: n for q, n in found.items() if partners.get(q) in alive})
            if read or direction in found:
                alive.add(target)
                self.reads[target], self.nodes[target] = read, counted
                self.depth[target] = depth_of(moved)
        self.uses = sum(self.reads.values(), Counter[Quantity]())

    def measured(
        self, *, naming: bool
    ) -> tuple[dict[Quantity, int], dict[Quantity, int], frozenset[Quantity]]:
        """Nodes and levels of every derivative, and those that have names; without `naming` none has."""
        sizes: dict[Quantity, int] = {}
        levels: dict[Quantity, int] = {}
        named: set[Quantity] = set()
        for target, read in self.reads.items():
            inner = {q: count for q, count in read.items() if q not in named}
            size = self.nodes[target] + sum(count * sizes[q] for q, count in inner.items())
            depth = self.depth[target] + max((levels[q] for q in inner), default=0)
            sizes[target], levels[target], uses = size, depth, self.uses[target]
            is_large = size >= USED_AGAIN if uses > 1 else size >= USED_ONCE or depth >= LEVELS
            if naming and uses and is_large:
                named.add(target)
        return sizes, levels, frozenset(named)


def _counted(expr: Expr) -> tuple[int, Counter[Quantity]]:
    """How many nodes an expression has, and how often each quantity stands in it."""
    found: Counter[Quantity] = Counter()
    stack, nodes = [expr], 0
    while stack:
        node = stack.pop()
        nodes += 1
        if isinstance(node, Quantity):
            found[node] += 1
        stack.extend(node.args)
    return nodes, found
