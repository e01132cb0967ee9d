"""The order of dependence of a cell's equations, and deep ones in pieces."""

from sympy import Expr

from symrnn.declaration.depth import DEEPEST, Piece, cut
from symrnn.declaration.nodes import atoms_of, depth_of
from symrnn.declaration.quantities import NextState, Quantity, Value
from symrnn.errors import DeclarationError


def place_of(cell: str, number: int, target: object = None) -> str:
    """The beginning of a message about an equation of a cell."""
    described = f" ({target} = ...)" if target is not None else ""
    return f"In cell {cell!r}, equation {number}{described}: "


def dependency_order(cell: str, pairs: list[tuple[Quantity, Expr]]) -> list[int]:
    """Positions of the equations such that each one uses only what earlier ones define."""
    position = {target: i for i, (target, _) in enumerate(pairs)}
    uses = [sorted(position[used] for used in atoms_of(rhs, Value, NextState)) for _, rhs in pairs]
    order: dict[int, None] = {}
    for start in range(len(pairs)):
        path = {start: iter(uses[start])}  # without recursion: a chain may be long
        while path and start not in order:
            last = next(reversed(path))
            used = next((i for i in path[last] if i not in order), None)
            if used is None:
                order[last] = None
                del path[last]
            elif used in path:
                steps = list(path)
                members = [str(pairs[i][0]) for i in steps[steps.index(used) :]]
                raise DeclarationError(
                    f"The cell {cell!r} has a cycle: {' needs '.join([*members, members[0]])}. "
                    "Break it: a state's previous value (the bare state) needs no equation of this time step."
                )
            else:
                path[used] = iter(uses[used])
    return list(order)


def pieces_of(
    cell: str, pairs: list[tuple[Quantity, Expr]], order: list[int]
) -> tuple[list[Piece], list[int]]:
    """The equations, deep ones in pieces, and the positions of the pieces in the order of dependence."""
    names = {quantity.name for pair in pairs for side in pair for quantity in atoms_of(side, Quantity)}
    taken = names | {name.removesuffix(".next") for name in names}
    pieces: list[Piece] = []
    positions: list[range] = []
    for number, (target, rhs) in enumerate(pairs, 1):
        made = cut(target, rhs, number, taken)
        levels = max(depth_of(piece.rhs) for piece in made)
        if levels > DEEPEST:
            raise DeclarationError(
                f"{place_of(cell, number, target)}it has conditions that nest {levels} levels deep, and "
                f"conditions may have {DEEPEST}. Name a part: a Value that is where(condition, 1, 0) stands "
                "for a condition."
            )
        positions.append(range(len(pieces), len(pieces) + len(made)))
        pieces += made
    return pieces, [position for i in order for position in positions[i]]
