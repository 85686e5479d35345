"""The composition root: builds every part of a node, starts and stops them in order, minds signals.

process  a node as a process: signals, log, what it says at the start
supervisor  tells the service manager (systemd) that the node serves, still turns, and stops
node     one node: every part built, started and stopped in order
auth     the node's own users, and which listeners take clients that are nobody
reload   what is read again while the node runs
listener_control  starts and stops listeners while the node runs
standing_tasks  runs the node's own tasks: a bug in one is told, and it begins again
alarm_watch  measures what alarms are about
load_watch  measures how busy the node is
management  the management service, made from the parts of a node
keeping  what plugins are offered that keep messages
cluster  the cluster, found by dotted path, and the plain values it is made with
control  the socket in the data folder that takes commands about the cluster
settings  settings changed while the node runs: checked, kept in a file, applied
offline  what can be done to the data of a member that does not run
member   what only a member of a cluster has: its data, its port, the cluster around them
storage  the data: read at the start, given to the broker, closed at the end
passwords  hashing of passwords as management and plugins are given it
options  from settings to the plain values that the parts are made with
"""

from rmq.node.node import PLUGINS, Node
from rmq.node.process import EXIT_START_AGAIN, Clock, run

__all__ = ["EXIT_START_AGAIN", "PLUGINS", "Clock", "Node", "run"]
