"""NanoMQ's HTTP API, version 4.

routes         the whole table, and the list of it
nodes          brokers and nodes
clients        clients
subscriptions  subscriptions
topic_tree     all levels of topic filters
figures        what the process uses, and figures for Prometheus
messages       publish, subscribe, unsubscribe
bridges        bridges, as the plugins that bridge have them, and changed
bridge_changes what a change comes to in the configurations of those plugins
bridge_keys    the keys of a bridge as ours
configuration  the configuration, told and changed
control        stop, restart
wording        the dialect, and times as text
"""

from rmq_http_api.nanomq_v4.routes import routes
from rmq_http_api.nanomq_v4.wording import DIALECT

__all__ = ["DIALECT", "routes"]
