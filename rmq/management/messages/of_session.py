"""The messages of one session at QoS 1 and 2: those that wait to be sent, and those that were sent and aren't done."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import trio

from rmq.management.errors import ClientNotFound, OutcomeUnknown
from rmq.session.delivery import DONE, QUEUED, RESEND, Delivery

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

# Payloads of one answer, together.
MAX_PAYLOADS: Final = 256 * 1024
MAX_MESSAGES: Final = 1000
READ_TIMEOUT_S: Final = 5.0

Part = Literal["mqueue", "inflight"]


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """A message on its way to a client; ``payload`` None: it wasn't asked for, ``size`` its length in bytes.

    ``published_at`` in seconds since 1970; ``publisher`` is a client id or "".
    """

    packet_id: int
    topic: str
    qos: int
    retain: bool
    publisher: str
    published_at: float
    size: int
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class SessionMessages:
    """Some of them, in the order in which they are sent. ``first`` is where the list begins, ``last`` where these end:
    packet identifiers, None without any. ``has_more``: there are others behind these.
    """

    messages: tuple[SessionMessage, ...]
    first: int | None
    last: int | None
    has_more: bool


async def session_messages(
    node: "LocalNode", client_id: str, part: Part, after: int, limit: int, payload_bytes: int
) -> SessionMessages:
    """Those behind packet identifier ``after`` (0: the first ones), so much of each payload; raises ``ClientNotFound``.

    Where the message with that identifier is gone, the next ones are those that came after it. Off line all of them
    wait. Without payloads (``payload_bytes`` 0) nothing is read from a disk.
    """
    client = node.find(client_id)
    if client is None:
        raise ClientNotFound(client_id)
    outbound = client.session.outbound
    rows = [] if outbound is None else _part(list(outbound.deliveries.values()), part, is_on_line=client.connected)
    first = rows[0].packet_id if rows else None
    if after:
        behind = [row for row in rows if 0 < (row.packet_id - after) % 65_535 < 32_768]
        if any(row.packet_id == after for row in rows):
            position = next(index for index, row in enumerate(rows) if row.packet_id == after)
            behind = rows[position + 1 :]
        rows = behind
    taken: list[Delivery] = []
    room = MAX_PAYLOADS
    for row in rows[: min(limit, MAX_MESSAGES)]:
        room -= min(row.message.size or len(row.message.payload), payload_bytes)
        if room < 0 and taken:
            break
        taken.append(row)
    if payload_bytes:
        await _read_payloads(node, taken)
    last = taken[-1].packet_id if taken else None
    messages = tuple(_view(row, payload_bytes) for row in taken)
    return SessionMessages(messages, first, last, len(rows) > len(taken))


def _part(deliveries: list[Delivery], part: Part, *, is_on_line: bool) -> list[Delivery]:
    def waits(delivery: Delivery) -> bool:
        return delivery.state in (QUEUED, RESEND) or not is_on_line

    return [row for row in deliveries if row.state != DONE and waits(row) == (part == "mqueue")]


async def _read_payloads(node: "LocalNode", deliveries: list[Delivery]) -> None:
    messages = [delivery.message for delivery in deliveries if delivery.message.on_disk]
    if not messages:
        return
    done = trio.Event()
    node.broker.cluster.read_payloads(messages, done.set)
    with trio.move_on_after(READ_TIMEOUT_S):
        await done.wait()
    if not done.is_set():
        raise OutcomeUnknown


def _view(delivery: Delivery, payload_bytes: int) -> SessionMessage:
    message = delivery.message
    return SessionMessage(
        delivery.packet_id,
        message.topic,
        delivery.qos,
        delivery.retain,
        message.publisher,
        message.created_at,
        message.size if message.on_disk else len(message.payload),
        message.payload[:payload_bytes] if payload_bytes else None,
    )
