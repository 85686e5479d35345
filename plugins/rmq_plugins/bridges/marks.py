"""Where a message has been, in its user properties: what stops loops."""

from typing import Final

from rmq.plugin_api import Properties

# The bridges that a message has crossed, one property for each, in order.
CROSSED: Final = "rmq-bridge"
# The broker that an ingress bridge had it from; it never leaves this node's cluster.
FROM: Final = "rmq-bridge-from"


def has_crossed(properties: Properties, bridge: str) -> bool:
    """Whether a message went through a bridge of this name, in either direction."""
    return (CROSSED, bridge) in properties.user_properties


def came_from(properties: Properties, server: str) -> bool:
    """Whether a message came in from this broker."""
    return (FROM, server) in properties.user_properties


def mark(properties: Properties, bridge: str, server: str = "") -> None:
    """Note that a message crosses a bridge, and, coming in, from which broker; what was noted of that is taken out."""
    kept = [pair for pair in properties.user_properties if pair[0] != FROM]
    kept.append((CROSSED, bridge))
    if server:
        kept.append((FROM, server))
    properties.user_properties = kept
