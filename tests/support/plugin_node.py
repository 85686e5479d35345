"""A node whose plugins have their keys in files, and its API: for tests that load, unload and reload them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.broker_process import BrokerProcess, free_ports

TIMEOUT_S: Final = 30.0


class PluginNode:
    """``startups`` are the plugins it starts beside the API; ``files`` are what their files have, by name."""

    def __init__(
        self,
        directory: Path,
        startups: tuple[str, ...] = (),
        files: Mapping[str, str] | None = None,
        sets: tuple[str, ...] = (),
    ) -> None:
        self._folder = directory / "plugins"
        self._folder.mkdir(parents=True)
        for name, text in (files or {}).items():
            self.write(name, text)
        self._api = f"127.0.0.1:{free_ports(1)[0]}"
        self._config = config = directory / "rmq.toml"
        names = ", ".join(f'"{name}"' for name in (*startups, "rmq-http-api"))
        config.write_text(f"[plugins]\ndefault_startups = [{names}]\n", encoding="utf-8")
        (directory / "node").mkdir()
        sets = (f"plugins.rmq-http-api.http_laddr={self._api}", *sets)
        self.process = BrokerProcess(directory / "node", sets, arguments=("-f", str(config)))

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect."""
        return self.process.address

    @property
    def log(self) -> str:
        """All it has written."""
        return self.process.log

    def write(self, name: str, text: str) -> None:
        """Other keys in a plugin's file, which nobody has read yet."""
        (self._folder / f"{name}.toml").write_text(text, encoding="utf-8")

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """One request; the API listens a moment after the node does."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                url = f"http://{self._api}{path}"
                return httpx.request(method, url, json=body, timeout=TIMEOUT_S, trust_env=False)
            except httpx.ConnectError:
                assert time.monotonic() < deadline, self.log
                threading.Event().wait(0.02)

    def plugin(self, name: str) -> Any:
        """A plugin as the API shows it."""
        return self.ask("GET", f"/api/v1/plugins/1/{name}").json()

    def load(self, name: str) -> None:
        """Load it; it must work."""
        answer = self.ask("PUT", f"/api/v1/plugins/1/{name}/load")
        assert answer.status_code == 200, answer.text

    def unload(self, name: str) -> None:
        """Unload it; it must work."""
        answer = self.ask("PUT", f"/api/v1/plugins/1/{name}/unload")
        assert answer.status_code == 200, answer.text

    def reload(self, name: str) -> httpx.Response:
        """Have it read its file again."""
        return self.ask("PUT", f"/api/v1/plugins/1/{name}/config/reload")

    def start_again(self) -> None:
        """After its end, with its data."""
        self.process = self.process.start_again("-f", str(self._config))

    def stop(self) -> None:
        """It must end well, and have met no bug."""
        assert self.process.stop() == 0, self.log
        assert "Traceback" not in self.log
