r"""The data-flow diagram of one step of a cell: from inputs and states, by the equations, to the next states.

    step_diagram(cell)  ->  Diagram  ->  diagram_svg(diagram)  or  diagram_latex(diagram)

Time and data flow from left to right. Lengths are points of print, with a font of `FONT` points; x points
right and y down from the upper left corner.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Quantity
from symrnn.diagrams.flow import ENDS, SOURCES, Flow, FlowNode, Role, step_flow
from symrnn.diagrams.labels import typeset_label
from symrnn.diagrams.layers import Item, Layers, layered
from symrnn.diagrams.positions import PORT_PITCH, outlets, positions
from symrnn.diagrams.wires import Channel, Point, branching, channels, route, simplified
from symrnn.mathematics.letters import sigmoid_sign, taken_letters
from symrnn.mathematics.printer import Printer
from symrnn.notation.building import upright
from symrnn.notation.nodes import Node as Formula

FONT, SMALL_FONT = 10.0, 8.0
"""Sizes of names, and of operations and of the word "output" below names."""
MARGIN = 1.0
ONE_LINE, TWO_LINES = 19.0, 31.0
PADDING, ROUND_PADDING = 5.0, 6.5
PILL_RADIUS = 9.5
"""Of the corners of inputs, states and outputs."""
SPREADS = (0.0, 5.0, 11.0, 7.0, 3.0, 17.0, 6.0, 23.0, 9.0, 13.0, 29.0, 4.0, 19.0)
"""Tried in turn: in a dense flow wires may run into each other at some heights and not at others."""
OUTPUT = upright("output")


@dataclass(frozen=True, slots=True)
class Node:
    """A node at its centre (x, y): a quantity, or the equation of a state or of the output.

    `label` is the name of the quantity and `note` what stands below it or alone: the operation of an
    equation, or the word "output"; either may be missing.
    """

    key: str
    role: Role
    label: Formula | None
    note: Formula | None
    x: float
    y: float
    width: float
    height: float
    is_output: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """That `target` reads `source`, as right-angled lines from the source's right to the target's left."""

    source: str
    target: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """A placed diagram.

    Edges of one source share their beginnings. `wires` are the same lines, each drawn once: every wire ends
    in an arrowhead at a node, and begins at a node or at one of the `junctions`, where wires branch.
    """

    name: str
    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    wires: tuple[tuple[Point, ...], ...]
    junctions: tuple[Point, ...]
    width: float
    height: float

    def node(self, key: str) -> Node:
        """The node of this key."""
        return next(node for node in self.nodes if node.key == key)


@dataclass(frozen=True, slots=True)
class Text:
    """One of the texts of a node, centred in it: a formula, the y of its baseline, its size and its kind."""

    formula: Formula
    baseline: float
    size: float
    kind: str


def texts(node: Node) -> tuple[Text, ...]:
    """The name of a node and what stands below it, or the one of them that it has."""
    if node.label is not None and node.note is not None:
        return (
            Text(node.label, node.y - 2.0, FONT, "label"),
            Text(node.note, node.y + 10.5, SMALL_FONT, "note"),
        )
    return tuple(Text(text, node.y + 3.0, FONT, "label") for text in (node.label, node.note) if text)


def step_diagram(cell: Cell, *, symbol: Callable[[Quantity], Formula] | None = None) -> Diagram:
    """The diagram of a step of `cell`.

    `symbol` gives the name of a quantity with its time; without it, time stands above, as in
    documents.
    """
    flow = step_flow(cell, symbol or Printer().symbol, sigmoid_sign(taken_letters(cell)))
    return _drawn(flow, cell)


def _drawn(flow: Flow, cell: Cell) -> Diagram:
    layers = layered(
        [node.key for node in flow.nodes],
        flow.pairs,
        [node.key for node in flow.nodes if node.role in SOURCES],
        [node.key for node in flow.nodes if node.role in ENDS],
    )
    entering = {node.key: sum(target == node.key for _, target in flow.pairs) for node in flow.nodes}
    sizes = {node.key: _size(node, entering[node.key]) for node in flow.nodes}
    outlet = outlets(layers, flow.belts)
    y, between = _spread(layers, {key: height for key, (_, height) in sizes.items()}, outlet)
    columns = [[item[1] for item in layer if item[0] == "node"] for layer in layers.items]
    by_key = {node.key: node for node in flow.nodes}
    nodes: dict[str, Node] = {}
    lefts, left = [], MARGIN
    for k, column in enumerate(columns):
        wide = max((sizes[key][0] for key in column), default=0.0)
        for key in column:
            alike = [sizes[k][0] for k in column if _kind(by_key[k]) == _kind(by_key[key])]
            size = max(alike), sizes[key][1]
            nodes[key] = _placed(by_key[key], (left + wide / 2, y["node", key] + MARGIN), size)
        lefts.append(left + wide)
        left += wide + (between[k].width if k < len(between) else 0.0)
    bottom = max(node.y + node.height / 2 for node in nodes.values())
    edges = _edges(flow, nodes, between, lefts)
    wires, junctions = branching([(edge.source, edge.points) for edge in edges])
    lowest = max([bottom, *(point[1] for wire in wires for point in wire)])
    return Diagram(
        cell.name,
        cell.title,
        tuple(nodes[node.key] for node in flow.nodes),
        edges,
        wires,
        junctions,
        left + MARGIN,
        lowest + MARGIN,
    )


def _spread(
    layers: Layers, heights: Mapping[str, float], outlet: Mapping[Item, float]
) -> tuple[dict[Item, float], tuple[Channel, ...]]:
    """Heights of all items and what lies between the layers, with more room if wires would collide."""
    for spread in SPREADS:
        y = positions(layers, heights, outlet, spread)
        between = channels(layers, y, outlet)
        if not any(channel.collides for channel in between):
            break
    return y, between


def _size(node: FlowNode, entering: int) -> tuple[float, float]:
    """Width and height that the texts and the entering wires of a node need."""
    note = OUTPUT if node.is_output else node.operation
    width = max(
        FONT * typeset_label(node.label).width if node.label else 0.0,
        (SMALL_FONT if node.label else FONT) * typeset_label(note).width if note else 0.0,
        14.0,
    )
    lines = TWO_LINES if node.label and note else ONE_LINE
    padding = ROUND_PADDING if node.role in (*SOURCES, *ENDS) else PADDING
    return round(width + 2 * padding), max(lines, PORT_PITCH * (entering - 1) + 10.0)


def _kind(node: FlowNode) -> str:
    """Nodes of one kind in one column are equally wide."""
    return "end" if node.role in (*SOURCES, *ENDS) else "named" if node.label else "equation"


def _placed(node: FlowNode, centre: Point, size: tuple[float, float]) -> Node:
    note = OUTPUT if node.is_output else node.operation
    return Node(node.key, node.role, node.label, note, *centre, *size, node.is_output)


def _edges(
    flow: Flow, nodes: Mapping[str, Node], between: tuple[Channel, ...], lefts: list[float]
) -> tuple[Edge, ...]:
    """Every pair of nodes as a line."""
    edges = []
    for source, target in flow.pairs:
        start, end = nodes[source], nodes[target]
        corners = [(x, y + MARGIN) for x, y in route(source, target, between, lefts)]
        first = (start.x + start.width / 2, corners[0][1])
        last = (end.x - end.width / 2, corners[-1][1])
        edges.append(Edge(source, target, simplified([first, *corners, last])))
    return tuple(edges)
