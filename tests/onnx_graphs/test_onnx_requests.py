"""What is asked of ONNX graphs: refusals that say what would do, files, metadata, the command line."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_runs import invoked
from onnx_runs import Run, far, in_onnxruntime
from safetensors.numpy import save_file

import symrnn as sr
from symrnn import layouts, zoo
from symrnn.declaration.digest import cell_digest
from symrnn.errors import RequestError
from symrnn.onnx_graphs import export

GRU = zoo.cell("gru")


@pytest.fixture
def run() -> Run:
    return Run(GRU, 3, 2)


def test_parameters_that_do_not_fit(run: Run) -> None:
    given = run.parameters
    wrong: dict[str, Any] = {
        r"no parameters of gru\. Missing: W_r\. .* by the names": {
            k: a for k, a in given.items() if k != "W_r"
        },
        r"Not part of it: W_f \(W_": {k: a for k, a in given.items() if k != "W_r"} | {"W_f": given["W_r"]},
        r"b_r has shape \(7,\); it should have \(m,\) = \(4,\)": given | {"b_r": np.ones(7, np.float32)},
        r"W_r is of dtype float16.* Half precision is what": {
            k: a.astype(np.float16) for k, a in given.items()
        },
        r"W_r is of dtype int64": given | {"W_r": given["W_r"].astype(np.int64)},
        r"give all one dtype": given | {"W_r": given["W_r"].astype(np.float64)},
        r"None has no parameters": None,
        r"parameters of l0, l1, and the graph of a cell is one layer": {"l0": given, "l1": given},
    }
    for message, parameters in wrong.items():
        with pytest.raises(RequestError, match=message):
            sr.onnx(GRU, parameters)
    with pytest.raises(RequestError, match=r"no parameters of language_model\. Missing: E, .*W_i"):
        sr.onnx(zoo.MODELS["language_model"], {"b": given["b_r"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opset": 17}, r"opset is 17\. Give a whole number from 18, .* to \d\d, the newest"),
        ({"opset": 1000}, r"opset is 1000\. Give a whole number from 18"),
        ({"opset": True}, r"opset is True\. Give a whole number"),
        ({"opset": "18"}, r"opset is '18'\. Give a whole number"),
        ({"lengths": 3}, r"lengths is 3\. Give True"),
        ({"native": "yes"}, r"native is 'yes'\. Give 'auto'"),
        ({"native": 1}, r"native is 1\. Give 'auto'"),
    ],
)
def test_options_that_are_none(run: Run, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        sr.onnx(GRU, run.parameters, **options)


def test_without_the_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx.defs", None)
    with pytest.raises(RequestError, match=r'Install it with: pip install "symrnn\[onnx\]"'):
        sr.onnx(GRU, run.parameters)


def test_without_jax(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    assert (
        far(
            in_onnxruntime(sr.onnx(GRU, run.parameters, native=False).model, run.feeds([3, 1])),
            run.wanted([3, 1]),
        )
        < 1e-6
    )


def test_parameters_that_no_file_holds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGEST", 100)
    with pytest.raises(RequestError, match=r"have 384 bytes, and a file of ONNX holds less than 2 GiB"):
        sr.onnx(GRU, run.parameters)


def test_emit_says_how_to_ask_for_graphs() -> None:
    for ask in (sr.emit, sr.load, sr.check):
        with pytest.raises(RequestError, match=r"carries weights\. Write symrnn\.onnx\(cell, parameters\)"):
            ask(GRU, "onnx")


def test_metadata(run: Run) -> None:
    for model in (run.graphs().model, run.graphs().step):
        record = {entry.key: entry.value for entry in model.metadata_props}
        assert record == {
            "symrnn.version": sr.__version__,
            "symrnn.cell": "gru",
            "symrnn.title": "Gated recurrent unit",
            "symrnn.source": "Cho et al. 2014, arXiv:1406.1078v3",
            "symrnn.digest": cell_digest(GRU),
            "symrnn.sizes": '{"m": 4, "n": 3}',
            "symrnn.operators": "GRU",
        }
        assert (model.producer_name, model.producer_version) == ("symrnn", sr.__version__)
        assert "c_tilde = tanh(W_c @ [r * c, x] + b_c)" in model.doc_string


def test_files_are_written_whole_and_not_over_others(run: Run, tmp_path: Path) -> None:
    graphs = run.graphs()
    assert graphs.save(tmp_path / "a.onnx") == (tmp_path / "a.onnx", tmp_path / "a_step.onnx")
    assert onnx.load(tmp_path / "a.onnx") == graphs.model
    assert onnx.load(tmp_path / "a_step.onnx") == graphs.step
    graphs.save(tmp_path / "a.onnx")  # over its own
    with pytest.raises(RequestError, match=r"a\.txt does not end in \.onnx"):
        graphs.save(tmp_path / "a.txt")
    foreign = tmp_path / "b_step.onnx"
    foreign.write_bytes(b"mine")
    with pytest.raises(RequestError, match=r"b_step\.onnx exists and symrnn did not write it"):
        graphs.save(tmp_path / "b.onnx")
    assert foreign.read_bytes() == b"mine"
    assert not (tmp_path / "b.onnx").exists()
    graphs.save(tmp_path / "b.onnx", force=True)
    assert onnx.load(foreign) == graphs.step


def test_the_command(run: Run, tmp_path: Path) -> None:
    layouts.save(tmp_path / "w.safetensors", GRU, run.parameters)
    save_file(run.parameters, tmp_path / "plain.safetensors")
    save_file(
        {f"parameters.{k}": a for k, a in run.parameters.items()} | {"moments.m": run.state["c"]},
        tmp_path / "checkpoint.safetensors",
    )
    for name in ("w", "plain", "checkpoint"):
        graph = tmp_path / f"{name}.onnx"
        result = invoked(
            *f"emit gru --target onnx --weights {tmp_path / name}.safetensors -o {graph}".split()
        )
        assert result.stdout.split() == [str(graph), str(tmp_path / f"{name}_step.onnx")]
        assert far(in_onnxruntime(onnx.load(graph), run.feeds([3, 1])), run.wanted([3, 1])) < 1e-6


def test_the_command_makes_graphs_of_models(tmp_path: Path) -> None:
    model = zoo.MODELS["language_model"]
    weights = sr.load(model, "numpy").init(np.random.default_rng(0), v=5, m=3, n=4)
    save_file(weights._asdict(), tmp_path / "w.safetensors")
    graph = tmp_path / "f.onnx"
    invoked(*f"emit language_model --target onnx --weights {tmp_path}/w.safetensors -o {graph}".split())
    assert onnx.load(graph) == sr.onnx(model, weights).model


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("--target onnx", "An ONNX graph carries weights. Give them with --weights FILE"),
        (
            "--target onnx --weights w.safetensors",
            "is no text to print. Name a file for it, as in -o f.onnx.",
        ),
        ("--target onnx --weights w.safetensors -o f.bin", "f.bin does not end in .onnx"),
        (
            "--target onnx --weights w.safetensors -o f.onnx --save states",
            "--save and --contract are of kernels",
        ),
        ("--target onnx --weights none.safetensors -o f.onnx", "The file none.safetensors does not exist."),
        ("--target onnx --weights text.safetensors -o f.onnx", "is no safetensors file"),
        ("--target onnx --weights lstm.safetensors -o f.onnx", "is of the cell lstm with digest"),
        ("--target numpy --weights w.safetensors", "--weights is of targets that carry them: onnx."),
    ],
)
def test_commands_that_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    layouts.save("w.safetensors", GRU, run.parameters)
    layouts.save("lstm.safetensors", zoo.cell("lstm"), Run(zoo.cell("lstm"), 1, 1).parameters)
    Path("text.safetensors").write_text("text")
    before = {*tmp_path.iterdir()}
    assert message in " ".join(invoked("emit", "gru", *request_.split(), code=2).stderr.split())
    assert {*tmp_path.iterdir()} == before
