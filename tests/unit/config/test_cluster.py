"""The cluster's settings: where they come from, what is wrong with them, and what follows from them."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from rmq.cli import NodeCommand, main
from rmq.config import (
    Address,
    ClusterNode,
    ClusterSettings,
    ConfigError,
    Override,
    Settings,
    effective_toml,
    load,
    load_node,
    load_table,
)
from rmq.config.cluster import MAX_NODES
from tests.support.certificates import Authority

SHIPPED = Path(__file__).resolve().parents[3] / "etc" / "plugins" / "rmq-cluster-raft.toml"
LOOPBACK = "1@127.0.0.1:5363,2@127.0.0.1:5364,3@127.0.0.1:5365"
NETWORK = "1@10.0.0.1:5363,2@10.0.0.2:5363,3@10.0.0.3:5363"
SECRET = "0123456789abcdef"
IN = "plugins.rmq-cluster-raft"


def cluster_of(**keys: object) -> ClusterSettings:
    return load_table({"plugins": {"rmq-cluster-raft": keys}}, "test").cluster


def problems_of(keys: dict[str, object], **sections: object) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_table({"plugins": {"rmq-cluster-raft": keys}, **sections}, "test")
    return [str(problem).removeprefix(f"test: {IN}.") for problem in raised.value.problems]


class TestSources:
    def test_a_node_is_alone_unless_it_is_told_otherwise(self) -> None:
        assert load().cluster == Settings().cluster == ClusterSettings()
        assert not load().cluster.enabled
        assert IN not in effective_toml(load())

    def test_every_source_counts_and_the_later_one_wins(self) -> None:
        Path("etc/plugins").mkdir(parents=True)
        file = Path("etc/plugins/rmq-cluster-raft.toml")
        file.write_text(f'nodes = ["1@10.0.0.9:1"]\nsecret = "{SECRET}"\nquorum_timeout = "1s"\nminority = "refuse"\n')
        assert load().cluster.nodes == (ClusterNode(1, Address("10.0.0.9", 1)),)
        Path("etc/rmq.toml").write_text(f"[{IN}]\nquorum_timeout = 2\n")
        environ = {
            "RMQ_CLUSTER_NODES": NETWORK,
            "RMQ_CLUSTER_SECRET": "1234567890123456",
            "RMQ_PLUGINS__RMQ_CLUSTER_RAFT__NODES": LOOPBACK,
            "RMQ_PLUGINS__RMQ_CLUSTER_RAFT__FORWARD_DEADLINE": "3s",
        }
        cluster = load(environ=environ).cluster
        assert [str(node) for node in cluster.nodes] == NETWORK.split(",")
        assert cluster.secret_bytes() == b"1234567890123456"  # text, though it reads as a number
        assert (cluster.minority, cluster.quorum_timeout, cluster.forward_deadline) == ("refuse", 2.0, 3.0)
        flag = Override("--cluster-nodes", f"{IN}.nodes", LOOPBACK)
        assert load(environ=environ, overrides=[flag]).cluster.is_local

    def test_the_flag(self) -> None:
        started: list[Settings] = []

        def run(settings: Settings) -> int:
            started.append(settings)
            return 0

        command = NodeCommand(run=run, plugin_models=dict)
        args = ["--set", "plugins.default_startups=[]", "--id", "3", "--cluster-nodes", LOOPBACK]
        result = CliRunner().invoke(main, args, obj=command, env={"RMQ_CLUSTER_NODES": "nonsense"})
        assert (result.exit_code, result.output) == (0, "")
        assert started[0].cluster.voters == (1, 2, 3)

    def test_it_is_no_plugin(self) -> None:
        command = NodeCommand(run=lambda settings: 0, plugin_models=dict)
        args = ["--cluster-nodes", LOOPBACK, "--set", 'plugins.default_startups=["rmq-cluster-raft"]']
        result = CliRunner().invoke(main, args, obj=command)
        assert result.exit_code == 2
        assert result.stderr == (
            "rmq-node: --set: plugins.default_startups: rmq-cluster-raft is no plugin to start: "
            "a node is in a cluster when plugins.rmq-cluster-raft.nodes has nodes\n"
        )
        assert load(overrides=[Override("x", f"{IN}.nodes", LOOPBACK)]).configured_plugins == ()

    def test_what_is_in_effect_reads_back_and_hides_the_secret(self) -> None:
        Path("key").write_text(SECRET)
        environ = {"RMQ_CLUSTER_NODES": NETWORK, "RMQ_CLUSTER_SECRET": SECRET}
        overrides = [Override("--set", f"{IN}.secret_file", "key"), Override("--set", f"{IN}.bind", ":5363")]
        text = effective_toml(load(environ=environ, overrides=overrides))
        assert SECRET not in text
        table = tomllib.loads(text)["plugins"]["rmq-cluster-raft"]
        assert table["secret_file"] == "key"  # where it is isn't secret
        assert table["bind"] == "0.0.0.0:5363"
        assert f"nodes = {json.dumps(NETWORK.split(','))}  # environment variable RMQ_CLUSTER_NODES" in text
        read_back = cluster_of(**{**table, "secret": ""})
        assert read_back.nodes == load(environ=environ).cluster.nodes

    def test_where_the_control_socket_is_needs_no_right_cluster(self) -> None:
        Path("my.toml").write_text(f"[node]\nid = 4\n[{IN}]\nnodes = 1\n[mqtt]\nwrong = 1\n")
        node = load_node(Path("my.toml"), environ={"RMQ_CLUSTER_NODES": "nonsense"})
        assert node.control_path == Path("data/4/control.sock")
        with pytest.raises(ConfigError, match=r"none\.toml: can't be read"):
            load_node(Path("none.toml"))


class TestProblems:
    @pytest.mark.parametrize(
        ("nodes", "message"),
        [
            (5, 'write the nodes as "1@10.0.0.1:5363'),
            ([5], 'write the nodes as "1@10.0.0.1:5363'),
            ("10.0.0.1:5363", '"10.0.0.1:5363" has no node number before an @; write the nodes as'),
            ("x@10.0.0.1:5363", '"x@10.0.0.1:5363" has no node number before an @'),
            ("1@h:1,²@h:2", '"²@h:2" has no node number before an @'),
            ("0@10.0.0.1:5363", '"0@10.0.0.1:5363": a node\'s number is 1 to 4294967295'),
            ("4294967296@h:1", '"4294967296@h:1": a node\'s number is 1 to 4294967295'),
            ("1@10.0.0.1", '"1@10.0.0.1": the port is missing'),
            ("1@10.0.0.1:65536", '"1@10.0.0.1:65536": the port must be 0 to 65535'),
            ("1@10.0.0.1:0", '"1@10.0.0.1:0": the port must be 1 to 65535, for the other nodes have to know it'),
            ("1@10.0.0.256:1", '"1@10.0.0.256:1": 10.0.0.256 is no IPv4 address'),
            ("1@:5363", '"1@:5363": 0.0.0.0 is no address that other nodes could connect to'),
            ("1@[::]:5363", '"1@[::]:5363": :: is no address that other nodes could connect to'),
            ("1@h:1,2@h:2,1@h:3", "node 1 is listed twice, with h:1 and h:3"),
            ("1@h:1,2@H:1", "nodes 1 and 2 have one address, h:1"),
            (
                "1@127.0.0.1:1,2@10.0.0.2:1",
                "1@127.0.0.1:1 is an address within its own machine, 2@10.0.0.2:1 isn't: they can't reach each other",
            ),
            (
                ",".join(f"{number}@h:{number}" for number in range(1, MAX_NODES + 2)),
                f"there are {MAX_NODES + 1} nodes; a cluster has at most {MAX_NODES}",
            ),
        ],
    )
    def test_of_the_nodes(self, nodes: object, message: str) -> None:
        (problem,) = problems_of({"nodes": nodes, "secret": SECRET})
        assert problem.startswith(f"nodes: {message}")

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ({"observers": [4]}, "observers: 4 is none of the nodes"),
            ({"observers": [1, 2, 3]}, "observers: some node has to vote"),
            ({"observers": [0]}, "observers[0]: must be at least 1, not 0"),
            ({"bind": "10.0.0.1:0"}, "bind: the port must be 1 to 65535, for the other nodes have to know it"),
            ({"advertise": ":5363"}, "advertise: 0.0.0.0 is no address that other nodes could connect to"),
            ({"minority": "maybe"}, 'minority: must be one of "serve" or "refuse", not "maybe"'),
            ({"node_down_grace": 0}, "node_down_grace: must be more than 0"),
            (
                {"election_timeout_min": "299ms"},
                "election_timeout_min: must be at least three times heartbeat_interval (0.1s)",
            ),
            (
                {"election_timeout_max": "749ms"},
                "election_timeout_max: must be at least one and a half times election_timeout_min (0.5s)",
            ),
            ({"leader_timeout": "200ms"}, "leader_timeout: must be at least three times heartbeat_interval (0.1s)"),
            ({"tls_cert": "no.pem"}, "tls_cert: no.pem can't be read: No such file or directory"),
            ({"secret_file": "none"}, "secret_file: none can't be read: No such file or directory"),
            ({"link_data_buffer": "1KB"}, "link_data_buffer: must be at least 1048576, not 1024"),
            ({"quorum_timeut": 1}, "quorum_timeut: unknown key (did you mean quorum_timeout?)"),
        ],
    )
    def test_of_the_other_keys(self, keys: dict[str, object], message: str) -> None:
        problems = problems_of({"nodes": LOOPBACK, **keys})
        assert message in [re.sub(r'not "1KB"', "not 1024", problem) for problem in problems]

    def test_a_node_that_is_not_listed(self) -> None:
        with pytest.raises(ConfigError) as raised:
            load(environ={"RMQ_CLUSTER_NODES": LOOPBACK, "RMQ_NODE__ID": "4"})
        assert str(raised.value) == (
            f"environment variable RMQ_CLUSTER_NODES: {IN}.nodes: "
            "this node is 4 (--id or node.id), which isn't among the nodes 1, 2, 3"
        )

    def test_storage_switched_off(self) -> None:
        (problem,) = problems_of({"nodes": LOOPBACK}, storage={"enable": False})
        assert problem.startswith("test: storage.enable: must be true in a cluster")
        assert not load_table({"storage": {"enable": False}}, "test").storage.enable

    @pytest.mark.parametrize(
        "keys",
        [
            {"nodes": NETWORK},
            {"nodes": "1@node1:5363"},
            {"nodes": LOOPBACK, "bind": "0.0.0.0:5363"},
            {"nodes": LOOPBACK, "advertise": "10.0.0.1:5363"},
        ],
    )
    def test_an_open_address_without_a_secret(self, keys: dict[str, object]) -> None:
        (problem,) = problems_of(keys)
        assert problem.startswith("secret: is required, or secret_file: the nodes' addresses are open to the network")
        assert cluster_of(**keys, secret=SECRET).enabled

    def test_loopback_needs_none(self) -> None:
        for nodes in (LOOPBACK, "1@localhost:5363", "1@[::1]:5363"):
            assert cluster_of(nodes=nodes).secret_bytes() == b""

    def test_a_listener_on_the_port_of_the_links(self) -> None:
        nodes = LOOPBACK.replace("5363", "1883")
        (problem,) = problems_of({"nodes": nodes})
        assert problem == "nodes: 127.0.0.1:1883 is taken by listener.tcp.external (127.0.0.1:1883)"
        (problem,) = problems_of({"nodes": LOOPBACK, "bind": "127.0.0.1:8083"})
        assert problem == "bind: 127.0.0.1:8083 is taken by listener.ws.external (127.0.0.1:8083)"

    def test_nothing_is_looked_at_without_nodes(self) -> None:
        alone = cluster_of(secret_file="none", tls_cert="none", observers=[9])
        assert not alone.enabled

    def test_all_problems_are_told_together(self) -> None:
        lines = problems_of({"nodes": "1@h", "minority": 1}, mqtt={"max_sessions": -1})
        assert len(lines) == 3


class TestSecret:
    def test_a_short_one_is_refused_and_not_shown(self) -> None:
        (problem,) = problems_of({"nodes": LOOPBACK, "secret": "hush"})
        assert problem == "secret: the secret has 4 bytes, at least 16 are needed; `openssl rand -hex 32` makes one"
        assert problems_of({"nodes": LOOPBACK, "secret": 4711}) == ["secret: must be a string"]

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_of_a_file_is_its_content_without_the_line_end(self, end: str) -> None:
        Path("key").write_bytes(f" {SECRET} {end}".encode())
        assert cluster_of(nodes=NETWORK, secret_file="key").secret_bytes() == f" {SECRET} ".encode()

    def test_in_the_settings_wins_over_the_file(self) -> None:
        assert cluster_of(nodes=NETWORK, secret_file="none", secret=SECRET).secret_bytes() == SECRET.encode()

    @pytest.mark.parametrize(("content", "text"), [("x" * 15, "15 bytes"), ("x" * 1025, "more than 1024 bytes")])
    def test_a_file_with_something_else_is_refused(self, content: str, text: str) -> None:
        Path("key").write_text(content)
        (problem,) = problems_of({"nodes": NETWORK, "secret_file": "key"})
        assert problem.startswith(f"secret_file: key has {text}")

    @pytest.mark.parametrize(("mode", "readable"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
    def test_a_file_that_others_may_read_is_noticed(self, mode: int, readable: bool) -> None:
        Path("key").write_text(SECRET)
        Path("key").chmod(mode)
        assert cluster_of(nodes=NETWORK, secret_file="key").secret_is_readable_by_others is readable


class TestMeaning:
    def test_five_vote_whatever_the_order_of_the_list(self) -> None:
        nodes = [f"{number}@127.0.0.1:{number}" for number in (7, 3, 1, 6, 2, 5, 4)]
        ours = load_table({"node": {"id": 7}, "plugins": {"rmq-cluster-raft": {"nodes": nodes}}}, "test").cluster
        assert ours.voters == (1, 2, 3, 4, 5)
        assert cluster_of(nodes=nodes, observers=[2, 7]).voters == (1, 3, 4, 5, 6)

    def test_the_addresses(self) -> None:
        cluster = cluster_of(nodes=" 1@[fd00::1]:5363 , 2@Node2.example.com:5364,", secret=SECRET)
        assert [str(node) for node in cluster.nodes] == ["1@[fd00::1]:5363", "2@node2.example.com:5364"]
        assert cluster.node(2) == ClusterNode(2, Address("node2.example.com", 5364))
        assert cluster.node(3) is None

    def test_tls_is_three_files(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path, "nodes")
        mine = authority.server
        files = {"tls_cert": mine.certfile, "tls_key": mine.keyfile, "tls_ca": authority.cafile}
        assert cluster_of(nodes=LOOPBACK, **files).tls_ca == authority.cafile
        for name in files:
            others = {key: value for key, value in files.items() if key != name}
            assert any("all three, or none" in problem for problem in problems_of({"nodes": LOOPBACK, **others}))
        other = authority.client("node2")
        (problem,) = problems_of({"nodes": LOOPBACK, **files, "tls_key": other.keyfile})
        assert "doesn't belong to the certificate" in problem


class TestShippedFile:
    TEXT = SHIPPED.read_text(encoding="utf-8")

    def test_it_has_every_key_with_its_default_and_no_other(self) -> None:
        written = tomllib.loads(self.TEXT)
        assert list(written) == list(ClusterSettings.model_fields)
        assert ClusterSettings.model_validate(written) == ClusterSettings()

    def test_every_key_stands_below_a_comment(self) -> None:
        lines = self.TEXT.splitlines()
        keys = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line)]
        assert len(keys) == len(ClusterSettings.model_fields)
        for number in keys:
            above = number - 1
            while re.match(r"[a-z_]+ = ", lines[above]):
                above -= 1
            assert lines[above].startswith("# "), lines[number]


@pytest.mark.parametrize("address", [":1883", "host", "host:0", "a b:1"])
def test_a_listener_advertises_what_clients_can_connect_to(address: str) -> None:
    with pytest.raises(ConfigError, match=r"listener\.tcp\.external\.advertise: "):
        load_table({"listener": {"tcp": {"external": {"advertise": address}}}}, "test")
    good = load_table({"listener": {"tcp": {"external": {"advertise": "Node1.example.com:1883"}}}}, "test")
    assert good.listener.tcp["external"].advertise == "node1.example.com:1883"
