"""Loaded kernels by name: every file in the cache folder is a module in here.

Records and functions are pickled under the name of their module. Under this one any process finds it that
has symrnn and the same cache folder, as those do that `multiprocessing` spawns.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType

from symrnn.running.loading import CACHE_VARIABLE, cache_folder

__path__: list[str] = []  # makes this module a package, with nothing in it until it is asked for


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module lies, if it is one in here.

        Raises:
            ModuleNotFoundError: it is, and its file is missing.
        """
        home, _, name = fullname.rpartition(".")
        if home != __name__:
            return None
        file = cache_folder() / f"{name}.py"
        if not file.is_file():
            raise ModuleNotFoundError(
                f"There is no kernel {file}. Load it with symrnn.load() from the same cell first, or set "
                f"the environment variable {CACHE_VARIABLE} to the folder in which it lies.",
                name=fullname,
            )
        return spec_from_file_location(fullname, file)


sys.meta_path.append(_Finder())
