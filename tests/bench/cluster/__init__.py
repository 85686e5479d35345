"""The cluster's benchmark behind `make bench-cluster`; imports nothing of rmq, it runs what is installed.

Three server processes on loopback, the load in a fourth; processor time is that of all servers together.

compare    the command line: which parts, which systems, in which order
scenarios  what is measured, and the figures to reach
servers    a server as a process with its children, and ports for it
system     what all that is measured has in common: three nodes or one, until they serve
rmq        rmq: three nodes, or one alone
rabbitmq   RabbitMQ with its MQTT plugin and quorum queues
nats       NATS with JetStream and its MQTT
client     a small MQTT client, for probes and for filling
loads      one run of rmq-bench over all nodes, with the processor time it cost each
throughput rounds of runs: messages per processor second, messages per second, acknowledgements, connections
failover   from the death of the leader to the first acknowledged publish
fill       many sessions, routes and queued messages, as fast as they are taken
probe      how long publishes wait to be acknowledged while something else goes on
pings      the longest pause of each node
memory     what a full cluster takes, and how long a node is away
results    what was found, and the arithmetic on it
page       docs/benchmarks-cluster.md
page_full  its section on a full cluster
"""
