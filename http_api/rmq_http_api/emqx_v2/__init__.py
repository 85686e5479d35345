"""EMQX's HTTP API, version 2: its paths, parameters, JSON names and codes, so that its scripts run unchanged.

routes         the whole table
nodes          what nodes are and how they are
figures        stats and metrics
clients        clients that are connected
client_lists   lists that clients and sessions have in common
sessions       sessions, with a connection or without
subscriptions  subscriptions and routes
messages       publish, subscribe, unsubscribe
plugins        plugins, started and stopped
users          users of the API: logging in, users, passwords
configs        what plugins are configured to
listeners      listeners and alarms
pages          numbered pages, and objects that were looked up
wording        the dialect, and what many answers have in common: results, codes, times, nodes by name
"""

from rmq_http_api.emqx_v2.routes import routes
from rmq_http_api.emqx_v2.wording import DIALECT

__all__ = ["DIALECT", "routes"]
