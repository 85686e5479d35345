"""rmq-bridge-egress-mqtt and rmq-bridge-ingress-mqtt: messages relayed to another MQTT broker, and from one.

config     the keys both have
egress     the keys of the way out, and the plugin
ingress    the keys of the way in, and the plugin
marks      where a message has been, in its user properties: what stops loops
topics     what a topic is called on the other side
relay      the exchange between two sessions, packet by packet, without I/O
rewriting  what becomes of a message on its way
figures    what is counted of an entry
link       one entry: connects both sides, relays, and connects again
place      which node of a cluster an entry runs on
bridges    all entries of a plugin, started, ended and shown

Nothing is kept here. What waits is in a session of the node's, or of the other broker's, and both sides use the same
packet identifiers: so what the sessions promise, over restarts and failovers, holds for the whole way.
"""

from rmq_plugins.bridge_mqtt.egress import EgressPlugin
from rmq_plugins.bridge_mqtt.ingress import IngressPlugin

__all__ = ["EgressPlugin", "IngressPlugin"]
