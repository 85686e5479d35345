"""Questions, answers and errors of management as bytes: the tables of what there is, and how each is written.

A question is one list. An answer is one or several: rows of long pages follow in lists of their own, so that neither
side has to write or read a whole page at once.
"""

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from rmq.management import errors, models, operation_questions, peers
from rmq.management.errors import ManagementError
from rmq.management.peers import Question
from rmq.storage.packing import pack, unpack
from rmq_cluster.requests.codec import NO_DEFAULT, Codec, DecodeError, Reading, Shape, field_kinds

T = TypeVar("T")

# So many rows are written and read in one piece: about a millisecond of work.
ROWS: Final = 256
# What a list of an answer begins with.
VALUE: Final = 0
MORE_ROWS: Final = 1
ERROR: Final = 2


def _classes_of(module: Any, base: type) -> dict[str, Any]:
    found = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    return {name: value for name, value in found.items() if issubclass(value, base) and value is not base}


QUESTIONS: Final[Mapping[str, type[Question[Any]]]] = MappingProxyType(
    {**_classes_of(peers, Question), **_classes_of(operation_questions, Question)}
)
ERRORS: Final[Mapping[str, type[ManagementError]]] = MappingProxyType(_classes_of(errors, ManagementError))


def answer_kind(question: type[Question[Any]]) -> Any:
    """The type of the answers to a class of questions."""
    for base in getattr(question, "__orig_bases__", ()):
        if typing.get_origin(base) is Question:
            return typing.get_args(base)[0]
    raise TypeError(f"{question.__name__} doesn't say what answers it")


class Wording:
    """Writes and reads what nodes say to each other about management.

    What is read is checked: ``DecodeError`` for anything that these questions and answers can't be.
    """

    def __init__(self) -> None:
        self._codec = Codec()
        self._kinds = {name: answer_kind(question) for name, question in QUESTIONS.items()}
        self._errors = {name: self._error_shape(name, error) for name, error in ERRORS.items()}

    def write_question(self, question: Question[Any]) -> bytes:
        """A question; ``ValueError`` or ``OverflowError`` for one with a text or a number that can't be written."""
        kind = type(question)
        return pack([kind.__name__, self._codec.classes(kind), self._codec.encode(question, kind)])

    def read_question(self, data: bytes) -> Question[Any]:
        """A question."""
        match _unpack(data):
            case [str(name), classes, fields, *_]:
                kind = QUESTIONS.get(name)
                if kind is None:
                    raise DecodeError(f"there is no question {name[:64]!r}")
                question: Question[Any] = self._codec.decode(fields, kind, Reading(classes))
                return question
        raise DecodeError("isn't a question")

    def write_answer(self, question: Question[Any], answer: object) -> Iterator[bytes]:
        """The answer to a question, list by list."""
        codec = self._codec
        kind = self._kinds[type(question).__name__]
        long: dict[str, tuple[object, ...]] = {}
        if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
            long = {name: rows for name in _row_fields(kind) if len(rows := getattr(answer, name)) > ROWS}
            answer = dataclasses.replace(answer, **{name: rows[:ROWS] for name, rows in long.items()})
        yield pack([VALUE, codec.classes(kind), codec.encode(answer, kind)])
        for name, rows in long.items():
            row_kind = _row_fields(kind)[name]
            for start in range(ROWS, len(rows), ROWS):
                piece = [codec.encode(row, row_kind) for row in rows[start : start + ROWS]]
                yield pack([MORE_ROWS, name, piece])

    def write_error(self, error: ManagementError) -> bytes:
        """Why a question isn't answered, as a whole answer."""
        name = type(error).__name__
        shape = self._errors[name]
        own = [shape.name, [field.name for field in shape.fields]]
        return pack([ERROR, name, str(error), [own, *self._codec.classes(models.Published)], shape.encode(error)])

    def reader(self, question: Question[T]) -> "AnswerReader[T]":
        """What reads the answer to a question."""
        return AnswerReader(self._codec, self._errors, self._kinds[type(question).__name__])

    def _error_shape(self, name: str, error: type[ManagementError]) -> Shape:
        """An error has the arguments of its constructor as attributes; those annotated in the class come after it."""
        known = {**vars(models), **vars(errors)}
        extra = typing.get_type_hints(error, None, known)
        hints = typing.get_type_hints(error.__init__, None, known)
        fields: dict[str, tuple[Any, object]] = {}
        for parameter in list(inspect.signature(error.__init__).parameters.values())[1:]:
            default = NO_DEFAULT if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (hints[parameter.name], default)
        arguments = len(fields)
        for key, kind in extra.items():
            fields[key] = (kind, getattr(error, key))

        def make(*values: Any) -> ManagementError:
            made = error(*values[:arguments])
            for key, value in zip(extra, values[arguments:], strict=True):
                setattr(made, key, value)
            return made

        return self._codec.named_shape(name, make, fields)


class AnswerReader(typing.Generic[T]):
    """One answer, while its lists come in."""

    def __init__(self, codec: Codec, error_shapes: Mapping[str, Shape], kind: Any) -> None:
        self._codec = codec
        self._error_shapes = error_shapes
        self._kind = kind
        self._reading: Reading | None = None
        self._answer: Any = None
        self._error: ManagementError | None = None
        self._rows: dict[str, list[object]] = {}

    def feed(self, data: bytes) -> None:
        """The next list."""
        raw = _unpack(data)
        reading = self._reading
        match raw:
            case [0, classes, value, *_] if reading is None:  # VALUE
                self._reading = Reading(classes)
                self._answer = self._codec.decode(value, self._kind, self._reading)
            case [1, str(name), list(rows), *_] if reading is not None and self._error is None:  # MORE_ROWS
                row_kind = _row_fields(self._kind).get(name)
                if row_kind is None:
                    return  # a newer node has more to tell
                way = self._codec.way(row_kind)
                self._rows.setdefault(name, []).extend([way.decode(row, reading) for row in rows])
            case [2, str(name), str(text), classes, values, *_] if reading is None:  # ERROR
                self._reading = Reading(classes)
                shape = self._error_shapes.get(name)
                # A newer node may have reasons that aren't known here.
                self._error = ManagementError(text) if shape is None else shape.decode(values, self._reading)
            case _:
                raise DecodeError("isn't an answer")

    def finish(self) -> T:
        """The answer; raises the error that it is instead."""
        if self._error is not None:
            raise self._error
        if self._reading is None:
            raise DecodeError("the answer is empty")
        answer = self._answer
        if self._rows:
            whole = {name: (*getattr(answer, name), *rows) for name, rows in self._rows.items()}
            answer = dataclasses.replace(answer, **whole)
        found: T = answer
        return found


def _row_fields(kind: Any) -> dict[str, Any]:
    """The fields that hold rows of dataclasses, and what these are."""
    origin = typing.get_origin(kind) or kind
    if not dataclasses.is_dataclass(origin):
        return {}
    found = {}
    for field, field_kind in zip(dataclasses.fields(origin), field_kinds(kind), strict=True):
        arguments = typing.get_args(field_kind)
        if typing.get_origin(field_kind) is tuple and dataclasses.is_dataclass(arguments[0]):
            found[field.name] = arguments[0]
    return found


def _unpack(data: bytes) -> list[Any]:
    try:
        return unpack(data)
    except ValueError as error:
        raise DecodeError(f"can't be read: {error}") from error
