"""Who is told of the state's changes: the node, of what they mean for it alone, and a snapshot under way."""

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from rmq.mqtt.message import Message
from rmq.session.session import Session

if TYPE_CHECKING:
    from rmq.storage.records import DelayMessage


@mypyc_attr(allow_interpreted_subclasses=True)
class StateEvents:
    """Is told while an operation is applied; this base does nothing. None of it changes what is kept."""

    def session_closed(self, session: Session) -> None:
        """A persistent session has no connection any more: its expiry and its will may become due."""

    def sessions_closed(self, sessions: list[Session], with_wills: list[Session]) -> None:
        """The same of many, because their node is gone; ``with_wills`` are those of them that have one."""

    def will_waits(self, client_id: str) -> None:
        """The will of a client without a session waits, because its node is gone."""

    def wills_wait(self, client_ids: list[str]) -> None:
        """The same of many."""

    def account_changed(self, kind: str, name: str) -> None:
        """An account was put or deleted."""

    def retained(self, message: Message) -> None:
        """A message is retained that expires."""

    def delayed(self, operation: "DelayMessage") -> None:
        """A message is kept until it is due."""

    def claimed_from_nobody(self, client_id: str) -> None:
        """No node had the client id when it was claimed: a connection that still stands was declared down before.

        What is to become of the will of that connection is settled.
        """

    def taken_over(self, client_id: str) -> None:
        """Another node has claimed a client id."""

    def deliver(self, message: Message, chosen: list[str] | None) -> None:
        """Every node delivers this message to its own connections, where it doesn't come through a queue."""

    def hand_over(self, message: Message, key: str, client_id: str) -> None:
        """A message that waited for one member of a share group is for another one, which is connected somewhere."""

    def node_up(self, node: int, incarnation: int, nonce: str) -> None:
        """A node has begun an incarnation."""

    def node_down(self, node: int, incarnation: int) -> None:
        """An incarnation of a node is over."""

    def time_moved(self, at: float) -> None:
        """The cluster's time."""


@mypyc_attr(allow_interpreted_subclasses=True)
class StateWatcher:
    """Is told of a session before it changes: a snapshot that is being written, a digest that is being taken."""

    def before_session(self, session: Session) -> None:
        """The session is about to change or to end."""
