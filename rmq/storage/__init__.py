"""What is kept, alone or replicated.

records       operations, the only way to change what is kept
cluster_records  operations that only a cluster has
account_records  operations on accounts
state         applies them deterministically
cluster_state what only a cluster keeps: nodes, owners of client ids, the time
cluster_routes  where the subscribers of all nodes are, as far as others have to know
session_lives  how sessions begin and lose their connections
accounts      who may do what: users, API keys and the like
node_end      what the end of a node does to what it had open
packet_ids    identifiers that were given in an end of the log that is lost
retaining     what becomes of a message that is to be retained
member_delivery  messages for members of share groups
subscriptions how subscriptions enter and leave sessions and the router
events        who is told of changes
digest        whether two nodes have the same state
codec         operations and sessions as msgpack lists
cluster_codec the same for the operations of a cluster
message_codec the same for messages and wills
fields        what was read, as the type that it has to be
commit_log    proposed, written, applied, answered: the order of operations
packing       lists as bytes, the one place that knows msgpack
record_file   files of records with checksums, and what damage in them means
journal       the batches of operations on disk
segments      messages on disk, outside of the journal
snapshot      the whole state on disk, written while it changes
snapshot_reader  and how it is read back, in steps
replacing     a state that is filled beside the one in use, and takes its place
cluster_snapshot  the records of a snapshot that only a cluster has
account_snapshot  those that accounts have
boot          whether the machine stopped while a node ran
recovery      the start with what is on disk
disk_thread   a thread for the calls that block
"""
