"""Clustering for rmq: nodes that replicate sessions, subscriptions and acknowledged messages.

cluster      the composition: one node's side of the cluster, started, driven and stopped
options      what a node is told at its start
port         what the cluster needs from the engine's port of a member
kinds        the kinds of frames on the links
identity     which cluster a data folder belongs to
hello        what nodes say of themselves when they are linked, and who is refused
founding     when a cluster is founded, and how an empty node finds the one it belongs to
knocking     how a new node with a low id makes itself known
belonging    this node's place in the cluster: its identity, how it comes in, that it is up
peers        what this node knows of the others: their status, when they were heard
contact      since when it isn't certain that the others count this node as up
reception    what comes in over the links, and where it goes
replication  Raft, its log and the port, driven together
duties       what the leader does beside replicating: who is down, what time it is, who comes in
snapshots    the snapshot to be sent to others, and the place of one that was received
outgoing     a snapshot sent to a peer
incoming     a snapshot received
disk         blocking calls awaited, in a disk thread
transfer     what nodes say to each other while a snapshot goes from one to the other
asking       changes of membership, asked of the leader
digests      digests of the state, compared between nodes
membership   what an administrator can ask and change: the cluster's control
alarms       what a person should see to, for the log
conflicts    nodes that can't be linked with until somebody decides: two of one id, two histories of one cluster
view         the cluster as this node sees it, for people
bugs         exceptions that should not have been: logged and counted
figures      figures of the cluster for metrics
backup       copies of a snapshot, and back
recover      what is done to the data of a node that isn't running, or must not go on: rescue, rebuild
raft         Raft itself: pysyncobj driven and guarded, and the log's files
links        authenticated connections to every other node, and frames over them
requests     questions of management to the other nodes
"""
