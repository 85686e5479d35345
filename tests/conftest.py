"""Fixtures every test may use: a broker for the session, and brokers with options of one's own.

RMQ_TEST_BROKER=host:port   run against that broker, whatever it is, instead of a node started here; tests that need
                            a node with special options are skipped then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.support.broker_process import BrokerProcess

# How long an example takes says something about the machine, and who else uses it, not about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if "CI" not in os.environ:  # there hypothesis has a profile of its own
    settings.load_profile("busy")

OTHER_BROKER: Final = os.environ.get("RMQ_TEST_BROKER", "")


class Broker:
    """Where a broker listens, and its process if it was started here."""

    def __init__(self, address: tuple[str, int], process: BrokerProcess | None) -> None:
        self.address = address
        self.process = process


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker all tests share, with default options."""
    if OTHER_BROKER:
        host, _, port = OTHER_BROKER.rpartition(":")
        yield Broker((host, int(port)), None)
        return
    process = BrokerProcess(tmp_path_factory.mktemp("broker"))
    try:
        yield Broker(process.address, process)
    finally:
        exit_code = process.stop()
    assert exit_code == 0, f"the node ended with {exit_code}:\n{process.log[-4000:]}"


@pytest.fixture(scope="module")
def start_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Broker]]:
    """Start a node with ``--set`` options; the same options again in one module give the same node."""
    if OTHER_BROKER:
        pytest.skip("needs a node with special options, RMQ_TEST_BROKER names a running broker")
    running: dict[tuple[str, ...], BrokerProcess] = {}

    def start(*sets: str) -> Broker:
        if sets not in running:
            directory: Path = tmp_path_factory.mktemp("broker")
            running[sets] = BrokerProcess(directory, sets)
        return Broker(running[sets].address, running[sets])

    try:
        yield start
    finally:
        for process in running.values():
            process.ask_to_stop()
        exit_codes = {" ".join(sets): process.stop() for sets, process in running.items()}
    assert not any(exit_codes.values()), exit_codes
