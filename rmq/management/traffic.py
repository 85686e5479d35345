"""What went over one connection, one by one."""

from dataclasses import dataclass
from typing import Final

from rmq.session.channel import Channel
from rmq.session.session import Session


@dataclass(frozen=True, slots=True)
class TrafficView:
    """What went over a connection, one by one: PUBLISHes by QoS, all packets, how often bytes came and went at all.

    ``dropped_queue_full`` and ``dropped_expired`` are of the session, since this node has had it; ``dropped_slow`` are
    messages of QoS 0 that the connection was too slow for, ``dropped_too_large`` those over its Maximum Packet Size.
    """

    reads: int = 0
    writes: int = 0
    packets_received: int = 0
    packets_sent: int = 0
    qos0_received: int = 0
    qos1_received: int = 0
    qos2_received: int = 0
    qos0_sent: int = 0
    qos1_sent: int = 0
    qos2_sent: int = 0
    dropped_queue_full: int = 0
    dropped_expired: int = 0
    dropped_slow: int = 0
    dropped_too_large: int = 0

    @property
    def dropped(self) -> int:
        """All that were to be sent and weren't."""
        return self.dropped_queue_full + self.dropped_expired + self.dropped_slow + self.dropped_too_large


NO_TRAFFIC: Final = TrafficView()


def view_traffic(session: Session, channel: Channel | None) -> TrafficView:
    """What went over the connection of a session, and what the session dropped."""
    outbound = session.outbound
    full, expired = (0, 0) if outbound is None else (outbound.dropped_full, outbound.dropped_expired)
    if channel is None:
        return TrafficView(dropped_queue_full=full, dropped_expired=expired)
    return TrafficView(
        reads=channel.reads,
        writes=channel.writes,
        packets_received=channel.packets_received,
        packets_sent=channel.messages_sent + channel.others_sent,
        qos0_received=channel.qos0_received,
        qos1_received=channel.qos1_received,
        qos2_received=channel.qos2_received,
        qos0_sent=channel.qos0_sent,
        qos1_sent=channel.qos1_sent,
        qos2_sent=channel.qos2_sent,
        dropped_queue_full=full,
        dropped_expired=expired,
        dropped_slow=channel.dropped_slow,
        dropped_too_large=channel.dropped_too_large,
    )
