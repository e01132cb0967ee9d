"""The diagram of a step agrees with the equations, and is drawn so that it cannot be misread."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from random_cells import random_cell
from sympy import Eq
from test_unshipped_cells import EXAMPLES, MATRIX, PEEPHOLE

from symrnn import Cell, Constant, Input, Parameter, State, Value, axes, sigmoid, tanh
from symrnn.declaration.latex_syntax import ACCENTS_AND_FONTS, GREEK, SYMBOLS, TEXT
from symrnn.declaration.quantities import NextState, Quantity
from symrnn.emission.diagram import Diagram, Node, step_diagram
from symrnn.emission.diagram_flow import Role
from symrnn.emission.diagram_labels import label_text, typeset_label
from symrnn.emission.diagram_latex import PACKAGES, diagram_latex
from symrnn.emission.diagram_svg import diagram_svg
from symrnn.emission.diagram_wires import Point
from symrnn.workbench.typesetting import find_pdflatex
from symrnn.zoo import CELLS, SHIPPED


def declared(text: str, name: str) -> Cell:
    space: dict[str, object] = {}
    exec(text, space)
    cell = space[name]
    assert isinstance(cell, Cell)
    return cell


UNSHIPPED = (
    declared((EXAMPLES / "minimal_gated_unit.py").read_text(), "mgu"),
    declared(PEEPHOLE, "peephole"),
    declared(MATRIX, "matrix_memory"),
)
ALL = (*SHIPPED.values(), *UNSHIPPED)
SVG = "{http://www.w3.org/2000/svg}"


def named(cell: Cell) -> str:
    return cell.name


def segments(points: tuple[Point, ...]) -> list[tuple[Point, Point]]:
    return list(itertools.pairwise(points))


def gap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """How far two intervals are apart; negative where they overlap."""
    return max(a[0], b[0]) - min(a[1], b[1])


def extent(segment: tuple[Point, Point], axis: int) -> tuple[float, float]:
    low, high = sorted(point[axis] for point in segment)
    return low, high


def box(node: Node) -> tuple[tuple[float, float], tuple[float, float]]:
    return (
        (node.x - node.width / 2, node.x + node.width / 2),
        (node.y - node.height / 2, node.y + node.height / 2),
    )


def on_line(point: Point, segment: tuple[Point, Point], margin: float) -> bool:
    return all(gap((point[axis], point[axis]), extent(segment, axis)) < margin for axis in (0, 1))


def check_geometry(diagram: Diagram) -> None:
    for node in diagram.nodes:
        for (low, high), size in zip(box(node), (diagram.width, diagram.height), strict=True):
            assert 0 <= low < high <= size, node
    for a, b in itertools.combinations(diagram.nodes, 2):
        assert max(gap(x, y) for x, y in zip(box(a), box(b), strict=True)) >= 8, (a.key, b.key)
    for edge in diagram.edges:
        check_edge(diagram, edge.source, edge.target, edge.points)
    check_wires(diagram)


def check_edge(diagram: Diagram, source: str, target: str, points: tuple[Point, ...]) -> None:
    start, end = diagram.node(source), diagram.node(target)
    assert points[0][0] == pytest.approx(box(start)[0][1])
    assert points[-1][0] == pytest.approx(box(end)[0][0])
    assert abs(points[0][1] - start.y) <= start.height / 2 - 4
    assert abs(points[-1][1] - end.y) <= end.height / 2 - 4
    for (x, y), (u, v) in segments(points):
        assert (x == u) != (y == v), "neither level nor upright"
        assert u >= x - 1e-9, "goes back in time"
        assert min(x, y, u, v) >= 0
        assert max(x, u) <= diagram.width
        assert max(y, v) <= diagram.height
    for node in diagram.nodes:
        for segment in segments(points):
            apart = max(gap(extent(segment, axis), box(node)[axis]) for axis in (0, 1))
            touches = segment[0] == points[0] and node == start or segment[1] == points[-1] and node == end
            assert apart >= (-1e-9 if touches else 4), (source, target, node.key)


def check_wires(diagram: Diagram) -> None:
    """Wires of different nodes only cross, at right angles and away from corners and junctions."""
    lines = {
        source: [segment for edge in edges for segment in segments(edge.points)]
        for source, edges in itertools.groupby(
            sorted(diagram.edges, key=lambda edge: edge.source), key=lambda edge: edge.source
        )
    }
    for (_, ours), (_, others) in itertools.permutations(lines.items(), 2):
        for a, b in itertools.product(ours, others):
            along = 0 if a[0][1] == a[1][1] else 1
            if (b[0][1] == b[1][1]) == (a[0][1] == a[1][1]):
                aside = abs(a[0][1 - along] - b[0][1 - along])
                assert gap(extent(a, along), extent(b, along)) >= 0 or aside >= 3, (a, b)
            assert not on_line(a[1], b, 1.5), (a, b)
    drawn = [segment for wire in diagram.wires for segment in segments(wire)]
    for point in diagram.junctions:
        assert sum(on_line(point, segment, 1e-6) for segment in drawn) >= 2
    for edge in diagram.edges:  # every part of every edge is drawn
        for (x, y), (u, v) in segments(edge.points):
            for share in (0.01, 0.5, 0.99):
                middle = x + share * (u - x), y + share * (v - y)
                assert any(on_line(middle, segment, 1e-6) for segment in drawn)


@pytest.mark.parametrize("cell", ALL, ids=named)
def test_nothing_overlaps_and_no_wire_runs_through_a_node(cell: Cell) -> None:
    check_geometry(step_diagram(cell))


def test_random_cells_are_drawn_as_well() -> None:
    for seed in range(60):
        diagram = step_diagram(random_cell(seed))
        check_geometry(diagram)
        ElementTree.fromstring(diagram_svg(diagram))
        diagram_latex(diagram)
