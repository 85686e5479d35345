"""One request from its first byte to its answer: who asks, what for, the handler, the answer; errors become answers."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rmq.management.errors import ManagementError
from rmq_http_api.access import Access
from rmq_http_api.answers import Answer
from rmq_http_api.calls import ADMINISTRATOR, Call, Caller
from rmq_http_api.dialects import Dialect
from rmq_http_api.errors import RETRY_AFTER_S, ApiError, from_management
from rmq_http_api.hosts import Request as AccessRequest
from rmq_http_api.hosts import is_from_elsewhere
from rmq_http_api.logins import ListenerLogins
from rmq_http_api.parameters import read_body, read_query
from rmq_http_api.routing import READING, AnyRoute, Match, RouteTable
from rmq_http_api.streams import is_protocol_error

log = structlog.get_logger("rmq.http")
audit = structlog.get_logger("rmq.audit")

# How long a client may take to send a body.
BODY_TIMEOUT_S: Final = 20.0
# How long what is left of a refused body is read, so that the answer gets through before the connection ends.
DRAIN_TIMEOUT_S: Final = 2.0
MAX_PATH: Final = 8192
NO_CONTENT: Final = 204
# So many requests are worked on at once: one after the other takes no longer, and what they hold in memory is bounded.
HANDLED_AT_ONCE: Final = 8
# So many answers of more than so many bytes may wait to be read; how long another one waits for one of these places.
LONG_AT_ONCE: Final = 16
LONG_ANSWER: Final = 262_144
ROOM_TIMEOUT_S: Final = 5.0
# Answers tell the state of a moment, and nobody may take JSON for something else.
ALWAYS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class RequestBounds:
    """How much is worked on, and waits to be read, at once; on all listeners together."""

    def __init__(self) -> None:
        self.handled = trio.CapacityLimiter(HANDLED_AT_ONCE)
        self.long = trio.CapacityLimiter(LONG_AT_ONCE)


class Application:
    """The ASGI application of one listener. ``access`` and ``table`` may be replaced while it serves."""

    def __init__(
        self,
        table: RouteTable,
        access: Access,
        *,
        max_body: int,
        log_requests: bool = False,
        node_id: int = 0,
        count_bug: Callable[[], None] | None = None,
        bounds: RequestBounds | None = None,
    ) -> None:
        self.table = table
        self.access = access
        self.max_body = max_body
        self.log_requests = log_requests
        self._node_id = node_id
        self.requests = 0
        self.bugs = 0
        self._count_bug = count_bug
        self._bounds = RequestBounds() if bounds is None else bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            if scope["type"] == "http":
                await self._serve(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
        except ClientDisconnect:
            pass  # in the middle of its body: nobody waits for an answer
        except Exception as error:
            if not is_protocol_error(error):
                raise

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        body = _Body(receive, self.max_body)
        request = Request(scope, body.receive)
        answer = await self._answer(request, body)
        try:
            await self._send(answer, send, is_head=request.method == "HEAD")
        finally:
            if body.has_room:
                self._bounds.long.release_on_behalf_of(body)
        await body.drain()

    @staticmethod
    async def _send(answer: Answer, send: Send, *, is_head: bool) -> None:
        """A body that is long goes piece by piece; what HEAD leaves out is counted all the same (RFC 9110, 9.3.2)."""
        headers = {**ALWAYS, **answer.headers}
        pieces = answer.pieces
        media_type = None
        if answer.status != NO_CONTENT:
            headers["content-length"] = str(answer.size)
            media_type = answer.media_type
        response = Response(None, answer.status, headers, media_type)
        await send({"type": "http.response.start", "status": answer.status, "headers": response.raw_headers})
        last = len(pieces) - 1
        for number, piece in enumerate((b"",) if is_head else pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": number < last and not is_head})

    async def _answer(self, request: Request, body: "_Body") -> Answer:
        started = trio.current_time()
        caller: Caller | None = None
        found: Match | ApiError | None = None
        try:
            try:
                found = self._find(request)
                caller = await self._judge(request, found)
                answer = await self._handle(request, found, caller, body)
            except ManagementError as error:
                raise from_management(error) from None
            except (ApiError, ClientDisconnect):
                raise
            except Exception as error:
                raise self._bug(request, error) from None
        except ApiError as error:
            answer = self._dialect(request, found).present_error(error)
        match = found if isinstance(found, Match) else None
        self._write_lines(request, match, caller, answer, trio.current_time() - started)
        return answer

    def _find(self, request: Request) -> Match | ApiError | None:
        """The route, or why there is none; None where only the methods are asked for."""
        raw_path = _raw_path(request)
        if request.method == "OPTIONS":
            return None
        try:
            return self.table.find(request.method, raw_path)
        except ApiError as error:
            return error

    def _dialect(self, request: Request, found: Match | ApiError | None) -> Dialect:
        return found.dialect if isinstance(found, Match) else self.table.dialect_at(request.scope["raw_path"])

    async def _judge(self, request: Request, found: Match | ApiError | None) -> Caller:
        """Who asks. A path that isn't there is told only to those who may read."""
        if found is None:
            return Caller("", "viewer", _address(request), "")
        asked = _asked(request)
        if isinstance(found, Match) and found.route.open:
            _refuse_pages_of_others(asked, found.route)
            return Caller("anonymous", "viewer", asked.address, "open")
        caller = await self.access.identify(asked, self._dialect(request, found))
        if isinstance(found, ApiError):
            raise found
        route = found.route
        if not caller.may(route.needed_role):
            raise ApiError(403, "FORBIDDEN", f"{caller.name} may read, and change nothing")
        if route.login and not caller.has_logged_in:
            raise ApiError(403, "API_KEY_NOT_ALLOW", "this takes a login: an API key may not")
        _refuse_pages_of_others(asked, route)
        return caller

    async def _handle(self, request: Request, match: Match | ApiError | None, caller: Caller, body: "_Body") -> Answer:
        if not isinstance(match, Match):
            allowed = self.table.methods(_raw_path(request))
            return Answer(b"", status=204, headers={"Allow": allowed})
        route = match.route
        query_string: bytes = request.scope["query_string"]
        query = read_query(route.query, query_string)
        content = None
        if route.body is not None:
            if route.content == "says JSON":
                _check_media_type(request)
            content = read_body(route.body, await body.read())
        url = _raw_path(request).decode("ascii", "replace")
        if query_string:
            url += "?" + query_string.decode("ascii", "replace")
        logins = ListenerLogins(self.access, _asked(request))
        call: Call[Any, Any] = Call(match.values, query, content, caller, url, logins)
        if route.open:
            return await route.handler(call)
        async with self._bounds.handled:
            answer = await route.handler(call)
            await self._make_room(answer, body)
        return answer

    async def _make_room(self, answer: Answer, body: "_Body") -> None:
        """Long answers wait in memory until they are read, so there are not many; ``ApiError`` 503 for one too many."""
        if answer.size <= LONG_ANSWER:
            return
        with trio.move_on_after(ROOM_TIMEOUT_S):
            await self._bounds.long.acquire_on_behalf_of(body)
            body.has_room = True
            return
        raise ApiError(503, "TOO_BUSY", "too many long answers wait to be read", {"Retry-After": str(RETRY_AFTER_S)})

    def _bug(self, request: Request, error: Exception) -> ApiError:
        self.bugs += 1
        if self._count_bug is not None:
            self._count_bug()
        number = secrets.token_hex(6)
        path = _shown_path(request)
        log.error("bug in the HTTP API", id=number, method=request.method, path=path, exc_info=error)
        text = f"a bug: the log of node {self._node_id} has more under {number}"
        return ApiError(500, "INTERNAL_ERROR", text)

    def _write_lines(
        self, request: Request, match: Match | None, caller: Caller | None, answer: Answer, took_s: float
    ) -> None:
        facts = {
            "method": request.method,
            "path": _shown_path(request),
            "status": answer.status,
            "address": _address(request),
            "user": "" if caller is None else caller.name,
        }
        if self.log_requests:
            log.info("HTTP request", **facts, ms=round(took_s * 1000, 1))
        if caller is not None and _changes(match) and not answer.is_question:
            audit.info("change through the HTTP API", **facts, how=caller.how)


class _Body:
    """What a request brings, bounded in size and time."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._ended = False
        self.has_room = False  # for its long answer

    async def receive(self) -> Any:
        """The next ASGI message."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._ended = True
        return message

    async def read(self) -> bytes:
        """All of it; ``ApiError`` 413 for too much, 408 when it doesn't come."""
        pieces: list[bytes] = []
        size = 0
        with trio.move_on_after(BODY_TIMEOUT_S) as scope:
            while not self._ended:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > self._limit:
                    raise ApiError(413, "BODY_TOO_LARGE", f"a body has {self._limit} bytes at most")
        if scope.cancelled_caught:
            raise ApiError(408, "BODY_TOO_SLOW", f"the body didn't come within {BODY_TIMEOUT_S:g} s")
        return b"".join(pieces)

    async def drain(self) -> None:
        """Take what still comes, so that nobody waits to hand it over; not for long."""
        with trio.move_on_after(DRAIN_TIMEOUT_S):
            while not self._ended:
                await self.receive()


def _changes(match: Match | None) -> bool:
    """Whether it may change something; where nobody has to say who they are, nothing is changed."""
    if match is None or match.route.open:
        return False
    return match.route.method not in READING or match.route.needed_role == ADMINISTRATOR


def _refuse_pages_of_others(asked: AccessRequest, route: AnyRoute) -> None:
    """A page of somebody else can have a browser send what isn't called JSON, with the credentials that it knows."""
    if route.content == "says anything" and is_from_elsewhere(asked):
        raise ApiError(403, "FORBIDDEN", "a page of somebody else may not ask this")


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json, and its Content-Type say so")


def _single_headers(request: Request) -> Mapping[str, str]:
    """Headers by name; one that is there twice counts as both values, so that none of them can hide."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _asked(request: Request) -> AccessRequest:
    return AccessRequest(request.method, _address(request), _single_headers(request))


def _raw_path(request: Request) -> bytes:
    raw_path: bytes = request.scope["raw_path"]
    if len(raw_path) > MAX_PATH:
        raise ApiError(414, "PATH_TOO_LONG", f"a path has {MAX_PATH} bytes at most")
    return raw_path


def _shown_path(request: Request) -> str:
    raw_path: bytes = request.scope["raw_path"]
    return raw_path[:512].decode("ascii", "replace")


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host
