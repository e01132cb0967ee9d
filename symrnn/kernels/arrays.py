"""Modules of kernels that compute with NumPy's arrays: one kernel alone, or all of a model's cells.

The template module.py.jinja, which a target's own extends, has two kinds of definitions. What is `shared` is
the same text in every kernel; what is `own` to a kernel has names that are values of the template, so that it
can stand under a prefix, several times in one module.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from symrnn.declaration.operations import POINTWISE
from symrnn.kernels.contract import FULL, FUNCTIONAL, Contract
from symrnn.kernels.docstrings import module_docstring
from symrnn.kernels.interface import Field, interface
from symrnn.kernels.layout import Layout
from symrnn.kernels.names import PYTHON, Namer
from symrnn.kernels.support import WORD, Support
from symrnn.kernels.target import Offer
from symrnn.planning.plan import Plan
from symrnn.templates import render, words

MODEL = "model.py.jinja"
WIDTH = 104  # of a section's title

PRIVATE = (
    *("_prepared", "_completed", "_results", "_checked_parameters", "_common_dtype", "_checked_call"),
    *("_sizes", "_checked_state", "_continued", "_final_states", "_require_unchanged", "_require_same"),
    *("_forward", "_predict", "_backward"),
)
"""The functions of a kernel that are its own, beside those of its contract."""

FUNCTIONS = "\n\n\n".join(f.facts.support for f in POINTWISE if f.facts.support)
"""The functions of the vocabulary that NumPy has not, as pieces of support."""

VARIABLES = (
    *("T", "B", "parts", "bounds", "sizes", "dtype", "memory", "results", "steps", "first", "last", "part"),
    *("inputs", "prepared", "outputs", "start", "some", "count", "array", "given", "what", "name", "use"),
    *("shapes", "final", "kept", "saved", "states", "held", "d_inputs", "added", "known", "stop", "other"),
    *("left", "ended", "ending", "later", "after", "going", "arguments"),
)
"""The variables of the templates that stand next to those of an author."""

MODULES = ("np", "math", "os", "sys", "contextlib", "functools", "threading", "Workspace")

Names: TypeAlias = Mapping[str, Mapping[str, str]]
Values: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of a model's cells, each under its prefix.

    `names` has, by cell, what the names of its kernel have become, `own` the texts of the kernels, `values`
    what the template takes for what all of them share.
    """

    names: Names
    own: tuple[str, ...]
    values: Values


def array_names(*own: str) -> Namer:
    """The names of an array target in Python that uses some names of its own."""
    return Namer(frozenset({*PYTHON, *FULL.words, *FUNCTIONAL.words, *VARIABLES, *MODULES, *own}))


@dataclass(frozen=True, slots=True)
class ArrayPrinter:
    """Prints modules of a target from its templates: NAME.py.jinja, NAME_imports and NAME_support.

    `private` names the functions of its template that are own to a kernel. `prepared` lists the arrays that
    `Prepared` keeps, `context` gives the texts that only this target has, `shared` those in what kernels
    share, for the name of the module that compiled functions belong to. `threads` says what signatures and
    docstrings say of threads.
    """

    name: str
    title: str
    contract: Contract
    namer: Namer
    private: tuple[str, ...]
    prepared: Callable[[Layout], tuple[Field, ...]]
    context: Callable[[Layout], Mapping[str, object]]
    shared: Callable[[str], Mapping[str, object]]
    threads: Mapping[str, str]

    @property
    def offer(self) -> Offer:
        """What it prints of a cell."""
        return Offer(self.contract, self.text)

    def text(self, plan: Plan, version: str) -> str:
        """The source of a standalone module that computes a plan.

        Raises:
            EmissionError: the plan holds something that the target cannot write.
        """
        layout = Layout(plan, self.namer)
        context = self.context(layout)
        home = f"symrnn_{plan.name}_{fingerprint(sorted(context.items()))}"
        return self.support.rendered(
            self.template,
            {
                **self.values(layout, context, home),
                **self.parts("alone", "shared", "own"),
                "docstring": module_docstring(layout, self.title, version),
            },
        )

    def module(
        self,
        name: str,
        plans: Mapping[str, Plan],
        values: Callable[[Names], Values],
        pieces: Mapping[str, str],
    ) -> str:
        """A model's module, with the kernels of plans, each under the name of its cell.

        `values` are those of the template model.py.jinja, given what names of kernels have become; `pieces`
        is what that template may bring along.
        """
        plain = {cell: {name: name for name in self.own_names} for cell in plans}
        empty: Values = {**dict.fromkeys([*pieces, "imports", "own"], ()), "shared": ""}
        taken = WORD.findall(render(MODEL, {**values(plain), **empty}))
        kernels = self.kernels(plans, frozenset(taken))
        context = {**values(kernels.names), **empty, "own": kernels.own}
        home = f"symrnn_{name}_{fingerprint(kernels.own)}"
        shared = {**kernels.values, **self.shared(home), **self.parts("shared"), "docstring": ()}
        support = Support({**self.support.pieces, **pieces}, self.support.imports)
        alone = self.support.nothing
        used = support.used_by([render(MODEL, context), render(self.template, {**shared, **alone})])
        shared |= {group: used[group] for group in alone}
        context |= {group: used[group] for group in (*pieces, "imports")}
        return render(MODEL, {**context, "shared": render(self.template, shared).strip("\n")})

    def kernels(self, plans: Mapping[str, Plan], taken: frozenset[str]) -> Kernels:
        """The kernels of plans under the names of their cells, none of which gets a name that is taken."""
        used = taken.union(words(self.template), *map(words, self.support_templates.values()))
        used = used.union(*(Layout(plan, self.namer).taken for plan in plans.values()))
        names = dict(self.namer.under_prefixes(plans, self.own_names, used))
        own = []
        for cell, plan in plans.items():
            layout = Layout(plan, self.namer, names[cell])
            values = self.values(layout, self.context(layout), "")
            text = render(
                self.template, {**values, **self.parts("own"), "docstring": (), **self.support.nothing}
            )
            title = f"# ---- {cell} ".ljust(WIDTH, "-")
            own.append("\n\n".join([title, text.strip("\n")]))
        return Kernels(names, tuple(own), values)

    @property
    def template(self) -> str:
        """The template of a module."""
        return f"{self.name}.py.jinja"

    @property
    def support_templates(self) -> Mapping[str, str]:
        """The templates of what modules may bring along, by the group's name."""
        names = {name: f"module_{name}.py.jinja" for name in ("checks", "index_checks", "drawing")}
        return {**names, "support": f"{self.name}_support.py.jinja"}

    @property
    def support(self) -> Support:
        """What modules may bring along."""
        pieces = {name: render(template, {}) for name, template in self.support_templates.items()}
        return Support({"functions": FUNCTIONS, **pieces}, render(f"{self.name}_imports.py.jinja", {}))

    @property
    def own_names(self) -> tuple[str, ...]:
        """What a kernel defines that no other one has."""
        return (*self.contract.names, *PRIVATE, *self.private)

    def values(self, layout: Layout, context: Mapping[str, object], home: str) -> Values:
        """The values of the template's names for a kernel, but for what a module brings along."""
        names = {name: layout.own(name) for name in (*FULL.names, *FUNCTIONAL.names, *self.own_names)}
        return {**interface(layout, self.prepared(layout)), **context, **self.shared(home), **names}

    def parts(self, *chosen: str) -> dict[str, bool]:
        """Which parts of a module the template is to give."""
        functional = self.contract.functional
        parts = {part: part in chosen for part in ("alone", "shared", "own")}
        return {**parts, "functional": functional, "taped": not functional}


def fingerprint(value: object) -> str:
    """Twelve hexadecimal digits that change with a value."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
