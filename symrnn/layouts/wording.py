"""What is said of an import: which cell it is, where each parameter lies, what was negated or added."""

from collections.abc import Sequence

from symrnn import zoo
from symrnn.declaration.axes import Size, size_text
from symrnn.layouts.frameworks import OWN, PACKINGS
from symrnn.layouts.packing import Named, Stacked
from symrnn.layouts.records import BIASES, Array, Layout, Piece, Place, Span, spans

FIRST = Place(0, False)


def origins(layout: Layout) -> dict[str, str]:
    """Each parameter of the first layer as a NumPy expression of the framework's arrays."""
    places = {(s.piece.kind, s.piece.gate): (a, s) for a in layout.arrays for s in spans(a)}

    def part(piece: Piece) -> tuple[str, int]:
        kinds = BIASES if piece.kind == "b" and "d" not in _kinds(OWN[layout.cell]) else piece.kind
        found = [places[kind, piece.gate] for kind in kinds if (kind, piece.gate) in places]
        if not found:
            return "0", 1
        text = " + ".join(_slice(layout, array, span) for array, span in found)
        sign = found[0][1].piece.sign
        return (f"({text})" if sign < 0 and len(found) > 1 else text), sign

    made = {}
    for array in OWN[layout.cell]:
        parts = [part(piece) for piece in array.pieces[0]]
        text = parts[0][0] if len(parts) == 1 else f"[{', '.join(text for text, _ in parts)}]"
        made[array.name] = f"-{text}" if parts[0][1] < 0 else text
    return {parameter.name: made[parameter.name] for parameter in zoo.cell(layout.cell).parameters}


def _kinds(arrays: Sequence[Array]) -> set[str]:
    return {piece.kind for array in arrays for row in array.pieces for piece in row}


def _slice(layout: Layout, array: Array, span: Span) -> str:
    """A piece as a part of the framework's array."""
    packing = PACKINGS[layout.framework]
    name = packing.alone if isinstance(packing, Named) else packing.placed
    last = spans(array)[-1]
    rows = _range(span.rows, last.rows[1]) if len(array.shape) == 2 else ""
    columns = _range(span.columns, last.columns[1])
    if array.is_bias and rows:
        rows = str(span.rows[0])
    index = [columns, rows] if array.transposed else [rows, columns]
    index = ["0"] * isinstance(packing, Stacked) + index[len(index) - len(array.shape) :]
    while index and index[-1] == ":":
        index.pop()
    text = name.format(array=array.name, place=FIRST) + (f"[{', '.join(index)}]" if index else "")
    return f"{text}.T" if array.transposed else text


def _range(ends: tuple[Size, Size], whole: Size) -> str:
    start, stop = ends
    return f"{size_text(start) if start != 0 else ''}:{size_text(stop) if stop != whole else ''}".replace(
        " ", ""
    )


def notes(layout: Layout, places: Sequence[Place]) -> tuple[str, ...]:
    """What an import by this layout did, in sentences."""
    cell = zoo.cell(layout.cell)
    directions = "both directions" if any(place.reverse for place in places) else "one direction"
    layers = sum(not place.reverse for place in places)
    pairs = [pair.split("=") for pair in layout.gates.split()]
    said = [
        f"{layout.name} is {cell.name}: {cell.title}, {cell.variant}.",
        f"{layers} layer{'s' * (layers > 1)}, {directions}.",
    ]
    if len(pairs) > 1:
        said.append(f"Its gates stand in the order {', '.join(theirs for theirs, _ in pairs)}.")
    for theirs, ours in pairs:
        if ours.startswith("-"):
            said.append(
                f"Its {theirs} is 1 - {ours[1:]}: the weights and biases of {ours[1:]} are negated, as "
                "sigmoid(-a) = 1 - sigmoid(a)."
            )
        elif theirs != ours and len(pairs) > 1:
            said.append(f"Its {theirs} is {ours}.")
    if transposed := [array.name for array in layout.arrays if array.transposed]:
        said.append(f"{', '.join(transposed)} {'are' if len(transposed) > 1 else 'is'} transposed.")
    return (*said, *_of_biases(layout))


def _of_biases(layout: Layout) -> tuple[str, ...]:
    own, theirs = _kinds(OWN[layout.cell]), _kinds(layout.arrays)
    zero = [name for name, text in origins(layout).items() if text == "0"]
    if not theirs & {*BIASES}:
        return ("There are no biases: those of the cell are zero.",)
    if "d" in theirs and "d" not in own:
        return (
            f"The two biases of a gate are added: {layout.cell} has one. Written back, the second is zero.",
        )
    if zero:
        return (
            f"It has no biases {', '.join(zero)}: they are zero. Written back, they are added to the others.",
        )
    return ()
