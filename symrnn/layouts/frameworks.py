"""All layouts: PyTorch, Keras, ONNX, cuDNN and Flax, each by the equations that its documentation gives.

A framework's gates are named by the cell's. Sources: the documentation of `torch.nn.RNN`, `GRU` and `LSTM`;
of `keras.layers.SimpleRNN`, `GRU` and `LSTM`; of the operators RNN, GRU and LSTM of ONNX; of
`cudnnGetRNNWeightParams` (the order of linLayerID); of `flax.linen.SimpleCell`, `GRUCell` and `LSTMCell`.
That all matrices lie before all biases in cuDNN's vector, NVIDIA does not promise; JAX cuts it so, too.
"""

from collections.abc import Iterable

from symrnn.layouts.packing import Flat, Named, Packing, Stacked
from symrnn.layouts.records import BIASES, Array, Layout, Piece

PACKINGS: dict[str, Packing] = {
    "torch": Named("{array}_{place}", "{array}_{place}", stacks=True),
    "keras": Named("{array}", "{place}/{array}"),
    "onnx": Stacked("{array}", "{place}/{array}"),
    "cudnn": Flat("weights", "{array}_{place}", stacks=True),
    "flax": Named("{array}", "{place}/{array}"),
}
"""How each framework names its arrays and puts them together."""

OWN_PACKING = Named("{array}", "{array}_{place}")
"""Parameters by the equations' names; with the layer and the direction if there are several."""


def _separate(gates: str) -> tuple[Array, ...]:
    """The parameters of a cell with W_g @ x + U_g @ h + b_g + d_g."""
    return tuple(Array(f"{kind}_{gate}", ((Piece(kind, gate),),)) for kind in "WUbd" for gate in gates)


def _joined(gates: str, kinds: str) -> tuple[Array, ...]:
    """The parameters of a cell with W_g @ [h, x] + b_g; `kinds` in the order of the stack."""
    weights = [Array(f"W_{gate}", (tuple(Piece(kind, gate) for kind in kinds),)) for gate in gates]
    return (*weights, *(Array(f"b_{gate}", ((Piece("b", gate),),)) for gate in gates))


OWN = {
    "elman": _joined("s", "WU"),
    "elman_relu": _joined("s", "WU"),
    "gru": _joined("ruc", "UW"),
    "gru_reset_after": _separate("rzn"),
    "lstm": _joined("ifog", "UW"),
    "lstm_projected": (*_joined("ifog", "VW"), Array("W_h", ((Piece("P", ""),),))),
}
"""The parameters of shipped cells by the cell's name."""


def pieces_of(gates: str, kind: str) -> tuple[Piece, ...]:
    """The pieces of one kind in the order of a framework's gates."""
    ours = [pair.partition("=")[2] for pair in gates.split()]
    return tuple(Piece(kind, gate.lstrip("-"), -1 if gate.startswith("-") else 1) for gate in ours)


def _array(name: str, kinds: str, gates: str, *, transposed: bool = False, rows: bool = False) -> Array:
    """Gates one after the other; of two kinds of biases one behind the other, or in `rows` of their own."""
    each = [pieces_of(gates, kind) for kind in kinds]
    if kinds[0] not in BIASES:
        return Array(name, tuple((piece,) for pieces in each for piece in pieces), transposed)
    return Array(name, tuple(each) if rows else (tuple(piece for pieces in each for piece in pieces),))


def _torch(name: str, cell: str, gates: str, state: str = "U") -> Layout:
    arrays = (
        _array("weight_ih", "W", gates),
        _array("weight_hh", state, gates),
        _array("bias_ih", "b", gates),
        _array("bias_hh", "d", gates),
    )
    projection = (Array("weight_hr", ((Piece("P", ""),),)),) if state == "V" else ()
    return Layout(name, cell, gates, (*arrays, *projection))


def _keras(name: str, cell: str, gates: str, biases: str = "b") -> Layout:
    arrays = (
        _array("kernel", "W", gates, transposed=True),
        _array("recurrent_kernel", "U", gates, transposed=True),
        _array("bias", biases, gates, rows=True),
    )
    return Layout(name, cell, gates, arrays)


def _onnx(name: str, cell: str, gates: str) -> Layout:
    arrays = (_array("W", "W", gates), _array("R", "U", gates), _array("B", BIASES, gates))
    return Layout(name, cell, gates, arrays)


def _flax(name: str, cell: str, gates: str, dense: Iterable[str]) -> Layout:
    """`dense` lists the layers, each as its name and the kinds of its kernel and its bias, as in "in=Wb"."""
    arrays = []
    for entry in dense:
        layer, _, kinds = entry.partition("=")
        gate = next((pair for pair in gates.split() if pair[0] == layer[1:]), gates)
        arrays.append(_array(f"{layer}/kernel", kinds[0], gate, transposed=True))
        arrays += [_array(f"{layer}/bias", kind, gate) for kind in kinds[1:]]
    return Layout(name, cell, gates, tuple(arrays))


LAYOUTS = {
    layout.name: layout
    for layout in (
        _torch("torch.RNN", "elman", "h=s"),
        _torch("torch.RNN(nonlinearity=relu)", "elman_relu", "h=s"),
        _torch("torch.GRU", "gru_reset_after", "r=r z=z n=n"),
        _torch("torch.LSTM", "lstm", "i=i f=f g=g o=o"),
        _torch("torch.LSTM(proj_size)", "lstm_projected", "i=i f=f g=g o=o", "V"),
        _keras("keras.SimpleRNN", "elman", "h=s"),
        _keras("keras.SimpleRNN(activation=relu)", "elman_relu", "h=s"),
        _keras("keras.GRU", "gru_reset_after", "z=z r=r h=n", BIASES),
        _keras("keras.GRU(reset_after=False)", "gru", "z=-u r=r h=c"),
        _keras("keras.LSTM", "lstm", "i=i f=f c=g o=o"),
        _onnx("onnx.RNN", "elman", "h=s"),
        _onnx("onnx.RNN(activations=Relu)", "elman_relu", "h=s"),
        _onnx("onnx.GRU", "gru", "z=-u r=r h=c"),
        _onnx("onnx.GRU(linear_before_reset=1)", "gru_reset_after", "z=z r=r h=n"),
        _onnx("onnx.LSTM", "lstm", "i=i o=o f=f c=g"),
        _torch("cudnn.RNN", "elman", "h=s"),
        _torch("cudnn.RNN(mode=relu)", "elman_relu", "h=s"),
        _torch("cudnn.GRU", "gru_reset_after", "r=r i=z h=n"),
        _torch("cudnn.LSTM", "lstm", "i=i f=f c=g o=o"),
        _flax("flax.SimpleCell", "elman", "h=s", ("i=Wb", "h=U")),
        _flax("flax.SimpleCell(activation_fn=relu)", "elman_relu", "h=s", ("i=Wb", "h=U")),
        _flax(
            "flax.GRUCell",
            "gru_reset_after",
            "r=r z=z n=n",
            ("ir=Wb", "iz=Wb", "in=Wb", "hr=U", "hz=U", "hn=Ud"),
        ),
        *(
            _flax(
                name, "lstm", "i=i f=f g=g o=o", [*(f"i{g}=W" for g in "ifgo"), *(f"h{g}=Ub" for g in "ifgo")]
            )
            for name in ("flax.LSTMCell", "flax.OptimizedLSTMCell")
        ),
    )
}
"""All layouts by name: the framework's own word for the layer, and what tells variants apart."""
