"""All entries of a plugin: started, ended and shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import trio

from rmq.plugin_api import PluginHost
from rmq_plugins.bridges.link import Link
from rmq_plugins.bridges.place import Place

Direction: TypeAlias = Literal["egress", "ingress"]
# Given a node, where the entry runs, and the client id on that node.
Make: TypeAlias = Callable[[PluginHost, Place, str], Link]


@dataclass(frozen=True, slots=True)
class Planned:
    """One connection that is wanted. ``sign`` says all that it depends on: while it is the same, so is the link.

    ``kind`` keeps apart the client ids of plugins for different far sides.
    """

    kind: str
    direction: Direction
    bridge: str
    key: str
    number: int
    label: str
    sign: str
    make: Make

    @property
    def client_id(self) -> str:
        """The client id on this node."""
        return f"$rmq/{self.kind}/{self.direction}/{self.bridge}/{self.key}/{self.number}"


class Bridges:
    """What runs just now."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._place: Place | None = None
        self._links: dict[str, tuple[Planned, Link]] = {}

    async def follow(self, planned: Sequence[Planned]) -> None:
        """Have exactly these run: end what isn't among them, then begin with what is new."""
        wanted = {one.client_id: one for one in planned}
        gone = [key for key, (one, _) in self._links.items() if key not in wanted or wanted[key].sign != one.sign]
        async with trio.open_nursery() as nursery:
            for key in gone:
                nursery.start_soon(self._links.pop(key)[1].end)
        if self._place is None and wanted:
            self._place = Place(self._host)
            self._host.spawn(self._place.run)
        for key, one in wanted.items():
            if key not in self._links and self._place is not None:
                link = one.make(self._host, self._place, key)
                self._links[key] = (one, link)
                self._host.spawn(link.run)

    def attrs(self) -> dict[str, object]:
        """Each entry, and all of them: what waits is on this node for egress, and on the far side for ingress."""
        rows: dict[str, object] = {}
        total = {"connected": 0, "queued": 0, "queued_bytes": 0, "sent": 0, "received": 0, "failed": 0, "loops": 0}
        dropped = 0
        for one, link in self._links.values():
            figures = link.figures
            queued, size, age_s = self._host.queue_of(link.client_id) if one.direction == "egress" else (0, 0, 0.0)
            rows[f"{one.bridge}: {one.label} #{one.number}"] = {
                "server": link.server,
                "here": self._place is not None and self._place.is_here(link.client_id),
                "connected": link.is_connected,
                "problem": figures.problem,
                "client_id": link.client_id,
                "queued": queued,
                "queued_bytes": size,
                "oldest_age_s": round(age_s, 3),
                "received": figures.received,
                "sent": figures.sent,
                "failed": figures.failed,
                "dropped": dict(figures.dropped),
                "loops": figures.loops,
            }
            total["connected"] += link.is_connected
            total["queued"] += queued
            total["queued_bytes"] += size
            for name in ("sent", "received", "failed", "loops"):
                total[name] += getattr(figures, name)
            dropped += sum(figures.dropped.values())
        return {**total, "dropped": dropped, "entries": rows}
