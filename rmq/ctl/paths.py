"""Values in the paths of the API: each is one segment, whatever is in it."""

from typing import Final
from urllib.parse import quote

from rmq.ctl.failures import USAGE, Failure

PREFIX: Final = "/api/v1"


def path(*parts: str | int, value: str | None = None, then: str = "") -> str:
    """A path below the API's prefix: words and numbers, maybe a value, maybe a word behind it.

    A value is percent-encoded so that it can be no word of the API ("offlines") and no dot segment (RFC 3986, 5.2.4).
    """
    words = [str(part) for part in parts]
    if value is not None:
        words.append(segment(value))
    if then:
        words.append(then)
    return "/".join([PREFIX, *words])


def segment(value: str) -> str:
    """A value as one segment; ``Failure`` for an empty one, which a path can't have."""
    if not value:
        raise Failure(USAGE, "an empty name can't be asked for")
    try:
        first = "".join(f"%{byte:02X}" for byte in value[0].encode())
        return first + quote(value[1:], safe="").replace(".", "%2E")
    except UnicodeEncodeError:  # bytes of a command line that aren't UTF-8
        raise Failure(USAGE, f"{value!r} isn't UTF-8") from None
