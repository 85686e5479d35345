"""rmq-bridge-egress-nats and rmq-bridge-ingress-nats: messages sent on to NATS, and taken from it.

config    the keys both have
egress    the keys of the way out, and the plugin
ingress   the keys of the way in, and the plugin
subjects  what a topic name is called among NATS's subjects, and back
headers   what MQTT says of a message, as headers of NATS, and back
client    connections to NATS: the one file that knows the library
outgoing  messages published, and when the server has them
incoming  messages subscribed to, or pulled from a stream
plugin    what both plugins are
worker    a thread with a loop of asyncio, which that library needs, called from trio

What all bridges share is in rmq_plugins.bridges.
"""

from rmq_plugins.bridge_nats.egress import EgressPlugin
from rmq_plugins.bridge_nats.ingress import IngressPlugin

__all__ = ["EgressPlugin", "IngressPlugin"]
