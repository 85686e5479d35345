"""The command line of rmq-node.

node    rmq-node itself: runs a node, or only checks its configuration
passwd  rmq-node passwd: adds, changes and deletes users of a password file
"""

from rmq.cli.node import NodeCommand, main

__all__ = ["NodeCommand", "main"]
