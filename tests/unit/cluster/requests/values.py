"""A value of any type that the codec writes: every field set, and different from its default."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from rmq_cluster.requests.codec import field_kinds

from rmq.management.queries import Paging

# What can't be made from its types alone, because it checks itself.
SPECIAL: dict[Any, object] = {Paging: Paging(7, 0, "after", with_total=True)}


def value_of(kind: Any, name: str = "x") -> Any:
    """A value of this type."""
    if kind in SPECIAL:
        return SPECIAL[kind]
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return value_of(next(argument for argument in arguments if argument is not types.NoneType), name)
    if origin is Literal:
        return arguments[-1]
    if origin is tuple:
        return tuple(value_of(argument, name) for argument in arguments if argument is not Ellipsis)
    if origin is not None and issubclass(origin, Mapping):
        return {name: value_of(arguments[1], name)}
    if dataclasses.is_dataclass(origin or kind):
        names = [field.name for field in dataclasses.fields(origin or kind)]
        return (origin or kind)(*(value_of(k, n) for n, k in zip(names, field_kinds(kind), strict=True)))
    scalars: dict[Any, object] = {
        str: f"a {name}",
        bytes: b"\x00\xff",
        bool: True,
        int: 1,
        float: 2.5,
        object: [1, {"a": None}],
        type(None): None,
    }
    return scalars[kind]
