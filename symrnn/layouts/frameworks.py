"""All layouts: PyTorch, Keras, ONNX, cuDNN and Flax, each by the equations that its documentation gives.

A framework's gates are named by the cell's. Sources: the documentation of `torch.nn.RNN`, `GRU` and `LSTM`;
of `keras.layers.SimpleRNN`, `GRU` and `LSTM`; of the operators RNN, GRU and LSTM of ONNX; of
`cudnnGetRNNWeightParams` (the order of linLayerID); of `flax.linen.SimpleCell`, `GRUCell` and `LSTMCell`.
That all matrices lie before all biases in cuDNN's vector, NVIDIA does not promise; JAX cuts it so, too.
"""

from collections.abc import Iterator

from symrnn.layouts.packing import Packing
from symrnn.layouts.records import BIASES, Array, Layout, Piece

PACKINGS = {
    "torch": Packing("{array}_{place}", "{array}_{place}", stacks=True),
    "keras": Packing("{array}", "{place}/{array}"),
    "onnx": Packing("{array}", "{place}/{array}", paired=True),
    "cudnn": Packing("{array}_{place}", "{array}_{place}", stacks=True, whole="weights"),
    "flax": Packing("{array}", "{place}/{array}"),
}
"""How each framework names its arrays and puts them together."""

OWN_PACKING = Packing("{array}", "{array}_{place}")
"""Parameters by the equations' names; with the layer and the direction if there are several."""


def _arrays(text: str, gates: str) -> tuple[Array, ...]:
    """Arrays as a text says them, for gates as in "z=-u r=r h=c".

    Each is a name and kinds of pieces, of all gates one after the other: of matrices one gate per row, its
    kinds side by side; of biases all in one row, or one row per kind (`b/d`). A name with {} is an array of
    each gate, `d:n` is of gate n alone, and .T is transposed.
    """
    made = []
    for word in text.split():
        name, _, content = word.partition("=")
        kinds, _, alone = content.removesuffix(".T").partition(":")
        pairs = [pair for pair in gates.split() if not alone or pair.startswith(alone)]
        for theirs, chosen in [(pair[0], [pair]) for pair in pairs] if "{}" in name else [("", pairs)]:
            rows = tuple(tuple(row) for row in _rows(kinds, [pair.partition("=")[2] for pair in chosen]))
            made.append(Array(name.format(theirs), rows, content.endswith(".T")))
    return tuple(made)


def _rows(kinds: str, gates: list[str]) -> Iterator[list[Piece]]:
    def pieces(kinds: str, gates: list[str]) -> list[Piece]:
        return [Piece(k, g.lstrip("-"), -1 if g.startswith("-") else 1) for k in kinds for g in gates]

    if kinds[0] in BIASES:
        yield from (pieces(row, gates) for row in kinds.split("/"))
    else:
        yield from (pieces(kinds, [gate]) for gate in (gates if kinds != "P" else [""]))


def _own(names: str, text: str) -> tuple[Array, ...]:
    return _arrays(text, " ".join(f"{gate}={gate}" for gate in names))


OWN = {
    "elman": _own("s", "W_{}=WU b_{}=b"),
    "elman_relu": _own("s", "W_{}=WU b_{}=b"),
    "gru": _own("ruc", "W_{}=UW b_{}=b"),
    "gru_reset_after": _own("rzn", "W_{}=W U_{}=U b_{}=b d_{}=d"),
    "lstm": _own("ifog", "W_{}=UW b_{}=b"),
    "lstm_projected": _own("ifog", "W_{}=VW b_{}=b W_h=P"),
}
"""The parameters of shipped cells by the cell's name."""

_TORCH = "weight_ih=W weight_hh=U bias_ih=b bias_hh=d"
_KERAS = "kernel=W.T recurrent_kernel=U.T bias=b"
_ONNX = "W=W R=U B=bd"
_FLAX = "i{}/kernel=W.T i{}/bias=b h{}/kernel=U.T hn/bias=d:n"
_FLAX_SIMPLE = "i/kernel=W.T i/bias=b h/kernel=U.T"
_FLAX_LSTM = "i{}/kernel=W.T h{}/kernel=U.T h{}/bias=b"

LAYOUTS = {
    name: Layout(name, cell, gates, _arrays(text, gates))
    for name, cell, gates, text in (
        ("torch.RNN", "elman", "h=s", _TORCH),
        ("torch.RNN(nonlinearity=relu)", "elman_relu", "h=s", _TORCH),
        ("torch.GRU", "gru_reset_after", "r=r z=z n=n", _TORCH),
        ("torch.LSTM", "lstm", "i=i f=f g=g o=o", _TORCH),
        (
            "torch.LSTM(proj_size)",
            "lstm_projected",
            "i=i f=f g=g o=o",
            f"{_TORCH.replace('=U', '=V')} weight_hr=P",
        ),
        ("keras.SimpleRNN", "elman", "h=s", _KERAS),
        ("keras.SimpleRNN(activation=relu)", "elman_relu", "h=s", _KERAS),
        ("keras.GRU", "gru_reset_after", "z=z r=r h=n", f"{_KERAS}/d"),
        ("keras.GRU(reset_after=False)", "gru", "z=-u r=r h=c", _KERAS),
        ("keras.LSTM", "lstm", "i=i f=f c=g o=o", _KERAS),
        ("onnx.RNN", "elman", "h=s", _ONNX),
        ("onnx.RNN(activations=Relu)", "elman_relu", "h=s", _ONNX),
        ("onnx.GRU", "gru", "z=-u r=r h=c", _ONNX),
        ("onnx.GRU(linear_before_reset=1)", "gru_reset_after", "z=z r=r h=n", _ONNX),
        ("onnx.LSTM", "lstm", "i=i o=o f=f c=g", _ONNX),
        ("cudnn.RNN", "elman", "h=s", _TORCH),
        ("cudnn.RNN(mode=relu)", "elman_relu", "h=s", _TORCH),
        ("cudnn.GRU", "gru_reset_after", "r=r i=z h=n", _TORCH),
        ("cudnn.LSTM", "lstm", "i=i f=f c=g o=o", _TORCH),
        ("flax.SimpleCell", "elman", "h=s", _FLAX_SIMPLE),
        ("flax.SimpleCell(activation_fn=relu)", "elman_relu", "h=s", _FLAX_SIMPLE),
        ("flax.GRUCell", "gru_reset_after", "r=r z=z n=n", _FLAX),
        ("flax.LSTMCell", "lstm", "i=i f=f g=g o=o", _FLAX_LSTM),
        ("flax.OptimizedLSTMCell", "lstm", "i=i f=f g=g o=o", _FLAX_LSTM),
    )
}
"""All layouts by name: the framework's own word for the layer, and what tells variants apart."""
