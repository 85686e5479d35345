"""Soak runs: a real node under mixed load for a long time must lose nothing and return to where it was.

RMQ_TEST_PYTHON names the interpreter of an environment with an installed (compiled) node; without it the checkout runs.

__main__  the command line: python -m tests.soak --minutes 30
run       one run: a node, a warm-up, the load, everything taken away, what was found
node      the node, with limits so small that it snapshots, segments and unloads all the time
sampler   what it uses, every 10 s, as CSV
verdict   the limits of every figure, and the table
world     what all kinds of load share
flows     load that is counted: persistent sessions, shared ones, transient ones, wills
churn     load that comes and goes: new names, retained messages, expiry, takeovers
nuisance  load that misbehaves
ledger    what is owed to a subscriber, and what went wrong
peer      an MQTT client that reads and acknowledges by itself
link      bytes over TCP, TLS, WebSocket and both
"""
