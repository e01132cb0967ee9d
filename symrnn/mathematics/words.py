r"""The words of the document: what each symbol means, and why each adjoint is what it is."""

from collections.abc import Callable, Iterable

from sympy import Expr

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import name_latex
from symrnn.declaration.operations import (
    PointwiseFunction,
    VectorFunction,
    one_hot,
    ones,
    sigmoid,
    tanh,
)
from symrnn.declaration.quantities import Index, NextState, Parameter, Quantity
from symrnn.mathematics.letters import Letters
from symrnn.mathematics.parts import Equation, Passage, SymbolRow
from symrnn.mathematics.printer import Printer
from symrnn.mathematics.reading import PrintedAdjoint, Reading
from symrnn.notation.building import ONE, decimal, negative, row, superscript
from symrnn.notation.characters import DOT
from symrnn.notation.nodes import Face, Fence, Node, Number, Row, Sign, Word
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Insert, Prose, Reference, listed, say, together
from symrnn.vocabulary.families import NAMED

NATURALS, REALS = Word("N", Face.BLACKBOARD), Word("R", Face.BLACKBOARD)

INITS = {
    "glorot": "Glorot uniform",
    "orthogonal": "random orthogonal",
    "normal": "scaled normal",
    "zeros": "zeros",
    "ones": "ones",
}


VECTORS: dict[str, str] = {
    "column": "Vectors are columns.",
    "row": "Vectors are rows; matrices keep the shapes in which they are declared, so that a matrix meets a "
    "vector as its transpose, from the right.",
}
TIMES: dict[str, str] = {
    "superscript": r"A superscript $\langle <t>\rangle$ is the time step; what has none is the same at every "
    "step.",
    "subscript": "A subscript $<t>$ is the time step; what has none is the same at every step.",
}


def conventions(
    cell: Cell,
    reading: Reading,
    jacobians: Iterable[Expr],
    printer: Printer,
    letters: Letters,
    *,
    brackets: bool,
) -> Prose:
    """How vectors, time and products are written, and the signs that a reader may not know.

    `brackets`: a condition in square brackets is printed.
    """
    told = [*(d.expr for d in cell.definitions), *jacobians]
    told += [item.expr for adjoint in reading.adjoints for item in (*adjoint.moving, *adjoint.fixed)]
    style = printer.notation.style
    general = letters.say(
        f"{VECTORS[style.vectors]} {TIMES[style.time]} "
        r"The sign $\odot$ multiplies element by element; functions, powers and quotients of arrays also act "
        "element by element. Shapes are those of one sample."
    )
    used = {call.name for expr in told for call in expr.atoms(PointwiseFunction, VectorFunction)}
    found = [text for name, f in NAMED.items() if name in used and (text := f.facts.words.definition)]
    if brackets:
        found.append("$[<P>]$ is $1$ where $<P>$ holds and $0$ elsewhere")
    if any(expr.atoms(ones) for expr in told):
        found.append(r"$\mathbf{1}$ is an array of ones")
    if any(expr.atoms(one_hot) for expr in told):
        found.append(r"$\mathbf{e}_{<k>}$ is $1$ at position $<k>$, counted from $0$, and $0$ elsewhere")
    definitions = listed(printer.said(letters.say(text)) for text in found)
    return say("{} Here {}.", general, definitions) if found else general


def adjoint_words(printer: Printer, letters: Letters, sources: list[Prose]) -> tuple[Passage, ...]:
    """What an adjoint is, where those from outside the step come from, and how the chain rule is written."""
    adjoint, result = (row(printer.notation.delta, Word(name)) for name in (letters.quantity, letters.result))
    definition = Equation(adjoint, (parsed(letters.put(r"\frac{\partial \mathcal{L}}{\partial <q>}")),))
    kinds = "Two kinds of adjoints come" if len(sources) > 1 else "One adjoint comes"
    if printer.rows:
        rule = (
            r"$\partial <y> / \partial <q>$ is the derivative of the one equation that is named, with a row "
            "for every element of $<y>$ and a column for every element of $<q>$; {} times it is a term of {}."
        )
    else:
        rule = (
            r"$\partial <y> / \partial <q>$ is the derivative of the one equation that is named, and its "
            "transpose takes {} to a term of {}."
        )
    after = (
        "has the shape of $<q>$ and counts every way in which $<q>$ acts on the loss. "
        f"{kinds} from outside the step: {{}}. In the chain rule, {rule}"
    )
    return (
        Passage(
            letters.say(r"Let $\mathcal{L}$ be the loss. The adjoint of a quantity $<q>$, written"),
            (definition,),
            letters.say(after, listed(sources), result, adjoint),
        ),
        Passage(letters.say(r"For each $<t> = T, T-1, \dots, 1$, in this order:")),
    )


def premise(printer: Printer, letters: Letters, sources: list[Prose], recurs: bool) -> Passage:
    """What a reader of the results alone must know of adjoints."""
    adjoint = row(printer.notation.delta, Word(letters.quantity))
    text = (
        r"For a loss $\mathcal{L}$, {} is the derivative of $\mathcal{L}$ by a quantity $<q>$, in the shape "
        "of $<q>$; {}."
    )
    if recurs:
        text += (
            r" At $<t> = T$ that is what the loss takes directly from the final state, or zero; what step "
            "$1$ hands back is the gradient of the initial state."
        )
    return Passage(letters.say(text, adjoint, listed(sources)))


def symbol_rows(cell: Cell, reading: Reading, printer: Printer, letters: Letters) -> tuple[SymbolRow, ...]:
    """The table of symbols: what is given, what is computed, what is trained, sizes."""
    activations = {part for _, part in reading.activations}
    kinds = ("intermediate result", "pre-activation")
    rows = [_input_row(printer, q) for q in cell.inputs]
    rows += [_row(printer, q, say("state before the step"), q.shape) for q in cell.states]
    rows += [_row(printer, e.target, say(_meaning(cell, e.target)), e.shape) for e in cell.equations]
    rows += [_row(printer, part, say(kinds[part in activations]), part.shape) for part, _ in reading.named]
    rows += [_row(printer, q, say("parameter, starts as {}", _initial(q)), q.shape) for q in cell.parameters]
    rows += [
        _row(printer, q, say("constant, {} unless given", plain_number(q.value)), q.shape)
        for q in cell.constants
    ]
    rows += [SymbolRow(parsed(name_latex(axis.name)), say("size"), NATURALS) for axis in cell.axes]
    steps = letters.say(r"number of time steps; $<t> = 1, \dots, T$")
    rows.append(SymbolRow(Word("T"), steps, NATURALS))
    rows.append(SymbolRow(Word(letters.batch), say("number of samples in a batch"), NATURALS))
    return tuple(rows)


def _input_row(printer: Printer, quantity: Quantity) -> SymbolRow:
    if not isinstance(quantity, Index):
        return _row(printer, quantity, say("input"), quantity.shape)
    classes = row(Number("0"), Sign(","), Word("…"), Sign(","), printer.size(quantity.classes - 1))
    return SymbolRow(printer.symbol(quantity), say("input, a class"), Fence(classes, "{", "}"))


def _initial(parameter: Parameter) -> Insert:
    start = parameter.init
    return plain_number(start) if isinstance(start, int | float) else INITS.get(str(start), f"{start}")


def plain_number(value: float) -> Insert:
    """A number inside of text, in mathematics where it has more than digits; a power of ten stands alone."""
    short = f"{value:g}"
    if short.replace(".", "").isdigit():
        return short
    size = decimal(abs(float(short)))
    if isinstance(size, Row) and size.items[:2] == (ONE, Sign(DOT)):
        size = size.items[2]
    return negative(size) if value < 0 else size


def _row(printer: Printer, quantity: Quantity, meaning: Prose, shape: Shape) -> SymbolRow:
    return SymbolRow(printer.symbol(quantity), meaning, space(printer, shape))


def space(printer: Printer, shape: Shape) -> Node:
    """The set that an array of this shape is from."""
    return superscript(REALS, printer.sizes(shape)) if shape else REALS


def _meaning(cell: Cell, target: Quantity) -> str:
    definition = next(d for d in cell.definitions if d.symbol == target)
    output = " and output" if target == cell.output else ""
    if isinstance(target, NextState):
        return f"state after the step{output}"
    if definition.static:
        return "value made of parameters"
    if isinstance(definition.expr, sigmoid):
        return f"gate{output}"
    if isinstance(definition.expr, tanh):
        return f"candidate{output}"
    return f"value{output}"


def reason(
    cell: Cell,
    adjoint: PrintedAdjoint,
    printer: Printer,
    reading: Reading,
    label_of: Callable[[Quantity], str],
    letters: Letters,
) -> Prose:
    """Why the adjoint of a quantity is what the next equation says, in one or two sentences."""
    of, name = adjoint.of, printer.symbol(adjoint.of)
    made_by = {part: target for target, part in reading.activations}
    through = [item.through for item in adjoint.moving if item.through is not None]
    if of in made_by and through == [made_by[of]]:
        target = made_by[of]
        call = next(d.expr for d in cell.definitions if d.symbol == target)
        known = call.facts.words.derivative if isinstance(call, PointwiseFunction | VectorFunction) else ""
        told = printer.said(letters.say(known))
        by, made = Reference(label_of(target)), printer.symbol(target)
        return say("By {}, {} is a function of {} alone{}, so", by, made, name, told)
    numbered = [*(equation.target for equation in cell.equations), *(part for part, _ in reading.named)]
    return goes(name, ways(cell, adjoint, numbered, lambda quantity: Reference(label_of(quantity))))


def goes(name: Node, ways: Prose) -> Prose:
    """That a quantity of this name goes these ways."""
    return say("{} {}, so", name, ways) if ways else say("Nothing depends on {}:", name)


def ways(
    cell: Cell, adjoint: PrintedAdjoint, numbered: Iterable[Quantity], refer: Callable[[Quantity], Insert]
) -> Prose:
    """Where a quantity goes, in words that follow its name; nothing where it goes nowhere.

    `numbered` are the quantities whose equations have numbers, in order; `refer` writes such a number.
    """
    through = {item.through for item in adjoint.moving}
    entered = [quantity for quantity in numbered if quantity in through]
    made = []
    if entered:
        only = " only" if len(entered) == 1 else ""
        made.append(say(f"enters {{}}{only}", listed(map(refer, entered))))
    if adjoint.of == cell.output:
        made.append(say("is the output"))
    if isinstance(adjoint.of, NextState):
        made.append(say("is read by the next step"))
    return together(made, " and ")
