"""Dataclasses as plain lists and back, driven by their fields and annotations; what msgpack can write, and no more.

A written value begins with the names of the fields of every class in it, once; each instance is then a list of values
in that order. So nodes of different versions understand each other, wherever a field was added: a field that isn't
known here is passed over, one that is missing takes its default. A value of another type than its annotation has, or
a missing one without a default, is a ``DecodeError``.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, Literal, TypeVar

Encode = Callable[[Any], object]

MAX_CLASSES: Final = 64
MAX_FIELDS: Final = 256
# How deep values without a type of their own, such as what a plugin tells of itself, may be nested.
MAX_DEPTH: Final = 32

_SCALARS: Final = (str, bytes, bool, int)


class DecodeError(ValueError):
    """What came isn't what the type says; ``where`` is the way to it."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason
        self.where = where

    def within(self, name: str) -> "DecodeError":
        """The same, seen from one step outside."""
        return DecodeError(self.reason, f"{name}.{self.where}" if self.where else name)


class Reading:
    """One message while it is read: which fields the sender writes of each class, and in which order."""

    __slots__ = ("_fields", "_plans")

    def __init__(self, classes: object) -> None:
        self._fields: dict[str, list[str]] = {}
        self._plans: dict[Shape, list[_Step]] = {}
        if type(classes) is not list or len(classes) > MAX_CLASSES:
            raise DecodeError("the names of the fields aren't there")
        for found in classes:
            match found:
                case [str(name), list(fields)] if len(fields) <= MAX_FIELDS and all(type(f) is str for f in fields):
                    self._fields[name] = fields
                case _:
                    raise DecodeError("the names of the fields aren't there")

    def width(self, shape: "Shape") -> int:
        """How many values the sender writes of this class."""
        return len(self._fields.get(shape.name, ()))

    def plan(self, shape: "Shape") -> "list[_Step]":
        """How to read an instance of this class."""
        plan = self._plans.get(shape)
        if plan is None:
            fields = self._fields.get(shape.name)
            if fields is None:
                raise DecodeError(f"the names of the fields of {shape.name} aren't there")
            positions = {name: position for position, name in enumerate(fields)}
            plan = [_Step(field, positions.get(field.name, -1)) for field in shape.fields]
            self._plans[shape] = plan
        return plan


Decode = Callable[[Any, Reading], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """How values of one type are written and read. ``encode`` None: as they are. ``exact``: so are those read."""

    encode: Encode | None
    decode: Decode
    exact: type | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    name: str
    way: Way
    default: Callable[[], object] | None


class _Step:
    """Reading one field: where it stands in the sender's list, -1 if it doesn't."""

    __slots__ = ("decode", "default", "exact", "name", "position")

    def __init__(self, field: _Field, position: int) -> None:
        self.name = field.name
        self.position = position
        self.exact = field.way.exact
        self.decode = field.way.decode
        if position < 0 and field.default is None:
            raise DecodeError("is missing", field.name)
        self.default = field.default


class Shape:
    """One dataclass, its type parameters filled in, or whatever else has named fields and is made from them."""

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name = name
        self.fields: tuple[_Field, ...] = ()
        self._make = make
        self._special: list[tuple[int, Encode]] = []
        self._values: Callable[[Any], list[object]] = lambda value: []

    def fill(self, fields: tuple[_Field, ...]) -> None:
        """Say what it is made of; apart from its making, because a class may hold instances of itself."""
        self.fields = fields
        self._special = [(i, field.way.encode) for i, field in enumerate(fields) if field.way.encode is not None]
        names = [field.name for field in fields]
        if len(names) == 1:
            only = attrgetter(names[0])
            self._values = lambda value: [only(value)]
        elif names:
            several = attrgetter(*names)
            self._values = lambda value: list(several(value))

    def encode(self, value: object) -> list[object]:
        """The values of its fields."""
        row = self._values(value)
        for index, encode in self._special:
            row[index] = encode(row[index])
        return row

    def decode(self, raw: object, reading: Reading) -> Any:
        """An instance."""
        plan = reading.plan(self)
        if type(raw) is not list or len(raw) != reading.width(self):
            raise DecodeError(f"isn't the fields of {self.name}")
        values: list[object] = []
        for step in plan:
            if step.position < 0:
                values.append(step.default() if step.default is not None else None)
                continue
            found = raw[step.position]
            if type(found) is not step.exact:
                try:
                    found = step.decode(found, reading)
                except DecodeError as error:
                    raise error.within(step.name) from None
            values.append(found)
        try:
            return self._make(*values)
        except Exception as error:  # a class checks what it is made from, in its own way
            raise DecodeError(f"isn't a {self.name}: {error}") from error


class Codec:
    """Writes and reads values of types that are made of dataclasses, tuples, mappings and scalars.

    Types are looked at once; the same codec serves all messages.
    """

    def __init__(self) -> None:
        self._ways: dict[Any, Way] = {}
        self._shapes: dict[Any, Shape] = {}
        self._inside: dict[Any, list[object]] = {}

    def classes(self, kind: Any) -> list[object]:
        """The names of the fields of all classes that a value of this type can have in it: how a message begins."""
        found = self._inside.get(kind)
        if found is None:
            self.way(kind)
            shapes = {shape.name: shape for shape in map(self._shapes.get, _reachable(kind)) if shape is not None}
            found = [[shape.name, [field.name for field in shape.fields]] for shape in shapes.values()]
            self._inside[kind] = found
        return found

    def encode(self, value: object, kind: Any) -> object:
        """A value as scalars, lists and maps."""
        encode = self.way(kind).encode
        return value if encode is None else encode(value)

    def decode(self, raw: object, kind: Any, reading: Reading) -> Any:
        """A value of this type; ``DecodeError``."""
        return self.way(kind).decode(raw, reading)

    def shape(self, kind: Any) -> Shape | None:
        """What a dataclass is made of, None for another type."""
        self.way(kind)
        return self._shapes.get(kind)

    def way(self, kind: Any) -> Way:
        """How values of a type are written and read. ``TypeError`` for one that can't be."""
        found = self._ways.get(kind)
        if found is None:
            found = self._ways[kind] = self._find_way(kind)
        return found

    def named_shape(self, name: str, make: Callable[..., Any], fields: Mapping[str, tuple[Any, object]]) -> Shape:
        """A shape of something that isn't a dataclass: for each name its type and default (``NO_DEFAULT``)."""
        shape = Shape(name, make)
        shape.fill(tuple(_Field(n, self.way(kind), _constant(default)) for n, (kind, default) in fields.items()))
        return shape

    def _find_way(self, kind: Any) -> Way:
        if kind in _SCALARS:
            return Way(None, _scalar(kind), kind)
        if kind is float:
            return Way(None, _decode_float, float)
        if kind is types.NoneType or kind is None:
            return Way(None, _decode_none)
        if kind is object:
            return Way(encode_plain, lambda raw, reading: decode_plain(raw))
        origin = typing.get_origin(kind)
        arguments = typing.get_args(kind)
        if origin in (types.UnionType, typing.Union):
            return self._optional(kind, arguments)
        if origin is Literal:
            return Way(None, _one_of(arguments))
        if origin is tuple:
            return self._tuple(arguments)
        if origin is not None and issubclass(origin, Mapping) and arguments[0] is str:
            return _mapping(self.way(arguments[1]))
        if dataclasses.is_dataclass(origin or kind):
            shape = self._dataclass(kind)
            return Way(shape.encode, shape.decode)
        raise TypeError(f"{kind} can't be written")

    def _optional(self, kind: Any, arguments: tuple[Any, ...]) -> Way:
        others = [argument for argument in arguments if argument is not types.NoneType]
        if len(others) != 1 or len(arguments) != 2:
            raise TypeError(f"{kind} can't be written")
        way = self.way(others[0])
        encode, decode = way.encode, way.decode
        return Way(
            None if encode is None else (lambda value: None if value is None else encode(value)),
            lambda raw, reading: None if raw is None else decode(raw, reading),
            way.exact,
        )

    def _tuple(self, arguments: tuple[Any, ...]) -> Way:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return _sequence(self.way(arguments[0]))
        ways = [self.way(argument) for argument in arguments]

        def encode(value: tuple[Any, ...]) -> object:
            return [_write(way, item) for way, item in zip(ways, value, strict=True)]

        def decode(raw: object, reading: Reading) -> tuple[Any, ...]:
            if type(raw) is not list or len(raw) != len(ways):
                raise DecodeError(f"isn't a list of {len(ways)}")
            return tuple(way.decode(item, reading) for way, item in zip(ways, raw, strict=True))

        return Way(encode, decode)

    def _dataclass(self, kind: Any) -> Shape:
        origin = typing.get_origin(kind) or kind
        shape = self._shapes[kind] = Shape(origin.__name__, origin)
        # Until it is filled, for a class that holds instances of itself.
        self._ways[kind] = Way(shape.encode, shape.decode)
        shape.fill(
            tuple(
                _Field(field.name, self.way(field_kind), _default_of(field))
                for field, field_kind in zip(dataclasses.fields(origin), field_kinds(kind), strict=True)
            )
        )
        return shape


NO_DEFAULT: Final = object()


def field_kinds(kind: Any) -> list[Any]:
    """The types of a dataclass's fields, type parameters filled in."""
    origin = typing.get_origin(kind) or kind
    parameters: tuple[Any, ...] = getattr(origin, "__parameters__", ())
    filled = dict(zip(parameters, typing.get_args(kind), strict=False))
    hints = typing.get_type_hints(origin)
    return [_fill(hints[field.name], filled) for field in dataclasses.fields(origin)]


def _fill(kind: Any, filled: Mapping[Any, Any]) -> Any:
    if isinstance(kind, TypeVar):
        return filled[kind]
    parameters: tuple[Any, ...] = getattr(kind, "__parameters__", ())
    return kind[tuple(filled[parameter] for parameter in parameters)] if parameters else kind


def _reachable(kind: Any) -> list[Any]:
    """This type and all types that stand in it, in the same order in every process."""
    found: dict[Any, None] = {}
    waiting = [kind]
    while waiting:
        kind = waiting.pop()
        if kind in found or kind is Ellipsis:
            continue
        found[kind] = None
        waiting += typing.get_args(kind)
        if dataclasses.is_dataclass(typing.get_origin(kind) or kind):
            waiting += field_kinds(kind)
    return list(found)


def _default_of(field: "dataclasses.Field[Any]") -> Callable[[], object] | None:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return _constant(NO_DEFAULT if field.default is dataclasses.MISSING else field.default)


def _constant(value: object) -> Callable[[], object] | None:
    return None if value is NO_DEFAULT else lambda: value


def _scalar(kind: type) -> Decode:
    def decode(raw: object, reading: Reading) -> object:
        if type(raw) is not kind:
            raise DecodeError(f"isn't a {kind.__name__} but a {type(raw).__name__}")
        return raw

    return decode


def _decode_float(raw: object, reading: Reading) -> float:
    if type(raw) is int or type(raw) is float:
        return float(raw)
    raise DecodeError(f"isn't a number but a {type(raw).__name__}")


def _decode_none(raw: object, reading: Reading) -> None:
    if raw is not None:
        raise DecodeError(f"isn't None but a {type(raw).__name__}")


def _one_of(values: tuple[Any, ...]) -> Decode:
    def decode(raw: object, reading: Reading) -> object:
        if type(raw) not in (str, int, bool) or raw not in values:
            raise DecodeError("isn't one of " + ", ".join(repr(value) for value in values))
        return raw

    return decode


def _write(way: Way, value: object) -> object:
    return value if way.encode is None else way.encode(value)


def _sequence(way: Way) -> Way:
    encode_item, decode_item, exact = way.encode, way.decode, way.exact

    def encode(value: tuple[Any, ...]) -> object:
        return list(value) if encode_item is None else [encode_item(item) for item in value]

    def decode(raw: object, reading: Reading) -> tuple[Any, ...]:
        if type(raw) is not list:
            raise DecodeError(f"isn't a list but a {type(raw).__name__}")
        return tuple([item if type(item) is exact else decode_item(item, reading) for item in raw])

    return Way(encode, decode)


def _mapping(way: Way) -> Way:
    def encode(value: Mapping[str, Any]) -> object:
        return {key: _write(way, item) for key, item in value.items()}

    def decode(raw: object, reading: Reading) -> dict[str, Any]:
        if type(raw) is not dict or not all(type(key) is str for key in raw):
            raise DecodeError("isn't a map of names")
        return {key: way.decode(item, reading) for key, item in raw.items()}

    return Way(encode, decode)


def encode_plain(value: object, depth: int = 0) -> object:
    """A value as JSON has it, bytes too; ``TypeError`` for anything else, or one nested too deep."""
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return value
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: encode_plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [encode_plain(item, depth + 1) for item in value]
    raise TypeError(f"a {type(value).__name__} can't be written here")


def decode_plain(raw: object, depth: int = 0) -> object:
    """Such a value again, lists for all sequences."""
    if raw is None or type(raw) in (str, bytes, bool, int, float):
        return raw
    if depth < MAX_DEPTH:
        if type(raw) is dict and all(type(key) is str for key in raw):
            return {key: decode_plain(item, depth + 1) for key, item in raw.items()}
        if type(raw) is list:
            return [decode_plain(item, depth + 1) for item in raw]
    raise DecodeError(f"isn't a plain value but a {type(raw).__name__}")
