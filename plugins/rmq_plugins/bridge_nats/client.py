"""Connections to NATS: the one file that knows the library.

All of it runs in the loop of asyncio. The library's own reconnecting is off: an entry begins again as a whole, because
what the library keeps for a server that is away is lost with the process.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from nats.errors import Error, SlowConsumerError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.client import JetStreamContext
from nats.js.errors import BadRequestError, NotFoundError

from rmq_plugins.bridges.link import BridgeFailedError

# How long saying goodbye may take, and how long one request for messages of a stream stands.
GOODBYE_S: Final = 1.0
PULL_S: Final = 10.0
# What a header costs beside its name and value, and the block of them: "NATS/1.0", colon, blank, two line ends.
_HEADER_COST: Final = 4
_HEADERS_COST: Final = 12
# What waits in the library for a subscription that isn't read; what is more is lost, and counted.
PENDING_MESSAGES: Final = 65_536
PENDING_BYTES: Final = 64 * 1024 * 1024

T = TypeVar("T")
# Subject, payload, headers.
Outgoing = tuple[str, bytes, dict[str, str]]


class Incoming:
    """A message that came; ``message`` is the library's, for acknowledging it."""

    __slots__ = ("headers", "message", "payload", "subject")

    def __init__(self, message: Msg) -> None:
        self.subject = message.subject
        self.payload = message.data
        self.headers: dict[str, str] = message.headers or {}
        self.message = message


class NotedContext(ssl.SSLContext):
    """A context that notes whether it was used: the library goes on in clear where the server doesn't ask for TLS."""

    used = False

    def wrap_bio(self, *args: Any, **keys: Any) -> ssl.SSLObject:
        """As ``SSLContext.wrap_bio``."""
        self.used = True
        return super().wrap_bio(*args, **keys)


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """How to connect, and as whom; times in seconds. ``tls`` is for one connection at a time."""

    servers: list[str]
    name: str
    tls: NotedContext | None
    tls_first: bool
    no_echo: bool
    connect_s: float
    ping_s: float
    request_s: float
    username: str
    password: str
    token: str
    nkey: str
    jwt: str
    jwt_seed: str


class NatsConnection:
    """One connection, there after ``open``. What it raises is ``BridgeFailedError``."""

    def __init__(self, options: NatsOptions) -> None:
        self._options = options
        self._client = Client()
        self._closed = asyncio.Event()
        self._problem = ""  # what the library said last
        self._forbidden: list[str] = []  # what the server said of subjects that we may not use
        self._stream: JetStreamContext | None = None
        self._pull: JetStreamContext.PullSubscription | None = None
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue(1)
        self.overflown = 0  # messages that nobody read in time

    async def open(self) -> None:
        """Connect to the first of the servers that answers; ``close`` is to be called whatever comes of it."""
        await self._within(self._connect(), self._options.connect_s, "no connection in time")
        if self._options.tls is not None and not self._options.tls.used:
            raise BridgeFailedError("the server offers no TLS")

    async def _connect(self) -> None:
        options = self._options
        if options.tls is not None:
            options.tls.used = False
        credentials = None
        if options.jwt:
            credentials = RawCredentials(
                f"-----BEGIN NATS USER JWT-----\n{options.jwt}\n------END NATS USER JWT------\n"
                f"-----BEGIN USER NKEY SEED-----\n{options.jwt_seed}\n------END USER NKEY SEED------\n"
            )
        try:
            await self._client.connect(
                servers=list(options.servers),
                name=options.name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=max(int(options.connect_s), 1),
                ping_interval=options.ping_s,  # type: ignore[arg-type]  # it sleeps for so long: a float is as good
                no_echo=options.no_echo,
                tls=options.tls,
                tls_handshake_first=options.tls_first,
                user=self._secret(options.username),
                password=self._secret(options.password),
                token=self._secret(options.token),
                nkeys_seed_str=options.nkey or None,
                user_credentials=credentials,
                error_cb=self._hear,
                closed_cb=self._note_end,
            )
        except (TimeoutError, Error, OSError, ValueError) as error:
            raise BridgeFailedError(_in_words(self._problem or error)) from None
        except Exception as error:
            # The library lets errors of nkeys and of ssl through, which have no base in common.
            raise BridgeFailedError(f"{type(error).__name__}: {_in_words(error)}") from None

    def _secret(self, text: str) -> Any:
        """A secret, for the library to ask for when it is about to send it: never in clear where TLS is wanted."""

        def tell() -> str:
            if self._options.tls is not None and not self._options.tls.used:
                raise Error("the server offers no TLS")
            return text

        return tell if text else None

    async def _hear(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            self.overflown += 1
            return
        text = str(error)
        if "permissions violation" in text.lower():
            self._forbidden.append(text)
            del self._forbidden[:-1000]
        self._problem = text or type(error).__name__

    async def _note_end(self) -> None:
        self._closed.set()

    async def broken(self) -> None:
        """Wait until the connection has gone, and raise why."""
        await self._closed.wait()
        raise BridgeFailedError(self._why())

    def _why(self) -> str:
        return _in_words(self._problem or self._client.last_error or "the connection was closed")

    async def close(self) -> None:
        """End it; never raises, and waits for nobody who doesn't answer."""
        task = asyncio.ensure_future(self._client.close())
        task.add_done_callback(_forget)
        await asyncio.wait([task], timeout=GOODBYE_S)
        task.cancel()

    async def _within(self, work: Coroutine[Any, Any, T], seconds: float, late: str) -> T:
        """What the work gives; it ends with the connection too.

        Not ``asyncio.timeout``: the library swallows a cancellation now and then.
        """
        task = asyncio.ensure_future(work)
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait([task, closed], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise BridgeFailedError(self._why() if closed.done() else late)
            return task.result()
        except (TimeoutError, Error, OSError) as error:
            raise BridgeFailedError(_in_words(error)) from None
        finally:
            task.cancel()
            closed.cancel()
            task.add_done_callback(_forget)

    async def publish(self, messages: Sequence[Outgoing], *, jetstream: bool) -> list[str]:
        """Publish in order, and return when the server, or a stream, has all: for each "" or why it never does."""
        work = self._publish_to_stream(messages) if jetstream else self._publish(messages)
        return await self._within(work, self._options.request_s, "the server takes too long")

    async def _publish(self, messages: Sequence[Outgoing]) -> list[str]:
        client = self._client
        self._forbidden.clear()
        found = ["" if self._fits(one) else "too_large" for one in messages]
        for why, (subject, payload, headers) in zip(found, messages, strict=True):
            if not why:
                await client.publish(subject, payload, headers=headers or None)
        await self._flush()
        if not self._forbidden:
            return found
        # The server named the subjects before its PONG.
        said = " ".join(self._forbidden)
        return [why or ("refused" if f'"{one[0]}"' in said else "") for why, one in zip(found, messages, strict=True)]

    async def _flush(self) -> None:
        """Return when the server has had all that was sent."""
        # The library writes its PING at once, and what was published a turn later: the PONG would say nothing.
        while self._client.pending_data_size:  # noqa: ASYNC110  # it has no event for this
            await asyncio.sleep(0.001)
        await self._client.flush(max(int(self._options.request_s), 1))

    async def _publish_to_stream(self, messages: Sequence[Outgoing]) -> list[str]:
        if self._stream is None:
            self._stream = self._client.jetstream()
        found = ["" if self._fits(one) else "too_large" for one in messages]
        waiting: list[tuple[int, asyncio.Future[Any]]] = []
        for index, (subject, payload, headers) in enumerate(messages):
            if not found[index]:
                waiting.append((index, await self._stream.publish_async(subject, payload, headers=headers or None)))
        answers = await asyncio.gather(*[future for _, future in waiting], return_exceptions=True)
        for (index, _), answer in zip(waiting, answers, strict=True):
            if isinstance(answer, BadRequestError):
                found[index] = "refused"
                self._problem = _in_words(answer)
            elif isinstance(answer, BaseException):
                # No stream has the subject, none has room, or it has no leader: it may well be taken another time.
                raise BridgeFailedError(f"{messages[index][0]}: {_in_words(answer)}")
        return found

    def _fits(self, message: Outgoing) -> bool:
        _, payload, headers = message
        size = len(payload)
        if headers:
            size += _HEADERS_COST + sum(len(k) + len(v.encode()) + _HEADER_COST for k, v in headers.items())
        return size <= self._client.max_payload

    async def subscribe(self, subject: str, group: str, capacity: int) -> None:
        """Have messages come; ``fetch`` gives them."""
        self._arrived = asyncio.Queue(capacity)
        await self._within(self._subscribe(subject, group), self._options.request_s, "no answer in time")

    async def _subscribe(self, subject: str, group: str) -> None:
        await self._client.subscribe(
            subject,
            queue=group,
            cb=self._arrived.put,
            pending_msgs_limit=PENDING_MESSAGES,
            pending_bytes_limit=PENDING_BYTES,
        )
        await self._flush()
        if self._forbidden:
            raise BridgeFailedError(_in_words(self._forbidden[-1]))

    async def fetch(self, most: int) -> list[Incoming]:
        """The next messages of a subscription, at least one."""
        get = asyncio.ensure_future(self._arrived.get())
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait([get, closed], return_when=asyncio.FIRST_COMPLETED)
            if not get.done():
                raise BridgeFailedError(self._why())
            found = [Incoming(get.result())]
        finally:
            get.cancel()
            closed.cancel()
        while len(found) < most and not self._arrived.empty():
            found.append(Incoming(self._arrived.get_nowait()))
        return found

    async def pull_from(self, subject: str, stream: str, durable: str, ack_wait_s: float, most: int) -> None:
        """Have a durable consumer of a stream, "" is the one that has the subject; ``pull`` gives its messages."""
        await self._within(
            self._pull_from(subject, stream, durable, ack_wait_s, most), self._options.request_s, "no answer in time"
        )

    async def _pull_from(self, subject: str, stream: str, durable: str, ack_wait_s: float, most: int) -> None:
        self._stream = self._client.jetstream(timeout=self._options.request_s)
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=ack_wait_s, max_ack_pending=most)
        try:
            self._pull = await self._stream.pull_subscribe(subject, durable, stream or None, config)
        except NotFoundError:
            raise BridgeFailedError(f"no stream has {subject}" if not stream else f"no stream {stream}") from None

    async def pull(self, most: int) -> list[Incoming]:
        """The next messages of a stream, at least one."""
        found: list[Incoming] = []
        while not found:
            # That the server is still there while nothing comes its answers to our PINGs tell.
            found = await self._within(
                self._pull_once(most), PULL_S + self._options.request_s, "the stream doesn't answer"
            )
        return found

    async def _pull_once(self, most: int) -> list[Incoming]:
        assert self._pull is not None
        try:
            return [Incoming(message) for message in await self._pull.fetch(most, PULL_S)]
        except TimeoutError:
            return []

    async def ack(self, messages: Sequence[Incoming]) -> None:
        """Acknowledge messages of a stream."""
        await self._within(self._ack(messages), self._options.request_s, "the server takes too long")

    async def _ack(self, messages: Sequence[Incoming]) -> None:
        for one in messages:
            await one.message.ack()


def _forget(task: "asyncio.Future[Any]") -> None:
    """An error of what nobody waits for any more isn't worth a line in the log."""
    if not task.cancelled():
        task.exception()


def _in_words(what: object) -> str:
    text = str(what).removeprefix("nats: ").strip("'\" ")
    return text or type(what).__name__
