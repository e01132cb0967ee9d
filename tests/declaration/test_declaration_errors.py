"""Every declaration that is refused, and the words that say why, where and how to mend it."""

import pytest
import sympy
from sympy import Eq, Symbol

from symrnn import (
    Cell,
    Constant,
    DeclarationError,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    dot,
    einsum,
    identity,
    log,
    matmul,
    maximum,
    ones,
    outer,
    sigmoid,
    sqrt,
    tanh,
    total,
    transpose,
    where,
)

n, m = axes("n m")
x, h, c = Input("x", n), State("h", m), State("c", m)
W, U, b, g = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m), Parameter("g")
q, r, y = Value("q"), Value("r"), Value("y")


def declare(right, **options):
    """A cell with one state and the given right side."""
    return Cell("my_cell", Eq(h.next, right), **options)


def refused(*phrases):
    """Expect an error that says all of `phrases`, in this order."""
    return pytest.raises(DeclarationError, match="(?s)" + ".*".join(phrases))


IN_FIRST = r"In cell 'my_cell', equation 1 \(h.next = ...\): "


# -- shapes ---------------------------------------------------------------------------------------------


def test_a_sum_of_different_shapes_names_both():
    with refused(
        IN_FIRST, "shapes differ in", r"x has \(n,\), W @ x has \(m,\)", "equal shapes or are scalars"
    ):
        declare(tanh(W @ x + x))


def test_a_vector_times_a_matrix_offers_einsum():
    with refused(IN_FIRST, r"U has \(m, m\), h has \(m,\)", "write @ or einsum"):
        declare(tanh(W @ x + U * h))


def test_operands_of_a_function_have_equal_shapes():
    with refused(IN_FIRST, r"maximum\(h, x\)", r"h has \(m,\), x has \(n,\)"):
        declare(W @ x + maximum(h, x))


def test_a_product_names_both_shapes():
    with refused(
        IN_FIRST,
        "last size on the left of @ must equal the first on its right",
        r"W has shape \(m, n\) and h has shape \(m,\)",
    ):
        declare(tanh(W @ h))


def test_a_product_with_a_scalar_is_no_contraction():
    with refused(IN_FIRST, "@ contracts the last axis", r"g has shape \(\)", r"h has shape \(m,\)"):
        declare(W @ x + g @ h)


def test_a_gate_before_a_product_is_told_how_it_was_read():
    with refused(
        IN_FIRST,
        r"U has \(m, m\), b has \(m,\)",
        r"a \* U @ h is read as \(a \* U\) @ h",
        r"write a \* \(U @ h\)",
    ):
        declare(tanh(W @ x + b * U @ h))


def test_a_product_of_the_wrong_rank_is_told_how_it_was_read():
    with refused(IN_FIRST, r"must equal the first on its right", r"read as \(a \* U\) @ h"):
        declare(tanh(W @ x + 2 * b * b @ x))


def test_a_state_and_its_right_side_have_one_shape():
    matrix = State("C", m, m)
    with refused(
        r"equation 1 \(C.next = ...\)",
        r"the state C has shape \(m, m\)",
        r"right side has shape \(m,\)",
        "Make them equal",
    ):
        Cell("my_cell", Eq(matrix.next, W @ x))


def test_a_moving_scalar_does_not_fill_a_state():
    with refused(IN_FIRST, r"the state h has shape \(m,\)", r"shape \(\)", r"ones\(...\)"):
        declare(dot(x, x))


def test_transposing_takes_a_matrix():
    with refused(IN_FIRST, r"transpose takes a matrix, but in transpose\(h\): h has shape \(m,\)"):
        declare(W @ x + U @ h.T)
    with refused(r"transpose\(g\): g has shape \(\)"):
        declare(W @ x * transpose(g))


def test_dot_and_outer_take_vectors():
    with refused(IN_FIRST, r"dot takes two vectors", r"U has shape \(m, m\) and h has shape \(m,\)"):
        declare(W @ x * dot(U, h))
    with refused(IN_FIRST, r"the contracted sizes differ", r"x \(n,\), h \(m,\)"):
        declare(W @ x * dot(x, h))
    with refused(IN_FIRST, r"outer takes two vectors", r"U has shape \(m, m\)"):
        declare(outer(U, h) @ h + W @ x)


def test_a_stack_holds_no_scalar():
    with refused(IN_FIRST, r"the stack \[h, g\] contains the scalar g", r"ones\(1\)"):
        declare(W @ x + U @ [h, g])
    with refused(r"the stack \[1, 2\] contains the scalar 1"):
        declare(W @ x + U @ [1, 2])


def test_a_stack_joins_equal_ranks():
    with refused(IN_FIRST, r"joins different shapes: U \(m, m\), h \(m,\)", "all axes but the first"):
        declare(W @ x + U @ [U, h])


@pytest.mark.parametrize("parts", [[], [x]])
def test_a_stack_has_two_parts(parts):
    with refused("at least two parts", "Write the one part alone"):
        W @ parts


def test_the_sides_of_where_have_one_shape():
    with refused(IN_FIRST, r"shapes differ in where\(x > 0", r"W @ x has \(m,\), x has \(n,\)"):
        declare(where(x > 0, W @ x, h))


def test_an_axis_that_stands_in_an_expression_alone_is_told_by_nothing():
    k = axes("k")
    with refused(
        IN_FIRST, "the size k can be told from no shape of an input, a state, a parameter or a constant",
        "Give one of these an axis k of its own, or write a number as a Constant",
    ):  # fmt: skip
        declare(tanh(h / k + W @ x))


def test_sizes_that_stand_in_one_sum_alone_are_told_by_nothing():
    p, k = axes("p k")
    z = Input("z", p + k)
    with refused(IN_FIRST, "the size k and the size p can be told from no shape", r"only k \+ p"):
        declare(tanh(Parameter("V", m, p + k) @ z))


def test_a_size_is_told_by_what_a_sum_leaves():
    p, k = axes("p k")
    z = Input("z", p + k)
    assert declare(tanh(Parameter("V", m, p + k) @ z + total(Input("v", p)))).axes


def test_an_einsum_must_fit_its_operands():
    with refused(IN_FIRST, r"the operand U", r"has shape \(m, m\)", r"'ijk' in 'ijk,k->i' names 3 axes"):
        declare(W @ x + einsum("ijk,k->i", U, h))
    with refused(IN_FIRST, "the contracted sizes differ", r"h has shape \(m,\)", r"its size m meets n"):
        declare(W @ x + einsum("ij,j->i", W, h))


def test_what_cancels_after_resolution_has_lost_its_shape():
    with refused(IN_FIRST, "cancels to 0", r"has lost the shape \(m,\)", "Leave out what cancels"):
        declare(tanh(U @ h - einsum("ij,j->i", U, h)) + W @ x)


@pytest.mark.parametrize(
    ("spec", "operands", "message"),
    [
        ("ij,j", (U, h), r"'ij,j' is not of the form 'ij,j->i'.*Write the output after ->"),
        ("IJ,J->I", (U, h), "not of the form"),
        ("...j,j->...", (U, h), "not of the form"),
        ("", (U,), "not of the form"),
        (3, (U,), "not of the form"),
        ("ij,j->i", (U,), "names 2 operands, but 1 are given"),
        ("ij->i", (U, h), "names 1 operands, but 2 are given"),
        ("ii->i", (U,), r"repeats an index within 'ii'.*identity\(m\)"),
        ("i,j->ii", (h, h), r"repeats an index within 'ii'"),
        ("ij,j->ik", (U, h), r"has k only in its output.*ones\(m\)"),
    ],
)
def test_an_einsum_spec_is_read_before_anything_else(spec, operands, message):
    with refused(message):
        einsum(spec, *operands)


# -- names and definitions ------------------------------------------------------------------------------


def test_an_undefined_value_is_named_with_those_that_exist():
    with refused(
        r"equation 2 \(h.next = ...\)", "the value r has no equation", r"Add Eq\(r, ...\)", "values: q"
    ):
        Cell("my_cell", Eq(q, W @ x), Eq(h.next, q + r))


@pytest.mark.parametrize("used", [c, c.next])
def test_a_state_without_equation(used):
    with refused(IN_FIRST, "the state c has no equation", r"Add Eq\(c.next, ...\)"):
        declare(W @ x + used)


def test_a_value_defined_twice():
    with refused(r"'my_cell', equation 2 \(q = ...\)", "q is already defined by equation 1", "once"):
        Cell("my_cell", Eq(q, W @ x), Eq(q, b + W @ x), output=q)


def test_a_state_defined_twice():
    with refused(r"equation 2 \(h.next = ...\)", "h.next is already defined by equation 1"):
        Cell("my_cell", Eq(h.next, W @ x), Eq(h.next, b + W @ x))


def test_a_cycle_lists_its_members():
    with refused("The cell 'my_cell' has a cycle: q needs r needs y needs q", "previous value"):
        Cell("my_cell", Eq(q, tanh(r) + W @ x), Eq(r, 2 * y), Eq(y, q), output=y)


def test_a_cycle_leaves_out_who_only_leads_to_it():
    with refused("has a cycle: r needs h.next needs r"):
        Cell("my_cell", Eq(q, tanh(r)), Eq(r, h.next + W @ x), Eq(h.next, r))


def test_a_value_that_needs_itself():
    with refused("has a cycle: h.next needs h.next"):
        declare(tanh(W @ x + h.next))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (x, "the input x is assigned to"),
        (b, "the parameter b is assigned to"),
        (Constant("e", m, value=1.0), "the constant e is assigned to"),
    ],
)
def test_assignment_to_what_is_given(target, message):
    with refused("In cell 'my_cell', equation 1: ", message, "given from outside", "Declare a Value"):
        Cell("my_cell", Eq(target, U @ h))


def test_assignment_to_the_previous_state():
    with refused("equation 1: the left side is h, which is the state at t-1", r"Write Eq\(h.next, ...\)"):
        Cell("my_cell", Eq(h, W @ x))


@pytest.mark.parametrize("left", [2 * h.next, W @ x, sympy.Integer(2), Symbol("z")])
def test_assignment_to_an_expression(left):
    with refused(
        "equation 1: the left side", "neither a Value nor a state's next value", r"Eq\(value, ...\)"
    ):
        Cell("my_cell", Eq(left, W @ x + b))


def test_two_quantities_with_one_name():
    with refused(
        IN_FIRST,
        "two different quantities are named 'x'",
        r"an input with shape \(n,\) and a parameter with shape \(m,\), init 'zeros'",
        "Rename one",
    ):
        declare(W @ x + Parameter("x", m))


@pytest.mark.parametrize(
    "other",
    [Parameter("b", m, latex="d"), Parameter("b", m, init=1), Parameter("b", n), Constant("b", m, value=0)],
)
def test_two_quantities_that_differ_in_anything(other):
    with refused("two different quantities are named 'b'"):
        Cell("my_cell", Eq(h.next, W @ x + b), Eq(y, other + 1))


def test_two_states_with_one_name_are_told_before_the_missing_equation():
    with refused("two different quantities are named 'h'", r"\(n,\)", r"\(m,\)"):
        declare(W @ State("h", n))


def test_a_value_and_a_state_with_one_name():
    with refused("two different quantities are named 'h'", r"a state with shape \(m,\) and a value\. "):
        Cell("my_cell", Eq(h.next, W @ x), Eq(Value("h"), W @ x))


def test_two_parameters_that_differ_in_init_are_told_apart():
    with refused("named 'b'", "init 'ones'.* and .*init 'zeros'"):
        declare(W @ x + b + Parameter("b", m, init="ones"))


NO_IDENTIFIER = ["", "a b", "1a", "a-b", "a.next", "é", "x\n"]
KEYWORDS = ["lambda", "for", "None", "class"]
KINDS = [lambda name: Input(name, n), lambda name: State(name, m), lambda name: Parameter(name, m), Value]
KINDS.append(lambda name: Constant(name, value=1.0))


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("name", NO_IDENTIFIER)
def test_a_name_is_an_identifier(make, name):
    with refused("name .* is not an ASCII Python identifier", "latex="):
        make(name)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("name", KEYWORDS)
def test_a_name_is_no_keyword(make, name):
    with refused(f"name '{name}' is a Python keyword", "Choose another name", "lambda_", "latex="):
        make(name)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("name", ["_x", "__init__", "_", "count", "index"])
def test_a_name_is_a_field_of_a_named_tuple(make, name):
    with refused(f"name '{name}' cannot be a field of a NamedTuple", "without a leading underscore"):
        make(name)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("name", ["T", "B"])
def test_time_and_batch_are_taken(make, name):
    with refused(
        f"name '{name}' is taken", "time T and the batch B", "Choose another name", f"latex='{name}'"
    ):
        make(name)


@pytest.mark.parametrize("name", [3, None, x])
def test_a_name_is_a_string(name):
    with refused("The name of an input is a string, not"):
        Input(name, n)


@pytest.mark.parametrize("names", ["T", "n B", "1", "lambda", "é"])
def test_an_axis_name_is_an_identifier_and_not_time_or_batch(names):
    with refused("The axis name", "Choose"):
        axes(names)


@pytest.mark.parametrize("names", ["", "  ", 3, None])
def test_axes_takes_names(names):
    with refused(r"axes\('n m'\)"):
        axes(names)


@pytest.mark.parametrize("size", [True, 1.5, "m", None, (m, n), [m]])
def test_a_shape_is_made_of_axes_and_numbers(size):
    with refused("The shape of parameter p contains", "made of axes, positive integers and sums"):
        Parameter("p", size)


@pytest.mark.parametrize("size", [0, -1, m - n, Symbol("m"), m / 2, sympy.pi, h])
def test_a_shape_contains_nothing_else(size):
    with refused("The shape of input p contains", "is not an axis or a positive integer", r"axes\('n m'\)"):
        Input("p", size)


def test_a_value_takes_no_shape():
    with refused("The value v is given a shape", "follows from its equation", r"Write Value\('v'\)"):
        Value("v", m)


@pytest.mark.parametrize(
    ("latex", "message"),
    [
        ("", "is a non-empty string, not ''"),
        ("  ", "is a non-empty string"),
        (3, "is a non-empty string, not 3"),
        ("a{", "has unbalanced braces"),
        ("a}", "has unbalanced braces"),
        ("}{", "has unbalanced braces"),
        (r"\hat{a", "has unbalanced braces"),
        ("a$", r"contains '\$'"),
        ("a%", "contains '%'.*starts a comment"),
        ("a&b", "contains '&'"),
        ("#", "contains '#'"),
        ("~a", "contains '~'"),
        ("a\nb", "printable ASCII"),
        ("é", "printable ASCII"),
        ("a\\", "ends in a backslash. Finish the command"),
        (r"\\", r"contains the command \\\\"),
        (r"\input{x}", r"contains the command \\input"),
        (r"\def\x{y}", r"contains the command \\def"),
        (r"\Gama_r", r"contains the command \\Gama.*Greek letters, accents"),
        (r"\]", r"contains the command \\\]"),
        ("a^^5cinput", r"gives \^ no argument"),
        ("a_", "gives _ no argument"),
        ("{a_}", "gives _ no argument"),
        (r"\hat", r"gives \\hat no argument"),
        ("_a", "puts _ on nothing"),
        ("^2", r"puts \^ on nothing"),
        ("a_b_c", r"has two _ on one symbol.*a_\{b,c\}"),
        ("a^b_c^d", r"has two \^ on one symbol"),
        ("a^b'", "has a prime on nothing or after"),
        (r"W_\text{a_b}", r"gives \\text something else than plain words"),
    ],
)
def test_a_latex_name_is_one_symbol_and_harmless(latex, message):
    with refused("The LaTeX name", "of v", message):
        Value("v", latex=latex)


@pytest.mark.parametrize(
    "latex",
    [
        "a",
        r"\Gamma_r",
        r"\tilde{c}",
        r"\tilde c",
        "W_{h_1}",
        "W_{a,b}^{(1)}",
        "a'_b",
        "a_b'",
        r"W_\mathrm{in}",
        r"\mathbf{W}_{\text{in, out}}",
        r"\hat{\bar{h}}",
        "h^{2}_{3}",
        r"c^\star",
        r"\{a\}",
        "a b",
    ],
)
def test_a_latex_name_that_tex_can_set(latex):
    assert Value("v", latex=latex).latex_name == latex


@pytest.mark.parametrize("init", ["foo", True, float("nan"), float("inf"), [1], 1j])
def test_init_is_a_number_or_a_known_word(init):
    with refused("Parameter p has init=", "finite number or one of zeros, ones, glorot, orthogonal, normal"):
        Parameter("p", m, init=init)


def test_only_matrices_are_orthogonal():
    with refused(r"Parameter p of shape \(m,\) cannot be orthogonal", "only matrices"):
        Parameter("p", m, init="orthogonal")


@pytest.mark.parametrize("value", ["1", None, True, float("nan"), float("-inf")])
def test_a_constant_is_a_finite_number(value):
    with refused("Constant e has value=", "Give a finite number"):
        Constant("e", value=value)


# -- the cell -------------------------------------------------------------------------------------------


def test_an_empty_cell():
    with refused("The cell 'my_cell' has no equations", "at least one"):
        Cell("my_cell")


@pytest.mark.parametrize("name", ["a b", "", "1", "my-cell"])
def test_a_cell_name_is_an_identifier(name):
    with refused("The cell name", "is not an ASCII Python identifier", "title="):
        Cell(name, Eq(h.next, W @ x))


def test_a_cell_name_is_no_keyword():
    with refused("The cell name 'lambda' is a Python keyword", "title="):
        Cell("lambda", Eq(h.next, W @ x))


def test_the_name_comes_first():
    with refused("The first argument of Cell is its name", r"Cell\('gru'"):
        Cell(Eq(h.next, W @ x))


def test_a_cell_without_input():
    with refused("The cell 'my_cell' uses no input", "time steps and the batch size"):
        declare(tanh(U @ h))


@pytest.mark.parametrize("thing", [W @ x, (h.next, W @ x), [Eq(h.next, W @ x)], "h = x", None, 3])
def test_what_is_no_equation(thing):
    with refused("In cell 'my_cell', equation 1: ", "is no equation", r"Write Eq\(left, right\)"):
        Cell("my_cell", thing)


@pytest.mark.parametrize(
    ("equation", "what"), [(Eq(q, q + 1), "False"), (Eq(q, q), "True"), (h == W, "False")]
)
def test_what_sympy_collapsed(equation, what):
    with refused("equation 2: SymPy collapsed it to " + what, r"Eq\(q, q \+ 1\)", "state.next"):
        Cell("my_cell", Eq(h.next, W @ x), equation)


@pytest.mark.parametrize("right", [h > 0, Eq(h, 0), sympy.And(h > 0, b > 0)])
def test_a_comparison_is_no_right_side(right):
    with refused("equation 1: the right side", "is a comparison, not a number", r"Use where\(...\)"):
        declare(right)


@pytest.mark.parametrize(
    ("foreign", "name"),
    [
        (Symbol("z") * h, "z"),
        (h ** Symbol("p"), "p"),
        (where(Symbol("z") > 0, h, b), "z"),
        (tanh(sympy.MatrixSymbol("X", m, m)), "X"),
        (sympy.Dummy("z"), "_z"),
    ],
)
def test_a_foreign_symbol(foreign, name):
    with refused(IN_FIRST, f"{name} is a plain SymPy symbol", "Declare it as Input, State, Parameter"):
        declare(W @ x + foreign)


@pytest.mark.parametrize("right", [W @ x + sympy.I * h, where(h > 0, W @ x, sympy.I), sympy.sqrt(-1) * h])
def test_the_imaginary_unit_is_refused_by_name(right):
    with refused(IN_FIRST, "imaginary unit I", "cells are real", "another Python name"):
        declare(right)


@pytest.mark.parametrize(
    ("right", "name"),
    [
        (sympy.gamma(h), "gamma"),
        (sympy.Function("f")(h), "f"),
        (sympy.asin(h) * h, "asin"),
        (sympy.gamma(m) * h, "gamma"),
        (sympy.Derivative(h**2, h), "Derivative"),
        (sympy.Integral(h, h), "Integral"),
    ],
)
def test_a_function_outside_the_vocabulary(right, name):
    with refused(
        IN_FIRST, f"{name} is outside the vocabulary", "known functions: sigmoid, tanh, softplus", "@, matmul"
    ):
        declare(W @ x + right)


@pytest.mark.parametrize(
    "number", [log(0), sqrt(-1), sympy.zoo * h, sympy.oo, log(-2), sympy.log(sqrt(2) - 2)]
)
def test_a_number_is_finite_and_real(number):
    with pytest.raises(DeclarationError, match=r"not finite and real|imaginary unit"):
        declare(W @ x + b * number)


def test_a_power_with_an_axis():
    with refused(IN_FIRST, "the exponent of .* contains an axis", r"exp\(p\*log\(x\)\)"):
        declare(W @ x + h**m)


@pytest.mark.parametrize("base", [-2, m])
def test_a_power_of_a_negative_or_unknown_number(base):
    with refused(IN_FIRST, f"the base {base} of a power is not a positive number"):
        declare(W @ x + base**h)


def test_a_piecewise_without_last_branch():
    with refused(IN_FIRST, "has no final branch", r"\(value, True\)"):
        declare(sympy.Piecewise((W @ x, h > 0)))


def test_a_condition_of_where():
    with refused(r"where\(\) got the condition h", "such as h > 0"):
        where(h, h, b)
    with refused("condition 'h > 0'"):
        where("h > 0", h, b)
    with refused("condition False", "Python's == compares expressions as objects", r"write Eq\(a, b\)"):
        where(h == b, h, b)
    with refused(IN_FIRST, "the condition .* is no comparison", "And, Or, Not"):
        declare(where(sympy.Xor(h > 0, b < 1), W @ x, h))


def test_sizes_of_constant_arrays():
    with refused(IN_FIRST, r"The shape of identity\(h\) contains h", "not an axis"):
        declare(W @ x + identity(h) @ h)
    with refused(IN_FIRST, r"The shape of ones\(g\) contains g"):
        declare(W @ x + ones(g))
    with refused(r"ones\(\) needs at least one size"):
        ones()


@pytest.mark.parametrize("function", [tanh, sigmoid, sqrt])
def test_a_function_of_a_string_or_a_list(function):
    with refused(f"{function.name} got 'x', which is no expression", "quantities, numbers and expressions"):
        function("x")
    with refused(rf"{function.name} got the list \[h, x\]", r"concatenate\(a, b\)"):
        function([h, x])


@pytest.mark.parametrize("wrong", ["x", None, True, 1j])
def test_operands_of_operations_are_expressions(wrong):
    for make in (
        lambda: W @ wrong,
        lambda: matmul(W, wrong),
        lambda: dot(wrong, h),
        lambda: concatenate(h, wrong),
        lambda: maximum(h, wrong),
        lambda: einsum("i->i", wrong),
        lambda: where(h > 0, wrong, h),
    ):
        with refused("got .*, which is no expression"):
            make()


def test_the_number_of_arguments():
    with refused("maximum takes 2 arguments, not 3"):
        maximum(h, b, b)
    with refused("tanh takes 1 argument, not 0"):
        tanh()


# -- the output -----------------------------------------------------------------------------------------


def test_two_states_need_an_output():
    with refused("The cell 'my_cell' has 2 states", "Add output= with one of: h.next, c.next"):
        Cell("my_cell", Eq(h.next, W @ x), Eq(c.next, h))


def test_no_state_needs_an_output():
    with refused("has 0 states", "Add output= with one of: q"):
        Cell("my_cell", Eq(q, W @ x))


@pytest.mark.parametrize("output", [x, b, c, c.next, y, "h", 2 * h, State("h", n)])
def test_an_output_that_the_cell_does_not_define(output):
    with refused("The output of cell 'my_cell' is", "which no equation defines", "Choose one of: h.next"):
        declare(W @ x, output=output)
