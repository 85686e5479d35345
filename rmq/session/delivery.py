"""A delivery: one Application Message of QoS 1 or 2 on its way to one session."""

from typing import Final

from rmq.mqtt.message import Message

# States of a delivery. QUEUED: never sent. SENT: PUBLISH sent, unacknowledged. RELEASED: PUBREC received, PUBREL
# sent. DONE: acknowledged, but the operation that removes it from a persistent session isn't applied yet. RESEND:
# sent on an earlier connection, to be sent again on this one. RELEASING: PUBREC received, but the operation that says
# so isn't applied yet.
QUEUED: Final = 0
SENT: Final = 1
RELEASED: Final = 2
DONE: Final = 3
RESEND: Final = 4
RELEASING: Final = 5


class Delivery:
    """``qos`` and ``retain`` as this session gets them; ``share`` is the key of the share group it was chosen for.

    ``released``: that PUBREC was received is kept, whatever ``state`` says of what came after it on this connection.
    ``index`` is the place in the log of what queued it, 0 if that was before the last snapshot that was read.
    """

    __slots__ = ("index", "message", "packet_id", "qos", "released", "retain", "share", "state", "subscription_ids")

    def __init__(
        self,
        message: Message,
        packet_id: int,
        qos: int,
        retain: bool,
        subscription_ids: list[int] | None,
        share: str,
    ) -> None:
        self.message = message
        self.packet_id = packet_id
        self.qos = qos
        self.retain = retain
        self.subscription_ids = subscription_ids
        self.share = share
        self.state = QUEUED
        self.released = False
        self.index = 0
