"""The verdict of a soak run: which changes are allowed and which are not."""

from __future__ import annotations

import pytest

from tests.soak.sampler import METRICS, PROCESS, STATS, Sample
from tests.soak.verdict import GAUGES, MOST_DISK_BYTES, judge, memory_limit, table

BEFORE_KB = 80_000.0


def sample(**values: float) -> Sample:
    base: dict[str, float] = dict.fromkeys((*PROCESS, *STATS, *METRICS), 0)
    return Sample(0.0, "main", base | {"rss_kb": BEFORE_KB, "descriptors": 20, "threads": 4, "sessions": 1} | values)


def violations(after: Sample, under_load: list[Sample] | None = None) -> list[str]:
    return [line.name for line in judge(sample(), after, under_load or []) if not line.is_good]


def test_where_it_was_is_good() -> None:
    assert violations(sample()) == []


def test_fewer_threads_and_descriptors_and_less_memory_are_good() -> None:
    assert violations(sample(threads=3, descriptors=19, rss_kb=1)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rss_kb", memory_limit(BEFORE_KB) + 1),
        ("descriptors", 21),
        ("threads", 5),
        ("sessions", 2),
        ("sessions", 0),
        ("disk_bytes", MOST_DISK_BYTES + 1),
        ("internal.errors", 1),
        ("storage.errors", 1),
    ],
)
def test_too_much(name: str, value: float) -> None:
    after = sample(**{name: value})
    assert violations(after) == [name]
    assert table(judge(sample(), after, [])).count("VIOLATION") == 1


def test_every_gauge_is_looked_at() -> None:
    for name in GAUGES:
        assert violations(sample(**{name: 7})) == [name]


def test_memory_that_grows_under_load_is_found_although_it_is_given_back() -> None:
    growing = [sample(rss_kb=BEFORE_KB + 5_000 * step) for step in range(30)]
    assert violations(sample(), growing) == ["rss_kb under load (2nd, 3rd third)"]
    settling = [sample(rss_kb=BEFORE_KB + 5_000 * min(step, 9)) for step in range(30)]
    assert violations(sample(), settling) == []
