"""Whether a message may be published in a client's name: what the access rules say of that client."""

from typing import TYPE_CHECKING, Final

from rmq.hooks.verdicts import ALLOW, UNDECIDED
from rmq.mqtt.codes import V5
from rmq.session.client_info import ClientInfo

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

# What rules are told of somebody who isn't a client at any listener.
LISTENER: Final = "api"


async def may_publish(
    node: "LocalNode", client_id: str, address: str, topics: tuple[str, ...], qos: int, retain: bool
) -> tuple[bool, ...]:
    """For each topic name whether the client may publish to it; one that isn't connected here asks from ``address``.

    Denials are counted as those of clients are.
    """
    broker = node.broker
    channel = broker.registry.get(client_id)
    info = None if channel is None else channel.info
    if info is None:
        info = ClientInfo(node.ref.node_id, client_id, None, V5, address, 0, LISTENER, 0)
    allowed: list[bool] = []
    for topic in topics:
        verdict: int = ALLOW
        if broker.chains.message_publish_check_acl.handlers and not info.superuser:
            broker.counters.client_publish_check_acl += 1
            verdict = await broker.runner.run_decide("message_publish_check_acl", info, topic, qos, retain)
        is_allowed = verdict in (ALLOW, UNDECIDED)
        if not is_allowed:
            broker.counters.client_publish_auth_error += 1
            broker.counters.dropped_publish_denied += 1
            broker.counters.messages_dropped += 1
        allowed.append(is_allowed)
    return tuple(allowed)
