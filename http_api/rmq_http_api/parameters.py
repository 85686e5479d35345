"""Query and body of a request: pydantic models filled from what came, and what is wrong with it named."""

from typing import Annotated, Any, ClassVar, Final, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, RootModel, ValidationError

from rmq_http_api.errors import ApiError, MissingParameter
from rmq_http_api.shapes import JsonSchema

M = TypeVar("M", bound=BaseModel)

MAX_PARAMETERS: Final = 64
# What a number in a path or a query may be: what orjson, msgpack and other people's programs can hold.
LARGEST: Final = 2**63 - 1


class Query(BaseModel):
    """The base of all queries: a parameter that isn't known is an error. A field's ``alias`` is its name in the URL.

    ``repeatable`` are the names that may be there more than once: their fields are given lists.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    repeatable: ClassVar[frozenset[str]] = frozenset()


class NoQuery(Query):
    """No parameters."""


class Body(BaseModel):
    """The base of all JSON bodies: strict, because JSON has types, and no key it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RawBody(BaseModel):
    """A body as it came: what isn't JSON."""

    content: bytes


def whole_number(text: str) -> int:
    """A number of a path or a query: ASCII digits, maybe a minus; ``ValueError`` says what it must be."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or abs(int(digits)) > LARGEST:
        raise ValueError("must be a whole number")
    return int(text)


def _number(value: object) -> object:
    return whole_number(value) if isinstance(value, str) else value


def _flag(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def _whole(value: object) -> object:
    # JSON knows one kind of number: 1.0 is as whole as 1.
    return int(value) if isinstance(value, float) and value.is_integer() else value


# A whole number of a body; bounds go before it.
WHOLE: Final = BeforeValidator(_whole)
# What texts must be, for OpenAPI: it is the engine that says no. A topic name, a topic filter, base64.
TOPIC_NAME: Final[JsonSchema] = {"minLength": 1, "pattern": r"^[^+#\u0000]+$"}
TOPIC_FILTER: Final[JsonSchema] = {
    "minLength": 1,
    "pattern": r"^(#|(\+|[^+#\u0000/]*)(/(\+|[^+#\u0000/]*))*(/#)?)$",
}
BASE64: Final[JsonSchema] = {
    "contentEncoding": "base64",
    "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}

# The types of query parameters; everything else is text.
Number = Annotated[int, BeforeValidator(_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]


def read_query(model: type[M], query_string: bytes) -> M:
    """The parameters of a query string; ``ApiError`` 400 names the one that is wrong, unknown or there twice."""
    try:
        text = query_string.decode("ascii")
    except UnicodeDecodeError:
        raise ApiError(400, "BAD_PARAMETER", "the query has bytes that must be percent-encoded") from None
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise ApiError(400, "BAD_PARAMETER", "the query isn't UTF-8") from None
    except ValueError:
        raise ApiError(400, "BAD_PARAMETER", f"the query has more than {MAX_PARAMETERS} parameters") from None
    values: dict[str, Any] = {}
    repeatable: frozenset[str] = getattr(model, "repeatable", frozenset())
    for name, value in pairs:
        if name in repeatable:
            values.setdefault(name, []).append(value)
            continue
        if name in values:
            raise ApiError(400, "BAD_PARAMETER", f"{name[:64]}: is there more than once")
        values[name] = value
    return _filled(model, values)


def read_body(model: type[M], body: bytes) -> M:
    """A JSON body, an object unless the model is a ``RootModel``; ``ApiError`` 400 says what is wrong with it."""
    if issubclass(model, RawBody):
        return model(content=body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "BAD_BODY", f"the body isn't JSON: {error}") from None
    if not isinstance(value, dict) and not issubclass(model, RootModel):
        raise ApiError(400, "BAD_BODY", "the body must be a JSON object")
    return _filled(model, value)


def _filled(model: type[M], values: Any) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        if all(found["type"] == "missing" for found in error.errors(include_url=False, include_input=False)):
            raise MissingParameter("; ".join(_reasons(error))) from None
        raise ApiError(400, "BAD_PARAMETER", "; ".join(_reasons(error))) from None


def _reasons(error: ValidationError) -> list[str]:
    reasons = []
    for found in error.errors(include_url=False, include_context=True, include_input=False)[:8]:
        where = ".".join(str(step)[:64] for step in found["loc"])
        if found["type"] == "extra_forbidden":
            reason = "isn't a parameter of this request"
        elif found["type"] == "missing":
            reason = "is missing"
        else:
            reason = found["msg"].removeprefix("Value error, ")
        reasons.append(f"{where}: {reason}" if where else reason)
    return reasons
