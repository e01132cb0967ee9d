"""The recurrent layers of other frameworks in NumPy, over their own arrays, by their documentation.

Each takes the arrays of one direction by name, and x (T, B, n), and gives the outputs (T, B, m).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, Any]
tanh = np.tanh


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def relu(a: Any) -> Any:
    return np.maximum(a, 0)


def over_time(x: Any, sizes: tuple[int, ...], step: Callable[..., Any]) -> Any:
    """The first state after each step; `step` takes an input and the states, and gives the next states."""
    states, outputs = [np.zeros((x.shape[1], size)) for size in sizes], []
    for x_t in x:
        states = step(x_t, *states)
        outputs.append(states[0])
    return np.stack(outputs)


def keras_simple(w: Arrays, x: Any, f: Any) -> Any:
    U = w["recurrent_kernel"]
    return over_time(x, (len(U),), lambda x_t, h: [f(x_t @ w["kernel"] + w["bias"] + h @ U)])


def keras_gru(w: Arrays, x: Any, reset_after: bool) -> Any:
    """The cell of `keras.layers.GRU`: gates z, r, h; `h = z * h_tm1 + (1 - z) * hh`."""
    kernel, U = w["kernel"], w["recurrent_kernel"]
    m = len(U)
    bias, state_bias = w["bias"] if reset_after else (w["bias"], np.zeros(3 * m))

    def step(x_t: Any, h: Any) -> Any:
        x_z, x_r, x_h = np.split(x_t @ kernel + bias, 3, axis=1)
        if reset_after:
            h_z, h_r, h_h = np.split(h @ U + state_bias, 3, axis=1)
            z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
            hh = tanh(x_h + r * h_h)
        else:
            z, r = sigmoid(x_z + h @ U[:, :m]), sigmoid(x_r + h @ U[:, m : 2 * m])
            hh = tanh(x_h + (r * h) @ U[:, 2 * m :])
        return [z * h + (1 - z) * hh]

    return over_time(x, (m,), step)


def keras_lstm(w: Arrays, x: Any) -> Any:
    m = len(w["recurrent_kernel"])

    def step(x_t: Any, h: Any, c: Any) -> Any:
        z0, z1, z2, z3 = np.split(x_t @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], 4, axis=1)
        i, f, o = sigmoid(z0), sigmoid(z1), sigmoid(z3)
        c = f * c + i * tanh(z2)
        return [o * tanh(c), c]

    return over_time(x, (m, m), step)


def onnx_rnn(w: Arrays, x: Any, f: Any) -> Any:
    """Ht = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Wbi + Rbi)."""
    W, R = w["W"], w["R"]
    Wb, Rb = np.split(w["B"], 2)
    return over_time(x, (len(R),), lambda x_t, h: [f(x_t @ W.T + h @ R.T + Wb + Rb)])


def onnx_gru(w: Arrays, x: Any, linear_before_reset: bool) -> Any:
    """Ht = (1 - zt) (.) ht + zt (.) Ht-1, with the gates z, r, h."""
    (Wz, Wr, Wh), (Rz, Rr, Rh) = np.split(w["W"], 3), np.split(w["R"], 3)
    Wbz, Wbr, Wbh, Rbz, Rbr, Rbh = np.split(w["B"], 6)

    def step(x_t: Any, h: Any) -> Any:
        z = sigmoid(x_t @ Wz.T + h @ Rz.T + Wbz + Rbz)
        r = sigmoid(x_t @ Wr.T + h @ Rr.T + Wbr + Rbr)
        if linear_before_reset:
            candidate = tanh(x_t @ Wh.T + r * (h @ Rh.T + Rbh) + Wbh)
        else:
            candidate = tanh(x_t @ Wh.T + (r * h) @ Rh.T + Rbh + Wbh)
        return [(1 - z) * candidate + z * h]

    return over_time(x, (len(Rz),), step)


def onnx_lstm(w: Arrays, x: Any) -> Any:
    """The gates i, o, f, c; no peepholes."""
    Wi, Wo, Wf, Wc = np.split(w["W"], 4)
    Ri, Ro, Rf, Rc = np.split(w["R"], 4)
    Wbi, Wbo, Wbf, Wbc, Rbi, Rbo, Rbf, Rbc = np.split(w["B"], 8)

    def step(x_t: Any, h: Any, c: Any) -> Any:
        i = sigmoid(x_t @ Wi.T + h @ Ri.T + Wbi + Rbi)
        f = sigmoid(x_t @ Wf.T + h @ Rf.T + Wbf + Rbf)
        c = f * c + i * tanh(x_t @ Wc.T + h @ Rc.T + Wbc + Rbc)
        o = sigmoid(x_t @ Wo.T + h @ Ro.T + Wbo + Rbo)
        return [o * tanh(c), c]

    return over_time(x, (len(Ri), len(Ri)), step)


def cudnn(vector: Any, x: Any, mode: str) -> Any:
    """One layer of one direction; linLayerID counts the matrices on the input, then those on the state."""
    gates = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}[mode]
    n = x.shape[2]
    m = next(m for m in range(1, 99) if gates * m * (n + m + 2) == len(vector))
    matrices, biases = vector[: gates * m * (n + m)], vector[gates * m * (n + m) :].reshape(2 * gates, m)
    W = matrices[: gates * m * n].reshape(gates, m, n)
    R = matrices[gates * m * n :].reshape(gates, m, m)

    def sums(x_t: Any, h: Any, gate: int) -> tuple[Any, Any]:
        return x_t @ W[gate].T + biases[gate], h @ R[gate].T + biases[gates + gate]

    def simple(x_t: Any, h: Any) -> Any:
        return [{"tanh": tanh, "relu": relu}[mode](sum(sums(x_t, h, 0)))]

    def gru(x_t: Any, h: Any) -> Any:
        r, i = (sigmoid(sum(sums(x_t, h, gate))) for gate in (0, 1))
        of_x, of_h = sums(x_t, h, 2)
        return [(1 - i) * tanh(of_x + r * of_h) + i * h]

    def lstm(x_t: Any, h: Any, c: Any) -> Any:
        i, f, new, o = (sum(sums(x_t, h, gate)) for gate in range(4))
        c = sigmoid(f) * c + sigmoid(i) * tanh(new)
        return [sigmoid(o) * tanh(c), c]

    return over_time(x, (m, m) if mode == "lstm" else (m,), {"gru": gru, "lstm": lstm}.get(mode, simple))


def flax(w: Arrays, x: Any, kind: str) -> Any:
    """Dense layers by name: `dense("ir", x)`."""

    def dense(name: str, a: Any) -> Any:
        return a @ w[f"{name}/kernel"] + w.get(f"{name}/bias", 0)

    def gru(x_t: Any, h: Any) -> Any:
        r = sigmoid(dense("ir", x_t) + dense("hr", h))
        z = sigmoid(dense("iz", x_t) + dense("hz", h))
        new = tanh(dense("in", x_t) + r * dense("hn", h))
        return [(1 - z) * new + z * h]

    def lstm(x_t: Any, h: Any, c: Any) -> Any:
        i, f, g, o = (dense(f"i{gate}", x_t) + dense(f"h{gate}", h) for gate in "ifgo")
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return [sigmoid(o) * tanh(c), c]

    def simple(x_t: Any, h: Any) -> Any:
        return [{"tanh": tanh, "relu": relu}[kind](dense("i", x_t) + dense("h", h))]

    m = next(array.shape[1] for name, array in w.items() if name.startswith("h") and array.ndim == 2)
    return over_time(x, (m, m) if kind == "lstm" else (m,), {"gru": gru, "lstm": lstm}.get(kind, simple))


LAYERS: dict[str, Callable[[Any, Any], Any]] = {
    "keras.SimpleRNN": lambda w, x: keras_simple(w, x, tanh),
    "keras.SimpleRNN(activation=relu)": lambda w, x: keras_simple(w, x, relu),
    "keras.GRU": lambda w, x: keras_gru(w, x, True),
    "keras.GRU(reset_after=False)": lambda w, x: keras_gru(w, x, False),
    "keras.LSTM": keras_lstm,
    "onnx.RNN": lambda w, x: onnx_rnn(w, x, tanh),
    "onnx.RNN(activations=Relu)": lambda w, x: onnx_rnn(w, x, relu),
    "onnx.GRU": lambda w, x: onnx_gru(w, x, False),
    "onnx.GRU(linear_before_reset=1)": lambda w, x: onnx_gru(w, x, True),
    "onnx.LSTM": onnx_lstm,
    "cudnn.RNN": lambda w, x: cudnn(w["weights"], x, "tanh"),
    "cudnn.RNN(mode=relu)": lambda w, x: cudnn(w["weights"], x, "relu"),
    "cudnn.GRU": lambda w, x: cudnn(w["weights"], x, "gru"),
    "cudnn.LSTM": lambda w, x: cudnn(w["weights"], x, "lstm"),
    "flax.SimpleCell": lambda w, x: flax(w, x, "tanh"),
    "flax.SimpleCell(activation_fn=relu)": lambda w, x: flax(w, x, "relu"),
    "flax.GRUCell": lambda w, x: flax(w, x, "gru"),
    "flax.LSTMCell": lambda w, x: flax(w, x, "lstm"),
    "flax.OptimizedLSTMCell": lambda w, x: flax(w, x, "lstm"),
}
"""By the name of the layout; those of PyTorch are run by PyTorch."""
