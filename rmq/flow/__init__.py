"""The hot path between bytes and deliveries; plain synchronous Python, compiled in a wheel.

inbound  decodes and dispatches
publish  takes a PUBLISH through all its checks, and routes the message
deliver  brings a message to one session, now or when it can take it
send     puts one PUBLISH into one out-buffer
acks     ends QoS 1 and 2 exchanges
context  what they share
ports    what they ask of the layers above
"""
