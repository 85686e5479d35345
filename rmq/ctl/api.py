"""Requests to the API and its answers; the only file that knows httpx."""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from rmq.ctl.failures import NO_ACCESS, UNREACHABLE, USAGE, Failure, Refused

Query = Mapping[str, str | int]
Transport = httpx.BaseTransport

MISSING_NODES: Final = "x-rmq-missing-nodes"
# What a page of a long list holds: few enough that the first rows are there at once.
PAGE_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server's certificate is checked: by the machine's authorities, by those of a file, or not at all."""

    ca_file: str | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks: a bearer token, or a name with a password; nobody if both are empty."""

    token: str = ""
    name: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer: ``value`` is its JSON, or its text; ``missing`` the nodes it has nothing of.

    ``next_query`` asks for the page behind this one, "" when there is none.
    """

    status: int
    value: Any
    missing: tuple[str, ...] = ()
    next_query: str = ""


class Api:
    """The API at ``url``. ``timeout_s`` bounds each wait: for the connection, and for the answer.

    All calls raise ``Failure``. A request is never repeated by itself and never follows a redirect: what was asked of
    one address, with its credentials, goes to no other one.
    """

    def __init__(self, url: str, login: Login, tls: Tls, timeout_s: float, transport: Transport | None = None) -> None:
        self._url = _checked(url)
        self._timeout_s = timeout_s
        headers = {"Accept": "application/json, text/plain", "User-Agent": "rmq-ctl"}
        if login.token:
            headers["Authorization"] = f"Bearer {_header_value(login.token)}"
        auth = httpx.BasicAuth(login.name, login.password) if login.name else None
        # Neither proxies nor a .netrc of the environment: a proxy's Forwarded header closes an API that is open to
        # this machine, and credentials are those that were given.
        self._client = httpx.Client(
            headers=headers,
            auth=auth,
            verify=_context(tls) if self._url.scheme == "https" else True,
            timeout=timeout_s,
            trust_env=False,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, path: str, query: Query | None = None, good: tuple[int, ...] = ()) -> Reply:
        """Ask. ``good`` are statuses that are answers here, not refusals, unless the API refuses in its own shape."""
        return self._ask("GET", path, _encoded(query), None, self._timeout_s, good)

    def pages(self, path: str, query: Query, limit: int | None = None) -> Iterator[Reply]:
        """A list, page by page, ``limit`` rows at most."""
        left = limit
        page = dict(query)
        page["_limit"] = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        encoded = _encoded(page)
        while True:
            reply = self._ask("GET", path, encoded, None, self._timeout_s, ())
            if not isinstance(reply.value, list):
                raise self.stranger("no list where one belongs")
            rows = reply.value[:left]
            yield Reply(reply.status, rows, reply.missing, reply.next_query)
            if left is not None:
                left -= len(rows)
            if not reply.next_query or not rows or left == 0:
                return
            encoded = reply.next_query

    def change(
        self, method: str, path: str, body: object = None, query: Query | None = None, *, waits: bool = False
    ) -> Reply:
        """Have something changed. ``waits``: it takes as long as it takes, such as moving clients or data."""
        return self._ask(method, path, _encoded(query), body, None if waits else self._timeout_s, ())

    @property
    def name(self) -> str:
        """The URL, for people."""
        return str(self._url)

    def _ask(
        self, method: str, path: str, query: str, body: object, read_s: float | None, good: tuple[int, ...]
    ) -> Reply:
        base = self._url.raw_path.decode("ascii").rstrip("/")
        url = self._url.copy_with(raw_path=f"{base}{path}{'?' if query else ''}{query}".encode("ascii"))
        content = None if body is None else json.dumps(body).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        timeout = httpx.Timeout(self._timeout_s, read=read_s)
        try:
            response = self._client.request(method, url, content=content, headers=headers, timeout=timeout)
        except httpx.ConnectTimeout:
            raise Failure(UNREACHABLE, f"{self.name}: no connection within {self._timeout_s:g} s") from None
        except httpx.TimeoutException:
            text = f"{self.name}: no answer within {self._timeout_s:g} s"
            text += "" if method == "GET" else "; what was asked may have been done"
            raise Failure(UNREACHABLE, text) from None
        except UnicodeError:  # a label of more than 63 characters, which only the resolver minds
            raise Failure(USAGE, f"{self.name}: no host has such a name") from None
        except httpx.HTTPError as error:
            raise Failure(UNREACHABLE, f"{self.name}: {str(error) or type(error).__name__}") from None
        return self._understood(response, good)

    def _understood(self, response: httpx.Response, good: tuple[int, ...]) -> Reply:
        status = response.status_code
        is_clear, value = _content(response)
        if status >= 400 and isinstance(value, dict) and {"code", "message"} <= value.keys():
            later = response.headers.get("retry-after", "")
            text = str(value["message"]) + (f" (try again in {later} s)" if later.isdigit() else "")
            raise Refused(status, str(value["code"]), text)
        if is_clear and (status == 200 or status in good):
            missing = [node.strip() for node in response.headers.get(MISSING_NODES, "").split(",")]
            return Reply(status, value, tuple(filter(None, missing)), _next_query(response))
        if status in (401, 403, 407):
            raise Failure(NO_ACCESS, f"{self.name}: refused with HTTP {status}, and not by rmq")
        kind = response.headers.get("content-type", "of no type")
        raise self.stranger(f"HTTP {status}, {kind}")

    def stranger(self, answered: str) -> Failure:
        """What to raise when whoever answers doesn't speak as the API does."""
        return Failure(UNREACHABLE, f"{self.name}: that isn't the HTTP API of rmq (it answers {answered})")


def _checked(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise Failure(USAGE, f"{text}: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Failure(USAGE, f"{text}: a URL begins with http:// or https:// and a host")
    if not 0 <= (url.port or 0) <= 0xFFFF:
        raise Failure(USAGE, f"{text}: there is no such port")
    if url.userinfo:
        raise Failure(USAGE, "a password in the URL can be read by everybody here: --user and RMQ_API_PASSWORD instead")
    if url.query or url.fragment:
        raise Failure(USAGE, f"{text}: a URL of the API has no ? and no #")
    return url


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise Failure(USAGE, f"{tls.ca_file}: {error.strerror or error}") from None
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _header_value(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise Failure(USAGE, "the token has characters that no token has")
    return token


def _encoded(query: Query | None) -> str:
    return str(httpx.QueryParams(dict(query))) if query else ""


def _content(response: httpx.Response) -> tuple[bool, Any]:
    """Whether it is what the API answers with, and its value."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            return True, json.loads(response.content)
        if kind == "text/plain":
            return True, response.content.decode()
    except ValueError:
        pass
    return False, None


def _next_query(response: httpx.Response) -> str:
    """The query of the next page (RFC 8288). Where to ask, the command line has said: a link says only what."""
    target = response.links.get("next", {}).get("url", "")
    return target.partition("?")[2]
