"""The machine of a node alone loses power under load: what no fsync had made safe is gone from its disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.cluster_processes import ClusterProcesses
from tests.support.load.load import Load
from tests.support.power import give_machines, lose_power

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

OPTIONS = (
    "storage.ack_policy=quorum_fsync",
    "storage.snapshot_after=1MB",
    "listener.tcp.external.max_mqueue_len=60000",
)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root: a boot id in a namespace of the test's own")
def test_under_quorum_fsync_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    alone = ClusterProcesses(tmp_path, OPTIONS, size=1)
    alone[1].arguments = []
    give_machines(alone, tmp_path)
    lost = 0
    try:
        alone.start()
        with Load(alone, 1) as load:
            for count in range(2, 6):
                load.wait_for(300)
                load.fault("the machine loses power")
                lost += lose_power(alone, count)
                load.over()
            load.finish()
    finally:
        alone.close()
    assert lost > 0, "a loss of power that takes nothing shows nothing"
