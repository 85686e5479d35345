"""Traces: what happens to one client, one address or one topic, written down by every node for a while."""

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from rmq.management.accounts.store import AccountStore
from rmq.management.errors import BadQuery, TooManyTraces
from rmq.mqtt.topics import is_valid_topic_filter
from rmq.storage.accounts import Account

KIND: Final = "trace"
MAX_TRACES: Final = 30
# How long one takes, unless somebody says otherwise, and at most.
USUAL_S: Final = 600.0
LONGEST_S: Final = 86400.0

TraceKind = Literal["clientid", "topic", "ip_address"]
PayloadForm = Literal["hidden", "text", "hex"]
LineForm = Literal["text", "json"]
KINDS: Final[tuple[TraceKind, ...]] = ("clientid", "topic", "ip_address")
# It becomes the name of a file.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")


@dataclass(frozen=True, slots=True)
class Trace:
    """``value`` is a client id, a topic filter or an address, as ``kind`` says. Times in seconds since 1970.

    ``payloads`` says how payloads are written, ``lines`` how everything is. ``stopped``: before its end.
    """

    name: str
    kind: TraceKind
    value: str
    start_at: float
    end_at: float
    payloads: PayloadForm = "hidden"
    lines: LineForm = "text"
    stopped: bool = False

    def status(self, now: float) -> Literal["waiting", "running", "stopped"]:
        """Where it is in its life."""
        if self.stopped or now >= self.end_at:
            return "stopped"
        return "running" if now >= self.start_at else "waiting"


def read_trace(account: Account) -> Trace:
    """The trace that an account keeps."""
    return Trace(account.name, **json.loads(account.value))


def _written(trace: Trace) -> bytes:
    fields = asdict(trace)
    del fields["name"]
    return json.dumps(fields, separators=(",", ":")).encode()


class Traces:
    """The traces of all nodes; changes return when they hold on every node that isn't down."""

    def __init__(self, accounts: AccountStore, clock: Callable[[], float]) -> None:
        self._accounts = accounts
        self.clock = clock

    def all(self) -> list[Trace]:
        """By name."""
        return [read_trace(account) for account in self._accounts.all(KIND)]

    def get(self, name: str) -> Trace:
        """One of them; raises ``AccountNotFound``."""
        return read_trace(self._accounts.get(KIND, name))

    async def create(
        self,
        name: str,
        kind: TraceKind,
        value: str,
        *,
        start_at: float | None = None,
        end_at: float | None = None,
        payloads: PayloadForm = "hidden",
        lines: LineForm = "text",
    ) -> Trace:
        """Begin one, at once or later; raises ``AccountExists``, ``TooManyTraces``, ``BadQuery``."""
        now = self.clock()
        if _NAME.fullmatch(name) is None:
            raise BadQuery("name", "must be letters, digits, - and _, 200 at most, a letter or a digit first")
        start = now if start_at is None else max(start_at, now)
        end = start + USUAL_S if end_at is None else end_at
        if not start < end <= start + LONGEST_S:
            raise BadQuery("end_at", "must be after its start, and no more than a day")
        if len(self._accounts.all(KIND)) >= MAX_TRACES:
            raise TooManyTraces(MAX_TRACES)
        trace = Trace(name, kind, _checked(kind, value), start, end, payloads, lines)
        await self._accounts.create(KIND, name, _written(trace))
        return trace

    async def stop(self, name: str) -> Trace:
        """Write no more into it; what was written stays. Raises ``AccountNotFound``."""

        def edit(value: bytes) -> bytes:
            return _written(replace(Trace(name, **json.loads(value)), stopped=True))

        return Trace(name, **json.loads(await self._accounts.change(KIND, name, edit)))

    async def delete(self, name: str) -> None:
        """Stop it and remove what was written, on every node; raises ``AccountNotFound``."""
        await self._accounts.delete(KIND, name)

    async def clear(self) -> None:
        """Delete all of them."""
        await self._accounts.delete_all(KIND, [account.name for account in self._accounts.all(KIND)])


def _checked(kind: TraceKind, value: str) -> str:
    if not 0 < len(value) <= 4096:
        raise BadQuery(kind, "has from 1 to 4096 characters")
    if kind == "topic" and not is_valid_topic_filter(value):
        raise BadQuery(kind, f"{value[:128]!r} isn't a topic filter")
    if kind == "ip_address":
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise BadQuery(kind, "isn't an IP address") from None
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadQuery(kind, "can't be written in UTF-8") from None
    return value
