"""The table of routes: patterns over the path as it came, each segment decoded once and by itself.

``/clients/a%2Fonline`` is the client ``a/online``: a path is split at "/" before anything is decoded (RFC 3986, 2.2).
A segment that is a word of a pattern is compared as it came, so ``/clients/%6Ffflines`` is a client called "offlines".
One slash at the end makes no difference, nor do further ones before the second word.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel

from rmq_http_api.answers import Answer
from rmq_http_api.calls import ADMINISTRATOR, VIEWER, Call, PathValues
from rmq_http_api.dialects import OWN, Dialect
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import NoQuery, whole_number
from rmq_http_api.shapes import JsonSchema

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel | None)

Handler = Callable[[Call[Q, B]], Awaitable[Answer]]

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class PathValue:
    """A place for a value in a pattern."""

    name: str
    is_number: bool


Segment = str | PathValue


@dataclass(frozen=True)
class Route(Generic[Q, B]):
    """One method of one pattern.

    ``path`` has values in braces: ``{node:int}`` takes whole numbers, ``{topic}`` any text. ``name`` and ``summary``
    are for the list of routes and for OpenAPI. ``body`` is the model of the JSON body, None when there is none.
    ``answers`` says what good answers are, for OpenAPI: ``str`` is plain text, every other type is JSON as pydantic
    describes it, and what is neither has its media type in ``media_types``. ``refusal`` is what a 503 may have instead
    of the one shape of errors. ``path_schemas`` has what a value of the path must be beyond a text. ``role``: who may;
    by default viewers read and administrators change. ``login``: API keys may not, whatever their role. ``open``:
    nobody has to say who they are. ``content``: whether a body must say that it is JSON, or is read as such whatever
    it says, for scripts that were written for servers which don't look. ``status`` is that of a good answer, ``also``
    has other ones that aren't refusals in the one shape of errors, each with its type; None there: without a body.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler[Q, B]
    query: type[Q] = NoQuery  # type: ignore[assignment]  # a default of a type variable, which 3.11 can't say
    body: type[BaseModel] | None = None
    answers: tuple[Any, ...] = ()
    media_types: tuple[str, ...] = ()
    refusal: Any = None
    path_schemas: Mapping[str, JsonSchema] = field(default_factory=dict)
    role: str = ""
    login: bool = False
    open: bool = False
    content: Literal["says JSON", "says anything"] = "says JSON"
    status: int = 200
    also: Mapping[int, Any] = field(default_factory=dict)

    @property
    def needed_role(self) -> str:
        """The least role that may."""
        return self.role or (VIEWER if self.method in READING else ADMINISTRATOR)

    @property
    def values(self) -> list[PathValue]:
        """The values in the path, in their order."""
        return [segment for segment in _segments(self.path) if isinstance(segment, PathValue)]

    @property
    def shown_path(self) -> str:
        """The pattern without the kinds of its values."""
        return "/" + "/".join(f"{{{s.name}}}" if isinstance(s, PathValue) else s for s in _segments(self.path))


AnyRoute = Route[Any, Any]


@dataclass
class _Place:
    """All methods of one pattern."""

    segments: tuple[Segment, ...]
    routes: dict[str, tuple[AnyRoute, Dialect]] = field(default_factory=dict)

    @property
    def words(self) -> tuple[bool, ...]:
        """Where the pattern has values: patterns with words further left are tried first."""
        return tuple(isinstance(segment, PathValue) for segment in self.segments)

    def fits(self, parts: Sequence[str]) -> bool:
        """Whether the words stand where they have to."""
        return all(
            isinstance(segment, PathValue) or segment == part
            for segment, part in zip(self.segments, parts, strict=True)
        )


@dataclass(frozen=True)
class Match:
    """The route of a request, whose it is, and the values in its path."""

    route: AnyRoute
    values: PathValues
    dialect: Dialect = OWN


class RouteTable:
    """All routes of all dialects that a listener serves."""

    def __init__(self, routes: Iterable[AnyRoute] = ()) -> None:
        self._places: dict[int, list[_Place]] = {}
        self._dialects: dict[str, Dialect] = {}
        self._of_dialects: dict[Dialect, list[AnyRoute]] = {}
        self.routes: list[AnyRoute] = []
        self.add(routes)

    @property
    def dialects(self) -> Mapping[Dialect, Sequence[AnyRoute]]:
        """The routes of each dialect."""
        return self._of_dialects

    def add(self, routes: Iterable[AnyRoute], dialect: Dialect = OWN) -> None:
        """Put the routes of a dialect in; ``ValueError`` for a second one with the same method and pattern.

        Dialects may have one prefix: what isn't there is told in the words of the first one.
        """
        if dialect.prefix:
            self._dialects.setdefault(dialect.prefix, dialect)
        for route in routes:
            segments = _segments(route.path)
            places = self._places.setdefault(len(segments), [])
            shape = tuple(s if isinstance(s, str) else None for s in segments)
            for place in places:
                if tuple(s if isinstance(s, str) else None for s in place.segments) == shape:
                    break
            else:
                place = _Place(segments)
                places.append(place)
                places.sort(key=lambda found: found.words)
            if route.method in place.routes:
                raise ValueError(f"two routes for {route.method} {route.path}")
            if place.routes and place.segments != segments:
                raise ValueError(f"{route.path}: the values are called otherwise in another route")
            place.routes[route.method] = (route, dialect)
            self._of_dialects.setdefault(dialect, []).append(route)
            self.routes.append(route)

    def dialect_at(self, raw_path: bytes) -> Dialect:
        """Whose words are used where there is no route."""
        path = "/" + "/".join(_parts(raw_path.decode("ascii", "replace")))
        for prefix, dialect in self._dialects.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return dialect
        return OWN

    def find(self, method: str, raw_path: bytes) -> Match:
        """The route of a request; ``ApiError`` 404, 405 with ``Allow``, or 400 for a value that can't be one."""
        try:
            parts = _parts(raw_path.decode("ascii"))
        except UnicodeDecodeError:
            raise ApiError(400, "BAD_PATH", "the path has bytes that must be percent-encoded") from None
        # First: what a dialect hasn't may look like a value of a path that it has.
        missing = self.dialect_at(raw_path).why_missing("/".join(["", *parts]))
        if missing:
            raise ApiError(404, "PATH_NOT_FOUND", missing)
        for place in self._places.get(len(parts), ()):
            if not place.fits(parts):
                continue
            found = place.routes.get("GET" if method == "HEAD" else method)
            if found is None:
                raise self._not_allowed(method, place)
            route, dialect = found
            return Match(route, _values(place.segments, parts), dialect)
        raise ApiError(404, "PATH_NOT_FOUND", "there is no such path")

    def methods(self, raw_path: bytes) -> str:
        """What ``Allow`` says for a path; ``ApiError`` 404."""
        parts = _parts(raw_path.decode("ascii", "replace"))
        for place in self._places.get(len(parts), ()):
            if place.fits(parts):
                return _allow(place)
        raise ApiError(404, "PATH_NOT_FOUND", "there is no such path")

    @staticmethod
    def _not_allowed(method: str, place: _Place) -> ApiError:
        allowed = _allow(place)
        text = f"{method[:20]} isn't possible here, {allowed} are" if "," in allowed else f"only {allowed} is possible"
        return ApiError(405, "METHOD_NOT_ALLOWED", text, {"Allow": allowed})


def _allow(place: _Place) -> str:
    methods = set(place.routes) | {"OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def _parts(path: str) -> list[str]:
    """The segments of a path. Slashes that are doubled before its second word count once: "http://host/api/" and
    "/v5/clients" are put together by programs that were written for servers which don't look.
    """
    parts = path.removeprefix("/").removesuffix("/").split("/")
    while len(parts) > 1 and "" in parts[:2]:
        parts.remove("")
    return parts


def _segments(path: str) -> tuple[Segment, ...]:
    return tuple(_segment(part) for part in path.removeprefix("/").split("/"))


def _segment(part: str) -> Segment:
    if not part.startswith("{"):
        return part
    name, _, kind = part.strip("{}").partition(":")
    return PathValue(name, kind == "int")


def _values(segments: Sequence[Segment], parts: Sequence[str]) -> PathValues:
    values: dict[str, str | int] = {}
    for segment, part in zip(segments, parts, strict=True):
        if not isinstance(segment, PathValue):
            continue
        try:
            text = unquote_to_bytes(part).decode("utf-8")
        except UnicodeDecodeError:
            raise ApiError(400, "BAD_PARAMETER", f"{segment.name}: isn't UTF-8") from None
        if not segment.is_number:
            values[segment.name] = text
            continue
        try:
            values[segment.name] = whole_number(text)
        except ValueError as error:
            raise ApiError(400, "BAD_PARAMETER", f"{segment.name}: {error}") from None
    return PathValues(values)
