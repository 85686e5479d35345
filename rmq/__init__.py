"""rmq: an MQTT broker; this package is the engine of one node, complete alone.

High to low, each importing only what stands below it (pyproject.toml has the rule, tests/architecture checks it):

cli         rmq-node: flags and configuration, then a node
ctl         rmq-ctl: the command line over the HTTP API, a program of its own
migration   files of other brokers made into ours, for rmq-ctl import
testing     brokers for the tests of programs that talk MQTT: a pytest plugin, and one for trio
node        the composition root: builds all parts, starts and stops them, minds signals
users       the node's own users: a password file, and who a client is by password or SCRAM
net         sockets: the reactor, listeners, connections and byte layers (what moves bytes is hot)
plugin_host finds, starts and stops plugins
plugin_api  what a plugin may touch: its door to the engine
management  the only door for APIs, command lines and dashboards: what can be asked and done
engine      clients and their sessions: connect, subscribe, disconnect, timers, limits, and the ports to others
storage     operations on what is kept, and the state they change (records and state are hot)
flow        hot: packets in, messages routed, deliveries out
hooks       the list of hook points, the chains of handlers (hot), their verdicts
routing     hot: topic filters to subscribers, retained messages by topic
session     hot: what the broker keeps for one client
metrics     counters (hot), the one table of their names, statistics and rates
mqtt        hot: the protocol's packets, decoded and encoded, as MQTT 3.1, 3.1.1 and 5.0 have them

Beside them: config (files, environment and flags become settings), log (one set-up for all logging), pem
(certificates and keys from files), threads (blocking calls beside trio's tasks), build_info (compiled or not), and
bench (rmq-bench, the load tool, a program of its own).

Hot modules are plain synchronous Python that mypyc compiles when a wheel is built; pyproject.toml lists them.
"""

__version__ = "0.1.0"
