"""A channel: one Network Connection as the protocol sees it: its state, its limits and its out-buffer.

The socket stays in ``net``: bytes come in through ``flow.inbound``, bytes to send are collected in ``out`` and
taken by ``net`` once a reactor turn.
"""

from typing import TYPE_CHECKING, Final

from rmq.mqtt.framing import Decoder
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect, Packet
from rmq.session.client_info import ClientInfo
from rmq.session.limits import Limits
from rmq.session.receipts import PendingReply, Receipt
from rmq.session.topic_alias import OutboundAliases
from rmq.session.transport import Transport

if TYPE_CHECKING:
    from rmq.session.session import Session

# The life of a channel, in this order only.
AWAIT_CONNECT: Final = 0
CONNECTING: Final = 1  # CONNECT was received and is being decided
CONNECTED: Final = 2
CLOSING: Final = 3  # what is in the out-buffer still goes out, nothing is read any more
CLOSED: Final = 4


class RetainedReplay:
    """The retained messages that one new subscription is still owed; ``cursor`` is where the last chunk ended.

    ``early`` are messages that were routed before the subscription was there, and will be retained in a moment.

    With a ``receipt`` they are ``waiting`` messages that somebody kept, the last one first, and nothing is looked up;
    they keep their RETAIN flag where ``retain_as_published`` says so, and the receipt is told when all have gone.
    """

    __slots__ = (
        "cursor",
        "done",
        "early",
        "qos",
        "receipt",
        "retain_as_published",
        "subscription_ids",
        "topic_filter",
        "waiting",
    )

    def __init__(self, topic_filter: str, qos: int, subscription_ids: list[int] | None, early: list[Message]) -> None:
        self.topic_filter = topic_filter
        self.qos = qos
        self.subscription_ids = subscription_ids
        self.cursor: object = None
        self.done = False
        self.early = early
        self.waiting: list[Message] = list(early)
        self.receipt: Receipt | None = None
        self.retain_as_published = False


class Channel:
    """``pending_connect`` is the CONNECT that is being decided; ``auth_method`` and ``auth_state``
    (what a handler keeps from step to step) are set by enhanced authentication.

    ``paused`` means a packet waits for something that takes time: ``backlog`` holds the packets behind it.
    ``congested`` means the socket took no more: bytes wait for it in ``net``, counted in ``out_size`` too.
    ``blocked`` means deliveries wait because the out-buffer is over its high-water mark.
    ``epoch`` is the one of this connection's claim: once the session has a higher one, another connection has it.
    ``replies`` are acknowledgements that wait, in order, ``unanswered`` how many PUBLISHes they will answer that count
    against the Receive Maximum. ``proposed`` counts retained messages on their way into the session's queue, and
    ``loading`` means that payloads are being read back from disk. ``needs_sync``: under ``quorum_fsync`` a session
    that is kept is sent at QoS 2 only what a loss of power can't undo, for the publisher would send it again.
    ``acl`` caches verdicts by topic, four bits for each combination of QoS and RETAIN.
    ``error_due``: the decoder met an error while the channel was paused.
    ``bytes_received`` and ``bytes_sent`` are the protocol's own, without what TLS or WebSocket add. ``qos0_received``
    to ``qos2_sent`` count PUBLISHes, ``others_sent`` all other packets that were sent, ``reads`` and ``writes`` how
    often bytes came and went. ``dropped_slow`` and ``dropped_too_large`` are messages that it was to have.
    """

    __slots__ = (
        "acl",
        "aliases_in",
        "aliases_out",
        "allowance",
        "allowance_at",
        "auth_method",
        "auth_state",
        "auth_step",
        "backlog",
        "blocked",
        "bytes_received",
        "bytes_sent",
        "close_reason",
        "congested",
        "decoder",
        "dirty",
        "dropped_slow",
        "dropped_too_large",
        "epoch",
        "error_due",
        "info",
        "keepalive_timeout_s",
        "last_read_at",
        "limits",
        "loading",
        "max_packet_size",
        "needs_sync",
        "others_sent",
        "out",
        "out_size",
        "packets_received",
        "paused",
        "pending_connect",
        "proposed",
        "qos0_received",
        "qos0_sent",
        "qos1_received",
        "qos1_sent",
        "qos2_received",
        "qos2_sent",
        "reads",
        "replies",
        "request_problem_information",
        "retained",
        "session",
        "state",
        "transport",
        "unanswered",
        "version",
        "writes",
    )

    def __init__(self, decoder: Decoder, limits: Limits, transport: Transport, now: float) -> None:
        self.decoder = decoder
        self.limits = limits
        self.transport = transport
        self.state = AWAIT_CONNECT
        self.version = 0
        self.session: Session | None = None
        self.info: ClientInfo | None = None
        self.out: list[bytes] = []
        self.out_size = 0
        self.dirty = False
        self.paused = False
        self.blocked = False
        self.backlog: list[Packet] | None = None
        self.error_due = False
        self.last_read_at = now
        self.keepalive_timeout_s = 0.0
        self.max_packet_size = 0
        self.request_problem_information = True
        self.aliases_in: dict[int, str] | None = None
        self.aliases_out: OutboundAliases | None = None
        self.acl: dict[str, int] | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.reads = 0
        self.writes = 0
        self.packets_received = 0
        self.others_sent = 0
        self.qos0_received = 0
        self.qos1_received = 0
        self.qos2_received = 0
        self.qos0_sent = 0
        self.qos1_sent = 0
        self.qos2_sent = 0
        self.dropped_slow = 0
        self.dropped_too_large = 0
        self.unanswered = 0
        self.replies: list[PendingReply] | None = None
        self.epoch = 0
        self.proposed = 0
        self.loading = False
        self.needs_sync = False
        self.allowance = 0.0
        self.allowance_at = 0.0
        self.retained: list[RetainedReplay] | None = None
        self.congested = False
        self.close_reason = ""
        self.pending_connect: Connect | None = None
        self.auth_method: str | None = None
        self.auth_step = 0
        self.auth_state: object = None

    @property
    def messages_received(self) -> int:
        """PUBLISHes from the client."""
        return self.qos0_received + self.qos1_received + self.qos2_received

    @property
    def messages_sent(self) -> int:
        """PUBLISHes to the client."""
        return self.qos0_sent + self.qos1_sent + self.qos2_sent

    def take_output(self) -> bytes:
        """All bytes that wait to be sent, as one string; the out-buffer is empty afterwards."""
        out = self.out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self.out_size = 0
        self.bytes_sent += len(data)
        self.writes += 1
        return data
