"""mosquitto's bridges: the lines from ``connection`` on."""

import re
from collections.abc import Iterable
from typing import Final

from rmq.migration.bridges import Link, Version, names_by_prefix, server_of
from rmq.migration.findings import Findings

Lines = list[tuple[str, str]]

# The keys that belong to the connection before them, beside those that begin with bridge_.
KEYS: Final = frozenset(
    {
        "address", "addresses", "cleansession", "clientid", "idle_timeout", "keepalive_interval", "local_cleansession",
        "local_clientid", "local_password", "local_username", "notification_topic", "notifications",
        "notifications_local_only", "password", "remote_clientid", "remote_password", "remote_username",
        "restart_timeout", "round_robin", "start_type", "threshold", "topic", "try_private", "username",
    }
)  # fmt: skip
_VERSIONS: Final[dict[str, Version]] = {"mqttv31": "v4", "mqttv311": "v4", "mqttv50": "v5"}
_FILES: Final = {"bridge_cafile": "root_cert", "bridge_certfile": "client_cert", "bridge_keyfile": "client_key"}
_NUMBERS: Final = {
    "bridge_session_expiry_interval": "v5.session_expiry_interval",
    "bridge_receive_maximum": "v5.receive_maximum",
    "bridge_max_topic_alias": "v5.topic_alias_maximum",
}
_OWN: Final = "not needed: a bridge is part of the node, which asks it neither who it is nor what it may"
_NOTED: Final = {
    "local_clientid": _OWN,
    "local_username": _OWN,
    "local_password": _OWN,
    "bridge_attempt_unsubscribe": "not needed: each topic has a session of its own on the other broker",
    "bridge_tls_version": "TLS 1.2 and 1.3",
}
_ALWAYS: Final = "a bridge is always connected, and connects again"
_LEFT: Final = {
    "bridge_insecure": "certificates are checked, and that they are for the address",
    "bridge_capath": "a folder of certificates: put them into one file, root_cert; so far the machine's are trusted",
    "bridge_max_packet_size": "what the other broker says it takes counts",
    "start_type": _ALWAYS,
    "threshold": _ALWAYS,
    "idle_timeout": _ALWAYS,
    "round_robin": "a bridge has one address",
    "remote_clientid": "client ids there are made: rmq:NAME:egress:ENTRY:0, rmq:NAME:ingress:ENTRY:0",
    "notifications": "nothing is published: the plugin's attributes say what is connected",
}
_LEFT_ALSO: Final = {
    "clientid": "remote_clientid",
    "notification_topic": "notifications",
    "notifications_local_only": "notifications",
}
_TLS_BY: Final = ("bridge_cafile", "bridge_capath")
_SYSTEM_TLS: Final = "bridge_tls_use_os_certs"
_PSK: Final = ("bridge_psk", "bridge_identity")
# The empty name, "", and since 2.1 a pattern with spaces stand in quotation marks.
_WORD: Final = re.compile(r'"([^"]*)"|(\S+)')
_DEFAULT_PORT: Final = 1883
MOST_QOS: Final = 2


def is_of_bridge(key: str) -> bool:
    """Whether a key belongs to the connection before it."""
    return key in KEYS or key.startswith("bridge_")


def take(found: Findings, name: str, lines: Lines) -> None:
    """One connection with its lines."""
    what = f"connection {name}"
    last = dict(lines)
    if any(key in last for key in _PSK):
        found.leave(what, "pre-shared keys aren't there: a bridge to a tls:// address has certificates")
        return
    addresses = [word for key, value in lines if key in ("address", "addresses") for word in value.split()]
    is_tls = any(key in last for key in _TLS_BY) or last.get(_SYSTEM_TLS) == "true"
    server = _server(addresses[0], is_tls=is_tls) if addresses else None
    if server is None:
        found.leave(what, "has no address that can be understood")
        return
    written = last.get("bridge_protocol_version", "mqttv311")
    link = Link(found, what, name, _VERSIONS.get(written, "v4"))
    if written not in ("mqttv311", "mqttv50"):
        link.leave("bridge_protocol_version", f"{written}: MQTT 3.1.1 is spoken")
    for address in addresses[1:]:
        link.leave(f"address {address}", "a bridge has one address")
    link.set_credentials(
        last.get("remote_username", last.get("username", "")), last.get("remote_password", last.get("password", ""))
    )
    for key, value in last.items():
        _take_key(link, key, value, is_tls=is_tls)
    retain = False if last.get("bridge_outgoing_retain") == "false" else None
    for topic in dict.fromkeys(value for key, value in lines if key == "topic"):
        _take_topic(link, topic, retain)
    link.finish(server)


def _server(address: str, *, is_tls: bool) -> str | None:
    host, colon, port = address.rpartition(":")
    if not colon:
        return server_of(address, _DEFAULT_PORT, is_tls=is_tls)
    return server_of(host, int(port), is_tls=is_tls) if port.isdecimal() else None


def _take_key(link: Link, key: str, value: str, *, is_tls: bool) -> None:
    if key in _FILES:
        if is_tls:
            link.set_file(key, _FILES[key], value)
        else:
            link.leave(key, "without bridge_cafile there is no TLS")
    elif key in _NUMBERS:
        if not value.isdecimal():
            link.leave(key, "isn't a number")
        elif link.version == "v5":
            link.set(key, _NUMBERS[key], int(value))
        else:
            link.note(key, "not needed: it is for MQTT 5")
    elif key == "cleansession":
        if value == "true":
            link.set_clean(key, True)
            link.note("local_cleansession", "what goes out waits here all the same: session_retention says how long")
    elif key == "local_cleansession":
        link.note(key, "what goes out waits here: session_retention says how long")
    elif key == "keepalive_interval":
        link.set(key, "keepalive", f"{value}s")
    elif key == "restart_timeout":
        link.set(key, "reconnect_interval", f"{(value.split() or [value])[0]}s")
    elif key == "try_private":
        if value == "true":
            link.leave(key, "a bridge is a client like others: MQTT 5 keeps retain flags, and stops loops")
    elif key == "notifications" and value == "false":
        link.note(key, "nothing is published")
    elif key in _NOTED:
        link.note(key, _NOTED[key])
    elif key in _LEFT or key in _LEFT_ALSO:
        if value not in ("false", "automatic", "0"):
            link.leave(key, _LEFT[_LEFT_ALSO.get(key, key)])
    elif key.startswith("bridge_") and key not in ("bridge_protocol_version", "bridge_outgoing_retain", _SYSTEM_TLS):
        link.leave(key, "there is nothing like it")


def _take_topic(link: Link, line: str, retain: bool | None) -> None:
    """``topic pattern [[[ out | in | both ] qos-level] local-prefix remote-prefix]``."""
    what = f"topic {line}"
    words = [found[1] if found[2] is None else found[2] for found in _WORD.finditer(line)]
    pattern, direction, level, here, there, *more = _filled(words, ("", "out", "0", "", ""))
    if direction not in ("out", "in", "both") or level not in ("0", "1", "2") or more:
        link.leave(what, "isn't a topic of a bridge")
        return
    if not pattern and not (here and there):
        link.leave(what, "needs a pattern, or both prefixes")
        return
    qos = int(level)
    if direction != "in":
        names = names_by_prefix(pattern, here, there)
        if names is None:
            link.leave(f"{what}, out", f"{here} ends within a level, which can't be cut")
        else:
            # Theirs is the most a message goes out with, ours is what it gets: the same but for 2.
            link.send(what, here + pattern, names, qos=None if qos == MOST_QOS else qos, retain=retain)
    if direction != "out":
        names = names_by_prefix(pattern, there, here)
        if names is None:
            link.leave(f"{what}, in", f"{there} ends within a level, which can't be cut")
        else:
            link.fetch(what, there + pattern, names, most=qos)
    if direction == "both" and link.version == "v4":
        link.leave(what, 'by MQTT 3.1.1 what was sent comes back once: mqtt_ver = "v5" stops that, where it is spoken')


def _filled(words: list[str], defaults: Iterable[str]) -> list[str]:
    return words + list(defaults)[len(words) :]
