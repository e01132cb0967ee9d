"""Names of arrays in a plan, which become the variables of emitted code."""

import builtins
import keyword

from symrnn.declaration.normal_form import unique_name

RESERVED = frozenset(
    {
        *keyword.kwlist,
        *keyword.softkwlist,
        *dir(builtins),
        *["T", "B", "t", "b", "lo", "hi", "np", "nb", "math", "threading", "sys", "os", "types", "njit", "parameters", "inputs", "state", "tape", "dtype", "real"],
        *["forward", "backward", "predict", "prepare", "step", "init", "Inputs", "State", "Parameters", "Run", "Gradients", "Prepared"],
        *["sigmoid", "tanh", "relu", "exp", "log", "softplus", "sqrt", "reciprocal", "maximum", "minimum", "where", "sign", "expm1", "power"],
    }
)
"""Names that emitted modules use themselves; an author's quantity of that name gets an underscore."""


class Names:
    """Gives every array its own variable name; who comes first keeps the plain one."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def fresh(self, name: str) -> str:
        """`name`, with an underscore if emitted modules use it, with a number if it is taken."""
        made = unique_name(f"{name}_" if name in RESERVED else name, self.taken)
        self.taken.add(made)
        return made
