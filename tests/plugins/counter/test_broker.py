"""rmq-counter in a running node: listed, running and not to be stopped, as RMQTT's is; there is no key for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from rmq_plugins.counter import CounterPlugin

from tests.support.plugin_keys import has_every_key
from tests.support.plugin_node import PluginNode

NAME = "rmq-counter"


@pytest.mark.realtime
def test_it_runs_without_being_asked_for_and_cant_be_stopped(tmp_path: Path) -> None:
    node = PluginNode(tmp_path)
    shown = node.plugin(NAME)
    assert (shown["active"], shown["inited"], shown["immutable"]) == (True, True, True)
    metrics = node.ask("GET", "/api/v1/metrics/1").json()["metrics"]
    assert shown["attrs"]["metrics"] == len(metrics) and shown["attrs"]["stats"] > 10
    for path in ("unload", "load", "config/reload"):
        answer = node.ask("PUT", f"/api/v1/plugins/1/{NAME}/{path}")
        assert answer.status_code == 409 and "while the node runs" in answer.text
    assert node.plugin("rmqtt-counter")["active"]
    node.stop()


@pytest.mark.realtime
def test_whoever_names_it_starts_it_once(tmp_path: Path) -> None:
    node = PluginNode(tmp_path, ("rmqtt-counter",))
    assert node.plugin(NAME)["active"]
    node.stop()


def test_it_has_no_keys() -> None:
    assert has_every_key(NAME, CounterPlugin.Config) == {}
