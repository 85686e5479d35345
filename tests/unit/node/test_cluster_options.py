"""From settings to the cluster: every key arrives, and where the node waits for the others."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from rmq_cluster.options import MAX_VOTERS, ClusterOptions, RaftTimes
from structlog.testing import capture_logs

from rmq.config import ClusterSettings, ConfigError, Settings, load_table
from rmq.node import cluster
from rmq.node.cluster import advertised_listeners, bind_address, cluster_class, cluster_options
from tests.support.certificates import Authority

SECRET = "0123456789abcdef"
NODES = "1@127.0.0.1:5363,2@127.0.0.1:5364,3@127.0.0.1:5365"


def settings_of(number: int = 1, **keys: object) -> Settings:
    table = {"nodes": NODES, **keys}
    return load_table({"node": {"id": number}, "plugins": {"rmq-cluster-raft": table}}, "test")


def options_of(number: int = 1, **keys: object) -> ClusterOptions:
    options = cluster_options(settings_of(number, **keys))
    assert isinstance(options, ClusterOptions)
    return options


def test_the_class_is_found() -> None:
    found = cluster_class()
    assert (found.__module__, found.__name__) == ("rmq_cluster.cluster", "Cluster")


def test_a_cluster_that_is_not_installed_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CLUSTER", "rmq_no_cluster.cluster:Cluster")
    with pytest.raises(ConfigError, match=r"plugins\.rmq-cluster-raft\.nodes: clusters can't be loaded: No module"):
        cluster_class()


def test_the_defaults_are_the_clusters_own() -> None:
    """Where both sides have a default they must not say different things."""
    options = options_of()
    untouched = ClusterOptions(options.members)
    given = {"bind", "votes", "voters", "sync_at_once"}
    for field in fields(ClusterOptions):
        if field.name not in given:
            assert getattr(options, field.name) == getattr(untouched, field.name), field.name
    assert len(ClusterSettings(nodes=",".join(f"{n}@h:{n}" for n in range(1, 9))).voters) == MAX_VOTERS  # type: ignore[arg-type]  # as it is read


def test_the_log_is_synced_at_once_where_an_acknowledgement_waits_for_it() -> None:
    assert not options_of().sync_at_once
    settings = load_table(
        {
            "node": {"id": 1},
            "storage": {"ack_policy": "quorum_fsync"},
            "plugins": {"rmq-cluster-raft": {"nodes": NODES}},
        },
        "test",
    )
    assert cluster_options(settings).sync_at_once
    listeners = {"tcp": {"external": {"ack_policy": "quorum_fsync"}}}
    settings = load_table(
        {"node": {"id": 1}, "listener": listeners, "plugins": {"rmq-cluster-raft": {"nodes": NODES}}}, "test"
    )
    assert cluster_options(settings).sync_at_once


def test_every_key_arrives(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "nodes")
    keys: dict[str, object] = {
        "observers": [3],
        "bind": "127.0.0.2:6000",
        "advertise": "localhost:6001",
        "secret": SECRET,
        "tls_cert": authority.server.certfile,
        "tls_key": authority.server.keyfile,
        "tls_ca": authority.cafile,
        "minority": "refuse",
        "node_down_grace": "10s",
        "quorum_timeout": "11s",
        "laggard_after": "12s",
        "forward_deadline": "13s",
        "heartbeat_interval": "1s",
        "election_timeout_min": "4s",
        "election_timeout_max": "7s",
        "leader_timeout": "8s",
        "link_dead_after": "9s",
        "link_max_frame": "2MB",
        "link_control_buffer": "3MB",
        "link_data_buffer": "4MB",
    }
    assert {*keys, "nodes", "secret_file"} == set(ClusterSettings.model_fields)
    options = options_of(3, **keys)
    assert options.members == {1: "127.0.0.1:5363", 2: "127.0.0.1:5364", 3: "127.0.0.1:5365"}
    assert (options.voters, options.votes) == ((1, 2), False)
    assert (options.bind, options.advertised, options.secret) == ("127.0.0.2:6000", "localhost:6001", SECRET.encode())
    tls = options.tls
    assert tls is not None
    assert [str(tls.certificate), str(tls.key), str(tls.authority)] == [
        keys["tls_cert"],
        keys["tls_key"],
        keys["tls_ca"],
    ]
    times = (options.node_down_grace, options.quorum_timeout, options.laggard_after, options.forward_deadline)
    assert (options.minority, times) == ("refuse", (10.0, 11.0, 12.0, 13.0))
    assert options.raft == RaftTimes(1.0, 4.0, 7.0, 8.0)
    assert options.link_dead_after == 9.0
    mib = 1024 * 1024
    assert (options.link_max_frame, options.link_control_buffer, options.link_data_buffer) == (
        2 * mib,
        3 * mib,
        4 * mib,
    )


def test_what_other_sections_say() -> None:
    table = {"nodes": NODES}
    tables = {
        "plugins": {"rmq-cluster-raft": table},
        "storage": {"snapshot_after": "5MB"},
        "node": {"shutdown_timeout": "5s"},
    }
    options = cluster_options(load_table(tables, "test"))
    assert (options.snapshot_after, options.stop_timeout) == (5 * 1024 * 1024, 1.5)


def test_a_secret_that_others_may_read_is_told_but_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET + "\n")
    for mode, lines in ((0o644, 1), (0o600, 0)):
        file.chmod(mode)
        with capture_logs() as told:
            assert options_of(secret_file=str(file)).secret == SECRET.encode()
        assert len(told) == lines
        assert SECRET not in str(told)


def test_a_secret_that_is_gone_since_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    settings = settings_of(secret_file=str(file))
    file.unlink()
    with pytest.raises(ConfigError, match=r"secret_file: .*key can't be read: No such file"):
        cluster_options(settings)


@pytest.mark.parametrize(
    ("nodes", "bind", "expected"),
    [
        (NODES, "", "127.0.0.1:5363"),
        (NODES, "127.0.0.9:1", "127.0.0.9:1"),
        ("1@localhost:5363", "", "localhost:5363"),
        ("1@192.0.2.1:5363", "", "0.0.0.0:5363"),  # TEST-NET-1 (RFC 5737): no machine has it
        ("1@[2001:db8::1]:5363", "", "[::]:5363"),  # RFC 3849
        ("1@node1.example.com:5363", "", "0.0.0.0:5363"),
        ("1@node1.example.com:5363", "[::]:7000", "[::]:7000"),
    ],
)
def test_where_it_waits_for_the_others(nodes: str, bind: str, expected: str) -> None:
    assert str(bind_address(settings_of(nodes=nodes, bind=bind, secret=SECRET))) == expected


def test_an_own_address_that_is_not_loopback_is_known_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(nodes="1@192.0.2.1:5363", secret=SECRET)
    monkeypatch.setattr(cluster, "_is_of_this_machine", lambda address: True)
    assert str(bind_address(settings)) == "192.0.2.1:5363"


def test_advertised_listeners() -> None:
    listener: dict[str, object] = {
        "tcp": {"external": {"advertise": "node1.example.com:1883"}, "second": {"addr": "127.0.0.1:1"}},
        "ws": {
            "external": {"advertise": "node1.example.com:80"},
            "off": {"enable": False, "addr": ":1", "advertise": "h:1"},
        },
    }
    told = advertised_listeners(load_table({"listener": listener}, "test"))
    assert told == {"tcp.external": "node1.example.com:1883", "ws.external": "node1.example.com:80"}
