"""Nodes of a cluster fail again and again under load: what was acknowledged is there, and nothing came twice.

RMQ_KILLS      how often something happens to a node; 4 if nothing is said, 100 for a thorough run by hand
RMQ_KILL_SEED  repeats the schedule of a run; a run that fails tells its own
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.faults import Faults
from tests.integration.cluster.guests import Guests
from tests.support.client import ConnectionClosed, Silence
from tests.support.cluster_processes import ClusterProcesses
from tests.support.load.load import Load
from tests.support.wire_parser import Puback

pytestmark = pytest.mark.slow

KILLS: Final = int(os.environ.get("RMQ_KILLS", "4"))
SEED: Final = int(os.environ.get("RMQ_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)

OPTIONS: Final = (
    "storage.snapshot_after=1MB",
    "storage.memory_budget=256KB",
    "storage.session_memory_budget=64KB",
    "plugins.rmq-cluster-raft.quorum_timeout=3s",
)


def keep(directory: Path) -> Path:
    """Logs and data of a run that failed, where they aren't removed."""
    place = Path(tempfile.mkdtemp(prefix="rmq-cluster-kills-")) / "nodes"
    return Path(shutil.copytree(directory, place, ignore=shutil.ignore_patterns("*.sock")))


def run(cluster: ClusterProcesses, load: Load, *, leader_only: bool) -> None:
    faults = Faults(load)
    for _ in range(KILLS):
        load.wait_for(load.rng.choice((0, 1, 50, 200, 400)))
        if leader_only:
            load.fault("leader dies")
            faults.leader_dies()
        else:
            faults.strike()
        if load.rng.random() < 0.5:
            load.wait_for(50)
    load.wait_for(200)
    load.finish()


def loaded(cluster: ClusterProcesses, *, leader_only: bool) -> None:
    cluster.start()
    try:
        with Load(cluster, SEED) as load:
            run(cluster, load, leader_only=leader_only)
    except BaseException as error:
        for member in cluster:
            member.kill()
        error.add_note(f"RMQ_KILL_SEED={SEED}; logs and data are in {keep(cluster.directory)}")
        raise
    sys.stdout.write(f"RMQ_KILL_SEED={SEED}: {load.ledger.summary()}\n")
    assert len(load.ledger.faults) >= KILLS and load.ledger.acknowledged >= 200


def test_nothing_is_lost_when_the_leader_dies_again_and_again(set_up: SetUp) -> None:
    loaded(set_up(*OPTIONS), leader_only=True)


def test_nothing_is_lost_whatever_happens_to_the_nodes(set_up: SetUp) -> None:
    loaded(set_up(*OPTIONS), leader_only=False)


def test_nothing_is_lost_when_cables_fail_too(set_up: SetUp) -> None:
    loaded(set_up(*OPTIONS, own_network=True), leader_only=False)


def test_the_first_acknowledgement_after_the_leaders_death(set_up: SetUp, guests: Guests) -> None:
    """From the kill to a publish that is acknowledged, at a client of another node: under 3 s in 95 of 100 cases."""
    cluster = set_up(*OPTIONS)
    cluster.start()
    guests.off_line(cluster[1], "s", ("t", 1))
    took: list[float] = []
    for _ in range(max(KILLS, 4)):
        leader = cluster.leader()
        publisher = guests.connect(cluster.others(leader.number)[0], "p")
        assert publisher.publish("t", b"x", 1) == 0
        leader.kill()
        began = time.monotonic()
        publisher.send_publish("t", b"x", 1)
        try:
            answer = publisher.expect(Puback, 10)
        except (ConnectionClosed, Silence) as error:
            raise AssertionError(f"no answer after {time.monotonic() - began:.2f} s: {took}") from error
        assert answer.code == 0
        took.append(time.monotonic() - began)
        leader.start()
        cluster.wait_until_serving()
    took.sort()
    sys.stdout.write(f"failover: median {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s of {len(took)}\n")
    assert took[int(len(took) * 0.95)] < 3.0, took
