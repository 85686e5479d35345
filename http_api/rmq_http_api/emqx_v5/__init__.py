"""EMQX's HTTP API, version 5: its paths, parameters, JSON names, types and codes, so that what was written for it runs.

routes         the whole table: a list of areas, and what EMQX has beside them
wording        the dialect: its words for what goes wrong, its times and endless limits, what listeners are called
codes          the one table of EMQX's error codes, and what ours are among them
pages          pages by number, and what queries have in common
names          which node a name is of
error_codes    the codes, as a list
status         whether this node runs
clients        clients: pages, one, kickout, keep alive
client_filters which clients are asked for
client_object  a client under EMQX's names
client_messages  what is on its way to one client, and what is remembered of access rules
client_subscriptions   the subscriptions of one client, shown and changed
subscriptions  subscriptions of all clients
publish        messages published, one or several
nodes          nodes and their machines
figures        stats and metrics
figure_names   EMQX's names of gauges and counters, and what of ours they are
monitor        what was, and what is, for charts
prometheus     figures for Prometheus under EMQX's names
retainer       retained messages, and how retaining is configured
cluster        who is in the cluster, and taking a node out
plugins        plugins, started and stopped on all nodes
not_served     what EMQX has beside these routes, and what there is instead
topics         topic filters with subscribers, and their nodes
configs        settings that have a counterpart, told and changed
settings       which those are: the one table
authentication users of MQTT
authorization  access rules
forms          a file in a form
data           accounts and retained messages, exported and imported
load_rebalance nodes that are drained
banned         who may not connect
listeners      listeners, started and stopped
alarms         what a person should see to
delayed        messages that are published later
trace          what happens to one client, address or topic, written down
slow_subscriptions   whose deliveries took longest lately
topic_metrics  figures of single topic names
moments        times in bodies
topic_rewrite  rules that rewrite topics
auto_subscribe what every client is subscribed to
login          logging in and out
users          who may log in, and their passwords
api_keys       keys for programs
"""

from rmq_http_api.emqx_v5.routes import routes
from rmq_http_api.emqx_v5.wording import DIALECT

__all__ = ["DIALECT", "routes"]
