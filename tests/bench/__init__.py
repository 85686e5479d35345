"""The comparison with mosquitto behind `make bench`; imports nothing of rmq, it runs what is installed.

compare    the command line: which runs, in which order
scenarios  what is measured and the ratio to reach
brokers    mosquitto and rmq-node as processes pinned to one core
load_tool  rmq-bench as a process pinned to the other core
counters   the node's own counters, read from $SYS, against what the load tool counted
syncs      counts fsync and fdatasync calls of a process
durability what durability costs: persistent sessions, four promises
neighbours what slow or rude clients cost others
rude       those clients, a process of its own
api        how long answers of the HTTP API take, and what asking it costs messages
machine    what the numbers were measured on
results    what was found, and the arithmetic on it
document   docs/benchmarks.md
durability_page, neighbours_page, api_page  its sections on those three
markdown   tables and figures in Markdown
bench_process  rmq-bench of the checkout, for the tests
cluster    the benchmark of clusters behind `make bench-cluster`, a program of its own
bad_logins publish latency while passwords are guessed: a script of its own, run by hand
"""
