"""What symrnn writes is whole or absent: one door for writing, which fails without a trace."""

import ast
import os
import re
import resource
import stat
import threading
from pathlib import Path

import pytest
from command_runs import invoked

import symrnn
from symrnn import files
from symrnn.errors import RequestError
from symrnn.files import is_stream, require_writable, write, write_all, write_files
from symrnn.publishing import building, golden
from symrnn.zoo import CELLS

HOME = Path(symrnn.__file__).parent
OURS = "# made by symrnn 0.1.0 from mine, do not edit\n"
FULL = OSError(28, "No space left on device")


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its text, and every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def failing(monkeypatch, name, at, error):
    """Let a function of the system fail the `at`-th time that it is called."""
    calls, true = [], getattr(os, name)

    def called(*arguments, **options):
        calls.append(arguments)
        if len(calls) == at:
            raise error
        return true(*arguments, **options)

    monkeypatch.setattr(os, name, called)


# All or none


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()], ids=["full", "interrupt"])
def test_what_fails_while_it_is_made_leaves_all_old_files(tmp_path, monkeypatch, at, error):
    old = {name: OURS + name for name in "abc"}
    write_all(tmp_path, old)
    failing(monkeypatch, "fsync", at, error)
    with pytest.raises((RequestError, KeyboardInterrupt)):
        write_all(tmp_path, dict.fromkeys("abc", "new"))
    assert tree(tmp_path) == old


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_fails_in_new_folders_leaves_none_of_them(tmp_path, monkeypatch, at):
    (tmp_path / "mine").mkdir()
    failing(monkeypatch, "fsync", at, FULL)
    with pytest.raises(RequestError, match=r"No space left on device\. Make room on the disk"):
        write_all(tmp_path / "mine", {"deep/er/a": "1", "deep/b": "2", "other/c": "3"})
    assert tree(tmp_path) == {"mine": "folder"}


@pytest.mark.parametrize("at", [1, 2])
def test_a_move_that_fails_leaves_whole_files(tmp_path, monkeypatch, at):
    write_all(tmp_path, {"a": OURS, "b": OURS})
    failing(monkeypatch, "replace", at, PermissionError(13, "Permission denied"))
    with pytest.raises(RequestError, match=r"Permission denied\. Name a place that you may write to"):
        write_all(tmp_path, {"a": "new", "b": "new"})
    assert tree(tmp_path) == {"a": "new" if at == 2 else OURS, "b": OURS}


def test_a_file_that_may_not_be_so_large(tmp_path):
    """The system's own refusal, in the middle of a file."""
    write(tmp_path / "a", OURS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(RequestError, match="cannot be written: File too large"):
            write_all(tmp_path, {"b": "small", "a": "x" * 100_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tree(tmp_path) == {"a": OURS}


def test_files_of_several_folders_are_written_together(tmp_path):
    written = write_all(tmp_path / "new", {"a.txt": "1", "deep/b.txt": b"2"})
    assert written == (tmp_path / "new" / "a.txt", tmp_path / "new" / "deep" / "b.txt")
    assert tree(tmp_path / "new") == {"a.txt": "1", "deep": "folder", "deep/b.txt": "2"}


# What is refused, before anything is made


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "is a folder, so no file can be written there. Name a file"),
        ("absent/a", r"there is no folder .*absent. Make it first"),
        ("foreign/a", r"foreign is no folder. Name another place"),
        ("n" * 300, "File name too long. Choose a shorter name"),
        ("foreign", "exists and symrnn did not write it, so it is left as it is"),
    ],
)
def test_places_where_no_file_can_be_written(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "foreign").write_text("mine")
    with pytest.raises(RequestError, match=message):
        write_files({tmp_path / "a": "1", tmp_path / name: "2"})
    assert tree(tmp_path) == {"folder": "folder", "foreign": "mine"}


@pytest.mark.parametrize(("place", "message"), [("a", "it is read-only"), ("b", "you may not write to the")])
def test_what_the_user_may_not_write(tmp_path, monkeypatch, place, message):
    """Whoever runs the tests may be allowed everything, so the system's answer is a stand-in."""
    write(tmp_path / "a", OURS)
    refused = tmp_path / "a" if place == "a" else tmp_path
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != refused)
    with pytest.raises(RequestError, match=message):
        write(tmp_path / place, "new")
    assert tree(tmp_path) == {"a": OURS}


def test_one_file_for_two_things(tmp_path):
    with pytest.raises(RequestError, match=r"Two things would be written to .*a. Name a file for each"):
        require_writable([tmp_path / "a", tmp_path / "a"])


def test_folders_that_can_be_made_are_no_hindrance(tmp_path):
    require_writable([tmp_path / "new" / "er" / "a"], make_folders=True)
    assert tree(tmp_path) == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="is no folder"):
        require_writable([tmp_path / "file" / "er" / "a"], make_folders=True)


def test_a_name_as_long_as_the_system_takes(tmp_path):
    write(tmp_path / ("n" * 255), OURS)
    assert tree(tmp_path) == {"n" * 255: OURS}


def test_the_mode_of_a_file_stays_whatever_the_mask(tmp_path):
    path = tmp_path / "a"
    write(path, OURS)
    path.chmod(0o666)
    write(path, OURS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


# Streams


def test_a_pipe_takes_what_is_written(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_files({pipe: "through", tmp_path / "a": "beside"})
    reader.join(10)
    assert got == [b"through"]
    assert is_stream(pipe)
    assert (tmp_path / "a").read_text() == "beside"


def test_the_standard_output_is_written_to_and_never_replaced(tmp_path, capfd):
    write(Path("/dev/stdout"), "a kernel\n")
    assert capfd.readouterr().out == "a kernel\n"
    assert is_stream(Path("/dev/stdout"))
    log = tmp_path / "log"
    with log.open("w") as file:
        file.write("begun\n")
        file.flush()
        write(Path(f"/dev/fd/{file.fileno()}"), "a kernel\n")
    assert log.read_text() == "begun\na kernel\n"
    write(Path(os.devnull), "gone")


def test_a_full_device_is_told():
    with pytest.raises(RequestError, match="/dev/full cannot be written: No space left on device"):
        write(Path("/dev/full"), "a kernel\n")


def test_a_file_in_dev_is_a_file(tmp_path):
    assert not is_stream(Path("/dev/shm"))
    assert not is_stream(tmp_path / "absent")


# The commands

COMMANDS = {
    "build elman": 4,
    "latex elman -o elman.tex": 1,
    "emit elman --target numpy -o elman.py": 1,
    "page elman gru -o site": 3,
    "diff elman gru --page": 1,
    "gradients elman --hidden 2 --steps 2 --samples 1 --json x.json --plot x.svg": 2,
}


@pytest.fixture(scope="module")
def texts():
    """Texts and checks of a cell, which cost a while, made once."""
    return building.texts_of(CELLS["elman"])


@pytest.mark.parametrize("line", COMMANDS)
def test_a_disk_that_fills_up_leaves_no_part_of_what_a_command_makes(tmp_path, monkeypatch, texts, line):
    """For every file that it makes: once with nothing there before, once with the files of an earlier run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(building, "find_pdflatex", lambda: None)
    monkeypatch.setattr(building, "texts_of", lambda _: texts)
    monkeypatch.setattr(building, "_check_all", lambda *_: ())
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path.with_name(f"{tmp_path.name}_cache")))
    invoked(*line.split())
    whole = tree(tmp_path)
    assert sum(text != "folder" for text in whole.values()) == COMMANDS[line]
    for at in range(1, COMMANDS[line] + 1):
        with monkeypatch.context() as failure:
            failing(failure, "fsync", at, FULL)
            assert "No space left on device" in invoked(*line.split(), "--force", code=2).stderr
        assert tree(tmp_path) == whole
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with monkeypatch.context() as failure:
        failing(failure, "fsync", COMMANDS[line], FULL)
        invoked(*line.split(), code=2)
    assert tree(tmp_path) == {}


def test_golden_files_are_written_together(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "golden_files", lambda: {"a/a.py": OURS, "b/b.py": OURS})
    assert golden.main([str(tmp_path)]) == 0
    (tmp_path / "a" / "old.py").write_text(OURS)
    whole = tree(tmp_path)
    with monkeypatch.context() as failure:
        failing(failure, "fsync", 2, FULL)
        with pytest.raises(RequestError):
            golden.main([str(tmp_path)])
    assert tree(tmp_path) == whole
    golden.main([str(tmp_path)])
    assert sorted(tree(tmp_path)) == ["a", "a/a.py", "b", "b/b.py"]


# The door

WRITERS = {"write_text", "write_bytes", "savefig", "save_file", "savez", "save", "dump", "mkdir", "makedirs"}
MODE = re.compile("[rbt]*[wax+][rbt+]*")
PASSES = {
    "publishing/pictures.py": {"savefig"},  # into memory
    "bench/data.py": {"savez"},  # into memory
    "layouts/tensors.py": {"save"},  # to bytes
    "commands/import_weights.py": {"save"},  # which goes through layouts
    "bench/worker.py": {"write_text", "fdopen"},  # a word to the system's kernel; a pipe
    "bench/session.py": {"mkdir", "save"},  # in a temporary folder of its own; of `Data`
    "fuzzing/session.py": {"open"},  # findings are added to the end of a file
    "training/trainer.py": {"save"},  # the caller's
    "training/session.py": {"save"},  # a method that goes through checkpoints
    "distributed/session.py": {"save"},  # the same
    "distributed/checkpoints.py": {
        "save"
    },  # PyTorch's shards, into a folder that is renamed when it is whole
    "onnx_graphs/files.py": {"save"},  # a method that goes through the door
    "examples/distributed.py": {"open"},  # losses are added to the end of a file
}


def writers(path: Path) -> set[str]:
    """The calls in a module by which something could be written to a disk."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [a.value for a in ast.walk(node) if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        opened = name in ("open", "fdopen") and any(MODE.fullmatch(text) for text in texts)
        if name in WRITERS or opened:
            found.add(name)
    return found


@pytest.mark.parametrize(
    "path", sorted(HOME.rglob("*.py")), ids=lambda path: path.relative_to(HOME).as_posix()
)
def test_all_writing_goes_through_the_door(path):
    if path != Path(files.__file__):
        assert writers(path) <= PASSES.get(path.relative_to(HOME).as_posix(), set())


def test_the_door_is_seen_to_write():
    assert writers(Path(files.__file__)) >= {"fdopen", "mkdir"}
