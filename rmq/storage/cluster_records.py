"""The operations that only a cluster has: who owns a client id, which nodes there are, where subscribers are.

As those of ``records`` they ask neither clock nor chance. Epochs are granted where a claim is applied, so that every
node grants the same one.
"""

from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will


class ClaimClient:
    """A connection on ``node`` takes a client id, wherever it was before; a later claim wins.

    ``will`` is its will message. ``epoch`` is not part of the operation: it is what applying it has granted.
    """

    __slots__ = ("client_id", "epoch", "node", "will")

    def __init__(self, client_id: str, node: int, will: Will | None) -> None:
        self.client_id = client_id
        self.node = node
        self.will = will
        self.epoch = 0


class ReclaimClient:
    """A node that was declared down has the connection of ``epoch`` still, and owns it again if nobody came since."""

    __slots__ = ("client_id", "epoch", "node", "will")

    def __init__(self, client_id: str, node: int, epoch: int, will: Will | None) -> None:
        self.client_id = client_id
        self.node = node
        self.epoch = epoch
        self.will = will


class ReleaseClient:
    """The connection that had claimed a client id is gone, and leaves no session."""

    __slots__ = ("client_id", "epoch")

    def __init__(self, client_id: str, epoch: int) -> None:
        self.client_id = client_id
        self.epoch = epoch


class AddRoute:
    """A node has its first subscriber of a topic filter: messages that match are to be forwarded there."""

    __slots__ = ("node", "topic_filter")

    def __init__(self, node: int, topic_filter: str) -> None:
        self.node = node
        self.topic_filter = topic_filter


class RemoveRoute:
    """A node has no subscriber of a topic filter any more."""

    __slots__ = ("node", "topic_filter")

    def __init__(self, node: int, topic_filter: str) -> None:
        self.node = node
        self.topic_filter = topic_filter


class AddMember:
    """A transient session on ``node`` joins a share group; the other nodes choose it too.

    Or, with ``share_group`` "", it has a limited subscription, which counts on all nodes; ``refused`` is what applying
    it has found: there was no room. Nothing happens once another connection than that of ``epoch`` has claimed the
    client id.
    """

    __slots__ = ("client_id", "epoch", "key", "node", "qos", "refused", "share_group", "topic_filter")

    def __init__(
        self, node: int, client_id: str, key: str, topic_filter: str, share_group: str, qos: int, epoch: int
    ) -> None:
        self.refused = False
        self.epoch = epoch
        self.node = node
        self.client_id = client_id
        self.key = key
        self.topic_filter = topic_filter
        self.share_group = share_group
        self.qos = qos


class RemoveMember:
    """A transient session on ``node`` has left a share group."""

    __slots__ = ("client_id", "key", "node")

    def __init__(self, node: int, client_id: str, key: str) -> None:
        self.node = node
        self.client_id = client_id
        self.key = key


class MoveDelivery:
    """What waits for one member of a share group goes to another one, unless it is gone, or its client is back.

    ``epoch`` is that of the session it waits for, ``key`` the group's, ``heir`` the client id of the other member.
    ``ends``: the session is about to end, whether its client is back or not.
    """

    __slots__ = ("client_id", "ends", "epoch", "heir", "key", "packet_id")

    def __init__(self, client_id: str, epoch: int, packet_id: int, key: str, heir: str, ends: bool) -> None:
        self.client_id = client_id
        self.epoch = epoch
        self.packet_id = packet_id
        self.key = key
        self.heir = heir
        self.ends = ends


class NodeUp:
    """A node begins a new incarnation, whose number is granted where this is applied; ``nonce`` tells whose it is.

    What its last incarnation had open is closed; wills that become due so are due ``grace`` seconds after ``at``.
    ``lost_power``: its log may have lost its end, and others theirs, so that packet identifiers may be in use that
    nobody knows of.
    """

    __slots__ = ("at", "grace", "lost_power", "node", "nonce")

    def __init__(self, node: int, nonce: str, grace: float, at: float, lost_power: bool = False) -> None:
        self.lost_power = lost_power
        self.node = node
        self.nonce = nonce
        self.grace = grace
        self.at = at


class NodeDown:
    """An incarnation of a node is over: it died, or it has ``left``, which it says itself; its clients are off line.

    What it proposed and wasn't applied before never will be. Wills are due ``grace`` seconds after ``at``.
    """

    __slots__ = ("at", "grace", "incarnation", "left", "node")

    def __init__(self, node: int, incarnation: int, grace: float, at: float, left: bool = False) -> None:
        self.left = left
        self.node = node
        self.incarnation = incarnation
        self.grace = grace
        self.at = at


class ForgetNode:
    """A node was removed from the cluster for good."""

    __slots__ = ("node",)

    def __init__(self, node: int) -> None:
        self.node = node


class Tick:
    """The cluster's time, seconds since 1970; it never goes back."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at


class PublishWill:
    """Publish the will of the connection of ``epoch``, unless somebody did or it is unwanted by now.

    Who asks: the end of that connection (``own_end``); the claim of a new one that ends the session (``claim`` is its
    epoch); else it is due, and nothing happens if its client is back. ``message`` is None when a hook dropped it;
    ``chosen`` as in ``StoreMessage``.
    """

    __slots__ = ("chosen", "claim", "client_id", "epoch", "message", "own_end")

    def __init__(
        self, client_id: str, epoch: int, message: Message | None, chosen: list[str] | None, own_end: bool, claim: int
    ) -> None:
        self.client_id = client_id
        self.epoch = epoch
        self.message = message
        self.chosen = chosen
        self.own_end = own_end
        self.claim = claim


class PublishDelayed:
    """Publish a delayed message, unless somebody did; the message is the kept one as it is published."""

    __slots__ = ("chosen", "key", "message")

    def __init__(self, key: str, message: Message | None, chosen: list[str] | None) -> None:
        self.key = key
        self.message = message
        self.chosen = chosen


class Barrier:
    """Changes nothing: when it is applied, so is all that was committed before it was proposed."""

    __slots__ = ()


class RaiseLevel:
    """Operations of this level may be proposed from here on: every member knows them."""

    __slots__ = ("level",)

    def __init__(self, level: int) -> None:
        self.level = level


ClusterOperation = (
    ClaimClient
    | ReclaimClient
    | ReleaseClient
    | AddRoute
    | RemoveRoute
    | AddMember
    | RemoveMember
    | NodeUp
    | NodeDown
    | ForgetNode
    | Tick
    | PublishWill
    | PublishDelayed
    | Barrier
    | RaiseLevel
    | MoveDelivery
)
