"""The log of a broker in a test: not on standard output, and as the program set it up where it did."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from rmq.testing import ThreadedBroker
from rmq.testing.logs import log_to_logging

pytestmark = pytest.mark.realtime


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    was_configured, before = structlog.is_configured(), structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if was_configured:
        structlog.configure(**before)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadedBroker() as broker:
        broker.publish("a", "1")
    assert capsys.readouterr() == ("", "")


def test_goes_to_logging_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    with log_to_logging(), caplog.at_level(logging.WARNING):
        log = structlog.get_logger("rmq.test")
        log.info("too quiet")
        try:
            raise KeyError("x")
        except KeyError:
            log.exception("it's 100 % %s bad", client_id="c")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("rmq.test", "ERROR")
    assert record.getMessage() == "it's 100 % %s bad client_id='c'"
    assert record.exc_info is not None and record.exc_info[0] is KeyError
    assert not structlog.is_configured()


def test_leaves_a_configured_structlog_alone() -> None:
    with structlog.testing.capture_logs():
        pass
    with structlog.testing.capture_logs() as events, log_to_logging():
        structlog.get_logger("rmq.test").warning("seen")
    assert [event["event"] for event in events] == ["seen"] or not structlog.is_configured()
