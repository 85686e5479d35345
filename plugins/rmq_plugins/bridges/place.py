"""Which node of a cluster an entry runs on: each on one, as everybody reckons it, and few move at a change."""

import zlib
from collections.abc import Sequence
from typing import Final

import trio

from rmq.plugin_api import PluginHost

# How often the members are asked for; a dead one is noticed by the cluster first (cluster.node_down_grace).
LOOK_EVERY_S: Final = 1.0


def runs_on(entry: str, members: Sequence[int]) -> int:
    """The node for an entry: of all the one whose number, hashed with the entry's name, is the highest."""
    return max(members, key=lambda node: (zlib.crc32(f"{node} {entry}".encode()), node))


class Place:
    """What this node knows of where entries run.

    It goes by what was known last while this node has no quorum: then nobody can connect here anyway, and whoever is
    connected stays until another node has claimed its client id.
    """

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._members: tuple[int, ...] = ()
        self._changed = trio.Event()

    def is_here(self, entry: str) -> bool:
        """Whether this is the node for an entry."""
        return bool(self._members) and runs_on(entry, self._members) == self._host.node_id

    async def here(self, entry: str) -> None:
        """Wait until an entry is to run here."""
        while not self.is_here(entry):
            await self._changed.wait()

    async def elsewhere(self, entry: str) -> None:
        """Wait until an entry is to run on another node."""
        while self.is_here(entry):
            await self._changed.wait()

    async def run(self) -> None:
        """Look who is a member, for ever."""
        while True:
            members = await self._host.members()
            if members and members != self._members:
                self._members = members
                self._changed.set()
                self._changed = trio.Event()
            await trio.sleep(LOOK_EVERY_S)
