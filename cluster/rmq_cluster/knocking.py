"""How a new node with a low id makes itself known: the node with the higher id dials, and nobody has its address.

It dials the members as somebody with an id above all others, is refused, and has told by then who it is and where.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio

from rmq_cluster.hello import JOINING, Hello
from rmq_cluster.identity import Entry
from rmq_cluster.links import LinkError, Links, Network

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster

# No node has such an id.
FIRST_ID: Final = 1 << 30


class Knocking:
    """The handler of links that never stand."""

    def __init__(self, cluster: "Cluster", clock: Callable[[], float], random: Random, network: Network | None) -> None:
        self._cluster = cluster
        self._clock = clock
        self._random = random
        self._network = network

    async def run(self, addresses: dict[int, str]) -> None:
        """Knock at these, again and again, until cancelled."""
        cluster = self._cluster
        options = replace(cluster.options.link_options(cluster.node_id), port=0)
        links = Links(FIRST_ID + cluster.node_id, options, self, self._clock, self._random, network=self._network)
        try:
            links.set_peers(addresses)
            await links.run()
        except* LinkError:
            # No free port: those with lower ids can still be dialled.
            await trio.sleep_forever()

    def hello(self) -> list[object]:
        """Who really knocks, and where it is."""
        own = self._cluster.own_hello()
        own.state = JOINING  # also when one member has let it in: others may not have heard of that
        own.listed = {}
        own.book = {self._cluster.node_id: Entry(own.address, 0)}
        return own.fields()

    def check(self, peer: int, hello: list[Any]) -> str | None:
        """There is nothing more to say."""
        return "it has been told"

    def doubled(self, peer: int, reason: str) -> None:
        """Never."""

    def rejected_by(self, peer: int, reason: str) -> None:
        """As it should be."""

    def link_up(self, peer: int, hello: list[Any]) -> None:
        """Never."""

    def link_down(self, peer: int, reason: str) -> None:
        """Never."""

    def frames(self, peer: int, channel: int, frames: list[tuple[int, bytes]]) -> None:
        """Never."""


def is_knock(peer: int) -> bool:
    """Whether this is nobody's id, but what somebody knocks with."""
    return peer > FIRST_ID


def who_knocks(peer: int, hello: Hello) -> tuple[int, str] | None:
    """Id and address of a node that knocks, None for a node that dials as itself."""
    if not is_knock(peer) or hello.state != JOINING:
        return None
    entry = hello.book.get(peer - FIRST_ID)
    return None if entry is None else (peer - FIRST_ID, entry.address)
