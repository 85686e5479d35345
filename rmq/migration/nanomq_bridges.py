"""NanoMQ's bridges to other MQTT brokers: ``bridges.mqtt``, by name (0.19 and later) or as a list of nodes."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from rmq.migration.bridges import EGRESS, INGRESS, Link, Names, server_of, table
from rmq.migration.findings import Findings

_SCHEMES: Final = {"mqtt-tcp": False, "mqtt": False, "tls+mqtt-tcp": True, "mqtts": True}
_PORTS: Final = {False: 1883, True: 8883}
_VERSIONS: Final = {"3": "v4", "4": "v4", "5": "v5"}
_FILES: Final = {"cacertfile": "root_cert", "certfile": "client_cert", "keyfile": "client_key"}
_CONNECT: Final = ("session_expiry_interval", "receive_maximum", "maximum_packet_size", "topic_alias_maximum")
_NOTED: Final = {
    "max_parallel_processes": "not needed: one thread serves a node",
    "max_send_queue_len": "what goes out waits in a session: message_channel_capacity and max_inflight bound it",
    "max_recv_queue_len": "not needed: the other broker is asked for as much as is acknowledged",
}
_LEFT: Final = {
    "clientid": "client ids there are made: rmq:NAME:egress:ENTRY:0, rmq:NAME:ingress:ENTRY:0",
    "transparent": "subscriptions of clients aren't passed on: give the topics as entries",
    "hybrid_bridging": "there is no QUIC",
    "backoff_max": "the pause before each attempt is the same: reconnect_interval, 5s",
    "retry_qos_0": "QoS 0 isn't kept",
}
_ENCRYPTED: Final = "password_encrypted"  # of EMQX Edge, which is NanoMQ
# Keys that are seen to elsewhere.
_TAKEN: Final = (
    "server", "proto_ver", "username", "password", "ssl", "will", "forwards", "subscription", "name", "enable",
    "conn_properties", "conn_property", "clean_start", "keepalive", _ENCRYPTED,
)  # fmt: skip
_CACHE: Final = ("cache", "sqlite")
_WILDCARDS: Final = ("+", "#")
MOST_QOS: Final = 2


def take(found: Findings, bridges: Mapping[str, object]) -> None:
    """All of ``bridges``; those to other things than MQTT brokers are named."""
    for kind, value in bridges.items():
        if kind != "mqtt" or not isinstance(value, Mapping):
            found.leave(f"bridges.{kind}", "bridges go to MQTT brokers, NATS and Kafka: docs/plugins-bridges.md")
            continue
        for name, one in value.items():
            what = f"bridges.mqtt.{name}"
            if name in _CACHE:
                found.note(what, "not needed: what goes out waits in a session of the node")
            elif name == "nodes" and isinstance(one, Sequence):
                for node in one:
                    if isinstance(node, Mapping):
                        flat = {**table(node, "connector"), **{k: v for k, v in node.items() if k != "connector"}}
                        _take(found, f"bridges.mqtt {node.get('name')}", str(node.get("name")), flat)
            elif isinstance(one, Mapping):
                _take(found, what, name, one)
            else:
                found.leave(what, "isn't a bridge")


def _take(found: Findings, what: str, name: str, one: Mapping[str, object]) -> None:
    if one.get("enable") is False:
        found.leave(what, "is switched off there")
        return
    server = _server(str(one.get("server", "")))
    if server is None:
        found.leave(what, "its server isn't mqtt-tcp:// or tls+mqtt-tcp://, which are what a bridge connects to")
        return
    written = str(one.get("proto_ver", 4))
    link = Link(found, what, name, "v5" if _VERSIONS.get(written) == "v5" else "v4")
    if written not in ("4", "5"):
        link.leave("proto_ver", f"{written}: MQTT 3.1.1 is spoken")
    is_encrypted = one.get(_ENCRYPTED) is True
    link.set_credentials(_text(one, "username"), "" if is_encrypted else _text(one, "password"))
    if is_encrypted:
        link.leave("password", "is encrypted there: give it as ${ENV:NAME}")
    if isinstance(one.get("clean_start"), bool):
        link.set_clean("clean_start", bool(one["clean_start"]))
    if "keepalive" in one:
        link.set("keepalive", "keepalive", one["keepalive"])
    if server.startswith("tls:"):
        _take_tls(link, table(one, "ssl"))
    elif table(one, "ssl"):
        link.note("ssl", "not needed: its server isn't tls+mqtt-tcp://")
    for properties in ("conn_properties", "conn_property"):
        for key, value in table(one, properties).items():
            if key in _CONNECT and link.version == "v5":
                link.set(f"{properties}.{key}", f"v5.{key}", value)
            else:
                link.leave(f"{properties}.{key}", "there is nothing like it")
    for number, entry in enumerate(_entries(one, "forwards"), 1):
        _take_forward(link, f"forwards {number}", entry)
    for number, entry in enumerate(_entries(one, "subscription"), 1):
        _take_subscription(link, f"subscription {number}", entry)
    _take_will(link, table(one, "will"), has_forwards=bool(_entries(one, "forwards")))
    for key in one:
        if key in _NOTED:
            link.note(key, _NOTED[key])
        elif key not in _TAKEN and one[key] is not False:
            link.leave(key, _LEFT.get(key, "there is nothing like it"))
    link.finish(server)


def _text(one: Mapping[str, object], key: str) -> str:
    value = one.get(key)
    return "" if value is None else str(value)


def _server(written: str) -> str | None:
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        return None
    is_tls = _SCHEMES[parts.scheme]
    return server_of(parts.hostname, port or _PORTS[is_tls], is_tls=is_tls)


def _take_tls(link: Link, tls: Mapping[str, object]) -> None:
    for key, value in tls.items():
        if key in _FILES:
            link.set_file(f"ssl.{key}", _FILES[key], str(value))
        elif key == "key_password":
            link.leave("ssl.key_password", "a key with a password can't be read: take the password off")
        elif key not in ("enable", "verify_peer", "fail_if_no_peer_cert"):
            link.leave(f"ssl.{key}", "there is nothing like it")
    if "cacertfile" not in tls:
        link.leave("ssl", "no cacertfile: the server's certificate has to be one that the machine trusts, or root_cert")


def _entries(one: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    """Before 0.19 a forward was its topic, and a subscription had a ``topic``."""
    written = one.get(key)
    found: list[Mapping[str, object]] = []
    for entry in written if isinstance(written, list) else []:
        if isinstance(entry, Mapping):
            found.append({"remote_topic": entry["topic"], **entry} if "topic" in entry else entry)
        else:
            found.append({"local_topic": str(entry)})
    return found


def _take_forward(link: Link, what: str, entry: Mapping[str, object]) -> None:
    before, after = _text(entry, "prefix"), _text(entry, "suffix")
    local, remote = _text(entry, "local_topic"), _text(entry, "remote_topic")
    names = Names(fixed=before + remote + after) if remote else Names(before, after)
    # Theirs raises QoS 0 too, ours doesn't.
    link.send(what, local, names, qos=_qos(entry), retain=_retain(entry))
    _leave_others(link, what, entry)


def _take_subscription(link: Link, what: str, entry: Mapping[str, object]) -> None:
    before, after = _text(entry, "prefix"), _text(entry, "suffix")
    local, remote = _text(entry, "local_topic"), _text(entry, "remote_topic")
    qos = _qos(entry)
    if not any(one in local for one in _WILDCARDS):
        names = Names(fixed=before + local + after) if local else Names(before, after)
    elif local == "#" and remote.endswith("/#"):
        # Since 0.23.7: the part of the name that # stands for.
        names = Names(before, after, skip=remote.count("/"))
    else:
        link.leave(what, f"{remote} to {local}: only # can stand for a part of the name")
        return
    link.fetch(what, remote, names, most=MOST_QOS if qos is None else qos, retain=_retain(entry))
    _leave_others(link, what, entry)


def _qos(entry: Mapping[str, object]) -> int | None:
    qos = entry.get("qos")
    return qos if isinstance(qos, int) and not isinstance(qos, bool) and 0 <= qos <= MOST_QOS else None


def _retain(entry: Mapping[str, object]) -> bool | None:
    """0 and 1 are the flag; every other number, 2 in their examples, leaves it."""
    retain = entry.get("retain")
    return bool(retain) if retain in (0, 1) else None


def _leave_others(link: Link, what: str, entry: Mapping[str, object]) -> None:
    known = ("topic", "local_topic", "remote_topic", "prefix", "suffix", "qos", "retain", "retain_as_published")
    for key, value in entry.items():
        if key not in known and (key, value) != ("retain_handling", 1):
            link.leave(f"{what}, {key}", "there is nothing like it")


def _take_will(link: Link, will: Mapping[str, object], *, has_forwards: bool) -> None:
    if not will:
        return
    values = {"topic": _text(will, "topic"), "message": _text(will, "payload")}
    settings = {**values, "qos": will.get("qos", 0), "retain": will.get("retain", False)}
    for key, value in settings.items():
        # One of the two plugins: else it would be published twice.
        link.set(f"will, {key}", f"{link.version}.last_will.{key}", value, EGRESS if has_forwards else INGRESS)
    if table(will, "properties"):
        link.leave("will.properties", "wills of bridges have none")
