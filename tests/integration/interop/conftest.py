"""Which interop tests run (those that need packages of others only where somebody asked for them), and their nodes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.conftest import OTHER_BROKER, Broker
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates

from .adapters.base import Door
from .adapters.mqttjs_client import JS_DIRECTORY

# Each mark with the variable that asks for its tests, and where what they need comes from.
MARKS = {
    "interop_js": ("RMQ_INTEROP_JS", "mqtt.js comes from npm"),
    "interop_pypi": ("RMQ_INTEROP_PYPI", "emqx-client-monitor comes from PyPI with an environment of its own"),
}
REASON = "which `make test` must not need; `make test-interop` runs them"

_DESELECTED = pytest.StashKey[dict[str, int]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What nobody asked for is left out, and the summary says so."""
    counts = {}
    for mark, (variable, _) in MARKS.items():
        if os.environ.get(variable) == "1":
            continue
        deselected = [item for item in items if item.get_closest_marker(mark) is not None]
        if deselected:
            config.hook.pytest_deselected(items=deselected)
            items[:] = [item for item in items if item.get_closest_marker(mark) is None]
            counts[mark] = len(deselected)
    config.stash[_DESELECTED] = counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the reason in plain words."""
    for mark, count in config.stash.get(_DESELECTED, {}).items():
        terminalreporter.write_line(f"{count} interop tests deselected: {MARKS[mark][1]}, {REASON}")


def assert_no_errors(log: str) -> None:
    """Nothing of level error or above; a node that doesn't write to a terminal writes JSON after its first lines."""
    bad = [line for line in log.splitlines() if "Traceback" in line or _is_error(line)]
    assert not bad, f"the node logged {bad[:5]}:\n{log[-4000:]}"


def _is_error(line: str) -> bool:
    return line.startswith("{") and json.loads(line)["level"] in ("error", "critical")


@pytest.fixture(autouse=True, scope="module")
def _nothing_unexpected_in_the_log(broker: Broker) -> Iterator[None]:
    """Clients may be happy with an answer and the node not: no errors or tracebacks while these tests ran."""
    if broker.process is None:
        yield
        return
    before = len(broker.process.log)
    yield
    assert_no_errors(broker.process.log[before:])


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Door]]:
    """A node with a listener of each kind, by the kind."""
    if OTHER_BROKER:
        pytest.skip("needs listeners of every kind, RMQ_TEST_BROKER names one address")
    authority = Certificates(tmp_path_factory.mktemp("certificates")).authority
    doors: dict[str, Door] = {}
    sets: list[str] = []
    for kind, port in zip(("tls", "ws", "wss"), free_ports(3), strict=True):
        sets.append(f"listener.{kind}.interop.addr=127.0.0.1:{port}")
        if kind != "ws":
            sets.append(f"listener.{kind}.interop.cert={authority.server.certfile}")
            sets.append(f"listener.{kind}.interop.key={authority.server.keyfile}")
        doors[kind] = Door(("127.0.0.1", port), kind != "tls", "" if kind == "ws" else authority.cafile)
    process = BrokerProcess(tmp_path_factory.mktemp("transports"), sets)
    doors["tcp"] = Door(process.address)
    try:
        yield doors
    finally:
        exit_code = process.stop()
    assert exit_code == 0, process.log[-4000:]
    assert_no_errors(process.log)


@pytest.fixture(autouse=True)
def _mqttjs_is_installed(request: pytest.FixtureRequest) -> None:
    """A wanted mqtt.js that is missing is a failure, not a skip."""
    if request.node.get_closest_marker("interop_js") is None:
        return
    if not (JS_DIRECTORY / "node_modules" / "mqtt").is_dir():
        pytest.fail(f"RMQ_INTEROP_JS=1, but mqtt.js is not installed: run `npm ci` in {JS_DIRECTORY}")
