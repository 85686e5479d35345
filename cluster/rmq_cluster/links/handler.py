"""The other side of links: what they tell, what they ask, and the two channels."""

from typing import Any, Final, Protocol

CONTROL: Final = 0
DATA: Final = 1
CHANNELS: Final = (CONTROL, DATA)
CHANNEL_NAMES: Final = ("control", "data")
# The kind that links keep for themselves: an empty frame on a connection that has nothing else to say.
KEEP_ALIVE: Final = 0


class BadFrame(Exception):
    """A frame that no sound peer sends; the text says what is wrong with it. Its link is closed."""


class LinkHandler(Protocol):
    """Who uses links. All of it is synchronous and called in the node's one thread.

    An exception out of any of these, but ``BadFrame`` out of ``frames``, is a bug: it is reported and counted, and its
    link is closed.
    """

    def hello(self) -> list[object]:
        """What this node tells about itself, anew for each handshake: a list that msgpack can carry, at most 3 KiB.

        Only a peer that has the secret gets to see it; without TLS, whoever reads the network does too.
        """

    def check(self, peer: int, hello: list[Any]) -> str | None:
        """Why this peer is refused, or None. It has proved that it has the secret, and ``hello`` is what it told.

        Asked for both connections of a pair, and about any node, also one that ``set_peers`` never named: who may
        join is decided here. The text is told to the peer.
        """

    def doubled(self, peer: int, reason: str) -> None:
        """Another process than the one that there is a link to has dialled under the id of this peer, and is refused.

        ``reason`` is what it is told.
        """

    def rejected_by(self, peer: int, reason: str) -> None:
        """A peer that this node has dialled has refused it, in its own words."""

    def link_up(self, peer: int, hello: list[Any]) -> None:
        """Both connections stand; frames can be sent from now on, here already."""

    def link_down(self, peer: int, reason: str) -> None:
        """Either connection broke and both are closed; exactly once after each ``link_up``, and before the next one."""

    def frames(self, peer: int, channel: int, frames: list[tuple[int, bytes]]) -> None:
        """Kind and body of all frames that one read completed, in order. Raises ``BadFrame``."""
