"""What clients, addresses and topics do, written down while a trace runs.

traces   what is to be written down about a client, an address or a topic
tracing  what this node listens to while one runs
lines    an event as a line
files    what was written
"""
