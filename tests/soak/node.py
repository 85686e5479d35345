"""The node of a soak run: every limit so small that snapshots, segments and unloading happen all the time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.soak.link import Door
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates

SNAPSHOT_AFTER_BYTES: Final = 1 << 20
SEGMENT_BUDGET_BYTES: Final = 2 << 20
LISTENER: Final = (
    "handshake_timeout=5s",
    "max_mqueue_len=20000",
    "out_buffer_limit=64KB",
    "max_inflight=64",
    "max_session_expiry_interval=1h",
)
NODE: Final = (
    f"storage.snapshot_after={SNAPSHOT_AFTER_BYTES}",
    f"storage.memory_budget={SEGMENT_BUDGET_BYTES}",
    "storage.session_memory_budget=64KB",
    "storage.pending_budget=1MB",
    "storage.sync_interval=200ms",
    "plugins.rmq-sys-topic.publish_interval=1s",
    "log.connection_lines=20",
)


class SoakNode:
    """A running node with one door of each kind."""

    def __init__(self, directory: Path) -> None:
        certificates = Certificates(directory)
        pair = certificates.authority.server
        context = certificates.client_context()
        ports = dict(zip(("tls", "ws", "wss"), free_ports(3), strict=True))
        sets = list(NODE)
        for kind, port in ports.items():
            sets += [f"listener.{kind}.soak.{option}" for option in (f"addr=127.0.0.1:{port}", *LISTENER)]
        for kind in ("tls", "wss"):
            sets += [f"listener.{kind}.soak.cert={pair.certfile}", f"listener.{kind}.soak.key={pair.keyfile}"]
        sets += [f"listener.tcp.external.{option}" for option in LISTENER]
        self.process = BrokerProcess(directory, sets)
        self.tcp = Door("tcp", self.process.address)
        others = [
            Door(kind, ("127.0.0.1", port), context if kind in ("tls", "wss") else None) for kind, port in ports.items()
        ]
        # As many TCP connections as of all other kinds together.
        self.doors = [self.tcp, self.tcp, self.tcp, *others]
        self.data = directory / "data"
