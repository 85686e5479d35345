"""The whole cluster in one process, in virtual time, with chance from a seed: what fails once fails again.

Real: ``rmq_cluster.Cluster`` with its links and Raft, the broker, ``ReplicatedPort``, connections, files. Virtual:
time, networks, disk threads, loss of power, clients' sockets. Run seeds by hand with ``python -m tests.simulation``.

- ``agenda``: calls at virtual times, in an order that depends on nothing but the seed.
- ``determinism``: everything else that a run could depend on, fixed.
- ``network``: links with delays, partitions, connections that break on one side only.
- ``sockets``: links that are read in the turns of the reactor, without tasks.
- ``disk``: disk threads that aren't threads.
- ``power``: what fsync was called on, and what is left when the power goes.
- ``engine``: the reactor's place: a broker whose clients' sockets are virtual.
- ``node``: one node: started, killed, stopped, started again.
- ``world``: all nodes, what they applied, the trace.
- ``client``: a client's connection: it comes back, elsewhere, whatever happens.
- ``publisher``, ``subscriber``: what clients do, each noting in the ledger what it was promised and what it got.
- ``transient``: subscribers whose sessions end with their connections.
- ``wills``: clients with wills, and what becomes of the wills.
- ``cast``: all clients of a run.
- ``ledger``: what was promised, and whether it was kept.
- ``unrest``: when something was wrong.
- ``audience``: what those must have got for whom nothing is kept, and the members of share groups.
- ``faults``: what goes wrong, and when.
- ``staged``: faults that need several things to happen one after the other.
- ``membership``: nodes that come, go, and come back empty.
- ``healing``: the end of a run: all is well again, then everything is compared.
- ``profile``: what kind of run a seed is.
- ``course``: what happens in a run.
- ``simulate``: one run of one seed.
- ``mutations``: rules taken out, one at a time, which some seed must notice.
- ``__main__``: many seeds, as lines of JSON.
"""
