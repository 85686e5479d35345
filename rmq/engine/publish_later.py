"""A PUBLISH that has to wait for an asynchronous hook: its channel is paused meanwhile, so order is kept."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.flow import publish
from rmq.hooks.verdicts import ALLOW, DENY_ONCE, UNDECIDED
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Publish
from rmq.session.channel import Channel

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def check(broker: "Broker", channel: Channel, packet: Publish) -> None:
    """Await the verdict, put it into the channel's cache, and take the PUBLISH through its checks again."""

    async def work() -> Callable[[], None] | None:
        info = channel.info
        if info is None:
            return None
        verdict = await broker.runner.run_decide(
            "message_publish_check_acl", info, packet.topic, packet.qos, packet.retain
        )
        if verdict == DENY_ONCE:
            return lambda: publish.deny(broker.ctx, channel, packet, verdict)
        if channel.acl is not None:
            publish.remember_verdict(channel, packet, ALLOW if verdict == UNDECIDED else verdict)
        # Otherwise the cache was dropped meanwhile: this was said by rules that are gone, so it is asked once more.
        return lambda: publish.handle_publish(broker.ctx, channel, packet)

    broker.wait(channel, work)


def run_filters(broker: "Broker", channel: Channel, packet: Publish, message: Message) -> None:
    """Await the hooks, then route what they left of the message."""

    async def work() -> Callable[[], None]:
        filtered = await broker.runner.run_filter("message_publish", channel.info, message)
        if filtered is None:
            publish.note_dropped_by_hook(broker.ctx, channel, message)
        return lambda: publish.accept_filtered(broker.ctx, channel, packet, filtered)

    broker.wait(channel, work)
