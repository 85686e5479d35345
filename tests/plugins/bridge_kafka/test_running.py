"""Bridges to Kafka loaded, shown, reloaded and unloaded while a node runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rmq_plugins.bridge_kafka import EgressPlugin, IngressPlugin
from rmq_plugins.bridge_kafka.egress import EgressConfig
from rmq_plugins.bridge_kafka.ingress import IngressConfig

from rmq.plugin_api import PluginError
from tests.plugins.bridge_kafka.conftest import ANY_KAFKA, Dial, await_subscriber, unlike_probes
from tests.plugins.bridge_kafka.test_config import IN, OUT
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.kafka_server import Observer
from tests.support.plugins import PluginBench

TIMEOUT_S = 20.0
NAME = "rmq-bridge-egress-kafka"


class World:
    """A node with one bridge in a file, and its API."""

    def __init__(self, directory: Path, servers: str) -> None:
        self._servers = servers
        self._file = directory / "plugins" / f"{NAME}.toml"
        self._api = f"127.0.0.1:{free_ports(1)[0]}"
        self._file.parent.mkdir()
        self.write("out/#", "one")
        config = directory / "rmq.toml"
        config.write_text(f'[plugins]\ndefault_startups = ["{NAME}", "rmq-http-api"]\n', encoding="utf-8")
        (directory / "node").mkdir()
        sets = (f"plugins.rmq-http-api.http_laddr={self._api}",)
        self.node = BrokerProcess(directory / "node", sets, arguments=("-f", str(config)))

    def write(self, topic_filter: str, topic: str, properties: str = '"sasl.password" = "tell nobody"') -> None:
        """Another bridge in the file, which nobody has read yet."""
        self._file.write_text(
            f'[[bridges]]\nenable = true\nname = "link"\nservers = "{self._servers}"\nreconnect_interval = "100ms"\n'
            f"properties = {{ {properties} }}\n[[bridges.entries]]\n"
            f'local.topic_filter = "{topic_filter}"\nremote.topic = "{topic}"\n',
            encoding="utf-8",
        )

    def ask(self, method: str, path: str) -> httpx.Response:
        """One request; the API listens a moment after the node does."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                url = f"http://{self._api}/api/v1/plugins/1/{NAME}{path}"
                return httpx.request(method, url, timeout=TIMEOUT_S, trust_env=False)
            except httpx.ConnectError:
                assert time.monotonic() < deadline, self.node.log
                threading.Event().wait(0.02)

    def attributes(self) -> Any:
        return self.ask("GET", "").json()["attrs"]

    def until(self, is_so: Callable[[Any], bool]) -> Any:
        """The attributes as soon as they are so."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_so(found := self.attributes()):
            assert time.monotonic() < deadline, found
        return found


@pytest.fixture
def world(tmp_path: Path, kafka: str) -> Iterator[World]:
    found = World(tmp_path, kafka)
    yield found
    found.node.stop()


@pytest.mark.realtime
@pytest.mark.parametrize("kafka", ANY_KAFKA, indirect=True)
def test_a_bridge_is_shown_reloaded_and_unloaded(world: World, kafka: str, dial: Dial) -> None:
    observer = Observer(kafka)
    publisher = dial(world.node.address, "pub")
    await_subscriber(publisher, "out/a")
    publisher.publish("out/a", b"1", 1)
    shown = world.until(lambda found: found["sent"] == 2)
    (entry,) = shown["entries"].values()
    assert (entry["server"], entry["connected"], entry["problem"], entry["queued"]) == (kafka, True, "", 0)
    assert "tell nobody" not in world.ask("GET", "/config").text
    # A reload that the library doesn't like changes nothing.
    world.write("other/#", "two", '"linger.mss" = "5"')
    refused = world.ask("PUT", "/config/reload")
    assert refused.status_code >= 400 and 'No such configuration property: \\"linger.mss\\"' in refused.text
    publisher.publish("out/a", b"2", 1)
    world.until(lambda found: found["sent"] == 3)
    # Another one ends the old entry and begins with the new one.
    world.write("other/#", "two")
    assert world.ask("PUT", "/config/reload").text == "ok"
    await_subscriber(publisher, "other/a")
    publisher.publish("other/a", b"3", 1)
    assert [record.value() for record in unlike_probes(observer.read("two", 2))] == [b"3"]
    publisher.publish("out/a", b"waits", 1)
    assert world.ask("PUT", "/unload").text == "true"
    publisher.publish("other/a", b"4", 1)
    # What waits for an entry is sent when it comes back.
    world.write("out/#", "one")
    assert world.ask("PUT", "/load").text == "ok"
    found = unlike_probes(observer.read("one", 4))
    assert [record.value() for record in found] == [b"1", b"2", b"waits"]


@pytest.mark.parametrize(
    ("plugin", "config"),
    [
        (EgressPlugin, EgressConfig.model_validate({"bridges": [{**OUT, "enable": True}]})),
        (IngressPlugin, IngressConfig.model_validate({"bridges": [{**IN, "enable": True}]})),
    ],
)
async def test_without_the_library_it_says_what_to_install(
    plugin: type[EgressPlugin | IngressPlugin], config: Any, plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rmq_plugins.bridge_kafka.needed.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'rmq\[kafka\]'"):
        await plugin(config, plugin_bench.host(plugin.name)).start()


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"linger.mss": "5"}, 'bridge b: No such configuration property: "linger.mss"'),
        ({"ssl.ca.location": "/nowhere", "security.protocol": "ssl"}, "bridge b: .*ssl.ca.location failed"),
        ({"stats_cb": "print"}, "bridge b: "),
    ],
)
async def test_what_the_library_refuses_is_no_traceback(
    properties: dict[str, str], said: str, plugin_bench: PluginBench
) -> None:
    for plugin, config, keys in ((EgressPlugin, EgressConfig, OUT), (IngressPlugin, IngressConfig, IN)):
        wrong = config.model_validate({"bridges": [{**keys, "enable": True, "properties": properties}]})
        with pytest.raises(PluginError, match=said):
            await plugin(wrong, plugin_bench.host(plugin.name)).start()  # type: ignore[arg-type] # each has its own
