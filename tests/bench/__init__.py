"""The comparison with mosquitto behind `make bench`; imports nothing of rmq, it runs what is installed.

compare    the command line: which runs, in which order
scenarios  what is measured and the ratio to reach
brokers    mosquitto and rmq-node as processes pinned to one core
load_tool  rmq-bench as a process pinned to the other core
counters   the node's own counters, read from $SYS, against what the load tool counted
machine    what the numbers were measured on
document   docs/benchmarks.md
bad_logins publish latency while passwords are guessed: a script of its own, run by hand
"""
