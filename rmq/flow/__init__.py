"""The hot path between bytes and deliveries; plain synchronous Python, compiled in a wheel.

inbound  decodes and dispatches
publish  takes a PUBLISH through all its checks, and answers it
route    decides where a message goes: connections here, queues, other nodes
lanes    what waits to be sent to other nodes
forward_wire  messages on their way from node to node, as bytes
forwarded  delivers what came from another node, or is delivered by every node
delayed  topic names that are for the broker: `$delayed/` and `$SYS`
origin_counts  counts messages by where they come from
deliver  brings a message to one session, now or when it can take it
send     puts one PUBLISH into one out-buffer
acks     ends QoS 1 and 2 exchanges
receipts acknowledgements that wait until what they acknowledge is kept
payloads how much memory waiting messages take, and which go to disk
context  what they share
ports    what they ask of the layers above
"""
