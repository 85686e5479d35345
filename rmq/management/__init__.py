"""The only door for HTTP APIs, command lines and dashboards: what can be asked of nodes, and what can be done.

service           every call, for this node and for all nodes
node_queries      those about nodes and their figures, and how nodes are asked
of_node           what one node lists: its clients, sessions, subscriptions
local             what this node answers
changes           what can be changed here: publish, subscribe, kick, discard, delete
models            the answers: frozen views
traffic           what went over one connection, one by one
queries           filters and paging
requests          messages to publish and topic filters to subscribe, checked
errors            why something is refused, one class each
clients           one client read out of the engine, and how it is shown
last_connections  what is known of the last connection of clients that are off line
turns             who has long work to do waits for each of its slices
walk              long walks in short steps
aggregate         the answers of several nodes made into one
peers             the questions to other nodes and the port that carries them
cluster           what can be asked of a cluster and changed about it, and who does that
operations        what those who operate nodes can ask and do on all of them
operation_questions  the questions of these to other nodes
local_operations  what one node has for them

accounts, access, messages, node, traces and data are packages, each with its own map.
"""

from rmq.management.local import LocalNode
from rmq.management.service import ManagementService

__all__ = ["LocalNode", "ManagementService"]
