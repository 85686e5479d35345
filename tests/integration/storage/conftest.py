"""Nodes that are killed and started again on their data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess

StartNode = Callable[..., BrokerProcess]


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    """Starts nodes with ``--set`` options; whatever is left of them is ended with the test."""
    started: list[BrokerProcess] = []

    def start(*sets: str, before: BrokerProcess | None = None, arguments: tuple[str, ...] = ()) -> BrokerProcess:
        if before is None:
            node = BrokerProcess(tmp_path, sets, arguments=arguments)
        else:
            node = before.start_again(*arguments)
        started.append(node)
        return node

    yield start
    for node in started:
        node.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder in which the nodes of ``start_node`` keep their data."""
    return tmp_path / "data" / "storage"
