"""Moments in bodies: RFC 3339, or seconds since 1970; and "infinity" where something may be without an end."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema

# The end of the year 9999.
LATEST: Final = 253_402_300_799


def read_moment(value: object) -> float:
    """Seconds since 1970; ``ValueError`` says what it must be."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be RFC 3339, or whole seconds since 1970")
    if isinstance(value, int):
        if not 0 <= value <= LATEST:
            raise ValueError("isn't a time between 1970 and 9999")
        return float(value)
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise ValueError
        return found.timestamp()
    except (ValueError, OverflowError):
        raise ValueError("must be RFC 3339 with its offset, such as 2030-01-31T12:00:00Z") from None


def _or_never(value: object) -> float | str:
    return value if value == "infinity" else read_moment(value)


_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0, "maximum": LATEST}]
}
BodyMoment = Annotated[float, BeforeValidator(read_moment), WithJsonSchema(_SCHEMA)]
EndMoment = Annotated[
    float | Literal["infinity"],
    BeforeValidator(_or_never),
    WithJsonSchema({"anyOf": [*_SCHEMA["anyOf"], {"const": "infinity"}]}),
]
