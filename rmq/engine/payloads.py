"""Payloads that are on disk only are read back shortly before they are sent."""

from typing import TYPE_CHECKING, Final

from rmq.flow.deliver import pump
from rmq.session.channel import CONNECTED, Channel

if TYPE_CHECKING:
    from rmq.engine.broker import Broker
    from rmq.mqtt.message import Message

# So much is read ahead for one client: enough to keep the disk busy, little enough for many clients.
READ_AHEAD: Final = 32
READ_AHEAD_BYTES: Final = 1_048_576


def load_next(broker: "Broker", channel: Channel) -> None:
    """Read the payloads of the deliveries that are due next, then pump the channel; it is ``loading`` meanwhile."""
    session = channel.session
    outbound = None if session is None else session.outbound
    messages: list[Message] = []
    size = 0
    if outbound is not None:
        for delivery in outbound.waiting[outbound.head : outbound.head + READ_AHEAD]:
            if delivery.message.on_disk:
                size += delivery.message.size
                messages.append(delivery.message)
                if size >= READ_AHEAD_BYTES:
                    break

    def then() -> None:
        channel.loading = False
        if channel.state == CONNECTED:
            pump(broker.ctx, channel)

    broker.cluster.read_payloads(messages, then)
