"""Clients that roam over the nodes under load notice nothing of the cluster, and lose nothing when nodes die."""

from __future__ import annotations

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.faults import Faults
from tests.support.cluster_processes import ClusterProcesses
from tests.support.load.load import Load


def test_nothing_is_lost_or_doubled_by_roaming(cluster: ClusterProcesses) -> None:
    with Load(cluster, 1) as load:
        while load.ledger.takeovers < 20:
            load.wait_for(500)
        load.finish()
    assert load.ledger.refused == 0 and load.ledger.delivered > 1000, load.ledger.summary()


def test_nothing_is_lost_when_the_leader_dies_and_when_all_die(set_up: SetUp) -> None:
    """In short; the other tests of failures are slow."""
    cluster = set_up()
    cluster.start()
    with Load(cluster, 1) as load:
        faults = Faults(load)
        for name, strike in (("leader dies", faults.leader_dies), ("all die", faults.all_die)):
            load.wait_for(200)
            load.fault(name)
            strike()
        load.wait_for(200)
        load.finish()
    assert len(load.ledger.faults) == 2 and load.ledger.acknowledged >= 600
