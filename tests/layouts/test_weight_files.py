"""Files of weights: those of other frameworks, our own, which know their cell, and the command `import`."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_runs import invoked
from safetensors import safe_open
from safetensors.numpy import save_file
from sympy import Eq

import symrnn
from symrnn import Cell, Input, Parameter, State, axes, layouts, tanh, zoo
from symrnn.declaration.digest import cell_digest
from symrnn.errors import RequestError

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
own = Cell("own", Eq(h.next, tanh(Parameter("W", m, m + n) @ [h, x])))


def layer(name: str = "gru", n: int = 3) -> Any:
    return symrnn.load(zoo.cell(name), "numpy").init(np.random.default_rng(n), n=n, m=4)


def metadata(path: Path) -> Any:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["symrnn"])


def test_a_file_names_the_parameters_and_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "gru.safetensors"
    layouts.save(path, zoo.gru, layer())
    with safe_open(path, framework="numpy") as file:
        assert {*file.keys()} == {"W_r", "W_u", "W_c", "b_r", "b_u", "b_c"}
    record = metadata(path)
    assert record["cell"] == "gru"
    assert record["digest"] == cell_digest(zoo.gru)
    assert record["made"] == f"made by symrnn {symrnn.__version__}"
    loaded = layouts.load(path)
    assert loaded.cell is zoo.gru
    assert [*loaded.layers] == ["l0"]
    assert {name: a.tobytes() for name, a in loaded.layers["l0"].items()} == {
        name: a.tobytes() for name, a in layer()._asdict().items()
    }
    layouts.save(path, zoo.gru, loaded)  # over what is ours


def test_several_layers_and_a_cell_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    widths = {"l0": 7, "l0_reverse": 7, "l1": 9, "l1_reverse": 9}
    given = {p: {"W": np.full((4, width), i + 0.5)} for i, (p, width) in enumerate(widths.items())}
    layouts.save(path, own, given)
    with safe_open(path, framework="numpy") as file:
        assert {*file.keys()} == {"W_l0", "W_l0_reverse", "W_l1", "W_l1_reverse"}
    loaded = layouts.load(path, own)
    assert {place: a["W"].tolist() for place, a in loaded.layers.items()} == {
        place: a["W"].tolist() for place, a in given.items()
    }
    with pytest.raises(RequestError, match=r"is of the cell own, which is not shipped\. Give that cell\."):
        layouts.load(path)
    with pytest.raises(
        RequestError, match=r"is of the cell own with digest .*and gru has digest .*Give the cell"
    ):
        layouts.load(path, zoo.gru)


def test_files_of_others_are_left_alone_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"W_r": np.ones(3)}, path)
    before = path.read_bytes()
    with pytest.raises(RequestError, match="symrnn did not write it"):
        layouts.save(path, zoo.gru, layer())
    assert path.read_bytes() == before
    with pytest.raises(
        RequestError, match=r"holds no weights that symrnn wrote\. Name a file that symrnn\.layouts"
    ):
        layouts.load(path)
    layouts.save(path, zoo.gru, layer(), force=True)
    save_file({"W": np.ones(3)}, path, {"symrnn": json.dumps({**metadata(path), "kind": "recipe"})})
    with pytest.raises(RequestError, match=r"holds 'recipe', no weights of a cell"):
        layouts.load(path)
    layouts.save(path, zoo.gru, layer(), force=True)
    record = metadata(path)
    save_file({"W_r": np.ones((3, 4))}, path, {"symrnn": json.dumps(record)})
    with pytest.raises(RequestError, match=r"is damaged\. Missing: "):
        layouts.load(path)
    path.write_text("text")
    for verb in (layouts.load, lambda path: layouts.read(path, "torch")):
        with pytest.raises(RequestError, match="is no safetensors file, or it is cut off"):
            verb(path)
        with pytest.raises(RequestError, match="absent does not exist"):
            verb(tmp_path / "absent")
        with pytest.raises(RequestError, match="is a folder"):
            verb(tmp_path)


def test_of_a_file_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch").save_file
    layer = torch.nn.GRU(3, 4).state_dict()
    head = {"head.weight": torch.zeros(2, 4, dtype=torch.bfloat16)}
    save({**{f"rnn.{key}": tensor for key, tensor in layer.items()}, **head}, tmp_path / "model.safetensors")
    found = layouts.read(tmp_path / "model.safetensors", "torch", prefix="rnn.").layers["l0"]
    np.testing.assert_array_equal(found["U_r"], layer["weight_hh_l0"][:4])
    with pytest.raises(
        RequestError, match=r"no name that begins with 'gru\.'\. Names in it: head\.weight, rnn\."
    ):
        layouts.read(tmp_path / "model.safetensors", "torch", prefix="gru.")
    with pytest.raises(
        RequestError, match=r"(kind that NumPy lacks|head.weight is of dtype bfloat16).*(C|c)onvert them"
    ):
        layouts.read(tmp_path / "model.safetensors", "torch")


def test_weights_say_what_they_are_without_their_numbers() -> None:
    arrays = layouts.write(layer("lstm"), "torch.LSTM")
    assert len(repr(layouts.read(arrays, "torch"))) < 400


def test_what_is_no_layer_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "gru.safetensors"
    with pytest.raises(
        RequestError, match=r"no parameters of gru\. b_r has shape \(5,\); it should have \(m,\) = \(4,\)"
    ):
        layouts.save(path, zoo.gru, layer()._replace(b_r=np.ones(5, np.float32)))
    with pytest.raises(RequestError, match=r"save\(\) got 'gru', which is no Cell"):
        layouts.save(path, "gru", layer())
    assert not path.exists()


def test_without_safetensors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    told = r'Files of weights need the package safetensors\. Install it with: pip install "symrnn\[weights\]"'
    for call in (
        lambda: layouts.save(tmp_path / "a", zoo.gru, layer()),
        lambda: layouts.load(tmp_path / "a"),
        lambda: layouts.read(str(tmp_path / "a"), "torch"),
    ):
        with pytest.raises(RequestError, match=told):
            call()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_import_says_what_it_is_and_writes_it(folder: Path) -> None:
    arrays = layouts.write(layer("gru"), "keras.GRU(reset_after=False)")
    save_file(
        {f"rnn/{name}": array for name, array in arrays.items()} | {"head": np.ones(3)}, "model.safetensors"
    )
    options = ("model.safetensors", "--from", "keras", "--as", "gru", "--prefix", "rnn/")
    shown = invoked("import", *options, "-o", "gru.safetensors").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "│ W_u             │ 4 x 7 │ -[recurrent_kernel[:, :m].T, kernel[:, :m].T] " in shown
    assert "keras.GRU(reset_after=False) is gru: Gated recurrent unit, reset before the" in shown
    assert "Its z is 1 - u: the weights and biases of u are negated" in shown
    assert shown.splitlines()[-1] == "gru.safetensors"
    loaded = layouts.load("gru.safetensors")
    assert {k: a.tobytes() for k, a in loaded.layers["l0"].items()} == {
        k: a.tobytes() for k, a in layer("gru")._asdict().items()
    }
    assert "gru.safetensors" not in invoked("import", *options).stdout


def test_import_of_one_vector(folder: Path) -> None:
    save_file(layouts.write(layer("lstm"), "cudnn.LSTM"), "weights.safetensors")
    shown = invoked(
        "import", "weights.safetensors", "--from", "cudnn.LSTM", "--size", "n=3", "--size", "m=4"
    ).stdout
    assert "[weight_hh_l0[:m], weight_ih_l0[:m]]" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("absent.safetensors", "--from", "torch"), "The file absent.safetensors does not exist."),
        (("lstm.safetensors", "--from", "torch.GRU"), "They fit torch.LSTM."),
        (("lstm.safetensors", "--from", "pytorch"), "There is no layout 'pytorch'. Do you mean torch"),
        (
            ("lstm.safetensors", "--from", "torch", "--as", "lstn"),
            "no layout of a cell 'lstn'. Do you mean lstm?",
        ),
        (
            ("lstm.safetensors", "--from", "torch", "--size", "n:3"),
            "'n:3' is no size. Write --size NAME=NUMBER",
        ),
        (("lstm.safetensors", "--from", "cudnn"), "Give sizes, as in --size n=3 --size m=4"),
        (
            ("lstm.safetensors", "--from", "torch", "--size", "layers=3"),
            "tell their sizes. Leave it (--size) out",
        ),
        (
            ("absent.pt", "--from", "torch"),
            "safetensors.torch.save_file(module.state_dict(), path) writes one.",
        ),
        (("lstm.safetensors", "--from", "torch", "-o", "lstm.safetensors"), "symrnn did not write it"),
    ],
)
def test_import_that_is_refused(folder: Path, options: tuple[str, ...], message: str) -> None:
    save_file(layouts.write(layer("lstm"), "torch.LSTM"), "lstm.safetensors")
    result = invoked("import", *options, code=2)
    assert message in result.stderr
    assert [*folder.iterdir()] == [folder / "lstm.safetensors"]
