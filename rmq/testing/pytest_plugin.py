"""The pytest plugin: fixtures ``rmq_broker`` and ``rmq_broker_factory``, and the marker ``rmq``.

pytest imports it whenever it starts: nothing big is imported until a test wants a broker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from os import PathLike

    from rmq.testing.threaded import ThreadedBroker


class BrokerFactory(Protocol):
    """Starts a broker with the settings that ``rmq.testing.ThreadedBroker`` takes; it is stopped when the test ends."""

    def __call__(self, *, data_dir: str | PathLike[str] | None = None, **settings: object) -> ThreadedBroker: ...


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, also where ``--strict-markers`` is given."""
    config.addinivalue_line(
        "markers", "rmq(**settings): settings of the test's `rmq_broker`, the tables of rmq.toml as keywords"
    )


@pytest.fixture
def rmq_broker(request: pytest.FixtureRequest) -> Iterator[ThreadedBroker]:
    """An MQTT broker on a free loopback port, for one test; `@pytest.mark.rmq(mqtt={...})` gives it settings."""
    from rmq.testing.threaded import ThreadedBroker

    marker = request.node.get_closest_marker("rmq")
    if marker is not None and marker.args:
        raise pytest.UsageError("the marker rmq takes keywords only: @pytest.mark.rmq(mqtt={'max_sessions': 1})")
    with ThreadedBroker(**({} if marker is None else marker.kwargs)) as broker:
        yield broker


@pytest.fixture
def rmq_broker_factory() -> Iterator[BrokerFactory]:
    """Starts MQTT brokers with settings: `rmq_broker_factory(mqtt={...})`; all are stopped when the test ends."""
    from rmq.testing.threaded import ThreadedBroker

    with ExitStack() as running:

        def start(*, data_dir: str | PathLike[str] | None = None, **settings: object) -> ThreadedBroker:
            return running.enter_context(ThreadedBroker(data_dir=data_dir, **settings))

        yield start
