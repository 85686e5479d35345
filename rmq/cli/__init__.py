"""The command line of rmq-node.

node    rmq-node itself: runs a node, or only checks its configuration
passwd  rmq-node passwd: adds, changes and deletes users of a password file
cluster         rmq-node cluster: commands about the cluster, to a node that runs
cluster_table   what its status prints
control_client  how a command gets to the node
"""

from rmq.cli.node import NodeCommand, main

__all__ = ["NodeCommand", "main"]
