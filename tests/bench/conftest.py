"""A mosquitto for the tests of the load tool and of its harness."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.bench.bench_process import MOSQUITTO, NO_MOSQUITTO, free_port
from tests.bench.brokers import MOSQUITTO_CONF, Broker


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a mosquitto of one's own."""
    if MOSQUITTO is None:
        pytest.skip(NO_MOSQUITTO)
    directory = tmp_path_factory.mktemp("mosquitto")
    number = free_port()
    conf = directory / "mosquitto.conf"
    conf.write_text(MOSQUITTO_CONF.format(port=number))
    core = min(os.sched_getaffinity(0))
    with Broker("mosquitto", [MOSQUITTO, "-c", str(conf)], number, core, directory / "log"):
        yield number
