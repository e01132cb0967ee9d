"""At what height the items of layers stand: long wires straight, neighbours apart, the rest near readers.

Items that a straight wire joins form a *block*, which moves as one. What must lie below what is a system
of differences between blocks; a wire is made straight if the system still has a solution of about the same
height.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from symrnn.diagrams.layers import Item, Layers, ports

NODE_GAP, WIRE_GAP, CLEARANCE = 13.0, 9.0, 10.0
"""Free room between two nodes, between two wires, and between a node and a wire."""
PORT_PITCH = 9.0
ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Link:
    """A possible straight wire: the right item lies `offset` below the left one if the wire is straight."""

    left: Item
    right: Item
    offset: float
    rank: int


def port_offset(number: int, count: int) -> float:
    """How far below its node's centre a port is."""
    return (number - (count - 1) / 2) * PORT_PITCH


def outlets(layers: Layers, belts: Iterable[tuple[str, str]]) -> dict[Item, float]:
    """How far below the centre of the second of each pair its wire leaves: where that of the first enters.

    So a state runs straight through the equation that renews it.
    """
    made = {}
    for k, nets in enumerate(layers.nets):
        port = ports(nets, {item: float(number) for number, item in enumerate(layers.items[k])})
        for source, target in belts:
            if (source, ("node", target)) in port:
                made["node", target] = port_offset(*port[source, ("node", target)])
    return made


def positions(
    layers: Layers, heights: Mapping[str, float], outlet: Mapping[Item, float], spread: float = 0.0
) -> dict[Item, float]:
    """The y of the centre of every item, the topmost edge at 0; `heights` are those of nodes.

    `outlet` tells of the nodes whose wire does not leave at their centre how far below it does; `spread` is
    more room between the items of two layers in three.
    """
    blocks = _Blocks(layers, heights, spread)
    links = _links(layers, outlet)
    for link in sorted(links, key=lambda link: link.rank):  # a stable sort
        blocks.join(link)
    blocks.settle(links)
    return blocks.heights_of_items()


def _links(layers: Layers, outlet: Mapping[Item, float]) -> list[Link]:
    links = []
    for k, nets in enumerate(layers.nets):
        place = {item: float(number) for number, item in enumerate(layers.items[k])}
        port = ports(nets, place)
        for net in nets:
            for item in net.right:
                bends = (net.left[0] == "node") + (item[0] == "node")
                rank = 2 * bends + (len(net.right) > 1)
                offset = outlet.get(net.left, 0.0) - port_offset(*port[net.source, item])
                links.append(Link(net.left, item, offset, rank))
    return links


class _Blocks:
    def __init__(self, layers: Layers, heights: Mapping[str, float], spread: float) -> None:
        self.extent = {
            item: heights[item[1]] / 2 if item[0] == "node" else 0.0
            for layer in layers.items
            for item in layer
        }
        self.items = list(self.extent)
        self.block = {item: number for number, item in enumerate(self.items)}
        self.offset = dict.fromkeys(self.items, 0.0)
        self.below = [
            (upper, lower, self.apart(upper, lower) + spread * (k % 3))
            for k, layer in enumerate(layers.items)
            for upper, lower in pairwise(layer)
        ]
        self.tied: set[tuple[Item, str]] = set()
        self.place: dict[int, float] = {}
        self.height = self.lowest(self.solved() or {})

    def apart(self, upper: Item, lower: Item) -> float:
        """The least distance of the centres of two neighbours in a layer."""
        gap = (WIRE_GAP, CLEARANCE, NODE_GAP)[(upper[0] == "node") + (lower[0] == "node")]
        return self.extent[upper] + self.extent[lower] + gap

    def differences(self) -> list[tuple[int, int, float]]:
        """Each (a, b, d): block b lies at least d below block a."""
        found = [
            (self.block[a], self.block[b], d + self.offset[a] - self.offset[b]) for a, b, d in self.below
        ]
        return found + [(-1, self.block[item], self.extent[item] - self.offset[item]) for item in self.items]

    def solved(self) -> dict[int, float] | None:
        """The highest place of every block, or None where the differences contradict each other."""
        place = dict.fromkeys([-1, *self.block.values()], 0.0)
        place |= {block: float("-inf") for block in place if block >= 0}
        differences = self.differences()
        for _ in range(len(place) + 1):
            moved = False
            for a, b, d in differences:
                if place[a] + d > place[b] + 1e-9:
                    if a == b:
                        return None
                    place[b] = place[a] + d
                    moved = True
            if not moved:
                return place
        return None

    def lowest(self, place: Mapping[int, float]) -> float:
        """The bottom edge of everything."""
        return max(
            (place[self.block[item]] + self.offset[item] + self.extent[item] for item in self.items),
            default=0.0,
        )

    def join(self, link: Link) -> None:
        """Make a wire straight if nothing forbids it."""
        if (link.left, "out") in self.tied or (link.right, "in") in self.tied:
            return
        old, new = self.block[link.right], self.block[link.left]
        shift = self.offset[link.left] + link.offset - self.offset[link.right]
        kept = dict(self.block), dict(self.offset)
        if old == new:
            if abs(shift) > 1e-9:
                return
        else:
            for item in self.items:
                if self.block[item] == old:
                    self.block[item] = new
                    self.offset[item] += shift
        place = self.solved()
        if place is None or self.lowest(place) > self.height + 12:
            self.block, self.offset = kept
            return
        self.height = max(self.height, self.lowest(place))
        self.tied |= {(link.left, "out"), (link.right, "in")}

    def settle(self, links: list[Link]) -> None:
        """Places from the top, then every block to the median of its wires' wishes, as far as it may."""
        self.place = self.solved() or {}
        bottom = self.lowest(self.place)
        numbers = sorted(set(self.block.values()))
        for round_number in range(ROUNDS):
            for number in numbers if round_number % 2 else reversed(numbers):
                least, most = self.room(number, bottom)
                wishes = self.wishes(number, links)
                wish = median(wishes) if wishes else 0.0
                self.place[number] += min(max(wish, least), most)

    def room(self, number: int, bottom: float) -> tuple[float, float]:
        """How far up and down a block may move while all others stay."""
        least, most = float("-inf"), float("inf")
        for a, b, d in self.differences():
            slack = self.place[b] - self.place.get(a, 0.0) - d
            if b == number:
                least = max(least, -slack)
            if a == number:
                most = min(most, slack)
        for item in self.items:
            if self.block[item] == number:
                low = self.place[number] + self.offset[item] + self.extent[item]
                most = min(most, bottom - low)
        return min(least, 0.0), max(most, 0.0)

    def wishes(self, number: int, links: list[Link]) -> list[float]:
        """By how much each wire at a block would have it move."""
        found = []
        for link in links:
            a, b = self.block[link.left], self.block[link.right]
            if (a == number) != (b == number):
                left = self.place[a] + self.offset[link.left] + link.offset
                right = self.place[b] + self.offset[link.right]
                found.append(right - left if a == number else left - right)
        return found

    def heights_of_items(self) -> dict[Item, float]:
        """The y of every item, in whole and half units, from the topmost edge."""
        ys = {item: self.place[self.block[item]] + self.offset[item] for item in self.items}
        top = min(y - self.extent[item] for item, y in ys.items())
        return {item: y - top for item, y in ys.items()}
