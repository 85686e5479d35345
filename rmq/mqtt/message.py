"""The Application Message: what is routed, retained, queued and forwarded, whatever packet it came in."""

from typing import Final

# Where a message comes from; metrics count by it (RMQTT's words: custom = an MQTT client, admin = the API).
FROM_CLIENT: Final = 0
FROM_ADMIN: Final = 1
FROM_WILL: Final = 2
FROM_SYSTEM: Final = 3
FROM_BRIDGE: Final = 4
ORIGIN_NAMES: Final[list[str]] = ["custom", "admin", "lastwill", "system", "bridge"]


class Message:
    """One Application Message.

    ``properties`` is the forwarded block (see ``packets``). ``created_at`` and ``expires_at`` are seconds since
    1970 on the node's monotonic clock; ``expires_at`` 0.0 means never. ``publisher`` is the client id.
    ``references`` counts the deliveries of persistent sessions that hold it, ``size`` is the length of its payload
    then; ``location`` is where ``storage`` has written it (-1: nowhere), and ``on_disk`` means that its payload is
    there alone; ``pinned``: it must not be, a transient session waits for it, of which ``storage`` knows nothing. The
    ``wire_*`` attributes keep the encoded form for receivers that get the very same bytes; only ``publish_wire``
    reads and writes them.
    """

    __slots__ = (
        "created_at",
        "expires_at",
        "location",
        "on_disk",
        "origin",
        "payload",
        "pinned",
        "properties",
        "publisher",
        "qos",
        "references",
        "retain",
        "size",
        "topic",
        "wire_v3_head",
        "wire_v3_key",
        "wire_v5_head",
        "wire_v5_key",
        "wire_v5_tail",
    )

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        publisher: str,
        properties: bytes = b"",
        expires_at: float = 0.0,
        created_at: float = 0.0,
        origin: int = 0,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.publisher = publisher
        self.properties = properties
        self.expires_at = expires_at
        self.created_at = created_at
        self.origin = origin
        self.references = 0
        self.size = 0
        self.location = -1
        self.on_disk = False
        self.pinned = False
        self.wire_v3_key: int = -1
        self.wire_v3_head: bytes = b""
        self.wire_v5_key: int = -1
        self.wire_v5_head: bytes = b""
        self.wire_v5_tail: bytes = b""

    def forget_wire(self) -> None:
        """Drop the kept encoded forms."""
        self.wire_v3_key = -1
        self.wire_v3_head = b""
        self.wire_v5_key = -1
        self.wire_v5_head = b""
        self.wire_v5_tail = b""


class AddressedMessage(Message):
    """A message for one client alone, whatever anybody is subscribed to; a ``message_publish`` handler makes one.

    It is never retained, and the client that publishes it must be allowed to publish to its topic name, too.
    """

    __slots__ = ("client_id",)

    def __init__(self, message: Message, topic: str, client_id: str) -> None:
        super().__init__(
            topic,
            message.payload,
            message.qos,
            False,
            message.publisher,
            message.properties,
            message.expires_at,
            message.created_at,
            message.origin,
        )
        self.client_id = client_id
