"""What the durability part asks of the load tool and of mosquitto, and how it counts syncs."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from tests.bench.bench_process import MOSQUITTO, NO_MOSQUITTO, bench, free_port, totals
from tests.bench.brokers import PERSISTENT_MOSQUITTO_CONF, Broker
from tests.bench.durability import DURABLE
from tests.bench.syncs import counted
from tests.support.client import Client
from tests.support.packet_notation import V311
from tests.support.wire_parser import Puback, Publish


@pytest.mark.realtime
@pytest.mark.parametrize("title", DURABLE)
def test_every_scenario_is_one_of_the_load_tool(port: int, title: str) -> None:
    code, result = bench(port, *DURABLE[title].split(), "-n", "200")
    assert (code, result["error"], result["lost"], totals(result)["sent"]) == (0, None, 0, 200)
    assert result["until_acked"]
    assert result["retain"] if "retained" in title else result["persistent"]


@pytest.mark.realtime
@pytest.mark.skipif(MOSQUITTO is None, reason=NO_MOSQUITTO)
def test_the_persistent_mosquitto_keeps_its_database_in_its_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    port = free_port()
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(PERSISTENT_MOSQUITTO_CONF.format(port=port, data=data, user=getpass.getuser()))
    command = [MOSQUITTO or "", "-c", str(conf)]
    core = min(os.sched_getaffinity(0))
    with Broker("mosquitto", command, port, core, tmp_path / "log"):
        client = Client(("127.0.0.1", port), "kept", V311)
        client.connect(clean=False)
        client.subscribe(("a", 1))
        client.send_publish("a", b"x", 1)
        assert {type(client.receive()), type(client.receive())} == {Puback, Publish}
        client.close()
        assert not [*data.iterdir()]  # that is what its promise is worth until it ends
    assert (data / "mosquitto.db").stat().st_size > 0


def test_the_folder_of_a_broker_goes_with_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "journal").write_bytes(b"x")
    port = free_port()
    listens = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    core = min(os.sched_getaffinity(0))
    with Broker("any", ["python3", "-c", listens], port, core, tmp_path / "log", data):
        assert data.exists()
    assert not data.exists()


def test_syncs_are_what_perf_counted() -> None:
    said = "2;;syscalls:sys_enter_fsync;1;100.00;;\n1561;;syscalls:sys_enter_fdatasync;1;100.00;;\n"
    assert counted(said) == 1563


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Error:\nAccess to performance monitoring is limited.\n",
        "<not counted>;;syscalls:sys_enter_fsync;0;0.00;;\n",
    ],
    ids=["nothing", "not allowed", "not counted"],
)
def test_nothing_counted_is_not_no_sync(said: str) -> None:
    assert counted(said) is None
