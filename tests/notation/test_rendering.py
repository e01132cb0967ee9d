"""Every kind of node is set by every renderer, alone and in random trees; lines that break lose nothing."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symrnn.diagrams.labels import label_text, typeset_label
from symrnn.notation import nodes
from symrnn.notation.breaking import flat, indents, lines, points
from symrnn.notation.characters import ACCENTS, BESIDE, GREEK
from symrnn.notation.nodes import Bracket, Face, Node, Row, Script, Sign, Word, children, mapped, walk
from symrnn.notation.parsing import parsed
from symrnn.notation.rendering.latex import WRITERS, latex
from symrnn.notation.rendering.mathml import MAKERS, inline_math
from symrnn.notation.rendering.unicode import PICTURES, columns, inline, picture_lines

KINDS = {kind for kind in vars(nodes).values() if isinstance(kind, type) and issubclass(kind, Node)} - {Node}

LEAVES = st.one_of(
    st.builds(Word, st.sampled_from([*"abcxW", *GREEK.values()])),
    st.builds(Word, st.sampled_from(["rate", "in"]), st.sampled_from([Face.UPRIGHT, Face.NAME, Face.BOLD])),
    st.builds(nodes.Number, st.sampled_from(["0", "1", "0.5", "12"])),
)


def larger(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """What stands for something between operators: made of parts, and of sums of them."""
    signs = st.sampled_from(["+", "−", "⊙", BESIDE, "="]).map(Sign)
    sums = st.builds(
        lambda first, more: Row((first, *(item for pair in more for item in pair))),
        parts,
        st.lists(st.tuples(signs, parts), max_size=4),
    )
    cells = st.lists(sums, min_size=1, max_size=3)
    return st.one_of(
        sums,
        st.builds(Script, parts, sums, sums),
        st.builds(lambda base, primes: Script(base, primes=primes), parts, st.integers(1, 2)),
        st.builds(nodes.Accent, st.sampled_from(sorted(ACCENTS)), LEAVES),
        st.builds(nodes.Fraction, sums, sums),
        st.builds(nodes.Root, sums),
        st.builds(lambda inside, pair: nodes.Fence(inside, *pair), sums, st.sampled_from(["()", "[]", "||"])),
        st.builds(lambda column: nodes.Stack(tuple((cell,) for cell in column)), cells),
        st.builds(lambda column: nodes.Cases(tuple((cell, cell) for cell in column)), cells),
        st.builds(lambda below, inside: Row((nodes.BigOperator("∑", below), inside)), sums, parts),
        st.builds(nodes.Mark, sums),
    )


TREES = st.recursive(LEAVES, larger, max_leaves=12)


def characters(node: Node) -> list[str]:
    """What stands in a tree, in order, brackets and signs included; a line's first dot is no sign."""
    found = []
    for piece in flat(node):
        found += [latex(part) for part in walk(piece) if isinstance(part, Word | nodes.Number | Bracket)]
    return found


def test_every_renderer_has_every_kind_of_node() -> None:
    assert set(WRITERS) == set(MAKERS) == set(PICTURES) == KINDS


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_a_tree_is_set_by_every_renderer(tree: Node) -> None:
    text = latex(tree)
    assert text.isascii()
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert text.count(r"\begin") == text.count(r"\end")
    made = ElementTree.fromstring(inline_math(tree))
    assert "\\" not in "".join(made.itertext())
    assert inline(tree)
    assert points(tree) > 0


@settings(max_examples=150, deadline=None)
@given(TREES, st.integers(20, 200))
def test_lines_lose_nothing_and_start_with_operators(tree: Node, room: int) -> None:
    broken = lines(tree, float(room))
    assert [c for line in broken for c in characters(line)] == characters(tree)
    assert all(isinstance(line.items[0], Sign) for line in broken[1:])
    assert all(line.items[0] != Sign(BESIDE) for line in broken[1:])
    assert len(indents(broken)) == len(broken)
    for line in broken[:-1]:  # what is too wide has no operator before which it could have ended
        pieces = tuple(flat(line))
        assert points(line) <= room or len(lines(Row(pieces), float(room))) == 1


@settings(max_examples=100, deadline=None)
@given(TREES, st.integers(15, 80))
def test_pictures_keep_to_the_width(tree: Node, room: int) -> None:
    shown = picture_lines(tree, room, "q = ")
    assert shown is None or max(map(columns, shown)) <= room


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_trees_can_be_walked_and_mapped(tree: Node) -> None:
    assert mapped(tree, lambda node: node) == tree
    assert len(list(walk(tree))) == 1 + sum(len(list(walk(child))) for child in children(tree))


@pytest.mark.parametrize(
    "name", ["a", r"\Gamma_r", r"\tilde{c}'", r"W_{h_1}^{(1)}", r"\mathbf{W}_{\text{in, out}}"]
)
def test_names_are_written_as_they_are_read(name: str) -> None:
    tree = parsed(name)
    assert parsed(latex(tree)) == tree
    assert label_text(tree)
    assert typeset_label(tree).width > 0


def test_what_a_tree_stands_for_is_no_part_of_it() -> None:
    assert Word("a", of="one") == Word("a", of="other") == Word("a")
