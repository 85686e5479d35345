"""rmq-bench, the load tool: one process, one thread, one epoll over non-blocking sockets, pre-built frames.

cli      the command line: modes and options
plan     what one run shall do, checked
frames   the packets a load client sends, built once
batch    cuts what one read returned: runs of equal frames by stride, anything else packet by packet (hot)
latency  a histogram of microseconds, and the times of what waits for an acknowledgement (hot)
peers    the connections of a load and its counters (hot)
sender   messages with their times and packet ids, sent and counted (hot)
load     the load loop: windows, acknowledgements, counting (hot)
handshake  connects and subscribes many clients with a bounded number in flight
wire     what the loop needs of a socket and an epoll
leftovers  removes what a run leaves at the broker
run      one run from first connect to last message: warm-up, measurement, drain
report   the result as JSON, as text and as an exit code
"""
