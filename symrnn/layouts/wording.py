"""What is said of an import: which cell it is, where each parameter lies, what was negated or added."""

from collections.abc import Sequence

from symrnn import zoo
from symrnn.declaration.axes import Size, size_text
from symrnn.layouts.frameworks import OWN, PACKINGS
from symrnn.layouts.records import BIASES, FIRST, Array, Layout, Place, Span, addends, spans


def origins(layout: Layout) -> dict[str, str]:
    """Each parameter of the first layer as a NumPy expression of the framework's arrays."""
    there = {(s.piece.kind, s.piece.gate): _slice(layout, a, s) for a in layout.arrays for s in spans(a)}
    negated = {s.piece.gate for a in layout.arrays for s in spans(a) if s.piece.sign < 0}
    made = {}
    for array in OWN[layout.cell]:
        pieces = [span.piece for span in spans(array)]
        parts = [" + ".join(addends(piece, there, _pieces(OWN[layout.cell]))) or "0" for piece in pieces]
        text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
        if pieces[0].gate in negated and text != "0":
            text = f"-({text})" if " + " in text else f"-{text}"
        made[array.name] = text
    return {parameter.name: made[parameter.name] for parameter in zoo.cell(layout.cell).parameters}


def _pieces(arrays: Sequence[Array]) -> set[tuple[str, str]]:
    """Kind and gate of all pieces."""
    return {(span.piece.kind, span.piece.gate) for array in arrays for span in spans(array)}


def _slice(layout: Layout, array: Array, span: Span) -> str:
    """A piece as a part of the framework's array."""
    packing, last = PACKINGS[layout.framework], spans(array)[-1]
    rows, columns = _range(span.rows, last.rows[1]), _range(span.columns, last.columns[1])
    if array.is_bias:
        index = [str(span.rows[0]), columns] if len(array.shape) == 2 else [columns]
    else:
        index = [columns, rows] if array.transposed else [rows, columns]
    index = ["0"] * packing.paired + index
    while index and index[-1] == ":":
        index.pop()
    name = packing.alone.format(array=array.name, place=FIRST)
    return name + (f"[{', '.join(index)}]" if index else "") + (".T" if array.transposed else "")


def _range(ends: tuple[Size, Size], whole: Size) -> str:
    start, stop = (size_text(end).replace(" ", "") for end in ends)
    return f"{start if ends[0] != 0 else ''}:{stop if ends[1] != whole else ''}"


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
    own, theirs = ({kind for kind, _ in _pieces(arrays)} for arrays in (OWN[layout.cell], layout.arrays))
    zero = [name for name, text in origins(layout).items() if text == "0"]
    if not theirs & {*BIASES}:
        return ("There are no biases: those of the cell are zero.",)
    if "d" in theirs - own:
        return (
            f"The two biases of a gate are added: {layout.cell} has one. Written back, the second is zero.",
        )
    if zero:
        return (
            f"It has no biases {', '.join(zero)}: they are zero. Written back, they are added to the others.",
        )
    return ()
