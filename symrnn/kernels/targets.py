"""The array targets: one record each, and the function that emits a module for any of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from symrnn.errors import RequestError
from symrnn.kernels.docstrings import module_docstring
from symrnn.kernels.interface import Field, interface
from symrnn.kernels.layout import Layout
from symrnn.kernels.numba.module import THREADS, numba_context, numba_prepared
from symrnn.kernels.numpy.module import NO_THREADS, numpy_context, numpy_prepared
from symrnn.kernels.support import with_support
from symrnn.planning.plan import Plan
from symrnn.templates import render


@dataclass(frozen=True, slots=True)
class Target:
    """A language for kernels: its name, and what it puts into its templates.

    These are NAME.py.jinja, NAME_imports.py.jinja and NAME_support.py.jinja. `prepared` lists the arrays
    that `Prepared` keeps; `context` gives the texts that only this target has, `threads` those of its threads
    among them, which a model's module takes too.
    """

    name: str
    title: str
    prepared: Callable[[Layout], tuple[Field, ...]]
    context: Callable[[Layout], Mapping[str, object]]
    threads: Mapping[str, str]


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("numpy", "NumPy", numpy_prepared, numpy_context, NO_THREADS),
        Target("numba", "Numba", numba_prepared, numba_context, THREADS),
    )
}
"""The targets by name."""


def require_target(target: str) -> str:
    """The name of a target.

    Raises:
        RequestError: there is no such target.
    """
    if not isinstance(target, str) or target not in TARGETS:
        raise RequestError(f"There is no target {target!r}. Targets: {', '.join(TARGETS)}.")
    return target


CONTRACTS = ("full", "minimal")
"""What a kernel offers: all there is, or `forward`, `backward` and `step` without checks."""


def require_contract(contract: str) -> None:
    """Nothing, for the name of a contract.

    Raises:
        RequestError: there is no such contract.
    """
    if contract not in CONTRACTS:
        raise RequestError(f"There is no contract {contract!r}. Contracts: {', '.join(CONTRACTS)}.")


def emit_module(plan: Plan, target: str, version: str) -> str:
    """The source of a standalone module that computes `plan`.

    Raises:
        RequestError: there is no such target.
        EmissionError: the plan holds something that the target cannot write.
    """
    chosen = TARGETS[require_target(target)]
    layout = Layout(plan)
    context = {
        **interface(layout, chosen.prepared(layout)),
        "docstring": module_docstring(layout, chosen.title, version),
        **chosen.context(layout),
    }
    return with_support(
        f"{target}.py.jinja",
        context,
        {
            "functions": layout.functions_text(),
            "checks": render("module_support.py.jinja", {}),
            "support": render(f"{target}_support.py.jinja", {}),
        },
        render(f"{target}_imports.py.jinja", {}),
    )
