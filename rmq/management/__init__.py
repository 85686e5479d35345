"""The only door for HTTP APIs, command lines and dashboards: what can be asked of nodes, and what can be done.

service           every call, for this node and for all nodes
node_queries      those about nodes and their figures, and how nodes are asked
of_node           what one node lists: its clients, sessions, subscriptions
local             what this node answers
changes           what can be changed here: publish, subscribe, kick, discard, delete
accounts          users, API keys and the like, held by all nodes
access_rules      access rules that all nodes keep: of clients, of users, of all
mqtt_users        users of MQTT that all nodes keep
api_keys          API keys: made, changed, checked
users             users of the APIs: made, changed, their passwords checked
logins            the tokens of users who have logged in
bans              who may not connect: listed, banned, let in again
models            the answers: frozen views
traffic           what went over one connection, one by one
queries           filters and paging
retaining       how retaining is configured, and all retained messages deleted
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
listeners         listeners as they are shown, and who starts and stops them
alarms            what a person should see to, on and over
delayed           messages that are published later, and the rules for them
traces            what is to be written down about a client, an address or a topic
tracing           what this node listens to while one runs
trace_lines       an event as a line
trace_files       what was written
topic_metrics     figures of single topic names, while somebody wants them
stored           what is kept on disk
slow_subscriptions  whose deliveries took longest lately
session_messages  the messages of one session
access_cache      what a connection remembers of access rules
access            what access rules say of one client and topic, and which of them
review            subscriptions that access rules allow no more: found and ended
settings          settings that are changed while nodes run
sharing           which member of a shared subscription gets a message
plugins           what is needed from whoever runs the plugins
data              data exported into files and imported from them, while nodes run
data_archive      what such a file looks like
data_files        the folder of such files
evacuation        whether a node is being drained, and how far that is
plugin_configs    what APIs set in the configurations of plugins, on all nodes
figures           all figures of this node, for monitoring
history           what was, and who keeps that
node_settings     the settings of this node: read, changed
life              this node stopped, or started again
condition         whether this node can serve, what it can do, what its process uses
publishing        whether a message may be published in a client's name
hook_figures      what the handlers of plugins cost
host              figures of the machine and of this process
"""

from rmq.management.local import LocalNode
from rmq.management.service import ManagementService

__all__ = ["LocalNode", "ManagementService"]
