"""The process around a node: it ends, whatever the machine has to spare."""

from __future__ import annotations

import signal
import threading

import pytest

from rmq.node.process import _time_limit


def test_the_time_to_stop_is_limited_without_a_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", start)
    with _time_limit(60.0):
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_thread_limits_it_else() -> None:
    before = threading.active_count()
    with _time_limit(60.0):
        assert threading.active_count() == before + 1
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
