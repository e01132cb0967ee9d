r"""From a derivation to the parts of its document: what is told, in which order, with which equations."""

from symrnn.derivation.derivation import Derivation
from symrnn.emission.latex_document import _Document, label_of
from symrnn.emission.latex_jacobian import jacobian_text
from symrnn.emission.latex_parts import Equation, Parts, Passage, Section
from symrnn.emission.latex_parts import SymbolRow as Row
from symrnn.emission.latex_words import conventions, reason, symbol_rows


def derivation_parts(derivation: Derivation) -> Parts:
    """The parts of the document about a derivation."""
    d = _Document(derivation)
    cell, p = d.cell, d.printer
    step = [a for a in d.reading.adjoints if not a.equation.static]
    fixed = [a for a in d.reading.adjoints if a.equation.static]
    forward = tuple(
        Equation(p.symbol(e.target), (p.text(e.rhs),), label_of(e.target)) for e in cell.equations
    )
    named = tuple(Equation(p.symbol(q), (p.text(x),), label_of(q)) for q, x in d.reading.named)
    blocks = tuple(Equation(p.symbol(b.symbol), (d.block_product(b),)) for b in d.reading.blocks)
    sections = [
        Section(
            "forward",
            "Forward pass",
            (
                Passage(
                    r"One step computes, for $t = 1, \dots, T$,",
                    forward,
                    f"and its output is ${p.symbol(cell.output)}$.",
                ),
                *(
                    [
                        Passage(
                            "The backward pass needs names for the arguments of the functions above:", named
                        )
                    ]
                    if named
                    else []
                ),
                *([Passage("Column blocks:", blocks)] if blocks else []),
            ),
        )
    ]
    backward = [
        Passage(
            r"Let $\mathcal{L}$ be the loss. The adjoint of a quantity $q$, written",
            (Equation(r"\delta q", (r"\frac{\partial \mathcal{L}}{\partial q}",)),),
            f"has the shape of $q$. {d.notes()}.",
        )
    ]
    for a in step:
        rights = [d.sum_text(a.moving)]
        if any(i.through is not None for i in a.moving):
            rights.insert(0, d.chain(a.moving, a.of))
        backward.append(
            Passage(
                reason(cell, a, p, d.reading, label_of),
                (Equation(p.symbol(a.equation.symbol), tuple(rights), f"eq:adjoint:{a.of.name}"),),
            )
        )
    sections.append(Section("backward", "Backward pass", tuple(backward)))
    if fixed:
        sections.append(
            Section(
                "parameters",
                "Parameters",
                (
                    Passage(
                        "Sums.",
                        tuple(
                            Equation(
                                p.symbol(a.equation.symbol), (d.static_text(a),), f"eq:adjoint:{a.of.name}"
                            )
                            for a in fixed
                        ),
                    ),
                ),
            )
        )
    if cell.states:
        sections.append(
            Section(
                "jacobian",
                "Step Jacobian",
                (
                    Passage(
                        "How the state:",
                        tuple(
                            Equation(l, (r,))
                            for l, r in (jacobian_text(j, p, d.reading.blocks) for j in d.jacobians)
                        ),
                    ),
                ),
            )
        )
    res = [Equation(p.symbol(a.equation.symbol), (d.sum_text(a.moving),)) for a in step] + [
        Equation(p.symbol(a.equation.symbol), (d.static_text(a),)) for a in fixed
    ]
    return Parts(
        cell.name,
        cell.title,
        cell.variant,
        cell.source,
        conventions(cell, p),
        tuple(Row(r.symbol, r.meaning, r.shape) for r in symbol_rows(cell, d.reading, p)),
        tuple(sections),
        Section("results", "Results", (Passage("All adjoints", tuple(res)),)),
        (),
    )
