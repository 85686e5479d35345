"""The basics over every transport a client has: TCP, TLS, WebSocket and WebSocket over TLS, for MQTT 3.1.1 and 5."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.conftest import OTHER_BROKER
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates

from . import scenarios_core
from .adapters.base import V5, V311, Door
from .conftest import assert_no_errors
from .lab import Scenario, run_scenario

# Plain TCP is what all other tests of this folder use; here it stands beside the others, for the same few scenarios.
TRANSPORTS = ("tcp", "tls", "ws", "wss")
LIBRARIES: dict[str, tuple[str, ...]] = {
    "paho": TRANSPORTS,
    "aiomqtt": TRANSPORTS,
    "gmqtt": ("tcp", "tls"),
    "mqttjs": TRANSPORTS,
}
SCENARIOS: tuple[Scenario, ...] = (
    scenarios_core.round_trip_qos_0,
    scenarios_core.round_trip_qos_1,
    scenarios_core.round_trip_qos_2,
    scenarios_core.retained_messages,
    scenarios_core.will_when_the_cable_is_cut,
    scenarios_core.large_payloads,
)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Door]]:
    """A node with a listener of each kind."""
    if OTHER_BROKER:
        pytest.skip("needs listeners of every kind, RMQ_TEST_BROKER names one address")
    authority = Certificates(tmp_path_factory.mktemp("certificates")).authority
    doors: dict[str, Door] = {}
    sets: list[str] = []
    for kind, port in zip(TRANSPORTS[1:], free_ports(3), strict=True):
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


def _cases() -> list[object]:
    cases: list[object] = []
    for library, transports in LIBRARIES.items():
        marks = [pytest.mark.interop_js] if library == "mqttjs" else []
        for transport, (name, version), scenario in product(transports, (("v311", V311), ("v5", V5)), SCENARIOS):
            case = f"{library}-{transport}-{name}-{scenario.__name__}"
            cases.append(pytest.param(library, transport, version, scenario, id=case, marks=marks))
    return cases


@pytest.mark.parametrize(("library", "transport", "version", "scenario"), _cases())
def test_transport(doors: dict[str, Door], library: str, transport: str, version: int, scenario: Scenario) -> None:
    run_scenario(doors[transport], library, version, scenario)
