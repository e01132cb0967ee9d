"""What a step of a derivation costs whoever computes it: figures that a plan gives and a paper prints."""

from dataclasses import dataclass

from sympy import Expr


@dataclass(frozen=True, slots=True)
class StepCost:
    """Costs per sample and step, as polynomials in the axes.

    `forward` and `backward` are operations, a function call counted as one; `saved` is how many numbers the
    forward pass keeps for the backward pass, those of the outputs, `saved_outputs`, among them; `kept` names
    the arrays. A kernel that keeps states and outputs alone keeps `saved_states` numbers, and its backward
    pass, which computes the rest again, does `backward_again` operations.
    """

    forward: Expr
    backward: Expr
    saved: Expr
    saved_outputs: Expr
    kept: tuple[str, ...]
    saved_states: Expr
    backward_again: Expr
