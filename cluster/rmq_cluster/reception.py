"""What comes in over the links, and where it goes."""

from typing import TYPE_CHECKING, Any

import structlog

from rmq_cluster import kinds
from rmq_cluster.hello import (
    JOINING,
    MEMBER,
    BadHello,
    Hello,
    book_of,
    bounded,
    is_other_history,
    number,
    refusal,
    text,
)
from rmq_cluster.knocking import is_knock, who_knocks
from rmq_cluster.links import CONTROL, BadFrame
from rmq_cluster.peers import BadStatus, Peer, read_note
from rmq_cluster.raft.messages import BadMessage
from rmq_cluster.transfer import BadTransfer, read_ack, read_message

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster

log = structlog.get_logger(__name__)


class Reception:
    """The handler of the links."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster

    # Who is there

    def hello(self) -> list[object]:
        """What this node says of itself."""
        return self._cluster.own_hello().fields()

    def check(self, peer: int, hello: list[Any]) -> str | None:
        """Why a peer is refused, or None."""
        try:
            theirs = Hello.of(hello)
        except BadHello as error:
            return f"its hello can't be read: {error}"
        cluster = self._cluster
        failed = cluster.replication.failed
        if failed:
            return f"node {cluster.node_id} has stepped out: {failed}"
        level = cluster.port.committed_level
        if cluster.identity is not None and theirs.state != MEMBER and theirs.level < level:
            return f"its program knows operations up to level {theirs.level}, and level {level} is in use: upgrade it"
        knocking = who_knocks(peer, theirs)
        if knocking is not None:
            if cluster.identity is None:
                return f"node {cluster.node_id} is in no cluster"
            cluster.belonging.invite(*knocking)
            return f"node {knocking[0]} is dialled at {knocking[1]}"
        if cluster.identity is not None and theirs.state == JOINING and not cluster.belonging.has(peer):
            cluster.belonging.invite(peer, theirs.address)
        own = cluster.own_hello()
        reason = refusal(own, cluster.node_id, peer, theirs)
        if reason is not None and is_other_history(own, theirs):
            cluster.conflicts.refused(peer, reason)
        return reason

    def doubled(self, peer: int, reason: str) -> None:
        """A second process has the id of a peer, and is refused."""
        self._cluster.conflicts.doubled(peer, reason)

    def rejected_by(self, peer: int, reason: str) -> None:
        """A peer has refused this node."""
        if not self._cluster.replication.failed and not is_knock(peer):
            self._cluster.conflicts.refused_by(peer, reason)

    def link_up(self, peer: int, hello: list[Any]) -> None:
        """A link stands."""
        cluster = self._cluster
        cluster.peers.up(peer, Hello.of(hello))
        cluster.conflicts.linked(peer)
        # The one of the handshake may be older than what this node has learnt since.
        self._say_hello(peer)
        cluster.belonging.learnt()

    def link_down(self, peer: int, reason: str) -> None:
        """A link is gone."""
        cluster = self._cluster
        was_started = cluster.peers.peer(peer).started
        cluster.peers.down(peer)
        cluster.founding.link_down(peer)
        if was_started:
            cluster.replication.link_down(peer)
        cluster.port.peer_lost(peer)
        cluster.outgoing.link_down(peer)
        cluster.incoming.link_down(peer)
        cluster.asking.link_down(peer)
        if cluster.exchange is not None:
            cluster.exchange.link_down(peer)
        cluster.belonging.learnt()

    def _say_hello(self, peer: int) -> None:
        cluster = self._cluster
        is_running = cluster.replication.raft is not None
        cluster.send_note(peer, "hello", is_running, cluster.own_hello().fields())

    def say_hello(self) -> None:
        """Tell all peers what is new with this node."""
        for peer in self._cluster.peers.linked():
            self._say_hello(peer.node_id)

    # What they say

    def frames(self, peer: int, channel: int, frames: list[tuple[int, bytes]]) -> None:
        """All that one read brought. Raises ``BadFrame``."""
        cluster = self._cluster
        if cluster.replication.failed:
            return
        cluster.peers.heard(peer)
        known = cluster.peers.peer(peer)
        messages: list[bytes] = []
        try:
            for kind, body in frames:
                if channel == CONTROL:
                    if kind == kinds.RAFT:
                        if known.started:
                            messages.append(body)
                    elif kind == kinds.STATUS:
                        self._status(known, body)
                    elif kind == kinds.NOTE:
                        self._note(known, body)
                    else:
                        raise BadFrame(f"kind {kind} on the CONTROL connection")
                else:
                    self._data(known, kind, body)
            if messages:
                cluster.replication.receive(peer, messages)
        except (BadMessage, BadStatus, BadTransfer, BadHello) as error:
            raise BadFrame(str(error)) from None
        if channel != CONTROL and not cluster.links.direct.in_turn:
            cluster.turn()

    def _status(self, peer: Peer, body: bytes) -> None:
        cluster = self._cluster
        status = cluster.peers.told(peer.node_id, body)
        if peer.started:
            # Behind its commit index its log may be another one than the leader's, and be replaced.
            cluster.port.peer_status(peer.node_id, status.applied, min(status.synced, status.commit))
            if status.is_leader:
                cluster.replication.contact.told(status)
            if status.digest_index:
                cluster.digests.compare(peer.node_id, status.digest_index, status.digest)

    def _data(self, peer: Peer, kind: int, body: bytes) -> None:
        cluster = self._cluster
        if kind in (kinds.REQUEST, kinds.ANSWER):
            if cluster.exchange is not None:
                cluster.exchange.received(peer.node_id, kind, body)
        elif kind == kinds.FORWARD:
            # A link may stand for a moment before its peer is known to take part again: what it sends counts.
            if cluster.replication.raft is not None:
                try:
                    cluster.port.forwards(peer.node_id, body)
                except ValueError as error:
                    raise BadFrame(str(error)) from None
        elif kind == kinds.FORWARD_ACK:
            if cluster.replication.raft is not None:
                cluster.port.forward_ack(peer.node_id, body)
        elif kind == kinds.FILE:
            # As for FORWARD: what tells that it takes part comes on the other connection. Its snapshot isn't asked for
            # again before it has waited in vain for an answer.
            cluster.incoming.take(peer.node_id, read_message(body))
        elif kind == kinds.FILE_ACK:
            cluster.outgoing.answered(peer.node_id, read_ack(body))
        else:
            raise BadFrame(f"kind {kind} on the DATA connection")

    def _note(self, peer: Peer, body: bytes) -> None:
        cluster = self._cluster
        try:
            subject, fields = read_note(body)
            if subject == "hello":
                is_running, hello = fields
                self._hello(peer, Hello.of(hello), is_running=is_running is True)
            elif subject == "found":
                cluster_id, book, voters, named = fields
                ids = tuple(number(node_id) for node_id in bounded(voters))
                cluster.founding.proposed(peer.node_id, text(cluster_id), book_of(book), ids, named is True)
            elif subject == "agreed":
                (cluster_id,) = fields
                cluster.founding.agreed(peer.node_id, text(cluster_id))
            elif subject == "ask":
                request, what, node_id = fields
                cluster.asking.asked(peer.node_id, number(request), text(what), number(node_id))
            elif subject == "answer":
                request, answer = fields
                cluster.asking.answered(peer.node_id, number(request), text(answer))
            elif subject == "removed":
                cluster.belonging.was_removed(f"by node {peer.node_id}, which leads")
            else:
                log.debug("a note that isn't known", subject=subject[:50])  # of a newer program
        except (TypeError, ValueError) as error:
            raise BadFrame(f"a note can't be read: {error}") from None

    def _hello(self, peer: Peer, hello: Hello, *, is_running: bool) -> None:
        cluster = self._cluster
        reason = refusal(cluster.own_hello(), cluster.node_id, peer.node_id, hello)
        if reason is not None:
            log.warning("a link is ended", node=peer.node_id, reason=reason)
            cluster.links.close_peer(peer.node_id, reason)
            return
        peer.hello = hello
        if hello.state == MEMBER:
            cluster.belonging.merge(hello.book)
        peer.runs = is_running and hello.state == MEMBER
        cluster.belonging.learnt()
