"""Events sent over HTTP, signed where there is a secret; the only file of this plugin that knows httpx."""

import hashlib
import hmac
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import httpx
import orjson
import trio

from rmq_plugins.web_hook.config import WebHookConfig

# What became of a batch.
SENT: Final = 0
FAILED: Final = 1  # to be tried again
REFUSED: Final = 2  # it is the content that isn't wanted: it won't be another time

_REFUSALS: Final = (400, 413, 422)
# Answers aren't looked at, but a connection goes on only when they are read.
MAX_ANSWER: Final = 64 * 1024


async def trusted(ca_file: str) -> ssl.SSLContext:
    """Who vouches for servers: a PEM file, "" for the machine's authorities; raises ``OSError`` (``SSLError`` is one).

    In a thread: reading all authorities of a machine takes a tenth of a second.
    """
    return await trio.to_thread.run_sync(partial(ssl.create_default_context, cafile=ca_file or None))


class Poster:
    """A pool of connections. No proxies of the environment, no redirects: events go where they were meant to go.

    ``now`` is in seconds since 1970.
    """

    def __init__(self, config: WebHookConfig, context: ssl.SSLContext, now: Callable[[], float]) -> None:
        self._now = now
        self._timeout_s = config.http_timeout
        self._secret = config.signature_secret.encode()
        self._batches = config.batch_max_events > 1
        self._limiter = trio.CapacityLimiter(config.concurrency_limit)
        self._client = httpx.AsyncClient(
            headers={"user-agent": "rmq"} | {name.lower(): value for name, value in config.http_headers.items()},
            verify=context,
            timeout=config.http_timeout,
            limits=httpx.Limits(
                max_connections=config.concurrency_limit, max_keepalive_connections=config.concurrency_limit
            ),
            trust_env=False,
        )

    async def send(self, url: str, events: Sequence[bytes]) -> tuple[int, str]:
        """POST events in one request; what became of it, and in words why it failed."""
        body = b"[" + b",".join(events) + b"]" if self._batches else events[0]
        headers = {"content-type": "application/json", "x-rmq-timestamp": str(int(self._now()))}
        if not self._batches:
            headers["x-rmq-event-id"] = orjson.loads(body)["event_id"]
        if self._secret:
            signed = headers["x-rmq-timestamp"].encode() + b"." + body
            headers["x-rmq-signature"] = "sha256=" + hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        try:
            async with self._limiter:
                with trio.fail_after(self._timeout_s):
                    status = await self._post(url, body, headers)
        except (trio.TooSlowError, httpx.TimeoutException):
            return FAILED, "no answer in time"
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, UnicodeError) as error:  # RuntimeError: it is closed
            return FAILED, type(error).__name__
        if 200 <= status < 300:
            return SENT, ""
        return REFUSED if status in _REFUSALS else FAILED, f"HTTP {status}"

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            size = 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > MAX_ANSWER:
                    break
            self._client.cookies.clear()
            return response.status_code

    async def close(self) -> None:
        """Close the connections; what is under way fails and is tried again by whoever comes after."""
        await self._client.aclose()
