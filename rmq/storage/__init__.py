"""What is kept, alone or replicated.

records       operations, the only way to change what is kept
state         applies them deterministically
codec         operations, sessions and messages as msgpack lists
commit_log    proposed, written, applied, answered: the order of operations
packing       lists as bytes, the one place that knows msgpack
record_file   files of records with checksums, and what damage in them means
journal       the batches of operations on disk
segments      messages on disk, outside of the journal
snapshot      the whole state on disk, written while it changes
recovery      the start with what is on disk
disk_thread   a thread for the calls that block
"""
