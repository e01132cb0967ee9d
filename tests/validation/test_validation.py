"""The proof on numbers of a prime field: what it refuses, what it says then, and what it lets pass."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_cells import random_cell
from sympy import Eq, Expr, Integer, Rational

import symrnn
from symrnn import (
    Cell,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    einsum,
    largest,
    logsumexp,
    maximum,
    minimum,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    tanh,
    where,
    zoo,
)
from symrnn.declaration import operations as op
from symrnn.derivation import reverse, rules
from symrnn.errors import PlanError, ValidationError
from symrnn.kernels.numpy import code as numpy_code
from symrnn.kernels.targets import TARGETS, require_offer
from symrnn.planning.checker import check
from symrnn.planning.ir import Contraction, Pointwise, Statement
from symrnn.planning.passes import PASSES
from symrnn.planning.passes.draft import REGIONS, Draft, Line
from symrnn.planning.plan import Plan
from symrnn.validation.contractions import contracted
from symrnn.validation.elements import elements, residues
from symrnn.validation.models import prove_model
from symrnn.validation.plans import prove_plan
from symrnn.validation.prime import PRIME, inverse, residue, residue_of_float, root
from symrnn.validation.texts import prove_text

n, m, k = axes("n m k")
x, y, h, c = Input("x", n), Input("y", n), State("h", m), State("c", m)
A, U, W, V = Parameter("A", m, n), Parameter("U", m, m), Parameter("W", m, n), Parameter("V", m, m + n)
b = Parameter("b", m)

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""However busy the machine is."""
fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=1000)


# -- the field -------------------------------------------------------------------------------------------


@settings(patient)
@given(fractions, fractions)
def test_arithmetic_is_that_of_fractions(one: Fraction, other: Fraction) -> None:
    a, z = elements([residue(one)]), elements([residue(other)])
    assert residues(a + z).tolist() == [residue(one + other)]
    assert residues(a - z).tolist() == [residue(one - other)]
    assert residues(a * z).tolist() == [residue(one * other)]
    assert residues(a[0] * z[0] - z[0]).tolist() == residue(one * other - other)
    assert (a < z).tolist() == [centred(residue(one)) < centred(residue(other))]
    if other:
        assert residues(a / z).tolist() == [residue(one / other)]


def centred(number: int) -> int:
    return number - PRIME if number > PRIME // 2 else number


@settings(patient)
@given(st.integers(1, PRIME - 1), st.integers(1, PRIME - 1))
def test_roots_multiply_and_are_roots_of_a_number_or_its_negative(one: int, other: int) -> None:
    roots = root(np.array([one, other, one * other % PRIME]))
    assert roots[0] * roots[1] % PRIME == roots[2]
    assert roots[0] ** 2 % PRIME in (one, PRIME - one)


def test_sizes_have_roots() -> None:
    assert all(root(np.array([size]))[0] ** 2 % PRIME == size for size in range(2, 21))


def test_a_float_stands_for_the_fraction_that_was_meant() -> None:
    assert residue_of_float(0.1) == residue(Fraction(1, 10))
    assert residue_of_float(1 / 3) == residue(Fraction(1, 3))
    assert residue_of_float(-1e-8) == residue(Fraction(-1, 10**8))


@settings(patient, max_examples=300)
@given(
    st.one_of(
        st.builds(Fraction, st.integers(-1000, 1000), st.integers(1, 10**9)),
        st.builds(Fraction, st.integers(-(10**6), 10**6), st.integers(1, 10**6)),
        st.builds(lambda n, k: Fraction(n, 2**k), st.integers(-1000, 1000), st.integers(0, 200)),
        st.builds(
            lambda n, d, k: Fraction(n, d) * Fraction(10) ** k,
            st.integers(-1000, 1000),
            st.integers(1, 1000),
            st.integers(-40, 20),
        ),
        st.builds(
            lambda n, d, k: Fraction(n, d) / 2**k,
            st.integers(-1000, 1000),
            st.integers(1, 1000),
            st.integers(0, 80),
        ),
        st.builds(lambda n, k: n * Fraction(10) ** k, st.integers(-(10**7), 10**7), st.integers(-40, 20)),
    )
)
def test_a_fraction_goes_through_a_float(number: Fraction) -> None:
    assert residue_of_float(float(number)) == residue(number)


def test_small_and_large_numbers_stand_in_a_cell() -> None:
    for number in (Rational(1, 2**29), Rational(1, 3 * 10**6), Rational(7, 3 * 2**60), Integer(10) ** 20):
        cell = Cell("scaled", Eq(State("h", m).next, symrnn.tanh(State("h", m) * number + Input("x", m))))
        for target in ("numpy", "numba"):
            symrnn.emit(cell, target)


@settings(patient, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from(["ij,jk->ik", "bi,ij->bj", "abi,abj->ij", "i,i,i->", "ij->j"]))
def test_products_of_arrays_are_exact(seed: int, spec: str) -> None:
    rng = np.random.default_rng(seed)
    parts = spec.partition("->")[0].split(",")
    lengths = dict(zip("abijk", (2, 3, 4, 5, 6), strict=True))
    arrays = [rng.integers(0, PRIME, [lengths[letter] for letter in part]) for part in parts]
    wanted = np.einsum(spec, *(array.astype(object) for array in arrays)) % PRIME
    assert contracted(spec, *arrays).tolist() == np.asarray(wanted).tolist()


def test_division_by_zero_is_zero() -> None:
    assert inverse(np.array([0])).tolist() == [0]


# -- derivations -----------------------------------------------------------------------------------------


def unary(function: Callable[[Expr], Expr]) -> Cell:
    return Cell("called", Eq(h.next, function(W @ x + U @ h) * (U @ h)))


CALLS: dict[type, Cell] = {
    op.sigmoid: unary(sigmoid),
    op.tanh: unary(op.tanh),
    op.relu: unary(relu),
    op.exp: unary(op.exp),
    op.log: unary(op.log),
    op.softplus: unary(softplus),
    op.sqrt: unary(sqrt),
    op.absolute: unary(abs),
    op.reciprocal: unary(lambda a: 1 / (a + b)),
    op.power: unary(lambda a: abs(a) ** Parameter("p")),
    op.maximum: unary(lambda a: maximum(a, b)),
    op.minimum: unary(lambda a: minimum(a, b)),
    op.softmax: unary(softmax),
    op.logsumexp: unary(logsumexp),
    op.largest: unary(largest),
}


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.name)
def test_right_rules_are_proved(function: type) -> None:
    for save in PASSES:
        symrnn.plan(CALLS[function], save)


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.name)
def test_a_wrong_sign_in_a_rule_is_refused(function: type, monkeypatch: pytest.MonkeyPatch) -> None:
    if function in rules.VECTOR_RULES:
        right = rules.VECTOR_RULES[function]
        monkeypatch.setitem(rules.VECTOR_RULES, function, lambda *args: -right(*args))
    else:
        wrong = tuple(
            (lambda *args, rule=rule: -rule(*args)) if rule else None
            for rule in rules.POINTWISE_RULES[function]
        )
        monkeypatch.setitem(rules.POINTWISE_RULES, function, wrong)
    with pytest.raises(ValidationError, match=r"is not its derivative|are not those of its equations"):
        symrnn.plan(CALLS[function])


@pytest.mark.parametrize("rule", ["contraction_term", "stack_term", "where_term", "algebraic_term", "summed"])
def test_a_wrong_sign_of_a_structural_rule_is_refused(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(reverse, rule)

    def wrong(*args: object) -> Expr | None:
        made = right(*args)
        return None if made is None else -made

    monkeypatch.setattr(reverse, rule, wrong)
    g = Parameter("g")
    cell = Cell("s", Eq(h.next, where(W @ x > 0, g * (V @ concatenate(h, x)), b * (U @ h))))
    with pytest.raises(ValidationError, match=r"is not its derivative|are not those of its equations"):
        symrnn.plan(cell)


def test_the_definition_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.POINTWISE_RULES, op.tanh, (lambda d, y, a: d * (1 + y**2),))
    with pytest.raises(
        ValidationError, match=re.escape("what c_tilde = tanh(a_c_tilde) hands back to a_c_tilde")
    ):
        symrnn.plan(zoo.cell("gru"))


# -- plans -----------------------------------------------------------------------------------------------

SUM = Cell("sums", Eq(h.next, A @ y + U @ h + W @ x))


def edited(plan: Plan, region: str, position: int, lines: list[Line]) -> Plan:
    """A plan with other lines in the place of one."""
    draft = Draft(plan)
    draft.regions[region][position : position + 1] = lines
    return draft.finished("edited")


def slips(statement: Statement) -> Iterator[list[Statement]]:
    """A statement left out, made twice, defining for updating, with operands exchanged, with a sign."""
    yield []
    yield [statement, replace(statement, update=True)]
    yield [replace(statement, update=not statement.update)]
    if isinstance(statement, Contraction) and len(statement.operands) == 2:
        yield [replace(statement, operands=statement.operands[::-1])]
    if isinstance(statement, Pointwise):
        yield [replace(statement, expr=-statement.expr)]
        yield [replace(statement, expr=2 * statement.expr)]


def edited_plans(plan: Plan) -> Iterator[tuple[str, Plan]]:
    draft = Draft(plan)
    for region in REGIONS:
        for position, line in enumerate(draft.regions[region]):
            for number, statements in enumerate(slips(line.statement)):
                lines = [replace(line, statement=statement) for statement in statements]
                yield f"{region} {position} {number}", edited(plan, region, position, lines)


@pytest.mark.parametrize(
    ("cell", "save", "share"),
    [(SUM, "all", 1), (SUM, "states", 1), (zoo.cell("gru"), "all", 3), (zoo.cell("lstm_notes"), "states", 7)],
    ids=lambda value: value.name if isinstance(value, Cell) else None,
)
def test_every_slip_in_a_plan_is_refused(cell: Cell, save: str, share: int) -> None:
    """By the checker or by the proof."""
    derivation = symrnn.derive(cell)
    passed = []
    for where_, wrong in islice(edited_plans(symrnn.plan(cell, save)), 0, None, share):
        try:
            prove_plan(check(wrong), derivation, list)
        except (ValidationError, PlanError):
            continue
        except (ValueError, KeyError):  # an array whose only statement is gone, shapes that do not fit
            continue
        passed.append(where_)
    assert not passed


def test_a_product_counted_twice_is_told_with_pass_block_and_equation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def twice(plan: Plan) -> Plan:
        draft = Draft(plan)
        [first] = [line for line in draft.regions["forward before"] if "x" in line.statement.reads]
        again = replace(first, statement=replace(first.statement, update=True))
        draft.regions["forward before"].append(again)
        return draft.finished("planted")

    monkeypatch.setitem(PASSES, "all", (*PASSES["all"], twice))
    with pytest.raises(ValidationError) as told:
        symrnn.plan(SUM)
    message = str(told.value)
    assert "In the plan of sums after 'planted', block [h_next]: h_next is not A_y + U_h + W_x" in message
    assert "fault of symrnn" in message
    assert re.search(r"is \d+ at \(0, 0\), and should be \d+", message)
    script = message.partition("shows it again:\n")[2]
    with pytest.raises(ValidationError, match="planted"):
        exec(script, {})


def test_memory_that_nothing_saves_is_lost_to_the_backward_pass() -> None:
    plan = symrnn.plan(zoo.cell("lstm"))
    shorter = replace(plan, saved=plan.saved[1:])
    with pytest.raises((ValidationError, PlanError)):
        prove_plan(shorter, symrnn.derive(zoo.cell("lstm")), list)


NUMBERS = (
    *(m**-0.3, m**0.3, m ** Rational(1, 3), (m + n) ** Rational(-3, 2), 1 / sympy.sqrt(2 * m)),
    *(Integer(2) ** -m, Rational(1, 3) ** m, 0.5**m, m**n, sympy.sqrt(m / n), sympy.Abs(m - n)),
    *(sympy.log(m), sympy.exp(-m), sympy.exp(1 / m), sympy.tanh(m), sympy.Max(m, n), sympy.pi / m),
    sympy.sqrt(sympy.log(m) + 1) / sympy.log(m + 1),
)

MERGING = (
    *((m**-0.3, 1 / sympy.sqrt(m)), (m**0.3, m ** Rational(-5, 3)), (m ** (n / 2), m ** (n / 3))),
    *((sympy.exp(-m), sympy.exp(m / 2)), (sympy.exp(m / 3), sympy.exp(2 * m)), (2 ** (m / 2), 2 ** (-m / 3))),
)
"""Numbers of whose products SymPy makes one power."""


@pytest.mark.parametrize("numbers", MERGING, ids=str)
def test_numbers_that_merge_in_a_derivative_are_not_refused(numbers: tuple[Expr, Expr]) -> None:
    outer, inner = numbers
    cell = Cell("merging", Eq(h.next, tanh(outer * (b + inner * (W @ x)) + U @ h)))
    for target in ("numpy", "numba"):
        for save in PASSES:
            assert symrnn.emit(cell, target, save)


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_numbers_made_of_axes_are_not_refused(number: Expr) -> None:
    cell = Cell("numbers", Eq(h.next, tanh(W @ x) * h * number + number * b))
    for target in ("numpy", "numba"):
        for save in PASSES:
            assert symrnn.emit(cell, target, save)
    symrnn.check(cell, "numpy").raise_if_failed()


@pytest.mark.parametrize("seed", range(200, 230))
def test_nothing_right_is_refused(seed: int) -> None:
    cell = random_cell(seed)
    for save in PASSES:
        symrnn.plan(cell, save)


def test_numbers_of_all_kinds_are_the_same_in_equations_plans_and_texts() -> None:
    rhs = (
        (W @ x) * sqrt(m) / 3
        + (U @ h) * op.log(m) / 4
        + 0.3 * b
        + 2 ** (W @ x)
        + abs(U @ h) ** Rational(5, 2)
    )
    cell = Cell("numbers", Eq(h.next, rhs / (m + n)))
    for target in ("numpy", "numba"):
        symrnn.emit(cell, target)


# -- texts -----------------------------------------------------------------------------------------------


def changes(line: str, memory: dict[str, str]) -> Iterator[str]:
    """A line with one of its operators, indices or names slipped."""
    for old, new in ((" + ", " - "), (" - ", " + "), (" * ", " + "), (" += ", " = "), ("t + 1", "t")):
        for found in re.finditer(re.escape(old), line):
            yield line[: found.start()] + new + line[found.end() :]
    first, *_, last = re.findall(r"\b[a-zA-Z_]\w*(?=\[)", line) * 2 or [""] * 2
    if memory.get(first, first) != memory.get(last, last):
        yield line.replace(f"{last}[", f"{first}[", 1)


def same_memory(text: str) -> dict[str, str]:
    """What every name of a part of an array is a part of."""
    return dict(re.findall(r"^ +(\w+) = (\w+\[.*\])$", text, re.MULTILINE))


def slipped_texts(text: str, functions: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Texts with one slip in the loops over time."""
    lines, inside = text.splitlines(keepends=True), False
    for number, line in enumerate(lines):
        if line.startswith("def "):
            inside = line.startswith(functions)
        if inside and line.startswith("        ") and not line.strip().startswith(("#", '"""')):
            # A piece that starts late is whole, so that one more step than it has is none.
            for changed in changes(line.replace("last - first", "last-first"), same_memory(text)):
                if changed != line:
                    yield (
                        f"{line.strip()} -> {changed.strip()}",
                        "".join([*lines[:number], changed, *lines[number + 1 :]]),
                    )


@pytest.mark.parametrize(("target", "least"), [("numpy", 40), ("numba", 60)])
def test_every_slip_in_the_loops_of_a_text_is_refused(target: str, least: int) -> None:
    plan = symrnn.plan(zoo.cell("gru"))
    text = require_offer(target).text(plan, "0")
    functions = ("def _forward_steps", "def _backward_steps", "def _forward_slice", "def _backward_slice")
    tried, passed = 0, []
    for what, wrong in slipped_texts(text, functions):
        tried += 1
        try:
            prove_text(wrong, plan, target)
        except ValidationError:
            continue
        passed.append(what)
    assert tried >= least
    assert not passed


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_text_is_proved_in_is_a_fact_of_its_target(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a name that nothing else knows."""
    monkeypatch.setitem(TARGETS, "another", replace(TARGETS[target], name="another"))
    prove_text(symrnn.emit(zoo.cell("gru"), target), symrnn.plan(zoo.cell("gru")), "another")
    if TARGETS[target].model:
        prove_model(symrnn.emit(zoo.MODELS["classifier"], target), zoo.MODELS["classifier"], "another")


def test_a_wrong_text_is_told_with_function_array_and_values() -> None:
    plan = symrnn.plan(zoo.cell("gru"))
    text = require_offer("numpy").text(plan, "0")
    wrong = text.replace("c_next[t] = u[t] * c_tilde[t]", "c_next[t] = r[t] * c_tilde[t]")
    assert wrong != text
    message = r"In the emitted text of gru, forward: outputs is \d+ at \(0, 0, 0\), and should be \d+"
    with pytest.raises(ValidationError, match=message):
        prove_text(wrong, plan, "numpy")


@pytest.mark.parametrize(
    "slip", ["c[t + 1][ended] = c[t][ended]", "d_c_later[ending] = d_c_later_final[ending]"]
)
def test_lengths_are_proved(slip: str) -> None:
    plan = symrnn.plan(zoo.cell("gru"))
    text = require_offer("numpy").text(plan, "0")
    assert slip in text
    with pytest.raises(ValidationError, match="with lengths"):
        prove_text(text.replace(slip, "pass"), plan, "numpy")


@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("name", zoo.MODELS)
def test_models_are_proved(name: str, target: str) -> None:
    symrnn.emit(zoo.MODELS[name], target)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("classifier", "lengths - 1 - t", "lengths - 2 - t"),
        ("language_model", "class_cross_entropy_back.inputs.a,", "0 * class_cross_entropy_back.inputs.a,"),
        ("translator", "c=encoder_final.c, h=encoder_final.h", "c=encoder_final.h, h=encoder_final.c"),
    ],
)
def test_slips_in_the_wiring_of_models_are_refused(name: str, right: str, wrong: str) -> None:
    text = symrnn.emit(zoo.MODELS[name], "numpy")
    assert right in text
    with pytest.raises(ValidationError, match=f"of the model {name}"):
        prove_model(text.replace(right, wrong), zoo.MODELS[name], "numpy")


def test_there_is_no_switch() -> None:
    for verb in (symrnn.plan, symrnn.emit, symrnn.load):
        assert set(inspect.signature(verb).parameters) <= {"source", "plan", "target", "save", "contract"}


def test_values_of_a_value_cell() -> None:
    u = Value("u")
    symrnn.plan(Cell("layer", Eq(u, W @ x), output=u))


def test_a_stack_and_a_matrix_of_a_sample_meet_whole() -> None:
    """What a call gives is not cut up for the parts of a stack."""
    z, p = Input("z", n, 2 * m), Parameter("p", m)
    stack = concatenate(h, relu(p))
    for product in (z @ stack, einsum("ij,j->ij", z, stack) @ stack, (z @ z.T) @ (z @ stack)):
        cell = Cell("meeting", Eq(h.next, tanh(W @ product)))
        for save in PASSES:
            for target in ("numpy", "numba"):
                symrnn.emit(cell, target, save)


def test_whole_powers_that_compiled_code_would_cut_off_are_refused() -> None:
    cell = Cell("powers", Eq(h.next, tanh(W @ x) * h * Integer(2) ** -m + b * m**2))
    plan = symrnn.plan(cell)
    text = require_offer("numba").text(plan, "0")
    assert "2.0 ** " in text
    assert "float(m) ** 2" in text
    with pytest.raises(ValidationError, match="In the emitted text of powers"):
        prove_text(text.replace("2.0 ** ", "2 ** "), plan, "numba")
    symrnn.check(cell, "numba").raise_if_failed()


# -- arrays that share memory ----------------------------------------------------------------------------


def turned() -> dict[str, Cell]:
    """Transposes that are added to: NumPy's einsum makes no new array for one."""
    M, X, K = State("M", m, m), Input("X", m, m), Parameter("K", m, m)
    a = Value("a")
    return {
        "state": Cell("turned", Eq(M.next, sigmoid(M.T + K * X))),
        "input": Cell("turned", Eq(a, X.T + K), Eq(M.next, tanh(a + M.T + U * X.T)), output=M.next),
        "parameters": Cell("turned", Eq(a, U.T + K.T + U), Eq(h.next, tanh(a @ h + W @ x))),
        "adjoint": Cell("turned", Eq(a, tanh(K * X)), Eq(M.next, tanh(M * a.T + a * X + M.T))),
    }


@pytest.mark.parametrize("what", turned())
def test_what_is_turned_and_added_to_is_right(what: str) -> None:
    cell = turned()[what]
    for save in PASSES:
        symrnn.check(cell, "numpy", save=save).raise_if_failed()
        assert symrnn.emit(cell, "numba", save)


def test_adding_to_another_look_at_an_array_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_code, "only_looks", lambda _: False)
    with pytest.raises(ValidationError, match="In the emitted text of turned"):
        symrnn.emit(turned()["state"], "numpy")


def test_a_kernel_that_writes_to_what_it_is_given_is_refused() -> None:
    plan = symrnn.plan(zoo.gru)
    text = require_offer("numpy").text(plan, "0")
    spoilt = text.replace(
        "        return results\n", "        d_outputs[0] += 1\n        return results\n", 1
    )
    assert spoilt != text
    with pytest.raises(ValidationError, match="the given cotangent of the outputs is"):
        prove_text(spoilt, plan, "numpy")
