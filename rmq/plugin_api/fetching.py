"""A document from a web server, such as an issuer's keys: bounded in time and size, no redirects."""

import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import trio

MAX_BYTES: Final = 262_144
# Nothing compressed: a small answer that becomes a large one is no small answer.
HEADERS: Final = {"accept": "application/json, application/jwk-set+json", "accept-encoding": "identity"}

# Answers the bytes of a document; raises ``FetchFailed``.
Fetch = Callable[[], Awaitable[bytes]]


class FetchFailed(Exception):
    """The document didn't come; the text says why."""


def fetcher(url: str, timeout_s: float, ca_file: str) -> Fetch:
    """What fetches a document; ``ca_file`` are the certificates that count, "" the machine's own.

    Raises ``OSError`` and ``ssl.SSLError`` for a file that can't be read.
    """
    trusted = ssl.create_default_context(cafile=ca_file or None)

    async def fetch() -> bytes:
        with trio.move_on_after(timeout_s):
            try:
                return await _fetch(url, timeout_s, trusted)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise FetchFailed(_reason(error)) from None
        raise FetchFailed(f"no answer within {timeout_s:g} s")

    return fetch


async def _fetch(url: str, timeout_s: float, trusted: ssl.SSLContext) -> bytes:
    # Proxies and passwords that the process's environment names are for other programs.
    async with (
        httpx.AsyncClient(verify=trusted, timeout=timeout_s, trust_env=False) as client,
        client.stream("GET", url, headers=HEADERS) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise FetchFailed(f"the answer is {answer.status_code}")
        body = bytearray()
        # Cancelled and not left: so all generators below come to their ends, which trio wouldn't see to later.
        with trio.CancelScope() as enough:
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > MAX_BYTES:
                    enough.cancel()
        if len(body) > MAX_BYTES:
            raise FetchFailed(f"the answer has more than {MAX_BYTES} bytes")
        return bytes(body)


def _reason(error: BaseException) -> str:
    """The first text on the way to the cause: what TLS has against a peer stands further down."""
    found: BaseException | None = error
    while found is not None and not str(found):
        found = found.__cause__ or found.__context__
    return type(error).__name__ if found is None else str(found)
