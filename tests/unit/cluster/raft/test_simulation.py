"""Random schedules of faults: no promise is broken. RMQ_RAFT_SCHEDULES=10000 runs that many, in place of a sample."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.unit.cluster.raft.profiles import PROFILES, run_schedule

SCHEDULES = int(os.environ.get("RMQ_RAFT_SCHEDULES", "130"))
# How often which kind is run.
ROTATION = ("schedule", *PROFILES, "schedule", "schedule", "forgetting", "growth")
CHUNKS = 5


def profile_of(seed: int) -> str:
    return ROTATION[seed % len(ROTATION)]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_is_lost_changed_or_decided_twice(chunk: int) -> None:
    did: Counter[str] = Counter()
    for seed in range(chunk, SCHEDULES, CHUNKS):
        try:
            did.update(run_schedule(seed, profile_of(seed)))
        except Exception as error:
            raise AssertionError(f"seed {seed}, profile {profile_of(seed)}: {error}") from error
    # Quiet schedules would prove nothing.
    schedules = len(range(chunk, SCHEDULES, CHUNKS))
    assert did["elected"] > 1.5 * schedules, did
    assert did["truncated"] > schedules / 4, did
    assert did["committed"] > 50 * schedules, did
    assert did["kill"] + did["wipe"] + did["lose_power"] > schedules / 10, did
    if schedules > 100:
        assert did["installed"] > schedules / 40, did


@pytest.mark.parametrize(("seed", "profile"), [(1372, "forgetting"), (4456, "schedule")])
def test_schedules_that_once_found_something(seed: int, profile: str) -> None:
    """Both: a commit index that survived a loss of power which the entries didn't."""
    run_schedule(seed, profile)


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_replays_exactly(seed: int) -> None:
    assert run_schedule(seed) == run_schedule(seed)
