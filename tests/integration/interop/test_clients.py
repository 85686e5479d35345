"""Every scenario with every client library, one library on both sides of the broker."""

from __future__ import annotations

import pytest

from tests.conftest import Broker

from .adapters.base import V5, V31, V311, Door
from .lab import Scenario, run_scenario
from .scenarios_core import SCENARIOS, SCENARIOS_V31
from .scenarios_v5 import SCENARIOS_V5

VERSION_NAMES = {V31: "v31", V311: "v311", V5: "v5"}

LIBRARIES: dict[str, tuple[int, ...]] = {
    "paho": (V31, V311, V5),
    "aiomqtt": (V311, V5),
    "gmqtt": (V311, V5),
    "mqttjs": (V31, V311, V5),
}


def _cases() -> list[object]:
    cases: list[object] = []
    for library, versions in LIBRARIES.items():
        marks = [pytest.mark.interop_js] if library == "mqttjs" else []
        for version in versions:
            scenarios: tuple[Scenario, ...] = SCENARIOS_V31 if version == V31 else SCENARIOS
            if version == V5:
                scenarios += SCENARIOS_V5
            for scenario in scenarios:
                name = f"{library}-{VERSION_NAMES[version]}-{scenario.__name__}"
                cases.append(pytest.param(library, version, scenario, id=name, marks=marks))
    return cases


@pytest.mark.parametrize(("library", "version", "scenario"), _cases())
def test_client(broker: Broker, library: str, version: int, scenario: Scenario) -> None:
    run_scenario(Door(broker.address), library, version, scenario)
