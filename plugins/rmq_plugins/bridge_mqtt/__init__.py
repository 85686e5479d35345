"""rmq-bridge-egress-mqtt and rmq-bridge-ingress-mqtt: messages relayed to another MQTT broker, and from one.

config     the keys both have
egress     the keys of the way out, and the plugin
ingress    the keys of the way in, and the plugin
relay      the exchange between two sessions, packet by packet, without I/O
rewriting  what becomes of a message on its way
link       one entry: connects to both brokers and relays

What it shares with bridges to other systems is in rmq_plugins.bridges.

Nothing is kept here. What waits is in a session of the node's, or of the other broker's, and both sides use the same
packet identifiers: so what the sessions promise, over restarts and failovers, holds for the whole way.
"""

from rmq_plugins.bridge_mqtt.egress import EgressPlugin
from rmq_plugins.bridge_mqtt.ingress import IngressPlugin

__all__ = ["EgressPlugin", "IngressPlugin"]
