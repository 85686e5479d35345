"""Random courses of a whole cluster: nothing acknowledged is lost, doubled, out of order, or different elsewhere.

RMQ_SIM_SEEDS=n   how many seeds are run (default 200 in CI, else 24)
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.runs import CI_SEEDS, Line, run, run_many

SEEDS: Final = int(os.environ.get("RMQ_SIM_SEEDS", CI_SEEDS if os.environ.get("CI") else 24))
# How often a seed has these on average, at least: courses on which nothing happens prove nothing.
FLOORS: Final = {
    "acknowledged": 150.0,
    "leaders": 1.5,
    "truncations": 0.25,
    "takeovers": 1.0,
    "resumes": 8.0,
    "snapshots": 2.0,
    "batches of the past": 0.3,
    "late batches": 0.04,
    "fault unheard": 0.1,
    "fault apart": 0.06,
    "fault cut_off": 0.12,
    "forwarded": 20.0,
    "wills": 1.0,
    "checked stays": 8.0,
    "checked answers": 15.0,
    "checked groups": 4.0,
    "checked kept groups": 8.0,
}


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return run_many(1, SEEDS)


@pytest.mark.slow
def test_every_promise_is_kept(lines: list[Line]) -> None:
    assert len(lines) == SEEDS
    assert {line["seed"]: line["problems"] for line in lines if line["problems"]} == {}


@pytest.mark.slow
def test_much_goes_wrong_on_the_way(lines: list[Line]) -> None:
    totals: Counter[str] = Counter()
    for line in lines:
        totals.update(line["counts"])
    too_few = {name: totals[name] for name, floor in FLOORS.items() if totals[name] < floor * len(lines)}
    assert not too_few, totals


@pytest.mark.slow
def test_a_seed_runs_the_same_course_again(tmp_path: Path) -> None:
    traces = [tmp_path / "one", tmp_path / "other"]
    one, other = (run(5, 5, "--trace", str(trace)) for trace in traces)
    texts = [trace.read_text().splitlines() for trace in traces]
    differing = next((pair for pair in zip(*texts, strict=False) if pair[0] != pair[1]), None)
    assert differing is None
    assert one == other
    assert len(texts[0]) > 1000
