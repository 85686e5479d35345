"""RMQTT's HTTP API, version 1: its paths, parameters, JSON names and types, so that its scripts run unchanged.

routes         the whole table
nodes          brokers and nodes
condition      health, features, and what the processes use
clients        clients and sessions without a connection
subscriptions  subscriptions and routes
retains        retained messages
messages       publish, subscribe, unsubscribe
acl            what access rules say of a client and a topic
plugins        plugins and their configurations
figures        stats and metrics: of each node, of one, summed up
history        what they were
wording        the dialect, and what many answers have in common: times as text, nodes, nodes that are missing
"""

from rmq_http_api.rmqtt_v1.routes import routes
from rmq_http_api.rmqtt_v1.wording import DIALECT

__all__ = ["DIALECT", "routes"]
