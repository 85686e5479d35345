"""Schemathesis against a real node: requests made from its own description, good ones and bad ones.

RMQ_FUZZ_REQUESTS   requests made at random for each route (default 8, and always the same; `make fuzz` sets 100)
RMQ_FUZZ_SEED       repeat a run: the seed is in the test's output
"""

from __future__ import annotations

import base64
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.http import Http
from tests.integration.http_api.places import SETS
from tests.support.broker_process import REPOSITORY, BrokerProcess
from tests.support.client import Client

HERE: Final = Path(__file__).parent
SCHEMATHESIS: Final = Path(sys.executable).with_name("schemathesis")
REQUESTS: Final = int(os.environ.get("RMQ_FUZZ_REQUESTS", "8"))
ALWAYS: Final = 1 if "RMQ_FUZZ_REQUESTS" not in os.environ else random.SystemRandom().randrange(2**32)
SEED: Final = os.environ.get("RMQ_FUZZ_SEED") or str(ALWAYS)
TIMEOUT_S: Final = 300 + 30 * REQUESTS
# Values that are there, so that requests get as far as they can; a client that is kicked would be there no more.
KNOWN: Final = """
[parameters]
"path.node" = 1
"path.clientid" = "known"
"path.topic" = "known/1"
"path.plugin" = "rmq-acl"
"path.file" = "start.js"
"query.topic" = "known/1"
"body.clientid" = "known"

[[operations]]
include-operation-id = "kick_client"
enabled = false
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A node that nobody else asks: its clients and messages are gone and made at random."""
    process = BrokerProcess(tmp_path_factory.mktemp("node"), SETS)
    try:
        yield process
    finally:
        process.stop()
    assert "Traceback" not in process.log
    assert "bug in the HTTP API" not in process.log


# Values that EMQX and NanoMQ take, and routes that end what answers, or whose users the run needs.
OTHERS: Final = """
[parameters]
"path.node" = "1"
"path.clientid" = "known"
"path.code" = "BAD_TOPIC"
"path.topic" = "known"

# They end what answers, or the user who asks.
[[operations]]
include-operation-id = ["plugin_action", "kick_client", "kick_clients", "v5_logout", "v5_change_pwd"]
enabled = false

# What it takes is HOCON, which nothing makes out of a schema.
[[operations]]
include-operation-id = "configs_change"
enabled = false

# A topic filter that can't be one is told in the row of the answer that it belongs to.
[[operations]]
include-operation-id = "subscribe_each"
checks.negative_data_rejection.enabled = false
checks.positive_data_acceptance.enabled = false

# No schema says this: only one filter at a time, a moment to come, things that were made before or are there already,
# a node that is drained, No Local of what isn't shared, no more than 100,000 rows by pages, that a payload is base64,
# that rules aren't about the same topics, which values of settings go together, which hashes can be imported, that the
# first administrator stays, and that a node can't be invited at all.
[[operations]]
include-operation-id = [
    "banned", "ban", "unban", "data_upload", "data_download", "data_delete", "data_import", "evacuation_start",
    "evacuation_stop", "trace_create", "slow_settings_change", "invite", "invite_async",
    "clients", "subscriptions", "topics", "retained_messages", "delayed_messages", "delayed_message",
    "delayed_delete", "delayed_rules_change", "topic_metrics_add", "topic_rewrite_change", "auto_subscribe_change",
    "listener", "listener_start", "listener_stop", "listener_restart", "publish", "publish_each",
    "v5_user_delete", "v5_api_key_create", "v5_api_key_change", "v5_user_change", "subscribe",
    "mqtt_user_create", "mqtt_user_change", "mqtt_users_import", "rules_users_create", "rules_user_put",
    "rules_clients_create", "rules_client_put", "rules_all_put", "config_change", "config",
    "global_zone_change", "mqueue_messages", "inflight_messages",
]
checks.positive_data_acceptance.enabled = false
"""
DIALECTS: Final = ("emqx_v5",)
LOGIN: Final = "Authorization: Basic " + base64.b64encode(b"admin:public").decode()


def run(node: BrokerProcess, folder: Path, more: str, *arguments: str, document: str = "/api/v1/openapi.json") -> None:
    """All of it must be well."""
    config = folder / "schemathesis.toml"
    config.write_text((HERE / "schemathesis.toml").read_text(encoding="utf-8") + more, encoding="utf-8")
    address = f"http://127.0.0.1:{Http.of(node).port}{document}"
    command = [str(SCHEMATHESIS), "--no-color", "--config-file", str(config), "run", address, "--seed", SEED]
    command += ["--max-examples", str(REQUESTS), "--no-shrink", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.fuzz
def test_whatever_comes_is_answered_as_described(node: BrokerProcess, tmp_path: Path) -> None:
    run(node, tmp_path, "")


@pytest.mark.slow
@pytest.mark.fuzz
def test_what_is_there_is_answered_as_described(node: BrokerProcess, tmp_path: Path) -> None:
    with closing(Client(node.address, "known")) as client:
        client.connect()
        client.subscribe(("known/#", 1), ("$share/g/known/+", 2))
        with closing(Client(node.address, "publisher")) as publisher:
            publisher.connect()
            publisher.publish("known/1", b"kept", 1, retain=True)
        run(node, tmp_path, KNOWN, "--phases", "fuzzing")


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_answer_as_described(node: BrokerProcess, tmp_path: Path, dialect: str) -> None:
    with closing(Client(node.address, "known")) as client:
        client.connect()
        client.subscribe(("known/#", 1))
        run(node, tmp_path, OTHERS, "-H", LOGIN, document=f"/api-spec.json?dialect={dialect}")
