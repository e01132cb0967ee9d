"""Processes that need the same compiled function at the same time."""

import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[1] / "tools"

FUNCTION = """
import time

from numba import njit
from numba.extending import intrinsic


@intrinsic
def slowly(context, x):
    time.sleep(0.5)
    return x(x), lambda context, builder, signature, arguments: arguments[0]


@njit(cache=True)
def function(x):
    return slowly(x)
"""

PROCESS = """
import sys
from pathlib import Path

import compiled_programs

compiled_programs.compile_in_turn(Path("store"))
import shared

Path(sys.argv[1]).touch()
while len(list(Path(".").glob("ready*"))) < 2:
    pass
assert shared.function(1.5) == 1.5
print(sum(shared.function.stats.cache_hits.values()), sum(shared.function.stats.cache_misses.values()))
"""


def test_one_process_compiles_and_the_other_loads(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text(FUNCTION)
    (tmp_path / "process.py").write_text(PROCESS)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{TOOLS}"}
    started = [
        subprocess.Popen(
            [sys.executable, "process.py", f"ready{i}"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    counts = sorted(process.communicate()[0].strip() for process in started)
    assert [process.returncode for process in started] == [0, 0]
    assert counts == ["0 1", "1 0"]


MODULE = """
from numba import njit

__name__ = "symrnn_{home}_0123456789ab"
FACTOR = {factor}


@njit(cache=True)
def doubled(x):
    return FACTOR * x


@njit(cache=True)
def function(x):
    return doubled(x) + 1
"""

MODULES = """
import importlib
import sys
from pathlib import Path

import compiled_programs

compiled_programs.compile_in_turn(Path("store"))
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    value = module.function(1.5)
    missed = [len(function.stats.cache_misses) for function in (module.function, module.doubled)]
    print(value, *missed)
"""


def test_modules_share_what_is_equal_with_all_that_it_uses(tmp_path: Path) -> None:
    """The second has its functions from the first; in the third a number is another. Processes share, too."""
    for name, factor in (("first", 2), ("second", 2), ("other", 3), ("later", 2)):
        (tmp_path / f"{name}.py").write_text(MODULE.format(home=name, factor=factor))

    def printed(*names: str) -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", MODULES, *names],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{TOOLS}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()

    assert printed("first", "second", "other") == ["4.0 1 1", "4.0 0 0", "5.5 1 1"]
    (tmp_path / "first.py").unlink()
    assert printed("later") == ["4.0 0 0"]
