"""The command line given a model: it does what makes sense for one, or says that the command takes a cell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_runs import invoked

import symrnn as sr
from symrnn import zoo
from symrnn.publishing import building

FILE = """
from symrnn import Feed, Layer, Model, zoo

words = Layer(zoo.embedding)
right = Layer(zoo.cell("elman"), words, name="right")
left = Layer(zoo.cell("elman"), words, name="left", reverse=True)
both = Layer(zoo.joined, {"first": right, "second": left})
loss = Layer(zoo.class_cross_entropy, {"a": both, "k": Feed("labels")})
tagger = Model("tagger", loss, output=both, title="A tagger", source="Made up 2020")
"""
CELLS = ("embedding", "elman", "joined", "class_cross_entropy")


@pytest.fixture(autouse=True)
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(building, "find_pdflatex", lambda: None)
    path = tmp_path / "models.py"
    path.write_text(FILE)
    return path


def test_show_tells_the_model_and_then_its_cells() -> None:
    text = invoked("show", "models.py:tagger").stdout
    first, *others = text.split(f"\n\n{'-' * 80}\n\n")
    assert first.startswith("A tagger (tagger)\nMade up 2020\n\nsizes\n  v, m, ")
    for line in (
        "  k       (T, B), class numbers below v",
        "  labels  (T, B), class numbers below labels_v",
        "  right_s  (B, p)",
        "  left                 elman of x = embedding, from the last step to the first",
        "  (p, m + p)         right_W_s",
        "  class_cross_entropy, the mean over all steps of all samples",
        "output of predict\n  joined",
    ):
        assert f"\n{line}" in first, line
    assert max(map(len, text.splitlines())) <= 80
    assert [other.splitlines()[0].rpartition("(")[2] for other in others] == [f"{cell})" for cell in CELLS]


def test_plan_shows_the_plan_of_the_model_and_those_of_its_cells() -> None:
    text = invoked("plan", "models.py:tagger").stdout
    assert [line for line in text.splitlines() if line.startswith("plan of ")] == [
        "plan of the model tagger: A tagger",
        *(str(sr.plan(zoo.cell(cell))).splitlines()[0] for cell in CELLS),
    ]
    assert str(sr.plan(zoo.cell("elman"))) in text
    assert invoked("plan", "models.py:tagger", "--save", "states").stdout != text


def test_build_makes_the_paper_the_plans_and_the_modules() -> None:
    text = invoked("build", "models.py:tagger").stdout
    made = {path.name for path in Path("tagger").iterdir()}
    assert made == {
        "tagger.tex",
        "tagger_numpy.py",
        "tagger_numba.py",
        *(f"{cell}_plan.txt" for cell in CELLS),
    }
    assert "numpy: agrees" in text
    assert "numba: agrees" in text


@pytest.mark.parametrize("command", ["bench", "gradients"])
def test_commands_that_take_a_cell_say_so(command: str) -> None:
    message = invoked(command, "models.py:tagger", code=2).stderr
    assert "models.py:tagger is a model, and this command takes one cell." in message
    assert f"Its cells: {', '.join(CELLS)}." in message


def test_a_file_alone_names_its_only_model() -> None:
    assert invoked("show", "models.py").stdout == invoked("show", "models.py:tagger").stdout


@pytest.mark.parametrize(
    ("change", "request_", "message"),
    [
        (
            lambda text: text,
            "models.py:words",
            "is no Cell and no Model but of type Layer. Models in it: tagger.",
        ),
        (lambda text: text, "models.py:lagger", "has no name 'lagger'. Models in it: tagger."),
        (
            lambda text: text + "other = Model('other', loss)\n",
            "models.py",
            "has 2 models. Name one: models.py:tagger. Models in it: tagger, other.",
        ),
        (
            lambda text: text + "gru, elman = zoo.cell('gru'), zoo.cell('elman')\n",
            "models.py",
            "has 2 cells. Name one: models.py:gru. Cells in it: gru, elman. Models in it: tagger.",
        ),
        (lambda _: "raise ValueError('no')", "models.py:tagger", "so 'tagger' cannot be read from it: no"),
    ],
)
def test_models_that_cannot_be_found(
    change: Callable[[str], str], request_: str, message: str, model_file: Path
) -> None:
    model_file.write_text(change(FILE))
    found: Any = invoked("show", request_, code=2).stderr
    assert message in found


def test_two_models_of_one_name(model_file: Path) -> None:
    model_file.write_text(f"{FILE}other = Model('tagger', loss)\nelman = zoo.cell('elman')\n")
    message = invoked("build", "models.py:tagger", "models.py:other", code=2).stderr
    assert "Two of the models are named tagger, and both would go into one folder." in message
