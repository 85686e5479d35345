"""Clients that go from node to node under load, while nothing fails: they notice nothing of the cluster."""

from __future__ import annotations

from tests.integration.cluster.load import Load
from tests.support.cluster_processes import ClusterProcesses


def test_nothing_is_lost_or_doubled_by_roaming(cluster: ClusterProcesses) -> None:
    with Load(cluster, 1) as load:
        while load.ledger.takeovers < 20:
            load.wait_for(500)
        load.finish()
    assert load.ledger.refused == 0 and load.ledger.delivered > 1000, load.ledger.summary()
