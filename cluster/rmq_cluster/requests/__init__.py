"""What nodes ask each other for management: questions, their answers, and the way over a link.

peer_queries  management's questions to other members, and this node's answers to theirs
wording       questions, answers and errors as bytes, and the tables of all there are
codec         dataclasses as plain lists and back, by their fields and annotations
exchange      requests with ids, deadlines and bounds: asking, and where frames come in
answering     the answering side: each question in a task of its own
frames        the bodies of REQUEST and ANSWER frames
counters      what is counted
port          what the cluster needs of all this
"""

from rmq_cluster.requests.counters import RequestCounters
from rmq_cluster.requests.exchange import Carrier, Exchange, ExchangeOptions
from rmq_cluster.requests.peer_queries import ClusterPeers, Peer

__all__ = ["Carrier", "ClusterPeers", "Exchange", "ExchangeOptions", "Peer", "RequestCounters"]
