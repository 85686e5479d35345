"""NanoMQ's HTTP API, version 4.

routes         the whole table, and the list of it
nodes          brokers and nodes
clients        clients
subscriptions  subscriptions
topic_tree     all levels of topic filters
figures        what the process uses, and figures for Prometheus
messages       publish, subscribe, unsubscribe
bridges        bridges, as the plugins that bridge have them
configuration  the configuration, told and changed
control        stop, restart
wording        the dialect, and times as text
"""

from rmq_http_api.nanomq_v4.routes import routes
from rmq_http_api.nanomq_v4.wording import DIALECT

__all__ = ["DIALECT", "routes"]
