r"""A diagram in LaTeX's own picture environment, which every engine sets and which needs no package.

Lines are upright and level, with curves at their corners. A diagram that is wider than the line is made as
wide as the line, by `\resizebox` where the document has it (graphicx). Without it the lines shrink all the
same, and letters in the steps in which LaTeX's fonts come, so that in a narrow column they fill their boxes.
"""

from collections.abc import Iterable
from math import ceil

from symrnn.diagrams.diagram import FONT, PILL_RADIUS, Diagram, Node, texts
from symrnn.diagrams.flow import ENDS, SOURCES
from symrnn.diagrams.wires import Point, strokes
from symrnn.notation.rendering.latex import latex

PACKAGES: tuple[str, ...] = ("amsmath",)
"""What a document must load, for the names in the diagram; the picture itself needs nothing."""

FONT_SIZES = ((9, 7), (8, 6), (7, 5), (6, 5), (5, 5))
"""Sizes of names and notes for smaller and smaller diagrams, in points: those that LaTeX's fonts have."""

FONT_COMMANDS = {"label": "name", "note": "note"}


def diagram_latex(diagram: Diagram) -> tuple[str, ...]:
    r"""The lines of a picture no wider than `\linewidth`; it stands in the text like one large letter."""
    return (
        r"\begingroup%",
        *_scale(diagram),
        rf"\diagramfit{{\begin{{picture}}({_number(diagram.width)},{_number(diagram.height)})",
        *_wires(diagram),
        *(line for node in diagram.nodes for line in _node(diagram, node)),
        r"\end{picture}}%",
        r"\endgroup",
    )


def _scale(diagram: Diagram) -> Iterable[str]:
    """The unit of length and the sizes of letters."""
    yield r"\setlength{\unitlength}{1pt}\thinlines\let\diagramfit\relax"
    yield r"\def\diagramname{\fontsize{10}{12}\selectfont}\def\diagramnote{\fontsize{8}{10}\selectfont}%"
    yield rf"\ifdim\linewidth<{_number(diagram.width)}pt"
    yield r"  \ifdefined\resizebox\def\diagramfit{\resizebox{\linewidth}{!}}\else"
    yield rf"  \setlength{{\unitlength}}{{\dimexpr\linewidth*10/{ceil(10 * diagram.width)}\relax}}%"
    for name, note in FONT_SIZES:
        yield (
            rf"  \ifdim\unitlength<{(name + 0.7) / FONT:g}pt "
            rf"\def\diagramname{{\fontsize{{{name}}}{{{name + 2}}}\selectfont}}"
            rf"\def\diagramnote{{\fontsize{{{note}}}{{{note + 2}}}\selectfont}}\fi"
        )
    yield r"\fi\fi"


def _wires(diagram: Diagram) -> Iterable[str]:
    for wire in diagram.wires:
        *pieces, last = strokes(wire, diagram.junctions)
        for piece in pieces:
            if piece.corner is None:
                yield _line(diagram, piece.start, piece.end)
            else:
                yield _curve(diagram, piece.start, piece.corner, piece.end)
        yield _put(diagram, last.start, rf"\vector(1,0){{{_number(last.end[0] - last.start[0])}}}")
    for point in diagram.junctions:
        yield _put(diagram, point, r"\circle*{3}")


def _node(diagram: Diagram, node: Node) -> Iterable[str]:
    if node.role in (*SOURCES, *ENDS):
        yield from _pill(diagram, node)
    else:
        corner = node.x - node.width / 2, node.y + node.height / 2
        yield _put(diagram, corner, rf"\framebox({_number(node.width)},{_number(node.height)}){{}}")
    for text in texts(node):
        font = rf"\diagram{FONT_COMMANDS[text.kind]}"
        yield _put(
            diagram, (node.x, text.baseline), rf"\makebox(0,0)[b]{{{font}\smash{{${latex(text.formula)}$}}}}"
        )


def _pill(diagram: Diagram, node: Node) -> Iterable[str]:
    """A box with round corners."""
    x, y = node.x - node.width / 2, node.y - node.height / 2
    u, v = node.x + node.width / 2, node.y + node.height / 2
    r = PILL_RADIUS
    corners = ((x, y, r, r), (u, y, -r, r), (u, v, -r, -r), (x, v, r, -r))
    for a, b, across, down in corners:
        yield _curve(diagram, (a, b + down), (a, b), (a + across, b))
    yield from (_line(diagram, (x + r, level), (u - r, level)) for level in (y, v))
    if node.height > 2 * r:
        yield from (_line(diagram, (side, y + r), (side, v - r)) for side in (x, u))


def _line(diagram: Diagram, start: Point, end: Point) -> str:
    x, y = end[0] - start[0], start[1] - end[1]
    direction = f"({(x > 0) - (x < 0)},{(y > 0) - (y < 0)})"
    return _put(diagram, start, rf"\line{direction}{{{_number(abs(x + y))}}}")


def _curve(diagram: Diagram, *points: Point) -> str:
    """A quadratic curve by its three points."""
    ends = "".join(f"({_number(x)},{_number(diagram.height - y)})" for x, y in points)
    return rf"\qbezier{ends}"


def _put(diagram: Diagram, point: Point, what: str) -> str:
    """Something at a point; LaTeX counts upwards from the lower edge."""
    return rf"\put({_number(point[0])},{_number(diagram.height - point[1])}){{{what}}}"


def _number(value: float) -> str:
    return f"{round(value, 2):g}"
