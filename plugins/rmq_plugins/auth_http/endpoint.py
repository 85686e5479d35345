"""One request over HTTP and its answer, bounded in time and size; the only file of this plugin that knows httpx."""

import ssl
from collections.abc import Mapping
from functools import partial
from typing import Final

import httpx
import trio

from rmq.plugin_api import ClientInfo, NoAnswerError
from rmq_plugins.auth_http.answers import Answer, understood
from rmq_plugins.auth_http.config import AuthHttpConfig, RequestConfig
from rmq_plugins.auth_http.placeholders import Parameters, Values

# What is sent compressed has no size that is known before it is unpacked.
_PLAIN: Final = {"accept-encoding": "identity"}


class Request:
    """A request as it is configured, ready to be filled in."""

    def __init__(self, config: RequestConfig, headers: Mapping[str, str]) -> None:
        self.url = httpx.URL(config.url)
        self.method = config.method.upper()
        self.sends_json = config.sends_json
        self.headers = {name.lower(): value for name, value in {**headers, **config.headers}.items()} | _PLAIN
        if config.method == "get":
            self.headers.pop("content-type", None)
        self.parameters = Parameters(config.params)

    @property
    def name(self) -> str:
        """The URL for logs: without user, password and query."""
        port = f":{self.url.port}" if self.url.port is not None else ""
        return f"{self.url.scheme}://{self.url.host}{port}{self.url.path}"


async def trusted(ca_file: str) -> ssl.SSLContext:
    """Who vouches for servers: a PEM file, "" for the machine's authorities; raises ``OSError`` (``SSLError`` is one).

    In a thread: reading all authorities of a machine takes a tenth of a second.
    """
    return await trio.to_thread.run_sync(partial(ssl.create_default_context, cafile=ca_file or None))


class Endpoint:
    """A pool of connections. Proxies and cookies play no part, redirects aren't followed."""

    def __init__(self, config: AuthHttpConfig, context: ssl.SSLContext) -> None:
        self._max_answer = config.http_max_answer
        self._running = 0
        self._idle = trio.Event()
        self._idle.set()
        self._client = httpx.AsyncClient(
            verify=context,
            timeout=config.http_timeout,
            limits=httpx.Limits(
                max_connections=config.http_connections, max_keepalive_connections=config.http_connections
            ),
            trust_env=False,
        )

    async def ask(self, request: Request, values: Values, client: ClientInfo) -> Answer:
        """Send it, once. Raises ``NoAnswerError``, and ``UnsendableError`` when it can't be written."""
        url = request.url
        content: bytes | None = None
        if request.method == "GET":
            query = request.parameters.encoded(values).encode("ascii")
            if query:
                before = url.query
                url = url.copy_with(query=before + b"&" + query if before else query)
        elif request.sends_json:
            content = request.parameters.json(values)
        else:
            content = request.parameters.encoded(values).encode("ascii")
        if self._client.is_closed:
            raise NoAnswerError("closed", "the plugin is stopping")
        self._running += 1
        self._idle = trio.Event() if self._idle.is_set() else self._idle
        try:
            async with self._client.stream(request.method, url, content=content, headers=request.headers) as response:
                body = await self._read(response)
        except httpx.TimeoutException as error:
            raise NoAnswerError("timeout", type(error).__name__) from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise NoAnswerError("connection", type(error).__name__) from None
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
        self._client.cookies.clear()
        return understood(response.status_code, response.headers, body, client)

    async def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise NoAnswerError("garbled", "the answer is compressed, which wasn't asked for")
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_raw():
            size += len(part)
            if size > self._max_answer:
                raise NoAnswerError("too_large", f"the answer is longer than {self._max_answer} bytes")
            parts.append(part)
        return b"".join(parts)

    async def retire(self) -> None:
        """Close it when what is under way is done."""
        await self._idle.wait()
        await self._client.aclose()

    async def close(self) -> None:
        """Close it now."""
        await self._client.aclose()
