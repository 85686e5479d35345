"""A file in a form, as web pages and ``curl -F`` send it (RFC 7578)."""

import re
from typing import Final

from rmq_http_api.errors import ApiError

_FILE_NAME: Final = re.compile(rb'filename="([^"\r\n]{1,256})"', re.IGNORECASE)


def uploaded(body: bytes) -> tuple[str, bytes]:
    """Name and content of the first file of a form; ``ApiError`` 400.

    A form begins with its boundary, so that the header which names it needn't be asked.
    """
    boundary, found, rest = body.partition(b"\r\n")
    if not found or not boundary.startswith(b"--") or len(boundary) > 76:
        raise ApiError(400, "BAD_REQUEST", "the body isn't a form (multipart/form-data)")
    end = b"\r\n" + boundary
    while True:
        head, found, after = rest.partition(b"\r\n\r\n")
        content, closed, rest = after.partition(end)
        if not found or not closed:
            raise ApiError(400, "BAD_REQUEST", "the form has no file, or isn't whole")
        name = _FILE_NAME.search(head)
        if name is not None:
            return name[1].decode("utf-8", "replace"), content
        rest = rest.removeprefix(b"\r\n")
