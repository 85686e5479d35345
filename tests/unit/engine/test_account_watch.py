"""Who goes by accounts is told of them, whatever those before have met."""

from __future__ import annotations

import pytest

from rmq.engine.account_watch import AccountWatch
from tests.support.engine import Engine


def test_a_bug_of_one_keeps_nothing_from_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    broker = Engine().broker
    watch = AccountWatch(broker)
    told: list[str | None] = []

    def fail(name: str | None) -> None:
        raise PermissionError(13, "Permission denied")

    watch.listen("trace", fail)
    watch.listen("trace", told.append)
    watch.listen("ban", told.append)
    watch.look()
    assert told == [None, None]
    watch.changed("trace", "one")
    assert told == [None, None, "one"]
    assert broker.counters.internal_errors == 2
