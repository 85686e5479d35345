"""scripts/cluster.py: starts nodes side by side, waits until they are a cluster, says what to try, ends them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rmq_http_api.config import HttpApiConfig

from rmq.config import Settings, load
from scripts.cluster import PORTS, LocalCluster, NotReady, Ports, introduction
from tests.support.broker_process import free_ports

FAKE_NODE = Path(__file__).resolve().parents[1] / "support" / "fake_node.py"

pytestmark = pytest.mark.realtime


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    """Three programs that look like nodes; not started."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKE_NODE.parents[2]), *sys.path]))
    free = free_ports(12)
    ports = {number: Ports(*free[4 * number - 4 : 4 * number]) for number in (1, 2, 3)}
    made = LocalCluster(tmp_path, ports, [sys.executable, str(FAKE_NODE)])
    try:
        yield made
    finally:
        made.stop()


def settings_of(cluster: LocalCluster, number: int) -> Settings:
    return load(cluster.config_file(number))


def test_nodes_run_and_end_when_told(cluster: LocalCluster) -> None:
    cluster.start()
    cluster.wait_until_ready()
    assert cluster.stop() == {1: 0, 2: 0, 3: 0}
    for number in (1, 2, 3):
        # Told once, by us: a second signal would have cut its goodbye short.
        assert (cluster.data(number) / "node.log").read_text() == "ended by SIGTERM\n"


def test_each_node_has_settings_of_its_own(cluster: LocalCluster) -> None:
    cluster.start()
    for number, ports in cluster.ports.items():
        settings = settings_of(cluster, number)
        assert settings.node.id == number
        assert settings.data_path == cluster.data(number)
        assert list(settings.listeners) == ["tcp.external", "ws.external"]
        assert str(settings.listener.tcp["external"].addr) == f"127.0.0.1:{ports.mqtt}"
        api = settings.plugin_settings("rmq-http-api", HttpApiConfig)
        assert str(api.http_laddr) == f"127.0.0.1:{ports.http}"
        assert str(settings.listener.ws["external"].addr) == f"127.0.0.1:{ports.websocket}"
        assert [node.address.port for node in settings.cluster.nodes] == [one.links for one in cluster.ports.values()]
    secrets = {settings_of(cluster, number).cluster.secret_bytes() for number in (1, 2, 3)}
    assert len(secrets) == 1
    assert stat.S_IMODE((cluster.folder / "cluster-secret").stat().st_mode) == 0o600


def test_a_second_start_keeps_the_secret(cluster: LocalCluster) -> None:
    cluster.start()
    before = (cluster.folder / "cluster-secret").read_text()
    cluster.stop()
    cluster.start()
    assert (cluster.folder / "cluster-secret").read_text() == before


def test_a_node_that_ends_at_once_is_told_with_its_last_words(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYING", "2")
    cluster.start()
    with pytest.raises(NotReady, match=r"node 2 ended \(exit code 1\)[^$]*can't start: a reason for people"):
        cluster.wait_until_ready()


def test_a_node_that_never_gets_ready_is_told(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUCK", "3")
    cluster.start()
    reasons: list[str] = []
    while not reasons or "takes no clients" not in reasons[-1]:
        assert len(reasons) < 100, reasons[-1]
        with pytest.raises(NotReady) as raised:
            cluster.wait_until_ready(0.2)
        reasons.append(str(raised.value))
    assert reasons[-1].startswith("node 3: takes no clients: Connection refused; its log ends so:")


def test_the_introduction_names_what_there_is(cluster: LocalCluster) -> None:
    cluster.start()
    text = introduction(cluster)
    for number, ports in cluster.ports.items():
        assert f"mqtt://127.0.0.1:{ports.mqtt} " in text
        assert f"ws://127.0.0.1:{ports.websocket}/mqtt" in text
        assert f"pid {cluster.processes[number].pid} " in text
    assert f"kill -9 {cluster.processes[2].pid}\n" in text
    assert f"cluster status -f {cluster.config_file(1)}" in text


def test_the_ports_of_make_cluster_leave_those_of_make_run_alone() -> None:
    alone = {listener.addr.port for listener in [*Settings().listener.tcp.values(), *Settings().listener.ws.values()]}
    ours = [port for ports in PORTS.values() for port in (ports.mqtt, ports.websocket, ports.links, ports.http)]
    assert len(set(ours)) == 12
    assert not {*alone, HttpApiConfig().http_laddr.port} & set(ours)
    assert [ports.mqtt for ports in PORTS.values()] == [1884, 1885, 1886]
    assert [ports.links for ports in PORTS.values()] == [5363, 5364, 5365]


def test_ctrl_c_ends_all_of_them_cleanly(cluster: LocalCluster, tmp_path: Path) -> None:
    """The whole program in a process group of its own, as a terminal would have it."""
    ports = {number: tuple(vars(one).values()) for number, one in cluster.ports.items()}
    program = (
        "import sys; from pathlib import Path; import scripts.cluster as cluster\n"
        f"cluster.PORTS.clear(); cluster.PORTS.update({{n: cluster.Ports(*p) for n, p in {ports}.items()}})\n"
        f"cluster.node_program = lambda: [{sys.executable!r}, {str(FAKE_NODE)!r}]\n"
        f"sys.argv[1:] = ['--data', {str(tmp_path)!r}]\n"
        "sys.exit(cluster.main())"
    )
    said = []
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if line.startswith("Ctrl-C ends"):
                os.killpg(running.pid, signal.SIGINT)
        assert running.wait(20) == 0
    assert said[-3:] == ["node 1 stopped\n", "node 2 stopped\n", "node 3 stopped\n"]
    assert "Three nodes are one broker now:\n" in said
    for number in (1, 2, 3):
        assert (cluster.data(number) / "node.log").read_text() == "ended by SIGTERM\n"
