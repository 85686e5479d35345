"""The basics over every transport a client has: TCP, TLS, WebSocket and WebSocket over TLS, for MQTT 3.1.1 and 5."""

from __future__ import annotations

from itertools import product

import pytest

from . import scenarios_core
from .adapters.base import V5, V311, Door
from .lab import Scenario, run_scenario

# Plain TCP is what all other tests of this folder use; here it stands beside the others, for the same few scenarios.
ALL = ("tcp", "tls", "ws", "wss")
LIBRARIES: dict[str, tuple[str, ...]] = {
    "paho": ALL,
    "aiomqtt": ALL,
    "gmqtt": ("tcp", "tls"),
    "mqttjs": ALL,
}
SCENARIOS: tuple[Scenario, ...] = (
    scenarios_core.round_trip_qos_0,
    scenarios_core.round_trip_qos_1,
    scenarios_core.round_trip_qos_2,
    scenarios_core.retained_messages,
    scenarios_core.will_when_the_cable_is_cut,
    scenarios_core.large_payloads,
)


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
