"""The diagram of a step agrees with the equations, and is drawn so that it cannot be misread."""

import itertools
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from declared_cells import declared
from random_cells import random_cell
from sympy import Eq
from unshipped_cells import EXAMPLES, MATRIX, PEEPHOLE

from symrnn import Cell, Constant, Input, Parameter, State, Value, axes, sigmoid, tanh
from symrnn.declaration.quantities import NextState, Quantity
from symrnn.diagrams.diagram import Diagram, Node, step_diagram, texts
from symrnn.diagrams.flow import Role
from symrnn.diagrams.labels import label_text, typeset_label
from symrnn.diagrams.latex import PACKAGES, diagram_latex
from symrnn.diagrams.svg import diagram_svg
from symrnn.diagrams.wires import Point
from symrnn.notation.characters import ACCENTS, GREEK
from symrnn.notation.nodes import Face, Script, Word
from symrnn.notation.parsing import FACES, SYMBOLS, parsed
from symrnn.notation.rendering.latex import latex
from symrnn.publishing.typesetting import find_pdflatex
from symrnn.zoo import CELLS, SHIPPED

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
            ends = (node == start and segment[0] == points[0], node == end and segment[1] == points[-1])
            assert apart >= (-1e-9 if any(ends) else 4), (source, target, node.key)


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
    check_drawing(diagram)


def check_drawing(diagram: Diagram) -> None:
    """Junctions lie on wires, and every part of every edge is drawn, once."""
    drawn = [segment for wire in diagram.wires for segment in segments(wire)]
    for point in diagram.junctions:
        assert sum(on_line(point, segment, 1e-6) for segment in drawn) >= 2
    for a, b in itertools.combinations(drawn, 2):  # nothing is drawn twice
        for along in (0, 1):
            if len({point[1 - along] for point in (*a, *b)}) == 1:
                assert gap(extent(a, along), extent(b, along)) >= -1e-6, (a, b)
    for edge in diagram.edges:  # every part of every edge is drawn
        for (x, y), (u, v) in segments(edge.points):
            for share in (0.01, 0.5, 0.99):
                middle = x + share * (u - x), y + share * (v - y)
                assert any(on_line(middle, segment, 1e-6) for segment in drawn)


@pytest.mark.parametrize("cell", ALL, ids=named)
def test_nothing_overlaps_and_no_wire_runs_through_a_node(cell: Cell) -> None:
    check_geometry(step_diagram(cell))


def test_random_cells_are_drawn_as_well() -> None:
    for seed in range(30):
        diagram = step_diagram(random_cell(seed))
        check_geometry(diagram)
        ElementTree.fromstring(diagram_svg(diagram))
        diagram_latex(diagram)


def dense_cell(seed: int) -> Cell:
    """A cell with many values, each of which reads up to four others."""
    pick = random.Random(seed)
    m = axes("m")
    x, h, c = Input("x", m), State("h", m), State("c", m)
    known: list[Quantity] = [x, h, c]
    equations = []
    targets: list[Quantity] = [*(Value(f"v_{k}") for k in range(pick.randint(4, 11))), h.next, c.next]
    for target in targets:
        terms = [tanh(q) for q in pick.sample(known, pick.randint(1, min(4, len(known))))]
        equations.append(Eq(target, sum(terms[1:], terms[0]) + x if target == h.next else sum(terms)))
        known.append(target)
    return Cell(f"dense_{seed}", *equations, output=h.next)


def test_dense_cells_are_drawn_as_well() -> None:
    for seed in (*range(8), 50, 98):  # in the last two, wires first run into each other
        check_geometry(step_diagram(dense_cell(seed)))


def expected_edges(cell: Cell) -> set[tuple[str, str]]:
    """Read anew from the equations: who uses whom, and what each state and the output come from."""
    fixed = {definition.symbol for definition in cell.definitions if definition.static}
    ends = {state.next for state in cell.states} | ({cell.output} - set(cell.states))

    def makes(quantity: Quantity) -> str:
        return f"{quantity.name}:equation" if quantity in ends else quantity.name

    found = {(makes(end), end.name) for end in ends - fixed}
    for equation in cell.equations:
        if equation.target not in fixed:
            for used in equation.rhs.atoms(Quantity) - fixed:
                if isinstance(used, Input | State | NextState | Value):
                    found.add((makes(used), makes(equation.target)))
    return found


@pytest.mark.parametrize("cell", [*ALL, *map(random_cell, range(8))], ids=named)
def test_an_edge_for_each_quantity_that_an_equation_uses(cell: Cell) -> None:
    diagram = step_diagram(cell)
    pairs = [(edge.source, edge.target) for edge in diagram.edges]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected_edges(cell)
    fixed = {definition.symbol for definition in cell.definitions if definition.static}
    keys = {q.name for q in (*cell.states, *cell.inputs, *cell.values) if q not in fixed}
    keys |= {state.next.name for state in cell.states} | {cell.output.name}
    shown = {node.key.removesuffix(":equation") for node in diagram.nodes}
    assert shown == keys
    equations = [node for node in diagram.nodes if node.role in (Role.GATE, Role.VALUE, Role.UPDATE)]
    assert len(equations) == sum(equation.target not in fixed for equation in cell.equations)
    assert [node.key.removesuffix(":equation") for node in diagram.nodes if node.is_output] == [
        cell.output.name
    ]


@pytest.mark.parametrize("cell", ALL, ids=named)
def test_before_on_the_left_after_on_the_right(cell: Cell) -> None:
    diagram = step_diagram(cell)
    columns = {role: {node.x for node in diagram.nodes if node.role == role} for role in Role}
    first, last = min(node.x for node in diagram.nodes), max(node.x for node in diagram.nodes)
    assert columns[Role.BEFORE] | columns[Role.INPUT] == {first}
    assert columns[Role.AFTER] | columns[Role.OUTPUT] == {last}
    between = columns[Role.GATE] | columns[Role.VALUE] | columns[Role.UPDATE]
    assert all(first < x < last for x in between)
    heights = [[node.y for node in diagram.nodes if node.role == role] for role in (Role.BEFORE, Role.AFTER)]
    before, after = (sorted(range(len(cell.states)), key=ys.__getitem__) for ys in heights)
    assert before == after, "the states stand in one order on both sides"


def marks(cell: Cell) -> dict[str, str]:
    return {
        node.key.removesuffix(":equation"): label_text(node.note)
        for node in step_diagram(cell).nodes
        if node.role in (Role.GATE, Role.VALUE, Role.UPDATE)
    }


def test_nodes_show_what_their_equations_do() -> None:
    assert marks(CELLS["gru"]) == {"r": "σ", "u": "σ", "c_tilde": "tanh", "c.next": "⊙+"}
    assert marks(CELLS["lstm"]) == dict.fromkeys("ifo", "σ") | {
        "g": "tanh",
        "c.next": "⊙+",
        "h.next": "tanh⊙",
    }
    assert marks(SHIPPED["binary_cross_entropy"]) == {
        "z": "affine",
        "y_hat": "σ",
        "loss": "softplus⊙−Σ",
    }
    assert marks(SHIPPED["embedding"]) == {"x": "take"}
    assert marks(UNSHIPPED[2])["C.next"] == "⊗⊙+"


def test_what_parameters_alone_determine_is_not_drawn() -> None:
    n, m = axes("n m")
    x, h, A, y = Input("x", n), State("h", m), Value("A"), Value("y")
    U, W, gamma = Parameter("U", m, m), Parameter("W", m, n), Constant("gamma", value=0.1)
    cell = Cell("own", Eq(A, gamma * U), Eq(h.next, tanh(A @ h + W @ x)), Eq(y, 2 * h.next), output=y)
    diagram = step_diagram(cell)
    assert {node.key for node in diagram.nodes} == {"x", "h", "h.next:equation", "h.next", "y:equation", "y"}
    assert marks(cell) == {"h.next": "tanh", "y": "affine"}


def test_names_can_come_from_another_printer_and_sigma_from_the_author() -> None:
    n, m = axes("n m")
    x, h, sigma = Input("x", n), State("h", m), Value("sigma")
    W = Parameter("W", m, n)
    cell = Cell("own", Eq(sigma, sigmoid(W @ x)), Eq(h.next, sigma * h))
    diagram = step_diagram(cell, symbol=lambda q: Script(Word(q.name[0], Face.BOLD), Word("t")))
    assert diagram.node("x").label == parsed(r"\mathbf{x}_{t}")
    assert label_text(diagram.node("sigma").note) == "sigmoid"


def crossings(diagram: Diagram) -> int:
    found = set()
    for a, b in itertools.permutations(diagram.edges, 2):
        if a.source != b.source:
            for (x, y), (u, _) in segments(a.points):
                for (p, q), (r, s) in segments(b.points):
                    if x < p < u and p == r and min(q, s) < y < max(q, s):
                        found.add((p, y))
    return len(found)


def test_few_wires_cross() -> None:
    found = {name: crossings(step_diagram(cell)) for name, cell in CELLS.items()}
    assert found == {
        "elman": 0,
        "gru_simplified": 1,
        "gru": 2,
        "gru_reset_after": 2,
        "lstm_notes": 2,
        "lstm": 3,
    }


@pytest.mark.parametrize("cell", ALL, ids=named)
def test_svg_is_well_formed_and_tells_what_it_shows(cell: Cell) -> None:
    diagram = step_diagram(cell)
    text = diagram_svg(diagram, identifier="step")
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("viewBox") == f"0 0 {diagram.width:g} {diagram.height:g}"
    named_by = (root.get("aria-labelledby") or "").split()
    spoken = {element.get("id"): element.text for element in root if element.get("id")}
    assert [spoken[name] for name in named_by] == [*spoken.values()]
    assert cell.title in (spoken["step-title"] or "")
    for node in diagram.nodes:
        if node.label:
            assert label_text(node.label) in (spoken["step-description"] or "")
    assert len(root.findall(f"{SVG}g[@class]")) == len(diagram.nodes)
    colours = {element.get(name) for element in root.iter() for name in ("fill", "stroke")}
    assert colours <= {"currentColor", "none", None}


def test_svg_has_an_arrowhead_per_edge_and_texts_of_all_names() -> None:
    diagram = step_diagram(CELLS["gru"])
    root = ElementTree.fromstring(diagram_svg(diagram))
    heads = [path for path in root.findall(f"{SVG}path") if path.get("fill") == "currentColor"]
    assert len(heads) == len(diagram.edges)
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert sorted(texts) == sorted(
        ["c⟨t−1⟩", "x⟨t⟩", "Γr⟨t⟩", "σ", "Γu⟨t⟩", "σ", "c˜⟨t⟩", "tanh", "⊙+", "c⟨t⟩", "output"]
    )


def test_scripts_stand_one_above_the_other() -> None:
    base, low, *high = typeset_label(parsed(r"\Gamma_r^{\langle t\rangle}")).runs
    assert (base.text, low.text, "".join(run.text for run in high)) == ("Γ", "r", "⟨t⟩")
    assert low.y > 0 > high[0].y
    assert low.x == high[0].x >= base.x + base.width
    assert low.size == high[0].size < base.size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (r"\tilde{c}^{\langle t-1\rangle}", "c˜^⟨t−1⟩"),
        (r"W_{\text{in out}}'", "W_in out′"),
        (r"\mathbb{R}\mathcal{L}\mathfrak{C}_{ij}", "ℝℒℭ_ij"),
        (r"\operatorname{softmax}", "softmax"),
        (r"\varepsilon\,\ell\infty\{\}", "εℓ∞{}"),
    ],
)
def test_labels_as_text(name: str, text: str) -> None:
    assert label_text(parsed(name)) == text


def test_every_name_that_a_declaration_allows_can_be_set() -> None:
    for name in GREEK.keys() | SYMBOLS:
        label = typeset_label(parsed(f"\\{name}_{{\\{name}}}"))
        assert len(label.runs) == 2
        assert all(ord(character) > 127 or name == run.text for run in label.runs for character in run.text)
    for name in ACCENTS.keys() | FACES.keys():
        assert typeset_label(parsed(f"\\{name}{{a}}")).width > 0


def latex_log(diagrams: list[Diagram], packages: tuple[str, ...], width: str, folder: Path) -> str:
    lines = [
        r"\documentclass[twoside]{article}",
        *(rf"\usepackage{{{package}}}" for package in packages),
        rf"\setlength{{\textwidth}}{{{width}}}\begin{{document}}\raggedbottom\sloppy",
    ]
    for diagram in diagrams:
        lines += [r"\noindent", *diagram_latex(diagram), r"\par"]
    (folder / "picture.tex").write_text("\n".join([*lines, r"\end{document}"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "picture.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "picture.log").read_text()


@pytest.mark.parametrize(
    ("width", "more"), [("460pt", ()), ("240pt", ()), ("120pt", ()), ("240pt", ("graphicx",))]
)
def test_latex_compiles_without_complaint_and_keeps_to_the_line(
    width: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    if find_pdflatex() is None:  # CI installs it and refuses skipped tests
        pytest.skip("pdflatex is missing: install texlive-latex-base and texlive-latex-recommended")
    diagrams = [step_diagram(cell) for cell in (*ALL, *map(random_cell, range(6)))]
    log = latex_log(diagrams, (*PACKAGES, *more), width, tmp_path)
    complaints = [line for line in log.splitlines() if "Warning" in line or "full" in line]
    assert complaints == []


def test_texts_fit_into_their_nodes_as_tex_sets_them(tmp_path: Path) -> None:
    if find_pdflatex() is None:
        pytest.skip("pdflatex is missing: install texlive-latex-base and texlive-latex-recommended")
    lines = [r"\documentclass{article}\usepackage{amsmath}\begin{document}"]
    rooms = []
    for cell in ALL:
        for node in step_diagram(cell).nodes:
            for text in texts(node):
                size = rf"\fontsize{{{text.size:g}}}{{12}}\selectfont"
                lines.append(rf"\setbox0\hbox{{{size}${latex(text.formula)}$}}\typeout{{wide \the\wd0}}")
                rooms.append((cell.name, latex(text.formula), node.width))
    (tmp_path / "wide.tex").write_text("\n".join([*lines, r"\end{document}"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "wide.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    widths = [float(width) for width in re.findall(r"^wide ([\d.]+)pt", done.stdout, re.MULTILINE)]
    assert len(widths) == len(rooms)
    tight = [(room, wide) for room, wide in zip(rooms, widths, strict=True) if wide > room[2] - 4]
    assert tight == []


def test_latex_is_small_and_plain() -> None:
    lines = diagram_latex(step_diagram(CELLS["lstm"]))
    assert sum(map(len, lines)) < 8000
    assert all(line.isascii() for line in lines)


def test_same_text_whatever_the_order_of_hashes() -> None:
    program = (
        "from symrnn.zoo import SHIPPED\n"
        "from symrnn.diagrams.diagram import step_diagram\n"
        "from symrnn.diagrams.svg import diagram_svg\n"
        "from symrnn.diagrams.latex import diagram_latex\n"
        "for cell in SHIPPED.values():\n"
        "    print(diagram_svg(step_diagram(cell)), *diagram_latex(step_diagram(cell)))\n"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("0", "1")
    ]
    assert made[0] == made[1]
    assert len(made[0]) > 10_000
