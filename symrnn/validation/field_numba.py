"""What an emitted Numba module meets while it is proved: no compiler, and the functions of the vocabulary as maps.

Its products on packed panels are executed as its text defines them for plain Python. Its approximations of tanh,
exp and the like are not: they are right to some digits, and tests of their own hold them to that.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from symrnn.validation import maps
from symrnn.validation.elements import Element, residues
from symrnn.validation.execution import Surroundings
from symrnn.validation.prime import PRIME, Residues, centred


def numba_surroundings() -> Surroundings:
    """A Numba that compiles nothing, and a process that nothing can be registered in."""
    compiler = SimpleNamespace(codegen=lambda: SimpleNamespace(magic_tuple=lambda: ("", "", "")))
    modules = {
        "numba": SimpleNamespace(
            njit=lambda function, **_: function,
            config=SimpleNamespace(DISABLE_JIT=True),
            types=SimpleNamespace(float32="float32", float64="float64"),
        ),
        "numba.core": SimpleNamespace(cgutils=None),
        "numba.core.errors": SimpleNamespace(NumbaTypeError=TypeError),
        "numba.core.registry": SimpleNamespace(
            cpu_target=SimpleNamespace(target_context=compiler),
        ),
        "numba.extending": SimpleNamespace(intrinsic=None),
        "llvmlite": SimpleNamespace(ir=None),
        "sys": SimpleNamespace(modules={}),
        "os": SimpleNamespace(cpu_count=lambda: 1),
    }
    return Surroundings(modules, FUNCTIONS)


def _single(formula: Callable[..., Residues]) -> Callable[..., Element]:
    """A map for single elements."""

    def function(*numbers: Any) -> Element:
        return Element(int(formula(*(np.atleast_1d(residues(number)) for number in numbers))[0]))

    return function


FUNCTIONS: dict[str, Callable[..., Element]] = {
    "_tanh": _single(maps.MAPS["tanh"]),
    "_sigmoid": _single(maps.sigmoid),
    "_exp": _single(maps.MAPS["exp"]),
    "_log": _single(maps.MAPS["log"]),
    "_power": _single(maps.MAPS["power"]),
    "_expm1": _single(maps.MAPS["expm1"]),
    "_softplus": _single(maps.softplus),
    "_relu": _single(maps.relu),
    "_sqrt": _single(maps.MAPS["sqrt"]),
    "_abs": _single(lambda x: abs(centred(x)) % PRIME),
    "_sign": _single(lambda x: np.sign(centred(x)) % PRIME),
    "_maximum": _single(lambda a, b: np.maximum(centred(a), centred(b)) % PRIME),
    "_minimum": _single(lambda a, b: np.minimum(centred(a), centred(b)) % PRIME),
    "_largest": lambda row: Element(int(centred(residues(row)).max() % PRIME)),
}
"""The functions of one number that every Numba kernel defines."""
