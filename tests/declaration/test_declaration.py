"""Quantities as values, and what a cell works out from its equations."""

import copy
import os
import pickle
import subprocess
import sys
from itertools import combinations

import pytest
import sympy
from sympy import Eq

from symrnn import (
    Cell,
    Constant,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    einsum,
    identity,
    maximum,
    minimum,
    outer,
    relu,
    sigmoid,
    sqrt,
    stop_gradient,
    tanh,
    total,
    transpose,
    where,
)
from symrnn.declaration.axes import Axis
from symrnn.declaration.latex_names import name_latex, symbol_latex
from symrnn.declaration.operations import Contract
from symrnn.declaration.quantities import NextState
from symrnn.zoo import CELLS, cell
from symrnn.zoo.simple import elman

n, m, k = axes("n m k")
x, h, c = Input("x", n), State("h", m), State("c", m)
W, U, b, g = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m), Parameter("g")
q, r, y = Value("q"), Value("r"), Value("y")


def declare(right, **options):
    """A cell with one state and the given right side."""
    return Cell("my_cell", Eq(h.next, right), **options)


def right_side(right):
    """The resolved right side, as text."""
    return str(declare(right).equations[0].rhs)


def lines(declared):
    """The normal form, as text."""
    return [str(definition) for definition in declared.definitions]


# -- quantities -----------------------------------------------------------------------------------------

DISTINCT = [
    Input("a", m),
    Input("a", n),
    Input("a"),
    Input("a", m, n),
    Input("a", m + n),
    State("a", m),
    State("a", m).next,
    Parameter("a", m),
    Parameter("a", m, latex="b"),
    Parameter("a", m, init="ones"),
    Parameter("a", m, init=2.0),
    Constant("a", m, value=1.0),
    Constant("a", m, value=2.0),
    Value("a"),
    Value("a", latex="b"),
    Value("a_2"),
    Axis("a"),
    sympy.Symbol("a"),
    sympy.Symbol("a", real=True),
]
QUANTITIES = DISTINCT[:-3]


def test_quantities_that_differ_in_anything_are_different():
    for one, other in combinations(DISTINCT, 2):
        assert one != other
    assert len(set(DISTINCT)) == len(DISTINCT)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=str)
def test_a_copy_is_equal_in_every_respect(quantity):
    for other in (pickle.loads(pickle.dumps(quantity)), copy.deepcopy(quantity), copy.copy(quantity)):
        assert other == quantity
        assert hash(other) == hash(quantity)
        assert type(other) is type(quantity)
        assert (other.name, other.shape, other.latex_name) == (
            quantity.name,
            quantity.shape,
            quantity.latex_name,
        )
        assert getattr(other, "init", None) == getattr(quantity, "init", None)
        assert getattr(other, "value", None) == getattr(quantity, "value", None)


def test_making_a_quantity_twice_gives_equal_ones():
    assert Parameter("W", m, n) == W
    assert State("h", m).next == h.next
    assert hash(Input("x", n)) == hash(x)
    assert axes("n") == n
    assert Input("z", m + n) == Input("z", n + m)


def test_equal_names_keep_their_own_shapes_and_latex():
    """SymPy's cache compares by equality: expressions over look-alikes must not be mixed up."""
    for make in (lambda v: 2 * v + 1, lambda v: v**2, tanh, lambda v: (v * b) + v, lambda v: U @ v):
        one, other = State("z", m, latex="A"), State("z", n, latex="B")
        first, second = make(one), make(other)
        assert first != second
        assert {s.latex_name for s in first.atoms(State)} == {"A"}
        assert {s.shape for s in second.atoms(State)} == {(n,)}


def test_two_cells_with_look_alikes_keep_their_own():
    def made(latex, *shape):
        s, v = State("s", *shape, latex=latex), Value("v", latex=latex)
        return Cell("one", Eq(v, tanh(total(x) + s)), Eq(s.next, v * s + v), output=v)

    first, second = made("A", m), made("B", n)
    assert first.states[0].shape == (m,)
    assert second.states[0].shape == (n,)
    assert symbol_latex(first.values[0]) == "A"
    assert symbol_latex(second.values[0]) == "B"
    assert {a.latex_name for a in second.equations[1].rhs.atoms(State, Value)} == {"B"}


def test_the_next_state_prints_differently():
    assert str(h) == "h"
    assert str(h.next) == "h.next"
    assert str(tanh(h.next) - h) == "-h + tanh(h.next)"
    assert isinstance(h.next, NextState)
    assert h.next.state == h
    assert h.next.shape == (m,)


def test_defaults_of_init():
    assert W.init == "glorot"
    assert b.init == g.init == "zeros"
    assert Parameter("f", m, init=1).init == 1.0
    assert Parameter("R", m, m, init="orthogonal").init == "orthogonal"


def test_shapes_of_axes_integers_and_sums():
    assert Parameter("P", m + n, 3, 2 * m).shape == (m + n, 3, 2 * m)
    assert Parameter("P", m + m).shape == (2 * m,)


# -- printing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (W @ x, "W @ x"),
        (W @ [h, x], "W @ [h, x]"),
        (q * (U @ h), "q*(U @ h)"),
        (U @ (U @ h), "U @ (U @ h)"),
        (b @ (q * h), "b @ (h*q)"),
        (-(U @ h), "-U @ h"),
        ((b @ h) ** 2, "(b @ h)**2"),
        (U.T @ h, "transpose(U) @ h"),
        (einsum("ij,j->i", U, h), "einsum('ij,j->i', U, h)"),
        (where(h > 0, h, b), "where(h > 0, h, b)"),
        (abs(h), "Abs(h)"),
    ],
)
def test_expressions_print_as_they_are_written(expr, text):
    assert str(expr) == text


def test_resolved_products_print_with_their_brackets():
    assert right_side(tanh(W @ x) * (U @ (U @ h))) == "(U @ (U @ h))*tanh(W @ x)"
    assert right_side(W @ x + b * (U @ h)) == "b*(U @ h) + W @ x"


def test_a_cell_prints_its_equations():
    assert str(declare(tanh(W @ x))) == "cell my_cell\n  h.next = tanh(W @ x)\n  output h.next"


# -- what SymPy does to expressions ---------------------------------------------------------------------


def test_factors_before_a_product_belong_to_the_result():
    assert right_side(2 * W @ x) == "2*(W @ x)"
    assert declare(2 * W @ x).equations[0].rhs == 2 * Contract("ij,j->i", W, x)
    assert declare(W @ x - U @ h).equations[0].rhs == Contract("ij,j->i", W, x) - Contract("ij,j->i", U, h)
    assert declare(-U @ h + W @ x).equations[0].rhs == Contract("ij,j->i", W, x) - Contract("ij,j->i", U, h)
    assert declare(g * W @ x / 2).equations[0].rhs == g * Contract("ij,j->i", W, x) / 2
    gated = Cell("my_cell", Eq(q, total(x)), Eq(h.next, tanh(q * (U @ (3 * g * h)))))
    assert gated.equations[1].rhs == tanh(3 * g * q * Contract("ij,j->i", U, h))


def test_a_right_side_that_lost_its_shape_fills_the_state():
    zero = Cell("my_cell", Eq(h.next, h - h), Eq(c.next, g + 1), Eq(y, W @ x), output=y)
    assert [equation.shape for equation in zero.equations] == [(m,), (m,), (m,)]
    assert str(zero.equations[0].rhs) == "0"
    assert zero.states == (h, c)


def test_a_scalar_that_fills_a_state_stays_a_scalar_elsewhere():
    filled = Cell("my_cell", Eq(h.next, g + 1), Eq(q, tanh(g + 1) * total(x)), output=q)
    assert filled.shape_of(q) == ()
    assert "h.next = g + 1" in lines(filled)
    assert all(d.shape == () for d in filled.definitions if d.symbol.name != "h.next")


def test_what_cancels_in_the_normal_form_keeps_its_shape():
    alias = Cell("my_cell", Eq(r, g), Eq(q, W @ x), Eq(y, concatenate(tanh(q + g - W @ x), x)), output=y)
    assert [(str(d), d.shape) for d in alias.definitions] == [
        ("r = g", ()),
        ("q = W @ x", (m,)),
        ("term_g = g", (m,)),
        ("tanh_term_g = tanh(term_g)", (m,)),
        ("y = [tanh_term_g, x]", (m + n,)),
    ]


def test_what_sympy_simplified_stays_so():
    assert right_side(W @ x + sympy.sqrt(h**2)) == "W @ x + abs(h)"
    assert right_side(W @ x + sympy.tanh(-h)) == "W @ x - tanh(h)"
    assert right_side(W @ x + 2 * (h + b)) == "2*b + 2*h + W @ x"
    assert right_side(W @ x + tanh(-h)) == "W @ x + tanh(-h)"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (sympy.tanh(h), "tanh(h)"),
        (sympy.exp(h), "exp(h)"),
        (sympy.log(1 + h**2), "log(h**2 + 1)"),
        (sympy.Abs(h), "abs(h)"),
        (abs(h), "abs(h)"),
        (sympy.Max(h, b), "maximum(b, h)"),
        (sympy.Min(h, b), "minimum(b, h)"),
        (sympy.Max(h, b, 0), "maximum(maximum(b, h), 0)"),
        (sympy.Piecewise((h, h > 0), (b, True)), "where(h > 0, h, b)"),
        (
            sympy.Piecewise((h, h > 1), (b, h > 0), (2, True)),
            "where(h > 1, h, where(h > 0, b, 2))",
        ),
        (sympy.sqrt(1 + h**2), "sqrt(h**2 + 1)"),
        (1 / (1 + h**2), "reciprocal(h**2 + 1)"),
        (1 / sympy.sqrt(1 + h**2), "reciprocal(sqrt(h**2 + 1))"),
        (abs(h) ** 1.5, "power(abs(h), 3/2)"),
        (abs(h) ** -1.5, "reciprocal(sqrt(abs(h)))**3"),
        (abs(h) ** 0.5, "sqrt(abs(h))"),
        (h**2.0, "h**2"),
        (h**-2, "reciprocal(h)**2"),
        (abs(h) ** 0.3, "power(abs(h), 0.3)"),
        (2**h, "exp(h*log(2))"),
        ((1 + h**2) ** b, "power(h**2 + 1, b)"),
        (b / h, "b*reciprocal(h)"),
        (sympy.conjugate(h), "h"),
    ],
)
def test_sympy_functions_and_powers_become_the_vocabulary(theirs, ours):
    assert right_side(stop_gradient(theirs) + W @ x) == f"W @ x + stop_gradient({ours})"


def test_a_comparison_with_a_piecewise_becomes_a_choice():
    """SymPy turns it into a condition with if-then-else."""
    inner = sympy.Piecewise((h, b > 0), (b, True))
    text = right_side(W @ x + sympy.Piecewise((h, inner > c), (b, True)).subs(c, h**2))
    assert "where(" in text


def test_every_way_to_transpose_transposes():
    wanted = declare(W @ x + transpose(U) @ h)
    for transposed in (U.T, U.transpose(), sympy.transpose(U), sympy.adjoint(U)):
        assert declare(W @ x + transposed @ h) == wanted
    V = Parameter("V", m, m)
    assert right_side(W @ x + (U + V).transpose() @ h) == "W @ x + (transpose(U) + transpose(V)) @ h"


def test_numbers_made_of_axes():
    scaled = declare(tanh(W @ x / sympy.sqrt(m)))
    assert scaled == declare(tanh(W @ x / sqrt(m)))
    assert "W_x/sqrt(m)" in lines(scaled)[1]
    assert right_side(W @ x * sigmoid(0)) == "(W @ x)/2"
    assert right_side((m + n) * W @ x) == "(m + n)*(W @ x)"
    assert declare(W @ x * k + total(Parameter("p", k))).axes == (n, m, k)


# -- order ----------------------------------------------------------------------------------------------


def test_inputs_and_parameters_come_by_first_use_and_by_rank():
    z, s = Input("a", n), Input("s")
    A, a = Parameter("A", m, n), Parameter("a_g")
    made = Cell(
        "my_cell",
        Eq(q, a * s + total(z)),
        Eq(h.next, tanh(g * (W @ x) + A @ z + b) * Constant("e", value=2.0)),
        Eq(c.next, U @ c + Constant("d", m, value=1.0)),
        output=c,
    )
    assert [p.name for p in made.parameters] == ["a_g", "A", "W", "b", "g", "U"]
    assert [i.name for i in made.inputs] == ["a", "s", "x"]
    assert [e.name for e in made.constants] == ["e", "d"]


def test_matrices_come_before_vectors_before_scalars_whatever_their_names():
    w, A_v, A_s = Parameter("w", m, n), Parameter("A_v", m), Parameter("A_s")
    made = declare(tanh(w @ x + A_s * A_v) + U @ h)
    assert [p.name for p in made.parameters] == ["U", "w", "A_v", "A_s"]


def test_states_and_values_come_in_the_order_of_their_equations():
    made = Cell("my_cell", Eq(c.next, r + c), Eq(r, q * h), Eq(h.next, q), Eq(q, tanh(W @ x + h)), output=r)
    assert made.states == (c, h)
    assert made.values == (r, q)
    assert [equation.number for equation in made.equations] == [1, 2, 3, 4]
    assert [str(d.symbol) for d in made.definitions] == ["W_x", "a_q", "q", "r", "c.next", "h.next"]


def test_the_order_of_equations_does_not_change_what_they_mean():
    one, two = Eq(q, sigmoid(W @ x)), Eq(h.next, q * h)
    assert lines(Cell("my_cell", one, two)) == lines(Cell("my_cell", two, one))


def test_a_next_value_is_used_by_later_equations():
    made = Cell("my_cell", Eq(h.next, q * tanh(c.next)), Eq(q, W @ x), Eq(c.next, c + q), output=h.next)
    assert lines(made) == ["q = W @ x", "c.next = c + q", "tanh_c = tanh(c.next)", "h.next = tanh_c*q"]


# -- output and shapes ----------------------------------------------------------------------------------


def test_one_state_is_the_output():
    assert declare(tanh(W @ x)).output == h.next
    assert declare(tanh(W @ x)).output_shape == (m,)


def test_an_output_may_be_a_value_or_either_value_of_a_state():
    equations = (Eq(q, dot_with_x()), Eq(h.next, tanh(W @ x + q)))
    for output, shape in ((q, ()), (h, (m,)), (h.next, (m,))):
        made = Cell("my_cell", *equations, output=output)
        assert made.output == output
        assert made.output_shape == shape


def dot_with_x():
    return x @ Parameter("v", n)


def test_a_cell_without_state_is_a_layer():
    layer = Cell("my_layer", Eq(y, relu(W @ x + b)), output=y)
    assert layer.states == ()
    assert layer.output_shape == (m,)


def test_shapes_of_values_are_inferred():
    made = Cell(
        "my_cell",
        Eq(q, outer(h, W @ x)),
        Eq(r, q @ h + 1),
        Eq(y, total(q) * g),
        Eq(h.next, r * y),
        output=h,
    )
    assert dict(made.shapes) == {q: (m, m), r: (m,), y: ()}
    assert made.shape_of(q) == (m, m)
    assert made.shape_of(h.next) == (m,)


def test_a_matrix_state():
    C, v, w = State("C", m, k), Value("v"), Parameter("w", k, n)
    made = Cell(
        "memory",
        Eq(v, tanh(W @ x)),
        Eq(C.next, sigmoid(g) * C + outer(v, w @ x)),
        Eq(y, C.next @ (w @ x)),
        output=y,
    )
    assert made.states == (C,)
    assert made.output_shape == (m,)
    assert made.axes == (n, m, k)


def test_heads_by_einsum():
    A, v = Parameter("A", 4, k, k), State("v", 4, k)
    made = Cell("heads", Eq(v.next, tanh(einsum("hij,hj->hi", A, v) + outer(Parameter("p", 4), w_x()))))
    assert made.states[0].shape == (4, k)
    assert 'einsum("ijk,ik->ij", A, v)' in str(made)


def w_x():
    return Parameter("w", k, n) @ x


def test_titles_and_sources_are_kept():
    made = declare(W @ x, title="A title", variant="a variant", source="a source")
    assert (made.title, made.variant, made.source) == ("A title", "a variant", "a source")
    assert declare(W @ x).title == "my_cell"


def test_the_same_declaration_is_the_same_cell():
    assert declare(tanh(W @ x)) == declare(tanh(Parameter("W", m, n) @ Input("x", n)))
    assert hash(declare(tanh(W @ x))) == hash(declare(tanh(W @ x)))
    assert declare(tanh(W @ x)) != declare(tanh(W @ x + b))


def test_a_cell_is_frozen():
    with pytest.raises(AttributeError):
        declare(W @ x).name = "other"


# -- the normal form ------------------------------------------------------------------------------------


def test_a_value_that_is_one_call_is_that_call():
    made = Cell("my_cell", Eq(q, sigmoid(W @ x + b)), Eq(h.next, q * tanh(h)))
    assert lines(made) == [
        "W_x = W @ x",
        "a_q = b + W_x",
        "q = sigmoid(a_q)",
        "tanh_h = tanh(h)",
        "h.next = tanh_h*q",
    ]
    assert symbol_latex(made.definitions[1].symbol) == "a_{q}"
    assert [d.equation for d in made.definitions] == [1, 1, 1, 2, 2]


def test_parts_are_named_by_content():
    made = Cell(
        "my_cell",
        Eq(q, r * (U @ h)),
        Eq(r, sigmoid(W @ x)),
        Eq(h.next, tanh(U @ (r * c)) * maximum(q, minimum(c, 0))),
        Eq(c.next, total(q) * b + U.T @ q),
        output=h,
    )
    names = {d.symbol.name for d in made.definitions}
    assert {"U_h", "c_r", "U_c_r", "total_q", "U_T", "U_T_q", "minimum_c"} <= names


def test_names_are_numbered_on_a_tie_and_authors_names_win():
    U_h, a_q = Parameter("U_h", m), Value("a_q")
    made = Cell(
        "my_cell",
        Eq(q, tanh(U @ h + U_h)),
        Eq(a_q, sigmoid(U @ h.next)),
        Eq(h.next, q + W @ x),
        output=a_q,
    )
    assert lines(made) == [
        "U_h_2 = U @ h",
        "a_q_2 = U_h + U_h_2",
        "q = tanh(a_q_2)",
        "W_x = W @ x",
        "h.next = W_x + q",
        "a_a_q = U @ h.next",
        "a_q = sigmoid(a_a_q)",
    ]


def test_equal_expressions_share_one_part():
    made = Cell(
        "my_cell", Eq(q, sigmoid(W @ x + b)), Eq(r, tanh(W @ x + b)), Eq(h.next, q * r * tanh(W @ x + b))
    )
    assert lines(made) == [
        "W_x = W @ x",
        "a_q = b + W_x",
        "q = sigmoid(a_q)",
        "r = tanh(a_q)",
        "h.next = q*r**2",
    ]


def test_parameter_only_definitions_are_static():
    A = Value("A")
    made = Cell(
        "antisymmetric",
        Eq(A, U - transpose(U) - g * identity(m)),
        Eq(h.next, h + Constant("e", value=0.1) * tanh(A @ h + W @ x + sigmoid(b))),
    )
    static = {d.symbol.name for d in made.definitions if d.static}
    moving = {d.symbol.name for d in made.definitions if not d.static}
    assert static == {"U_T", "identity_m", "A", "sigmoid_b"}
    assert {"A_h", "W_x", "h.next"} <= moving
    assert made.shape_of(A) == (m, m)


def test_a_state_with_a_fixed_right_side_is_not_static():
    made = Cell("my_cell", Eq(h.next, tanh(b)), Eq(q, tanh(b) + W @ x + h), output=q)
    by_name = {d.symbol.name: d for d in made.definitions}
    assert not by_name["h.next"].static
    assert by_name["tanh_b"].static


# -- determinism, pickling ------------------------------------------------------------------------------

TELL = """
from symrnn.zoo import CELLS
for cell in CELLS.values():
    print(cell, *cell.definitions, *cell.parameters, *cell.inputs, cell.axes, sep="\\n")
    print([str(equation.rhs.args) for equation in cell.equations])
"""


def test_two_hash_seeds_give_the_same_cells():
    path = os.pathsep.join(filter(None, sys.path))
    texts = [
        subprocess.run(
            [sys.executable, "-c", TELL],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert texts[0].count("cell ") == len(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_pickled(name):
    shipped = cell(name)
    again = pickle.loads(pickle.dumps(shipped))
    assert again == shipped
    assert lines(again) == lines(shipped)
    assert [p.shape for p in again.parameters] == [p.shape for p in shipped.parameters]


# -- the shipped cells ----------------------------------------------------------------------------------


def test_the_six_shipped_cells():
    assert list(CELLS) == ["elman", "gru_simplified", "gru", "gru_reset_after", "lstm_notes", "lstm"]
    for name, shipped in CELLS.items():
        assert shipped.name == name
        assert shipped.title
        assert shipped.variant
        assert shipped.source


def test_elman_with_either_activation():
    assert str(elman("relu").equations[0]) == "s.next = relu(b_s + W_s @ [x, s])"
    assert str(elman().equations[0]) == "s.next = tanh(b_s + W_s @ [x, s])"
    assert elman("relu").name == "elman_relu"


def test_parameters_of_the_lstm_in_order():
    names = [p.name for p in cell("lstm").parameters]
    assert names == ["W_i", "b_i", "W_f", "b_f", "W_o", "b_o", "W_g", "b_g"]
    assert [s.name for s in cell("lstm").states] == ["c", "h"]


# -- LaTeX names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("c", "c"),
        ("c_tilde", r"\tilde{c}"),
        ("h_hat", r"\hat{h}"),
        ("h_bar", r"\bar{h}"),
        ("h_prime", "h'"),
        ("h_bar_hat", r"\hat{\bar{h}}"),
        ("what", r"\mathrm{what}"),
        ("hat", r"\mathrm{hat}"),
        ("W_r", "W_{r}"),
        ("W_in", r"W_{\mathrm{in}}"),
        ("U_n_h", "U_{n,h}"),
        ("alpha", r"\alpha"),
        ("alpha_h", r"\alpha_{h}"),
        ("Gamma_r", r"\Gamma_{r}"),
        ("lambda_", r"\lambda"),
        ("W1", "W_{1}"),
        ("W12_h", "W_{12,h}"),
        ("W_1", "W_{1}"),
        ("W1_tilde", r"\tilde{W}_{1}"),
        ("alpha2", r"\alpha_{2}"),
        ("W_alpha", r"W_{\alpha}"),
        ("W_c_tilde", r"W_{\tilde{c}}"),
        ("c_tilde_r", r"\tilde{c}_{r}"),
        ("W_h_prime", "W_{h'}"),
        ("dot", r"\mathrm{dot}"),
        ("beta_dot", r"\beta_{\mathrm{dot}}"),
    ],
)
def test_latex_of_plain_names(name, latex):
    assert name_latex(name) == latex
    assert symbol_latex(Value(name)) == latex
    assert Value("v", latex=latex).latex_name == latex  # the table writes what a name may contain


def test_a_given_latex_name_is_used_as_it_stands():
    assert symbol_latex(Value("r", latex=r"\Gamma_r")) == r"\Gamma_r"
    assert symbol_latex(State("h", m, latex=r"\eta").next) == r"\eta"
    assert symbol_latex(h.next) == "h"
