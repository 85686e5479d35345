"""The plugin: counts now and then what is kept, for whoever asks."""

from dataclasses import asdict

import trio

from rmq.plugin_api import Plugin
from rmq_plugins.session_storage.config import SessionStorageConfig


class SessionStoragePlugin(Plugin[SessionStorageConfig]):
    """Sessions are kept with and without it."""

    name = "rmq-session-storage"
    descr = "Shows what the node keeps of sessions"
    immutable = True
    Config = SessionStorageConfig
    _figures: dict[str, object] | None = None

    async def start(self) -> None:
        """Begin to count."""
        self.host.keep(self._count)

    async def _count(self) -> None:
        while True:
            stored = await self.host.management.local.operations.stored()
            self._figures = {**asdict(stored), "counted_at": self.host.now()}
            await trio.sleep(self.config.update_interval)

    def attrs(self) -> dict[str, object]:
        """What is kept as it was counted last; nothing before the first time."""
        return {"storage": "engine", **(self._figures or {})}
