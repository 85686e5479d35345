"""All entries of a plugin: started, ended and shown."""

import ssl
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import trio

from rmq.plugin_api import PluginError, PluginHost
from rmq_plugins.bridge_mqtt.config import BridgeConfig, Server
from rmq_plugins.bridge_mqtt.link import Link, Side
from rmq_plugins.bridge_mqtt.place import Place


@dataclass(frozen=True, slots=True)
class Planned:
    """One connection that is wanted. ``sign`` says all that it depends on: while it is the same, so is the link."""

    direction: Literal["egress", "ingress"]
    bridge: BridgeConfig
    tls: ssl.SSLContext | None
    key: str
    number: int
    label: str
    sign: str
    side: Callable[[], Side]

    @property
    def client_id(self) -> str:
        """The client id on this node."""
        return f"$rmq/bridge/{self.direction}/{self.bridge.name}/{self.key}/{self.number}"

    @property
    def remote_id(self) -> str:
        """The client id on the other broker; RMQTT's but for the node, so that another node may go on."""
        return f"{self.bridge.client_id_prefix}:{self.bridge.name}:{self.direction}:{self.key}:{self.number}"


def entry_key(*parts: str) -> str:
    """A short name that is the same as long as these are."""
    return f"{zlib.crc32(repr(parts).encode()):08x}"


async def read_tls(bridge: BridgeConfig) -> ssl.SSLContext | None:
    """How a bridge secures its connections, None without TLS; raises ``PluginError`` naming the file that is wrong."""
    if not Server(bridge.server).is_tls:
        return None
    path = bridge.root_cert
    try:
        # In a thread: reading all authorities of a machine takes a tenth of a second.
        context = await trio.to_thread.run_sync(partial(ssl.create_default_context, cafile=path or None))
        if bridge.client_cert:
            path = bridge.client_cert
            context.load_cert_chain(bridge.client_cert, bridge.client_key)
    except OSError as error:
        raise PluginError(f"bridge {bridge.name}: {path}: {error}") from None
    return context


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
                link = Link(self._host, self._place, one.bridge, one.tls, key, one.remote_id, one.side())
                self._links[key] = (one, link)
                self._host.spawn(link.run)

    def attrs(self) -> dict[str, object]:
        """Each entry, and all of them: what waits is on this node for egress, and on the other broker for ingress."""
        rows: dict[str, object] = {}
        total = {"connected": 0, "queued": 0, "queued_bytes": 0, "sent": 0, "received": 0, "failed": 0, "loops": 0}
        dropped = 0
        for one, link in self._links.values():
            figures = link.figures
            queued, size, age_s = self._host.queue_of(link.client_id) if one.direction == "egress" else (0, 0, 0.0)
            rows[f"{one.bridge.name}: {one.label} #{one.number}"] = {
                "server": str(Server(one.bridge.server)),
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
