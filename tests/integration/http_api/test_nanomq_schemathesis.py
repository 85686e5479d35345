"""Schemathesis over the document of NanoMQ's version 4, as test_schemathesis.py does it over ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.http import Http
from tests.integration.http_api.nanomq_contract import LOGIN
from tests.integration.http_api.places import SETS
from tests.integration.http_api.test_schemathesis import HERE, REQUESTS, SCHEMATHESIS, SEED, TIMEOUT_S
from tests.support.broker_process import REPOSITORY, BrokerProcess

# What ends the node, or moves its API elsewhere, is tried in tests of its own.
LEFT_OUT: Final = """
[[operations]]
include-operation-id = ["ctrl_broker", "restart_broker", "set_broker_configuration", "set_configuration"]
enabled = false

# Each may have its topic, and its client, in one of two keys; and which keys are known, and which values possible, is
# said by name in the answer, not in the schema.
[[operations]]
include-operation-id = ["mqtt_publish", "mqtt_subscribe", "mqtt_unsubscribe", "set_hot_updatable_configuration"]
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A node that nobody else asks."""
    process = BrokerProcess(tmp_path, SETS)
    try:
        yield process
    finally:
        process.stop()
    assert "Traceback" not in process.log
    assert "bug in the HTTP API" not in process.log


@pytest.mark.slow
@pytest.mark.fuzz
def test_whatever_comes_is_answered_as_described(node: BrokerProcess, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text((HERE / "schemathesis.toml").read_text(encoding="utf-8") + LEFT_OUT, encoding="utf-8")
    address = f"http://127.0.0.1:{Http.of(node).port}/api-spec.json?dialect=nanomq_v4"
    command = [str(SCHEMATHESIS), "--no-color", "--config-file", str(config), "run", address, "--seed", SEED]
    command += ["--max-examples", str(REQUESTS), "--no-shrink", "-H", f"Authorization: {LOGIN['Authorization']}"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
