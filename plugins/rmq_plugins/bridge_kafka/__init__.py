"""rmq-bridge-egress-kafka and rmq-bridge-ingress-kafka: messages sent on to Kafka, and fetched from there.

config     the keys both have
egress     the keys of the way out, and the plugin
ingress    the keys of the way in, and the plugin
needed     whether the client library is installed, and takes a configuration
templates  texts with placeholders: topics and keys
records    what a message is as a record of Kafka, and the other way round
rewriting  what becomes of a message on its way
outcomes   what becomes of a record that Kafka is sent
window     what is sent and not acknowledged yet, in order
outflow    the exchange between a session on this node and a producer
offsets    which offsets may be committed
inflow     the exchange between a consumer and this node
library    Kafka's client library, in threads of its own
link       one entry, in either direction, and its thread
sending    one entry of the way out
fetching   one entry of the way in

Nothing is kept here. What waits to go out is in a session of the node's, what is to come in is in Kafka, and how far a
group has read is there too: so another node may go on where this one ended.
"""

from rmq_plugins.bridge_kafka.egress import EgressPlugin
from rmq_plugins.bridge_kafka.ingress import IngressPlugin

__all__ = ["EgressPlugin", "IngressPlugin"]
