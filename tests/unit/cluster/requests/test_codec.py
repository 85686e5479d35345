"""Dataclasses as lists and back, between nodes of different versions too; what doesn't fit is refused, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import pytest
from rmq_cluster.requests.codec import MAX_CLASSES, MAX_DEPTH, MAX_FIELDS, Codec, DecodeError, Reading, decode_plain

T = TypeVar("T")


@dataclass(frozen=True)
class Inner:
    number: int
    text: str = "none"


@dataclass(frozen=True)
class Outer:
    inner: Inner | None
    many: tuple[Inner, ...]
    pair: tuple[str, Inner]
    named: Mapping[str, float]
    state: Literal["up", "down"]
    anything: object = None
    made: tuple[int, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Box(Generic[T]):
    content: T


@dataclass(frozen=True)
class Empty:
    pass


@dataclass(frozen=True)
class Tree:
    label: str
    branches: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


OUTER = Outer(Inner(1, "a"), (Inner(2), Inner(3)), ("p", Inner(4)), {"x": 1.5}, "down", {"k": [1, b"x"]}, (5,))


def there_and_back(value: object, kind: Any, classes: list[object] | None = None) -> Any:
    codec = Codec()
    reading = Reading(codec.classes(kind) if classes is None else classes)
    return Codec().decode(codec.encode(value, kind), kind, reading)


def test_values_come_back() -> None:
    assert there_and_back(OUTER, Outer) == OUTER
    assert there_and_back(Outer(None, (), ("", Inner(0)), {}, "up"), Outer) == Outer(None, (), ("", Inner(0)), {}, "up")
    assert there_and_back(Box(Box(Inner(7))), Box[Box[Inner]]) == Box(Box(Inner(7)))
    assert there_and_back(Empty(), Empty) == Empty()
    tree = Tree("a", (Tree("b", (Tree("c"),)), Tree("d")))
    assert there_and_back(tree, Tree) == tree
    assert there_and_back((Even(2),), tuple[Even, ...]) == (Even(2),)
    assert there_and_back(None, Inner | None) is None
    found = there_and_back(Box(3), Box[float])
    assert type(found.content) is float


@pytest.mark.parametrize("kind", [set[int], int | str, dict[int, str], complex, Outer | Inner | None])
def test_types_that_cannot_be_written_are_told_at_once(kind: Any) -> None:
    with pytest.raises(TypeError, match="can't be written"):
        Codec().way(kind)


def test_fields_are_found_by_their_names() -> None:
    """A newer node has one more, and in another order; an older one has one less."""
    codec = Codec()
    newer = Reading([["Inner", ["colour", "text", "number"]]])
    assert codec.decode(["red", "t", 5], Inner, newer) == Inner(5, "t")
    older = Reading([["Inner", ["number"]]])
    assert codec.decode([5], Inner, older) == Inner(5, "none")
    assert codec.decode([[[5]]], Box[tuple[Inner, ...]], Reading([["Box", ["content"]], ["Inner", ["number"]]])) == Box(
        (Inner(5),)
    )
    partly = ["inner", "many", "pair", "named", "state"]
    whole = Reading([["Outer", partly], ["Inner", ["number", "text"]]])
    assert codec.decode([None, [], ["p", [1, "t"]], {}, "up"], Outer, whole).made == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row: row.__setitem__(0, [1.5, "t"]), "inner.number: isn't a int but a float"),
        (lambda row: row.__setitem__(0, [True, "t"]), "inner.number: isn't a int but a bool"),
        (lambda row: row.__setitem__(0, [1]), "inner: isn't the fields of Inner"),
        (lambda row: row.__setitem__(0, [1, "t", 2]), "inner: isn't the fields of Inner"),
        (lambda row: row.__setitem__(1, None), "many: isn't a list but a NoneType"),
        (lambda row: row.__setitem__(1, {"a": 1}), "many: isn't a list but a dict"),
        (lambda row: row.__setitem__(1, [[1, b"t"]]), "many.text: isn't a str but a bytes"),
        (lambda row: row.__setitem__(2, ["p"]), "pair: isn't a list of 2"),
        (lambda row: row.__setitem__(3, [1]), "named: isn't a map of names"),
        (lambda row: row.__setitem__(3, {b"x": 1.0}), "named: isn't a map of names"),
        (lambda row: row.__setitem__(3, {"x": "1"}), "named: isn't a number but a str"),
        (lambda row: row.__setitem__(3, {"x": True}), "named: isn't a number but a bool"),
        (lambda row: row.__setitem__(4, "left"), "state: isn't one of 'up', 'down'"),
        (lambda row: row.__setitem__(4, ["up"]), "state: isn't one of 'up', 'down'"),
        (lambda row: row.__setitem__(5, {1: 2}), "anything: isn't a plain value but a dict"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(change: Any, reason: str) -> None:
    codec = Codec()
    row: Any = codec.encode(OUTER, Outer)
    change(row)
    with pytest.raises(DecodeError) as caught:
        codec.decode(row, Outer, Reading(codec.classes(Outer)))
    assert str(caught.value) == reason


def test_what_a_class_refuses_is_refused() -> None:
    with pytest.raises(DecodeError, match="isn't a Even: 3 is odd"):
        Codec().decode([3], Even, Reading([["Even", ["number"]]]))


def test_a_field_without_a_default_must_be_there() -> None:
    with pytest.raises(DecodeError, match="number: is missing"):
        Codec().decode(["t"], Inner, Reading([["Inner", ["text"]]]))
    with pytest.raises(DecodeError, match="names of the fields of Inner"):
        Codec().decode(["t"], Inner, Reading([]))
    with pytest.raises(DecodeError, match="isn't None"):
        Codec().decode(0, type(None), Reading([]))


@pytest.mark.parametrize(
    "classes",
    [
        None,
        {},
        [["Inner"]],
        [["Inner", "number"]],
        [["Inner", [1]]],
        [[1, ["number"]]],
        [["Inner", ["f"] * (MAX_FIELDS + 1)]],
        [["Inner", []]] * (MAX_CLASSES + 1),
    ],
)
def test_names_of_fields_that_are_none(classes: object) -> None:
    with pytest.raises(DecodeError, match="names of the fields"):
        Reading(classes)


def test_values_without_a_type_are_bounded_in_depth() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert there_and_back(deep, object) == deep
    with pytest.raises(TypeError, match="list"):
        Codec().encode([deep], object)
    with pytest.raises(DecodeError, match="list"):
        decode_plain([deep])
