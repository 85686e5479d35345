"""A node that is killed again and again under load keeps every promise it made: nothing lost, nothing twice.

RMQ_KILLS      how often it is killed; 5 if nothing is said, 100 for a thorough run by hand
RMQ_KILL_SEED  repeats the schedule of a run; a run that fails tells its own
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.wire_parser import Publish

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

KILLS: Final = int(os.environ.get("RMQ_KILLS", "5"))
SEED: Final = int(os.environ.get("RMQ_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)

OPTIONS: Final = (
    "storage.snapshot_after=1MB",
    "storage.memory_budget=256KB",
    "storage.session_memory_budget=64KB",
    "storage.timeout=20s",
    "listener.tcp.external.max_mqueue_len=60000",
    "plugins.rmq-sys-topic.publish_interval=1s",
)


def kill(load: Load, node: Member) -> None:
    """End the node and start it again; it may be killed once more before it is ready."""
    load.fault("the node is killed")
    node.kill()
    while load.rng.random() < 0.2:
        node.start()
        assert not node.ends_within(load.rng.uniform(0.1, 1.0)), node.log
        load.ledger.fault("the node is killed while it starts")
        node.kill()
    node.start()
    load.over()


def dropped(node: Member) -> Any:
    """What the node counts as dropped because a queue was full, and received at QoS 1, as $SYS tells it."""
    client = node.connect("figures", clean=True, expiry=0)
    try:
        client.subscribe("$SYS/brokers/+/metrics")
        while (message := client.expect(Publish, 20.0)).retain:
            pass  # retained: from before the subscription
    finally:
        client.close()
    figures = json.loads(message.payload)
    figures = figures.get("metrics", figures)
    return figures["messages.dropped.queue_full"], figures["messages.qos1.received"]


def run(node: Member, load: Load) -> None:
    """Kills, until all is delivered or a promise is broken."""
    for _ in range(KILLS):
        load.wait_for(load.rng.choice((0, 1, 50, 200, 400, 800)))
        kill(load, node)
        if load.rng.random() < 0.7:
            load.check_retained()
    load.wait_for(500)
    load.finish()
    queue_full, received = dropped(node)
    assert queue_full == 0 and received > 0


def test_nothing_acknowledged_is_lost_when_the_node_is_killed(tmp_path: Path) -> None:
    alone = ClusterProcesses(tmp_path, OPTIONS, size=1)
    alone[1].arguments = []
    try:
        alone.start()
        with Load(alone, SEED) as load:
            run(alone[1], load)
    except BaseException as error:
        alone.close()
        place = shutil.copytree(tmp_path, Path(tempfile.mkdtemp(prefix="rmq-kills-")) / "node")
        error.add_note(f"RMQ_KILL_SEED={SEED}; log and data are in {place}")
        raise
    finally:
        alone.close()
    sys.stdout.write(f"RMQ_KILL_SEED={SEED}: {load.ledger.summary()}\n")
    assert len(load.ledger.faults) >= KILLS and load.ledger.acknowledged >= 500
