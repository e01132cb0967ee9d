"""Layers of a flow and the order within them, with few crossings (Sugiyama, Tagawa and Toda 1981).

A *net* is what leaves one node, with all who read it: it is drawn as one branching wire. Where a net passes
a layer without ending there, it has a place of its own in that layer. So all the wires between two layers
are nets with one left end and one or more right ends, and crossings are counted between pairs of these.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

Item = tuple[str, str]
"""A place in a layer: ("node", key), or ("wire 2", key) where the net of that node passes layer 2."""

CROWDED = 24
"""Layers of more items keep the order that they begin with: to try others would take too long."""

FEW = 4
"""Up to so many items of a layer are put into every possible order."""


@dataclass(frozen=True, slots=True)
class Net:
    """A net between two neighbouring layers: its source's key, its left end and its right ends."""

    source: str
    left: Item
    right: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Layers:
    """Items of every layer from top to bottom, and the nets between each layer and the next."""

    items: tuple[tuple[Item, ...], ...]
    nets: tuple[tuple[Net, ...], ...]


def layered(
    nodes: Sequence[str], pairs: Iterable[tuple[str, str]], first: Iterable[str], last: Iterable[str]
) -> Layers:
    """`nodes` in layers such that every pair goes to the right, then in an order with few crossings.

    `first` stand in the first layer and `last` in the last one, each in an order to be kept if that costs no
    crossing. `nodes` are in an order in which no pair goes back.
    """
    readers: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in pairs:
        readers[source].append(target)
    start, end = list(first), list(last)
    depth = _depths(nodes, readers, start, end)
    items: list[list[Item]] = [[] for _ in range(max(depth.values()) + 1)]
    for node in [*start, *end, *(n for n in nodes if n not in start and n not in end)]:
        items[depth[node]].append(("node", node))
    nets: list[list[Net]] = [[] for _ in items[1:]]
    for node in nodes:
        reach = max((depth[reader] for reader in readers[node]), default=0)
        for k in range(depth[node], reach):
            left: Item = ("node", node) if k == depth[node] else (f"wire {k}", node)
            right: list[Item] = [("node", reader) for reader in readers[node] if depth[reader] == k + 1]
            if reach > k + 1:
                right.append((f"wire {k + 1}", node))
                items[k + 1].append(right[-1])
            nets[k].append(Net(node, left, tuple(right)))
    fixed = Layers(tuple(map(tuple, items)), tuple(map(tuple, nets)))
    return _Ordering(fixed, [("node", key) for key in start], [("node", key) for key in end]).best()


def _depths(
    nodes: Sequence[str], readers: dict[str, list[str]], first: list[str], last: list[str]
) -> dict[str, int]:
    depth = {node: 0 if node in first else 1 for node in nodes}
    for node in nodes:
        for reader in readers[node]:
            depth[reader] = max(depth[reader], depth[node] + 1)
    return depth | dict.fromkeys(last, 1 + max([1, *(depth[node] for node in nodes if node not in last)]))


def ports(net_order: Sequence[Net], place: dict[Item, float]) -> dict[tuple[str, Item], tuple[int, int]]:
    """For every net and every node it ends at, which of how many ports from the top it takes.

    Ports follow the order of the nets' left ends, so that wires to one node need not cross.
    """
    entering: dict[Item, list[Net]] = {}
    for net in net_order:
        for item in net.right:
            entering.setdefault(item, []).append(net)
    made = {}
    for item, nets in entering.items():
        ordered = sorted(nets, key=lambda net: place[net.left])
        for number, net in enumerate(ordered):
            made[net.source, item] = (number, len(ordered))
    return made


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a net's left end and right ends are, and from where to where its upright piece goes."""

    left: float
    right: tuple[float, ...]
    low: float
    high: float


def reach(left: float, right: Iterable[float]) -> Reach:
    """The reach of a net from the places of its ends."""
    ends = tuple(right)
    return Reach(left, ends, min(left, *ends), max(left, *ends))


def crossings(first: Reach, second: Reach) -> int:
    """How often two nets cross if the first turns left of the second; an end on an end counts as well."""
    low, high, left = second.low, second.high, second.left
    return sum(low < y < high or y == left for y in first.right) + (first.low < left < first.high)


class _Ordering:
    """Improves the order of one layer after the other until nothing gets better."""

    def __init__(self, layers: Layers, first: list[Item], last: list[Item]) -> None:
        self.nets = layers.nets
        self.items = [list(layer) for layer in layers.items]
        self.wanted = (first, last)
        self.known: dict[tuple[object, ...], float] = {}

    def best(self) -> Layers:
        """The best of the orders that different beginnings lead to."""
        found: list[tuple[float, int, list[list[Item]]]] = []
        beginning = [list(layer) for layer in self.items]
        for number in range(3):
            self.items = [list(layer) for layer in beginning]
            if number == 1:
                self.items = [layer[::-1] for layer in self.items]
            if number == 2:
                self.sort_by_centres()
            self.improve()
            found.append((self.total(), number, self.items))
        items = min(found, key=lambda entry: entry[:2])[2]
        return Layers(tuple(map(tuple, items)), self.nets)

    def sort_by_centres(self) -> None:
        """Each layer by the mean place of what its items read."""
        for k, nets in enumerate(self.nets):
            place = {item: float(number) for number, item in enumerate(self.items[k])}
            centres: dict[Item, list[float]] = {}
            for net in nets:
                for item in net.right:
                    centres.setdefault(item, []).append(place[net.left])
            self.items[k + 1].sort(key=lambda item: sum(centres.get(item, [0])) / len(centres.get(item, [0])))

    def improve(self) -> None:
        """Reorder layers in turn until a whole round brings nothing."""
        for _ in range(12):
            before = self.total()
            for k in [*range(len(self.items)), *reversed(range(len(self.items) - 1))]:
                self.reorder(k)
            if self.total() >= before - 1e-9:
                return

    def reorder(self, k: int) -> None:
        """The best order of layer k while its neighbours stay."""
        layer = self.items[k]
        if len(layer) <= FEW:
            orders = [list(order) for order in permutations(layer)]
            self.items[k] = min(orders, key=lambda order: self.cost_with(k, order))
            return
        better = len(layer) <= CROWDED
        while better:
            better = False
            cost = self.cost_with(k, self.items[k])
            for order in _moves(self.items[k]):
                new = self.cost_with(k, order)
                if new < cost - 1e-9:
                    self.items[k], cost, better = order, new, True
                    break

    def cost_with(self, k: int, order: list[Item]) -> float:
        """The cost of layer k and both its sides if it had this order."""
        kept, self.items[k] = self.items[k], order
        cost = self.disorder(k) + sum(self.cost(j) for j in (k - 1, k) if 0 <= j < len(self.nets))
        self.items[k] = kept
        return cost

    def total(self) -> float:
        """The cost of the whole order."""
        return sum(map(self.cost, range(len(self.nets)))) + sum(map(self.disorder, range(len(self.items))))

    def disorder(self, k: int) -> float:
        """A little for every pair of the first or last layer that is not in the order wished for."""
        cost = 0.0
        for wanted, layer in zip(self.wanted, (0, len(self.items) - 1), strict=True):
            if layer == k:
                place = {item: number for number, item in enumerate(self.items[k])}
                seen = [place[item] for item in wanted if item in place]
                cost += 0.6 * sum(a > b for i, a in enumerate(seen) for b in seen[i + 1 :])
        return cost

    def cost(self, k: int) -> float:
        """Crossings between layers k and k + 1, and a little for wires that climb far."""
        key = (k, tuple(self.items[k]), tuple(self.items[k + 1]))
        if key not in self.known:
            self.known[key] = self.counted(k)
        return self.known[key]

    def counted(self, k: int) -> float:
        """The cost of what lies between layers k and k + 1."""
        left = _places(self.items[k])
        right = _places(self.items[k + 1])
        port = ports(self.nets[k], left)
        ends = []
        climb = 0.0
        for net in self.nets[k]:
            numbers = [(right[item], port[net.source, item]) for item in net.right]
            ys = [centre + (number - (count - 1) / 2) / (count + 1) for centre, (number, count) in numbers]
            ends.append(reach(left[net.left], ys))
            climb += sum(abs(left[net.left] - y) for y in ys)
        crossed = 0
        for number, a in enumerate(ends):
            for b in ends[number + 1 :]:
                if a.low <= b.high and b.low <= a.high:
                    crossed += min(crossings(a, b), crossings(b, a))
        return crossed + 0.02 * climb


def _places(layer: list[Item]) -> dict[Item, float]:
    """Places that are centred, so that layers of different sizes face each other."""
    return {item: number - (len(layer) - 1) / 2 for number, item in enumerate(layer)}


def _moves(layer: list[Item]) -> Iterable[list[Item]]:
    """The layer with one item taken out and put somewhere else."""
    for i in range(len(layer)):
        rest = layer[:i] + layer[i + 1 :]
        for j in range(len(layer)):
            if j != i:
                yield [*rest[:j], layer[i], *rest[j:]]
