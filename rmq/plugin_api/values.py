"""Values that several plugins' configurations have: URLs, headers, times that aren't 0, retries, circuit breakers."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from rmq.config.section import Section
from rmq.config.units import Duration


def _is_url(text: str) -> str:
    if not text:
        return text
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("a URL begins with http:// or https:// and a host")
    return text


def _are_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not name or not all(
            character.isascii() and (character.isalnum() or character in "-_") for character in name
        ):
            raise ValueError(f"{name!r} isn't the name of a header")
        if not value.isascii() or not (value.isprintable() or value == ""):
            raise ValueError(f"the value of {name} has characters that no header has")
    return headers


def _more_than_none(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be more than 0")
    return seconds


# Where an HTTP server is asked, "" for nowhere.
HttpUrl = Annotated[str, AfterValidator(_is_url)]
# Headers of an HTTP request by their names.
HttpHeaders = Annotated[dict[str, str], AfterValidator(_are_headers)]
# A duration in seconds, more than 0.
SomeTime = Annotated[Duration, AfterValidator(_more_than_none)]


class RetryConfig(Section):
    """A request that failed is sent again: ``times`` at most, after ``interval``, each ``backoff`` times longer."""

    times: Annotated[int, Field(ge=0, le=100)] = 3
    interval: Duration = 1.0
    backoff: Annotated[float, Field(ge=1, le=100, strict=False)] = 2.0


class BreakerConfig(Section):
    """After ``failures`` one behind the other nobody is asked for ``pause``; 0 failures: never."""

    failures: Annotated[int, Field(ge=0)] = 5
    pause: SomeTime = 10.0
