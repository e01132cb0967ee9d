"""Wires between placed items: upright pieces on tracks between layers, right angles, dots at branchings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, permutations, product

from symrnn.diagrams.layers import Item, Layers, Net, Reach, crossings, ports, reach
from symrnn.diagrams.positions import port_offset

Point = tuple[float, float]

TRACK_PITCH, LEAD_OUT, LEAD_IN = 8.0, 8.0, 12.0
"""The distance of tracks, and the room before the first and, with the arrowhead, after the last."""
CLOSE = 4.0
"""Wires nearer than this would read as one."""
FEW = 6
"""Up to so many bent nets between two layers are put into every possible order."""


@dataclass(frozen=True, slots=True)
class Bend:
    """A net between two layers: the y of its left end and of its right ends, and its track if it bends."""

    net: Net
    left: float
    right: tuple[tuple[Item, float], ...]
    track: int

    @property
    def reach(self) -> Reach:
        """The heights of its ends."""
        return reach(self.left, (y for _, y in self.right))


@dataclass(frozen=True, slots=True)
class Channel:
    """What lies between two layers; it collides if two of its wires would run into each other."""

    bends: tuple[Bend, ...]
    tracks: int
    collides: bool

    @property
    def width(self) -> float:
        """The room that its tracks need."""
        return LEAD_OUT + LEAD_IN + TRACK_PITCH * max(self.tracks - 1, 0)

    def x(self, track: int) -> float:
        """The place of a track from the channel's left."""
        return LEAD_OUT + TRACK_PITCH * track


def channels(layers: Layers, y: Mapping[Item, float], outlet: Mapping[Item, float]) -> tuple[Channel, ...]:
    """The nets between all layers with their tracks; `y` and `outlet` as in `positions`."""
    made = []
    for k, nets in enumerate(layers.nets):
        port = ports(nets, {item: y[item] for item in layers.items[k]})
        bends = []
        for net in nets:
            right = tuple((item, y[item] + port_offset(*port[net.source, item])) for item in net.right)
            bends.append(Bend(net, y[net.left] + outlet.get(net.left, 0.0), right, 0))
        made.append(_with_tracks(bends))
    return tuple(made)


def _with_tracks(nets: list[Bend]) -> Channel:
    straight = [bend for bend in nets if bend.reach.high - bend.reach.low < 1e-6]
    placed: list[Bend] = []
    for bend in _ordered([bend for bend in nets if bend not in straight]):
        low, high = bend.reach.low - CLOSE, bend.reach.high + CLOSE
        near = [other for other in placed if other.reach.low < high and low < other.reach.high]
        placed.append(replace(bend, track=max((other.track + 1 for other in near), default=0)))
    tracks = max((bend.track + 1 for bend in placed), default=0)
    collides = any(_collisions(a, b) for n, a in enumerate(placed) for b in placed[n + 1 :])
    return Channel((*straight, *placed), tracks, collides)


def _ordered(bends: list[Bend]) -> list[Bend]:
    """The bent nets from left to right, with few crossings and no two wires that run into each other."""
    pairs = {
        (a.net.source, b.net.source): crossings(a.reach, b.reach) + 100 * _collisions(a, b)
        for a, b in product(bends, repeat=2)
    }

    def cost(order: Iterable[Bend]) -> int:
        return sum(pairs[a.net.source, b.net.source] for a, b in combinations(order, 2))

    if len(bends) <= FEW:
        return list(min(permutations(bends), key=cost))
    order = list(bends)
    best = cost(order)
    better = True
    while better:
        better = False
        for i in range(len(order)):
            for j in range(len(order)):
                new = order[:i] + order[i + 1 :]
                new.insert(j, order[i])
                if cost(new) < best - 1e-9:
                    order, best, better = new, cost(new), True
    return order


def _collisions(before: Bend, after: Bend) -> int:
    """How many right ends of the net that turns first lie on the left end of the other."""
    return sum(abs(y - after.left) < CLOSE for _, y in before.right)


def route(source: str, target: str, between: Sequence[Channel], lefts: Sequence[float]) -> tuple[Point, ...]:
    """The corners of the way from a node to one that reads it, without its ends' x.

    `lefts` are the left edges of the channels. It is found backwards, from the target through the layers
    that the net passes.
    """
    ends: dict[tuple[int, Item], tuple[Bend, float]] = {
        (k, item): (bend, y)
        for k, channel in enumerate(between)
        for bend in channel.bends
        if bend.net.source == source
        for item, y in bend.right
    }
    k, item = next(key for key in ends if key[1] == ("node", target))
    corners: list[Point] = []
    while True:
        bend, y = ends[k, item]
        x = lefts[k] + between[k].x(bend.track)
        corners[:0] = [(x, bend.left), (x, y)]
        item = bend.net.left
        if item[0] == "node":
            return tuple(corners)
        k -= 1


def simplified(points: Sequence[Point]) -> tuple[Point, ...]:
    """A right-angled line without repeated points and points amid a straight piece."""
    kept: list[Point] = []
    for point in points:
        if kept and _same(kept[-1], point):
            continue
        if len(kept) > 1 and _straight(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return tuple(kept)


def branching(
    lines: Sequence[tuple[str, tuple[Point, ...]]],
) -> tuple[tuple[tuple[Point, ...], ...], tuple[Point, ...]]:
    """Lines, each with its source, as pieces that do not overlap, and the points where they branch."""
    drawn: dict[str, list[tuple[Point, ...]]] = {}
    wires: list[tuple[Point, ...]] = []
    junctions: dict[Point, None] = {}
    for source, line in lines:
        others = drawn.setdefault(source, [])
        tails = [_tail(line, other) for other in others]
        tail = min(tails, key=_length, default=line)
        if others:
            junctions[tail[0]] = None
        others.append(line)
        wires.append(tail)
    return tuple(wires), tuple(junctions)


def _tail(line: tuple[Point, ...], other: tuple[Point, ...]) -> tuple[Point, ...]:
    """What is left of a line after it leaves another one with the same beginning."""
    for number in range(1, min(len(line), len(other))):
        a, b, start = line[number], other[number], line[number - 1]
        if _same(a, b):
            continue
        if not _straight(start, a, b) and not _straight(start, b, a):
            return line[number - 1 :]
        nearer = min(a, b, key=lambda point: _length((start, point)))
        return line[number:] if nearer == a else (nearer, *line[number:])
    return line[min(len(line), len(other)) - 1 :]


def _same(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) < 1e-6


def _straight(a: Point, b: Point, c: Point) -> bool:
    """Whether the way from a by b to c goes on in one direction."""
    along_x = (b[0] - a[0]) * (c[0] - b[0]) >= 0 and abs(a[1] - b[1]) + abs(b[1] - c[1]) < 1e-6
    along_y = (b[1] - a[1]) * (c[1] - b[1]) >= 0 and abs(a[0] - b[0]) + abs(b[0] - c[0]) < 1e-6
    return along_x or along_y


def _length(points: tuple[Point, ...]) -> float:
    return sum(abs(b[0] - a[0]) + abs(b[1] - a[1]) for a, b in pairwise(points))


CORNER_RADIUS = 4.0


@dataclass(frozen=True, slots=True)
class Stroke:
    """A piece of a wire: a straight line, or, with a `corner`, the curve that rounds it off.

    The curve is the quadratic one of start, corner and end.
    """

    start: Point
    end: Point
    corner: Point | None = None


def strokes(wire: Sequence[Point], junctions: Sequence[Point]) -> tuple[Stroke, ...]:
    """A wire from its beginning to its end; corners are round, except where another wire branches off."""
    made = []
    start = wire[0]
    for before, corner, after in zip(wire, wire[1:], wire[2:], strict=False):
        radius = min(CORNER_RADIUS, _length((before, corner)) / 2, _length((corner, after)) / 2)
        if corner in junctions:
            made.append(Stroke(start, corner))
            start = corner
            continue
        first, second = _toward(corner, before, radius), _toward(corner, after, radius)
        made += [Stroke(start, first), Stroke(first, second, corner)]
        start = second
    return (*(stroke for stroke in made if stroke.start != stroke.end), Stroke(start, wire[-1]))


def _toward(corner: Point, other: Point, distance: float) -> Point:
    """The point at a distance from a corner on the way to another point."""
    share = distance / _length((corner, other))
    return corner[0] + share * (other[0] - corner[0]), corner[1] + share * (other[1] - corner[1])
