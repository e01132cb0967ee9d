"""Records are what Python's own decorator makes of the same classes."""

import copy
import dataclasses
import inspect
import pickle
from dataclasses import field
from typing import Any

import pytest

from symrnn.mathematics.style import Style
from symrnn.notation.nodes import Fence, Word
from symrnn.records import dataclass


def declared(decorator: Any) -> Any:
    """Two classes, one made from the other, by a decorator."""

    @decorator(frozen=True, slots=True)
    class Base:
        """With a keyword that is not compared."""

        of: object = field(default=None, kw_only=True, compare=False, repr=False)

    @decorator(frozen=True, slots=True)
    class Made(Base):
        """With a default, a factory, and what is made afterwards."""

        text: str
        size: int = 3
        parts: tuple[int, ...] = field(default_factory=tuple)
        double: int = field(init=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "double", 2 * self.size)

    return Made


OURS, PYTHONS = declared(dataclass), declared(dataclasses.dataclass)
CALLS = {
    "shown": lambda made: repr(made("a", 4)),
    "fields": lambda made: [(f.name, f.init, f.kw_only) for f in dataclasses.fields(made)],
    "matched": lambda made: made.__match_args__,
    "slots": lambda made: (made.__slots__, hasattr(made("a"), "__dict__")),
    "equal": lambda made: (made("a", of=1) == made("a", of=2), made("a") == made("b"), made("a") == "a"),
    "hashed": lambda made: len({made("a"), made("a", of=1), made("a", 4)}),
    "replaced": lambda made: dataclasses.astuple(dataclasses.replace(made("a", of=1), size=5)),
    "copied": lambda made: copy.deepcopy(made("a", of=[1])).of,
    "keywords": lambda made: dataclasses.asdict(made(text="a", parts=(1,), size=2, of=7)),
    "arguments": lambda made: [(p.name, p.kind) for p in inspect.signature(made).parameters.values()],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_record_is_what_python_makes(call):
    assert call(OURS) == call(PYTHONS)


def test_a_record_is_not_equal_to_one_of_another_class():
    assert OURS("a") != PYTHONS("a")
    assert Word("a") != Fence(Word("a"))


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "size", 1),
        lambda one: setattr(one, "other", 1),
        lambda one: delattr(one, "text"),
    ],
)
def test_a_record_cannot_change(change):
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"cannot (assign to|delete) field"):
        change(OURS("a"))


def test_wrong_arguments_are_told_as_of_any_function():
    with pytest.raises(TypeError, match=r"Made\.__init__\(\) missing 1 required positional argument: 'text'"):
        OURS()
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        OURS("a", colour=1)


def test_records_can_be_pickled():
    style = Style("subscript", "row")
    assert pickle.loads(pickle.dumps(style)) == style
    fence = Fence(Word("a", of=1), "[", of=2)
    again = pickle.loads(pickle.dumps(fence))
    assert (again, again.size, again.of) == (fence, fence.size, 2)


def test_records_with_an_identity_and_methods_of_their_own_keep_them():
    @dataclass(frozen=True, slots=True, eq=False)
    class Alone:
        name: str

    @dataclass(frozen=True, slots=True)
    class Own:
        name: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

        def __hash__(self) -> int:
            return 0

        def __repr__(self) -> str:
            return "own"

    assert Alone("a") != Alone("a")
    assert Own("a") == Own("b")
    assert (repr(Own("a")), hash(Own("a"))) == ("own", 0)
