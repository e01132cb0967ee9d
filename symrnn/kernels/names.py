"""Names in the text of a kernel: which ones a target forbids, and how a name is made legal."""

import builtins
import keyword
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from symrnn.declaration.normal_form import unique_name
from symrnn.planning.plan import Plan
from symrnn.planning.renaming import renamed_plan

PYTHON = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})
"""What a text in Python must leave alone: the language's words, and what stands in it without an import."""


@dataclass(frozen=True, slots=True)
class Namer:
    """The names that a target's texts use themselves, and how others keep out of their way."""

    forbidden: frozenset[str]

    def legal(self, name: str) -> str:
        """A variable's name, with an underscore if the text uses it otherwise."""
        return f"{name}_" if name in self.forbidden else name

    def legal_plan(self, plan: Plan) -> Plan:
        """A plan whose arrays have legal names; the plan itself where they have already."""
        taken = {buffer.name for buffer in plan.buffers}
        table: dict[str, str] = {}
        for buffer in plan.buffers:
            if (name := self.legal(buffer.name)) != buffer.name:
                table[buffer.name] = unique_name(name, taken)
                taken.add(table[buffer.name])
        return renamed_plan(plan, table) if table else plan

    def under_prefixes(
        self, prefixes: Iterable[str], names: Collection[str], taken: Set[str]
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        """For every prefix what names become under it, such that none is in `taken` or made twice.

        A prefix that would make a name which there is already gets a number: `same`, under which `_sizes`
        would become `_same_sizes`, is `same_2`.
        """
        used = self.forbidden.union(taken)
        for prefix in prefixes:
            tried: list[str] = []
            while True:
                numbered = unique_name(prefix, tried)
                made = {name: under_prefix(numbered, name) for name in names}
                if used.isdisjoint(made.values()):
                    break
                tried.append(numbered)
            used = used.union(made.values())
            yield prefix, made


def under_prefix(prefix: str, name: str) -> str:
    """A name under a prefix, in its manner: `lstm_forward`, `_lstm_forward`, `LstmInputs`, `LSTM_AXES`."""
    prefix = prefix.lstrip("_") if prefix.lstrip("_").isidentifier() else f"part{prefix}"
    stem = name.lstrip("_")
    lead = name[: len(name) - len(stem)]
    if stem.isupper():
        return f"{lead}{prefix.upper()}_{stem}"
    if stem[:1].isupper() and "_" not in stem:
        return lead + "".join(word[:1].upper() + word[1:] for word in prefix.split("_")) + stem
    return f"{lead}{prefix}_{stem}"
