"""Counting messages by where they come from: published, and those that no subscription matched."""

from rmq.flow.context import FlowContext
from rmq.hooks import chains
from rmq.mqtt.message import FROM_ADMIN, FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, FROM_WILL, Message


def count_published(ctx: FlowContext, message: Message) -> None:
    """A message is routed."""
    counters = ctx.counters
    counters.messages_publish += 1
    origin = message.origin
    if origin == FROM_CLIENT:
        counters.messages_publish_custom += 1
    elif origin == FROM_ADMIN:
        counters.messages_publish_admin += 1
    elif origin == FROM_WILL:
        counters.messages_publish_lastwill += 1
    elif origin == FROM_SYSTEM:
        counters.messages_publish_system += 1
    elif origin == FROM_BRIDGE:
        counters.messages_publish_bridge += 1


def count_nonsubscribed(ctx: FlowContext, message: Message) -> None:
    """Nobody is subscribed to a message; the hooks are told."""
    counters = ctx.counters
    counters.messages_nonsubscribed += 1
    origin = message.origin
    if origin == FROM_CLIENT:
        counters.messages_nonsubscribed_custom += 1
    elif origin == FROM_ADMIN:
        counters.messages_nonsubscribed_admin += 1
    elif origin == FROM_WILL:
        counters.messages_nonsubscribed_lastwill += 1
    elif origin == FROM_SYSTEM:
        counters.messages_nonsubscribed_system += 1
    elif origin == FROM_BRIDGE:
        counters.messages_nonsubscribed_bridge += 1
    if ctx.chains.message_nonsubscribed.handlers:
        chains.message_nonsubscribed(ctx.chains, message)
