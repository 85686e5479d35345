"""Payloads that persistent sessions wait for: how much memory they take, and which go to disk."""

from rmq.flow.context import FlowContext
from rmq.mqtt.message import Message
from rmq.session.outbound import Outbound


def hold(ctx: FlowContext, outbound: Outbound, message: Message) -> None:
    """A delivery of a persistent session holds the message; over a budget its payload shall live on disk only."""
    if message.references == 0 and not message.on_disk:
        message.size = len(message.payload)
        ctx.queued_bytes += message.size
    message.references += 1
    outbound.payload_bytes += message.size
    over_node = ctx.memory_budget and ctx.queued_bytes > ctx.memory_budget
    over_session = ctx.session_memory_budget and outbound.payload_bytes > ctx.session_memory_budget
    if (over_node or over_session) and message.size and not message.on_disk and not message.pinned:
        ctx.to_disk.append(message)


def release(ctx: FlowContext, outbound: Outbound, message: Message) -> None:
    """A delivery that held the message is gone."""
    outbound.payload_bytes -= message.size
    message.references -= 1
    if message.references == 0 and not message.on_disk:
        ctx.queued_bytes -= message.size


def unload(ctx: FlowContext, message: Message) -> None:
    """The payload is on disk: free the memory, unless it is needed for something else."""
    if message.pinned:
        return
    if message.references and not message.on_disk and ctx.retained.get(message.topic) is not message:
        message.on_disk = True
        message.payload = b""
        message.forget_wire()
        ctx.queued_bytes -= message.size


def load(ctx: FlowContext, message: Message, payload: bytes) -> None:
    """The payload was read back."""
    if message.on_disk:
        message.on_disk = False
        message.payload = payload
        if message.references:
            ctx.queued_bytes += message.size
