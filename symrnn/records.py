"""Frozen dataclasses, made in a fraction of the time: what they all do alike is not generated for each.

Python writes and compiles six functions for every frozen dataclass. Here a class gets one of its own, its
`__init__`; the others are the same for all.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass

__all__ = ["dataclass"]


def _names(cls: type, which: str) -> tuple[str, ...]:
    return tuple(part.name for part in dataclasses.fields(cls) if getattr(part, which))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in _names(type(self), "repr"))
    return f"{type(self).__qualname__}({shown})"


def _comparisons(key: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """How records of one class are compared: by what `key` takes of them."""

    def equal(self: Any, other: object) -> Any:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(key(self))

    return {"__eq__": equal, "__hash__": hashed}


def _setattr(self: Any, name: str, value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, part.name) for part in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for part, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, part.name, value)


FROZEN = {
    "__repr__": _repr,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _state,
    "__setstate__": _set_state,
}
"""What all classes have in common; what a class has itself stays."""


def _init(cls: Any) -> Callable[..., None]:
    """The `__init__` of a class: it fills the slots, which nothing else can."""
    scope: dict[str, Any] = {"_missing": dataclasses.MISSING}
    words, lines = ["self"], []
    keywords: list[str] = []
    for part in dataclasses.fields(cls):
        if not part.init:
            continue
        name, default = part.name, f"_default_{part.name}"
        scope |= {f"_set_{name}": getattr(cls, name).__set__, default: part.default}
        argument, value = name, name
        if part.default_factory is not dataclasses.MISSING:
            scope[default] = part.default_factory
            argument, value = f"{name}=_missing", f"{default}() if {name} is _missing else {name}"
        elif part.default is not dataclasses.MISSING:
            argument = f"{name}={default}"
        (keywords if part.kw_only else words).append(argument)
        lines.append(f"_set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    arguments = [*words, *(["*", *keywords] if keywords else ())]
    exec(f"def __init__({', '.join(arguments)}): {'; '.join(lines) or 'pass'}", scope)
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {part.name: part.type for part in dataclasses.fields(cls)} | {"return": None}
    return made


if not TYPE_CHECKING:  # type checkers know Python's own, which makes the same of a class

    def dataclass(*, frozen=False, slots, eq=True, init=True, kw_only=False):
        """The decorator that makes a class a dataclass with slots."""
        if not frozen:
            return dataclasses.dataclass(slots=slots, eq=eq, init=init, kw_only=kw_only)

        def decorated(cls):
            own = {name for name, value in vars(cls).items() if value is not None}
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
            compared = _names(made, "compare")
            key = attrgetter(*compared) if compared else lambda _: ()
            for name, method in {**FROZEN, **(_comparisons(key) if eq else {})}.items():
                if name not in own:
                    setattr(made, name, method)
            if init and "__init__" not in own:
                made.__init__ = _init(made)
            return made

        return decorated
