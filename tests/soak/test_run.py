"""A soak run of a few seconds: every kind of load works, and a node at rest is recognized."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest

from tests.conftest import OTHER_BROKER
from tests.soak.run import Run
from tests.soak.verdict import GAUGES, NONE


@pytest.mark.slow
@pytest.mark.realtime
@pytest.mark.skipif(bool(OTHER_BROKER), reason="starts a node of its own")
def test_a_short_run(tmp_path: Path) -> None:
    told: list[str] = []
    outcome = asyncio.run(Run(tmp_path, load_s=3, warm_up_s=0, rest_s=0, seed=1, say=told.append).run())
    assert not outcome.problems.counts, "\n".join(told)
    # How much memory and how many threads it uses says nothing after so short a time.
    assert [line.name for line in outcome.lines if line.name in (*GAUGES, *NONE) and not line.is_good] == []
    with (tmp_path / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["phase"] for row in rows} == {"fresh", "main", "main, at rest"}
    assert float(rows[-1]["messages.delivered"]) > float(rows[0]["messages.delivered"]) + 300
    assert any(int(row["rss_kb"]) > 0 and int(row["descriptors"]) > 0 and int(row["threads"]) > 0 for row in rows)
