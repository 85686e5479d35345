"""rmq-session-storage in a running node: what it shows is what is kept, also after a restart."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.client import Client

pytestmark = pytest.mark.realtime

NAME = "rmq-session-storage"


class Shown:
    """What the API of a node shows of the plugin."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/plugins/1"

    def plugin(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self._url}/{NAME}").raise_for_status().json()
        return answer

    def attrs_with(self, **wanted: object) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while True:
            try:
                attrs: dict[str, Any] = self.plugin()["attrs"]
            except httpx.TransportError:  # it listens a moment later than MQTT does
                attrs = {}
            if wanted.items() <= attrs.items():
                return attrs
            assert time.monotonic() < deadline, attrs

    def put(self, action: str) -> httpx.Response:
        return httpx.put(f"{self._url}/{NAME}/{action}")


def test_it_shows_what_is_kept(tmp_path: Path, new_client: Callable[..., Client]) -> None:
    (port,) = free_ports(1)
    node = BrokerProcess(
        tmp_path,
        (
            f'plugins.default_startups=["{NAME}", "rmq-http-api"]',
            f"plugins.rmq-http-api.http_laddr=127.0.0.1:{port}",
            f"plugins.{NAME}.update_interval=100ms",
            f"plugins.{NAME}.storage.type=sled",
        ),
    )
    try:
        shown = Shown(port)
        assert shown.attrs_with(storage="engine", kind="journal", sessions=0)["snapshot_at"] is None
        kept = new_client(node.address, "kept")
        kept.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 600)])
        kept.subscribe(("a", 1), ("b", 1))
        kept.disconnect()
        publisher = new_client(node.address, "publisher")
        publisher.connect()
        publisher.subscribe("c")  # of a session that ends with its connection
        for _ in range(3):
            publisher.publish("a", b"four", 1)
        publisher.publish("r", b"x", 1, retain=True)
        wanted = {"sessions": 1, "subscriptions": 2, "messages": 3, "message_bytes": 12, "retained": 1}
        attrs = shown.attrs_with(**wanted)
        assert attrs["ready"] is True and attrs["error"] == ""
        assert attrs["disk_bytes"] >= attrs["log_bytes"] > 100
        plugin = shown.plugin()
        assert (plugin["immutable"], plugin["active"]) == (True, True)
        assert not shown.put("unload").is_success
        assert not shown.put("config/reload").is_success
        node.kill()
        node = node.start_again()
        attrs = shown.attrs_with(**wanted)
        assert attrs["disk_bytes"] > 100
    finally:
        node.stop()


def test_without_storage_it_says_so(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    node = BrokerProcess(
        tmp_path,
        (
            f'plugins.default_startups=["{NAME}", "rmq-http-api"]',
            f"plugins.rmq-http-api.http_laddr=127.0.0.1:{port}",
            "storage.enable=false",
        ),
    )
    try:
        assert Shown(port).attrs_with(kind="none")["disk_bytes"] == 0
    finally:
        node.stop()
