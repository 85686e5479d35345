"""What every bridge needs, to whatever it leads; no plugin itself.

config   the keys that all bridges have
entries  the keys that the entries of all bridges have
topics   what a topic is called on the other side
marks    where a message has been, in its user properties: what stops loops
figures  what is counted of an entry
place    which node of a cluster an entry runs on
link     one entry: relays where it is to run, and begins again when that ends
own      an entry's client of this node
outward  from a kept session of this node to a far side that takes batches
inward   from a far side into this node, acknowledged by it
running  all entries of a plugin, started, ended and shown
plugin   the plugin that all bridges are: what its configuration plans runs

A bridge keeps nothing. What waits to go out is in a kept session of this node, on disk or on a majority as everybody's;
what comes in is acknowledged to the far side when this node has acknowledged it.
"""
