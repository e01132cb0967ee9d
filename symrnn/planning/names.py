"""Names of arrays in a plan, which become the variables of emitted code."""

import builtins
import keyword

from symrnn.declaration.normal_form import unique_name

_MODULES = (
    "np",
    "math",
    "os",
    "sys",
    "types",
    "contextlib",
    "functools",
    "threading",
    "ir",
    "njit",
    "nb_types",
    "cgutils",
    "intrinsic",
)
_VERBS = ("init", "prepare", "predict", "forward", "backward", "step")
_RECORDS = ("Inputs", "State", "Parameters", "Run", "Gradients", "Prepared", "Tape", "Workspace")
_ARGUMENTS = ("parameters", "inputs", "state", "tape", "prepared", "d_outputs", "d_state", "input_gradients")
_VARIABLES = (
    "T",
    "B",
    "part",
    "parts",
    "lo",
    "hi",
    "real",
    "one",
    "zero",
    "total",
    "bounds",
    "sizes",
    "dtype",
    "memory",
    "results",
    "steps",
    "first",
    "last",
    "slot",
    "scratch",
    "arguments",
)
_KEYWORDS = ("out", "workspace", "threads", "lengths")
_CHECKS = ("given", "what", "inputs_t", "outputs", "start", "some", "count", "array")
_RESULTS = ("shapes", "use", "final", "kept", "saved", "states", "held", "d_inputs", "name", "added")
_OTHERS = ("known", "stop", "other", "left", "ended", "ending", "later", "after", "going")

RESERVED = frozenset(
    {
        *(*keyword.kwlist, *keyword.softkwlist, *dir(builtins)),
        *(*_MODULES, *_VERBS, *_RECORDS, *_ARGUMENTS, *_VARIABLES, *_KEYWORDS, *_CHECKS, *_RESULTS, *_OTHERS),
    }
)
"""Names that emitted modules use themselves; the variable of a quantity of that name gets an underscore."""


class Names:
    """Gives every array its own variable name; who comes first keeps the plain one."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def fresh(self, name: str) -> str:
        """`name`, with an underscore if emitted modules use it, with a number if it is taken."""
        made = unique_name(f"{name}_" if name in RESERVED else name, self.taken)
        self.taken.add(made)
        return made
