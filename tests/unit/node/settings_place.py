"""A node's settings in files, and who changes them; nothing of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rmq_http_api.config import HttpApiConfig

from rmq.config import Override, Settings, load
from rmq.node.auth import admit_anonymous
from rmq.node.options import make_listener
from rmq.node.settings import ChangeableSettings
from rmq.plugin_host.operations import PluginOperationError


class Plugins:
    """One that runs, and takes whatever it is told unless it ``refuses``."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refuses = ""

    def runs(self, name: str) -> bool:
        return name == "rmq-http-api"

    async def reload_config(self, name: str) -> None:
        self.told.append(name)
        if self.refuses:
            refused, self.refuses = self.refuses, ""
            raise PluginOperationError(refused)


class Place:
    """A node's files, and its settings as a start finds them."""

    def __init__(self, folder: Path, text: str = "", flags: Mapping[str, str] | None = None) -> None:
        self.file = folder / "rmq.toml"
        self.file.write_text(text + '\n[plugins]\ndefault_startups = ["rmq-http-api"]\n', encoding="utf-8")
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.flags = [Override("--set", key, value) for key, value in (flags or {}).items()]
        self.plugins = Plugins()
        self.limits_changed = 0
        settings = self.load()
        self.listeners = [make_listener(settings, name, found) for name, found in settings.listeners.items()]
        admit_anonymous(settings, self.listeners)
        path = settings.changes_path
        assert path == self.data / "settings.toml"
        self.path = path
        self.control = ChangeableSettings(
            settings, path, lambda: {"rmq-http-api": HttpApiConfig}, self.listeners, self.plugins, self._count
        )

    def load(self) -> Settings:
        return load(self.file, environ={"RMQ_NODE__DATA_DIR": str(self.data)}, overrides=self.flags)

    def _count(self) -> None:
        self.limits_changed += 1

    def value(self, key: str) -> Any:
        found: Any = self.control.values()
        for part in key.split("."):
            found = found[part]
        return found
