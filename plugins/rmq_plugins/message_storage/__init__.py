"""rmq-message-storage: messages are kept for a while, and clients that subscribe later get those that they missed.

config     the keys of etc/plugins/rmq-message-storage.toml
record     a message as bytes and back
segment    a file of records, or the same in memory
topics     which messages there are of each topic
store      all segments: adding, finding, reading, and their bounds
intake     from the way of every message into the store, in batches
marks      which client has had what
marks_file those on disk
fresh      what reached a client while its subscription was being entered
finding    which messages are there, for this node and for others that ask
replay     one client's missed messages
plugin     the plugin itself
"""

from rmq_plugins.message_storage.plugin import MessageStoragePlugin

__all__ = ["MessageStoragePlugin"]
