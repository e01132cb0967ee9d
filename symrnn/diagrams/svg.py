"""A diagram as SVG to stand inside a page, in the page's own text colour, so that dark mode needs nothing.

Classes for a style sheet: `step-diagram` on the whole, `wire`, `junction`, `node` with one of `input`,
`before`, `gate`, `value`, `update`, `after`, `output`, and in a node `box`, `label` and `note`.
"""

from collections.abc import Iterable
from html import escape

from symrnn.diagrams.diagram import PILL_RADIUS, Diagram, Node, texts
from symrnn.diagrams.flow import ENDS, SOURCES
from symrnn.diagrams.labels import Run, label_text, typeset_label
from symrnn.diagrams.wires import Stroke, strokes
from symrnn.notation.nodes import Node as Formula

FONTS: dict[str, str] = {
    "italic": 'font-style="italic"',
    "bold": 'font-weight="bold"',
    "bold-italic": 'font-style="italic" font-weight="bold"',
    "sans": 'font-family="sans-serif"',
    "mono": 'font-family="monospace"',
}
FAMILY = "'STIX Two Text', 'Cambria Math', 'Times New Roman', Times, 'Liberation Serif', serif"
ARROW = 5.0
BOX_RADIUS = 2.0
WIDEST = 1.9
"""CSS pixels per point at which a diagram stops growing."""


def diagram_svg(diagram: Diagram, *, identifier: str = "diagram") -> str:
    """The SVG element of a diagram, as wide as its place allows, with a title and a description.

    `identifier` begins the ids of the element, of its title and of its description: no two diagrams of one
    page may share it.
    """
    width, height = _number(diagram.width), _number(diagram.height)
    title = f"One step of {diagram.title}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{escape(identifier)}" class="step-diagram" role="img" '
        f'aria-labelledby="{escape(identifier)}-title {escape(identifier)}-description" '
        f'viewBox="0 0 {width} {height}" width="100%" '
        f'style="max-width:{_number(diagram.width * WIDEST)}px;height:auto" fill="none" '
        f'stroke="currentColor" stroke-width="0.7" font-family="{FAMILY}">',
        f'<title id="{escape(identifier)}-title">{escape(title)}</title>',
        f'<desc id="{escape(identifier)}-description">{escape(description(diagram))}</desc>',
        *_wires(diagram),
        *(line for node in diagram.nodes for line in _node(node)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def description(diagram: Diagram) -> str:
    """The flow in words: for every node that reads something, what it reads."""
    readers: dict[str, list[str]] = {}
    for edge in diagram.edges:
        readers.setdefault(edge.target, []).append(edge.source)
    names = {node.key: _name(diagram, node) for node in diagram.nodes}
    sentences = []
    for node in diagram.nodes:
        if node.role in ENDS or node.key not in readers:
            continue
        read = " and ".join(names[source] for source in readers[node.key])
        sentences.append(f"{names[node.key]} is computed from {read}.")
    outputs = [names[node.key] for node in diagram.nodes if node.is_output]
    return " ".join([*sentences, *(f"The output is {name}." for name in outputs)])


def _name(diagram: Diagram, node: Node) -> str:
    """A node's name in plain text; the equation of a state or output is called by what it gives."""
    if node.label:
        return label_text(node.label)
    ends = [diagram.node(edge.target) for edge in diagram.edges if edge.source == node.key]
    return next(label_text(end.label) for end in ends if end.label and end.role in ENDS)


def _wires(diagram: Diagram) -> Iterable[str]:
    for wire in diagram.wires:
        x, y = wire[-1]
        yield f'<path class="wire" d="{_path(strokes(wire, diagram.junctions))}"/>'
        yield (
            f'<path class="wire" fill="currentColor" stroke="none" '
            f'd="M{_number(x)} {_number(y)}l{-ARROW:g} -2.2 1.2 2.2 -1.2 2.2z"/>'
        )
    for x, y in diagram.junctions:
        yield (
            f'<circle class="junction" cx="{_number(x)}" cy="{_number(y)}" r="1.5" '
            'fill="currentColor" stroke="none"/>'
        )


def _path(pieces: tuple[Stroke, ...]) -> str:
    made = "M" + " ".join(map(_number, pieces[0].start))
    for piece in pieces[:-1]:
        way = [piece.end] if piece.corner is None else [piece.corner, piece.end]
        made += "LQ"[len(way) - 1] + " ".join(_number(length) for point in way for length in point)
    x, y = pieces[-1].end
    return f"{made}L{_number(x - ARROW / 2)} {_number(y)}"


def _node(node: Node) -> Iterable[str]:
    kind = node.role.value.split()[-1]
    yield f'<g class="node {kind}">'
    pill = node.role in (*SOURCES, *ENDS)
    radius = PILL_RADIUS if pill else BOX_RADIUS
    tint = "" if pill else ' fill="currentColor" fill-opacity="0.07"'
    yield (
        f'<rect class="box" x="{_number(node.x - node.width / 2)}" y="{_number(node.y - node.height / 2)}" '
        f'width="{_number(node.width)}" height="{_number(node.height)}" rx="{_number(radius)}"{tint}/>'
    )
    for text in texts(node):
        yield _text(text.formula, node.x, text.baseline, text.size, text.kind)
    yield "</g>"


def _text(formula: Formula, x: float, y: float, size: float, kind: str) -> str:
    """A label centred at x, with its baseline at y."""
    label = typeset_label(formula)
    if len(label.runs) == 1:  # centred whatever the font's widths are
        (run,) = label.runs
        return (
            f'<text class="{kind}" x="{_number(x)}" y="{_number(y + size * run.y)}" text-anchor="middle" '
            f'fill="currentColor" stroke="none" {_font(run, size)}>{escape(run.text)}</text>'
        )
    left = x - size * label.width / 2
    spans = "".join(
        f'<tspan x="{_number(left + size * run.x)}" y="{_number(y + size * run.y)}" '
        f"{_font(run, size)}>{escape(run.text)}</tspan>"
        for run in label.runs
    )
    return f'<text class="{kind}" fill="currentColor" stroke="none">{spans}</text>'


def _font(run: Run, size: float) -> str:
    """The attributes of a run's font."""
    return " ".join(filter(None, [f'font-size="{_number(size * run.size)}"', FONTS.get(run.font)]))


def _number(value: float) -> str:
    """A length to a hundredth of a point."""
    return f"{round(value, 2):g}"
