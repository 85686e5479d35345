"""Bridges of other brokers, as their documents write them, become bridges that the plugins load."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from rmq_plugins.bridge_mqtt.egress import EgressConfig
from rmq_plugins.bridge_mqtt.ingress import IngressConfig

from rmq.config import load
from rmq.migration import Findings, read, write

EGRESS, INGRESS = "rmq-bridge-egress-mqtt", "rmq-bridge-ingress-mqtt"


def imported(folder: Path, kind: str, name: str, text: str) -> Findings:
    path = folder / name
    path.write_text(text)
    return read(kind, [path])


def written(found: Findings, folder: Path) -> tuple[EgressConfig, IngressConfig]:
    """What comes out, as the plugins' own models read it from the files."""
    write(found, folder / "out", "here")
    settings = load(folder / "out/rmq.toml")
    names = settings.plugins.default_startups
    for plugin in (EGRESS, INGRESS):
        path = folder / f"out/plugins/{plugin}.toml"
        assert path.exists() == (plugin in names)
        if path.exists():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    egress = settings.plugin_config(EGRESS)
    ingress = settings.plugin_config(INGRESS)
    return EgressConfig.model_validate(egress or {}), IngressConfig.model_validate(ingress or {})


def sent(config: EgressConfig) -> list[tuple[str, str, int, int | None, bool | None]]:
    return [
        (e.local.topic_filter, e.remote.topic, e.remote.skip_levels, e.remote.qos, e.remote.retain)
        for bridge in config.bridges
        for e in bridge.entries
    ]


def fetched(config: IngressConfig) -> list[tuple[str, int, str, int, int | None, bool | None]]:
    return [
        (e.remote.topic, e.remote.qos, e.local.topic, e.local.skip_levels, e.local.qos, e.local.retain)
        for bridge in config.bridges
        for e in bridge.entries
    ]


def left(found: Findings) -> dict[str, str]:
    return {one.what: one.becomes for one in found.left}


def told(found: Findings) -> str:
    return " ".join(f"{one.what} {one.becomes}" for one in [*found.left, *found.carried])


CONNECTION = "listener 1883\nconnection up\naddress h\n"


@pytest.mark.parametrize(
    ("topic", "out", "in_"),
    [
        ("#", ("#", "${local.topic}", 0, 0, None), None),
        ("a/+/c out 1", ("a/+/c", "${local.topic}", 0, 1, None), None),
        ("# out 2 l/ r/", ("l/#", "r/${local.topic}", 1, None, None), None),
        ('# out 1 "" r/', ("#", "r/${local.topic}", 0, 1, None), None),
        ('# out 1 /l/m/ ""', ("/l/m/#", "${local.topic}", 3, 1, None), None),
        ("a/# out 1 x x", ("xa/#", "${local.topic}", 0, 1, None), None),
        ("t out 1 l r", ("lt", "rt", 0, 1, None), None),
        ('"" out 1 here there', ("here", "there", 0, 1, None), None),
        ('"a b" out 1', ("a b", "${local.topic}", 0, 1, None), None),
        ("# in 2 l/ r/s/", None, ("r/s/#", 2, "l/${remote.topic}", 2, None, None)),
        ("x in", None, ("x", 0, "${remote.topic}", 0, None, None)),
        (
            "clients/total in 0 test/org/ $SYS/broker/",
            None,
            ("$SYS/broker/clients/total", 0, "test/org/clients/total", 0, None, None),
        ),
        (
            "# both 1 l/ r/",
            ("l/#", "r/${local.topic}", 1, 1, None),
            ("r/#", 1, "l/${remote.topic}", 1, None, None),
        ),
    ],
)
def test_a_topic_of_mosquitto(
    tmp_path: Path, topic: str, out: tuple[Any, ...] | None, in_: tuple[Any, ...] | None
) -> None:
    found = imported(tmp_path, "mosquitto", "m.conf", f"{CONNECTION}topic {topic}\n")
    egress, ingress = written(found, tmp_path)
    assert sent(egress) == ([out] if out else [])
    assert fetched(ingress) == ([in_] if in_ else [])
    assert ("MQTT 3.1.1" in told(found)) == (out is not None and in_ is not None)


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("# out 1 l r", "l ends within a level"),
        ("# in 1 l r", "r ends within a level"),
        ("# up", "isn't a topic of a bridge"),
        ("# out 3", "isn't a topic of a bridge"),
        ("# out 1 a b c", "isn't a topic of a bridge"),
        ('"" out 1 here', "needs a pattern, or both prefixes"),
        ("a/#/b out 1", "isn't a topic filter"),
        ("# out 1 l/ ${x}/", "would be a placeholder"),
    ],
)
def test_a_topic_that_is_left(tmp_path: Path, topic: str, why: str) -> None:
    found = imported(tmp_path, "mosquitto", "m.conf", f"{CONNECTION}topic {topic}\ntopic good out 1\n")
    egress, ingress = written(found, tmp_path)
    assert sent(egress) == [("good", "${local.topic}", 0, 1, None)] and not ingress.bridges
    assert why in told(found)


def test_a_connection_of_mosquitto(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    found = imported(
        tmp_path,
        "mosquitto",
        "m.conf",
        f"""listener 1883
connection plant 7
address broker.example.com:8883 other.example.com
bridge_cafile {tmp_path}/ca.pem
bridge_certfile /nowhere/c.pem
bridge_keyfile /nowhere/k.pem
bridge_insecure true
bridge_protocol_version mqttv50
bridge_session_expiry_interval 60
bridge_outgoing_retain false
bridge_bind_address 10.0.0.1
remote_username plant
remote_password geheim
remote_clientid plant7
local_username local
local_password geheim
cleansession true
keepalive_interval 30
restart_timeout 10 60
start_type automatic
notifications false
try_private true
topic # both 1 l/ r/
# a setting of the broker again
max_qos 1
connection plant?7
addresses [::1]:1884
clientid x
username u
start_type lazy
topic a in 1
allow_anonymous true
""",
    )
    egress, ingress = written(found, tmp_path)
    (one,) = egress.bridges
    assert (one.enable, one.name, one.server) == (True, "plant-7", "tls://broker.example.com:8883")
    assert (one.username, one.password, one.root_cert) == ("plant", "geheim", f"{tmp_path}/ca.pem")
    assert (one.client_cert, one.client_key) == ("/nowhere/c.pem", "/nowhere/k.pem")
    assert (one.mqtt_ver, one.v5.clean_start, one.v5.session_expiry_interval) == ("v5", True, 60)
    assert (one.keepalive, one.reconnect_interval, one.entries[0].remote.retain) == (30, 10.0, False)
    first, second = ingress.bridges
    assert (first.name, first.server, first.password) == ("plant-7", one.server, "geheim")
    assert (second.name, second.server, second.username) == ("plant-7-2", "tcp://[::1]:1884", "u")
    assert found.settings["listener.tcp.external.allow_anonymous"] is True
    assert "geheim" not in told(found) and "geheim" not in repr(found.bridges)
    assert set(left(found)) == {
        "connection plant 7: address other.example.com",
        "connection plant 7: bridge_bind_address",
        "connection plant 7: bridge_certfile",  # the two files aren't there
        "connection plant 7: bridge_insecure",
        "connection plant 7: bridge_keyfile",
        "connection plant 7: remote_clientid",
        "connection plant 7: try_private",
        "connection plant?7: clientid",
        "connection plant?7: start_type",
    }


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("topic # out", "has no address"),
        ("address h:x\ntopic # out", "has no address"),
        ("address h", "nothing of it"),
        ("address h\nbridge_psk 00\nbridge_identity i\ntopic # out", "pre-shared keys"),
        ("address a b\ntopic a/#/b out", "nothing is left of it"),
        ("address h/x\ntopic # out", "tcp://host:port or tls://host:port"),
        (f"address {'h' * 300}:99999\ntopic # out", "not an address"),
    ],
)
def test_a_connection_that_is_left(tmp_path: Path, lines: str, why: str) -> None:
    found = imported(tmp_path, "mosquitto", "m.conf", f"listener 1883\nconnection up\n{lines}\n")
    assert found.bridges == [] and why in told(found)
    assert "plugins.default_startups" not in found.settings


def test_a_key_that_ours_may_not_be_is_named(tmp_path: Path) -> None:
    found = imported(tmp_path, "mosquitto", "m.conf", f"{CONNECTION}keepalive_interval 99999\ntopic # out\n")
    (one,) = written(found, tmp_path)[0].bridges
    assert one.keepalive == 60
    assert "less than or equal to 65535" in left(found)[f"{EGRESS}, bridge up: keepalive"]


def test_too_many_topics_are_named(tmp_path: Path) -> None:
    topics = "".join(f"topic t{number} out 1\n" for number in range(102))
    found = imported(tmp_path, "mosquitto", "m.conf", CONNECTION + topics)
    assert len(written(found, tmp_path)[0].bridges[0].entries) == 100
    assert len(found.left) == 2


def test_nanomq_by_name(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        "nanomq",
        "nanomq.conf",
        """
listeners.tcp { bind = "127.0.0.1:1883" }
bridges.mqtt.emqx1 = {
  server = "tls+mqtt-tcp://127.0.0.1:8883"
  proto_ver = 5
  clientid = "bridge_client"
  keepalive = "30s"
  clean_start = false
  username = 12
  password = "geheim"
  will = { topic = "will_topic", qos = 1, retain = true, payload = "will_message"
    properties = { payload_format_indicator = 0, user_property = { key1 = "value1" } } }
  ssl = { key_password = "geheim", keyfile = "/nowhere/key.pem", certfile = "/nowhere/cert.pem" }
  conn_properties = { session_expiry_interval = 60, receive_maximum = 9, request_problem_information = 1 }
  forwards = [
    { remote_topic = "fwd/topic1", local_topic = "topic1", suffix = "/emqx" }
    { remote_topic = "", local_topic = "topic2/#", prefix = "emqx/", qos = 1, retain = 0 }
    { remote_topic = "fwd/#", local_topic = "topic3/#" }
  ]
  subscription = [
    { remote_topic = "cmd/topic1", local_topic = "topic3", qos = 1, retain = 2, suffix = "/emqx", retain_handling = 2 }
    { remote_topic = "cmd/topic2", local_topic = "", qos = 2, retain = 1 }
    { remote_topic = "+/nanomq/#", local_topic = "#", qos = 2 }
    { remote_topic = "+/x", local_topic = "+/y", qos = 2 }
  ]
  max_parallel_processes = 2
  max_send_queue_len = 32
  hybrid_bridging = false
}
bridges.mqtt.quic { server = "mqtt-quic://h:14567", forwards = [{ local_topic = "a", remote_topic = "" }] }
bridges.mqtt.cache { disk_cache_size = 102400 }
bridges.aws.c1 { server = "h:8883" }
""",
    )
    egress, ingress = written(found, tmp_path)
    assert sent(egress) == [
        ("topic1", "fwd/topic1/emqx", 0, None, None),
        ("topic2/#", "emqx/${local.topic}", 0, 1, False),
    ]
    assert fetched(ingress) == [
        ("cmd/topic1", 1, "topic3/emqx", 0, None, None),
        ("cmd/topic2", 2, "${remote.topic}", 0, None, True),
        ("+/nanomq/#", 2, "${remote.topic}", 2, None, None),
    ]
    (one,) = egress.bridges
    assert (one.name, one.server, one.username, one.password) == ("emqx1", "tls://127.0.0.1:8883", "12", "geheim")
    assert (one.mqtt_ver, one.keepalive, one.v5.session_expiry_interval, one.v5.receive_maximum) == ("v5", 30, 60, 9)
    will = one.v5.last_will
    assert will is not None and will.model_dump() == {
        "topic": "will_topic",
        "message": "will_message",
        "encoding": "plain",
        "qos": 1,
        "retain": True,
    }
    assert ingress.bridges[0].v5.last_will is None  # it would be published twice
    assert "geheim" not in told(found)
    start = "bridges.mqtt.emqx1: "
    assert {what.removeprefix(start) for what in left(found)} == {
        "clientid",
        "conn_properties.request_problem_information",
        "ssl",
        "ssl.certfile",
        "ssl.key_password",
        "ssl.keyfile",
        "subscription 1, retain_handling",
        "subscription 4",
        "will.properties",
        f'{EGRESS}, bridge emqx1: local.topic_filter = "topic3/#", remote.topic = "fwd/#"',
        "bridges.mqtt.quic",
        "bridges.aws",
    }


def test_nanomq_before_0_19(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        "nanomq",
        "nanomq.conf",
        """
listeners.tcp { bind = "127.0.0.1:1883" }
bridges.mqtt {
  nodes = [
    {
      name = emqx
      enable = true
      connector { server = "mqtt-tcp://h:1883", proto_ver = 4, clean_start = true, keepalive = 60s
        ssl { enable = false, keyfile = "/etc/certs/key.pem" } }
      forwards = ["forward1/#", "forward2/#"]
      subscription = [{ topic = "recv/topic1", qos = 1 }]
    }
    { name = off, enable = false, connector { server = "mqtt-tcp://h:1883" }, forwards = ["a"] }
  ]
  sqlite { enable = false }
}
""",
    )
    egress, ingress = written(found, tmp_path)
    assert [entry[0] for entry in sent(egress)] == ["forward1/#", "forward2/#"]
    assert fetched(ingress) == [("recv/topic1", 1, "${remote.topic}", 0, None, None)]
    assert egress.bridges[0].v4.clean_session is True
    assert set(left(found)) == {"bridges.mqtt off"}


def test_a_password_that_is_encrypted_is_left(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        "nanomq",
        "nanomq.conf",
        """
bridges.mqtt.emqx1 {
  enable = true, server = "mqtt-tcp://h", username = username, password = "XthBefJxR", password_encrypted = true
  backoff_max = 60s, retry_qos_0 = false, forwards = ["a/#"]
}
""",
    )
    (one,) = written(found, tmp_path)[0].bridges
    assert (one.server, one.username, one.password) == ("tcp://h:1883", "username", "")
    assert set(left(found)) == {"bridges.mqtt.emqx1: password", "bridges.mqtt.emqx1: backoff_max"}
    assert "XthBefJxR" not in told(found)


CONNECTORS = """
connectors {
  mqtt {
    centre { server = "broker.example.com:8883, other:1", proto_ver = v5, username = u, password = "geheim"
      clean_start = false, keepalive = "300s", pool_size = 8, clientid_prefix = site1, max_inflight = 32
      bridge_mode = false, resource_opts { start_timeout = "5s" }
      ssl { enable = true, verify = verify_peer, cacertfile = "${EMQX_DATA_DIR}/certs/ca.pem" } }
    plain { server = "10.0.0.1", password = "file:///etc/secret", ssl { enable = false, cacertfile = "x" } }
    off { server = "h", enable = false }
  }
  http { h { url = "http://x" } }
}
actions { mqtt {
  up { connector = centre, parameters { topic = "plants/${topic}", qos = "${qos}", retain = "${flags.retain}"
    payload = "${payload}" } }
  fixed { connector = plain, parameters { topic = "all", payload = "${payload}" } }
  odd { connector = plain, parameters { topic = "${clientid}/x", payload = "${payload}" } }
  templated { connector = plain, parameters { topic = "x", payload = "{}" } }
  unused { connector = plain, parameters { topic = "x" } }
  nowhere { connector = off, parameters { topic = "x" } }
} }
sources { mqtt {
  down { connector = centre, parameters { topic = "down/#", qos = 2 } }
} }
"""


def test_emqx_with_connectors(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        "emqx",
        "cluster.hocon",
        CONNECTORS
        + '''
rule_engine { rules {
  r1 { sql = "SELECT\\n  *\\nFROM\\n  \\"up/#\\", \\"t\\"", actions = ["mqtt:up", "mqtt:fixed"] }
  r2 { sql = """select * from '$bridges/mqtt:down' ;""", actions = [{ function = republish, args {
       topic = "sub/${topic}", payload = "${payload}", qos = 1, retain = "${retain}" } }, { function = console }] }
  where { sql = """SELECT * FROM "t" WHERE qos = 1""", actions = ["mqtt:up"] }
  some { sql = """SELECT payload FROM "t" """, actions = ["mqtt:up"] }
  odd { sql = """SELECT * FROM "t" """, actions = ["mqtt:odd", "mqtt:templated", "http:h"] }
  event { sql = """SELECT * FROM "$events/client_connected" """, actions = ["mqtt:up"] }
  off { sql = """SELECT * FROM "x" """, actions = ["mqtt:up"], enable = false }
} }
''',
    )
    egress, ingress = written(found, tmp_path)
    assert sent(egress) == [
        ("up/#", "plants/${local.topic}", 0, None, None),
        ("t", "plants/${local.topic}", 0, None, None),
        ("up/#", "all", 0, 1, False),
        ("t", "all", 0, 1, False),
    ]
    assert fetched(ingress) == [("down/#", 2, "sub/${remote.topic}", 0, 1, None)]
    centre, plain = egress.bridges
    assert (centre.name, centre.server, centre.mqtt_ver) == ("centre", "tls://broker.example.com:8883", "v5")
    assert (centre.username, centre.password, centre.keepalive) == ("u", "geheim", 300)
    assert (centre.client_id_prefix, centre.max_inflight, centre.concurrent_client_limit) == ("site1", 32, 1)
    assert (plain.name, plain.server, plain.password, plain.root_cert) == ("plain", "tcp://10.0.0.1:1883", "", "")
    assert "geheim" not in told(found)
    rules = "rule_engine.rules"
    assert set(left(found)) == {
        "actions.mqtt.nowhere",
        "actions.mqtt.unused",
        "connectors.http.h",
        "connectors.mqtt.centre: server other:1",
        "connectors.mqtt.centre: ssl.cacertfile",
        "connectors.mqtt.off",
        "connectors.mqtt.plain: password",
        f"connectors.mqtt.plain: {rules}.odd",
        f"{rules}.event, from $events/client_connected",
        f"{rules}.odd, from t",
        f"{rules}.off",
        f"{rules}.r2, from $bridges/mqtt:down",
        f"{rules}.some",
        f"{rules}.where",
    }


def test_emqx_before_5_7(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        "emqx",
        "cluster.hocon",
        """
bridges { mqtt {
  both { server = "h:1884", proto_ver = v4, clean_start = true
    egress { pool_size = 8, local { topic = "out/#" }
      remote { topic = "far/${topic}", qos = 2, retain = "${retain}", payload = "${payload}" } }
    ingress { remote { topic = "cmd/#", qos = 1 }
      local { topic = "in/${topic}", qos = "${qos}", payload = "${payload}" } }
  }
  by_rule { server = "h:1884", egress { remote { topic = "${topic}", payload = "${payload}", qos = 0 } } }
}
webhook { w { url = "http://x" } } }
rule_engine { rules { r1 { sql = "SELECT * FROM \\"a\\"", actions = ["mqtt:by_rule"] } } }
""",
    )
    egress, ingress = written(found, tmp_path)
    assert sent(egress) == [
        ("out/#", "far/${local.topic}", 0, 2, None),
        ("a", "${local.topic}", 0, 0, False),
    ]
    assert fetched(ingress) == [("cmd/#", 1, "in/${remote.topic}", 0, None, None)]
    assert [bridge.name for bridge in egress.bridges] == ["both", "by_rule"]
    assert egress.bridges[0].v4.clean_session is True
    assert set(left(found)) == {"bridges.webhook.w"}


def test_rmqtt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = tmp_path / "rmqtt-plugins"
    plugins.mkdir()
    (plugins / "rmqtt-bridge-egress-mqtt.toml").write_text(
        """
[[bridges]]
enable = true
name = "bridge_egress_1"
client_id_prefix = "prefix"
server = "tcp://127.0.0.1:2883"
username = "rmqtt_u"
password = "${ENV:MQTT_PASSWORD}"
concurrent_client_limit = 100
message_channel_capacity = 100000
mqtt_ver = "v4"
v4.clean_session = true
v4.last_will = { qos = 0, retain = false, topic = "a/b/c", message = "message content", encoding = "plain" }
odd = 1
[[bridges.entries]]
local.topic_filter = "local/topic/egress/#"
remote.qos = 1
remote.topic = "remote/topic/egress/${local.topic}"
[[bridges.entries]]
local.topic_filter = "bad/#/x"
"""
    )
    (plugins / "rmqtt-bridge-ingress-mqtt.toml").write_text(
        '[[bridges]]\nenable = true\nname = "in"\nserver = "tcp://127.0.0.1:2883"\n'
        '[[bridges.entries]]\nremote.topic = "a/#"\nlocal.topic = "b/${remote.topic}"\n'
    )
    found = imported(
        tmp_path,
        "rmqtt",
        "rmqtt.toml",
        '[plugins]\ndefault_startups = ["rmqtt-bridge-egress-mqtt", "rmqtt-bridge-ingress-mqtt"]\n',
    )
    monkeypatch.setenv("MQTT_PASSWORD", "very")  # where the node runs, not where the import does
    egress, ingress = written(found, tmp_path)
    (one,) = egress.bridges
    assert (one.password, one.message_channel_capacity, one.concurrent_client_limit) == ("very", 60_000, 1)
    assert one.v4.clean_session and one.v4.last_will is not None and one.v4.last_will.topic == "a/b/c"
    assert sent(egress) == [("local/topic/egress/#", "remote/topic/egress/${local.topic}", 0, 1, None)]
    assert fetched(ingress) == [("a/#", 1, "b/${remote.topic}", 0, None, None)]
    start = f"{EGRESS}, bridge bridge_egress_1: "
    assert {what.removeprefix(start) for what in left(found)} == {
        "concurrent_client_limit",
        "odd",
        'local.topic_filter = "bad/#/x"',
    }
    text = (tmp_path / f"out/plugins/{EGRESS}.toml").read_text()
    assert tomllib.loads(text)["bridges"][0]["password"] == "${ENV:MQTT_PASSWORD}"
    (plugins / "rmqtt-bridge-ingress-mqtt.toml").unlink()
    assert f"plugin {INGRESS.replace('rmq', 'rmqtt', 1)}" in left(read("rmqtt", [tmp_path / "rmqtt.toml"]))


def test_several_files_are_checked_together(tmp_path: Path) -> None:
    paths = []
    for name, topic in (("a", "x out"), ("b", "x in"), ("c", "y out")):
        paths.append(tmp_path / f"{name}.conf")
        paths[-1].write_text(f"{CONNECTION}topic {topic}\n")
    found = read("mosquitto", paths)
    assert [bridge.plugin for bridge in found.bridges] == [EGRESS, INGRESS]
    assert left(found) == {f"{EGRESS}, bridge up": "up stands there twice"}
    assert found.settings["plugins.default_startups"] == [EGRESS, INGRESS, "rmq-acl", "rmq-sys-topic", "rmq-http-api"]
