"""EMQX: the archive of its data export (5), the JSON of one (4), cluster.hocon, acl.conf, or users for its import."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from rmq.migration import emqx_bridges
from rmq.migration.emqx_accounts import Hashing, add_erlang_rules, read_tables, read_users, read_version_4
from rmq.migration.files import MOST_BYTES, decoded, read_bytes
from rmq.migration.findings import Findings, MigrationError
from rmq.migration.hocon import parsed
from rmq.migration.settings import check

_DATABASES: Final = ("password_based:mysql", "password_based:postgresql", "password_based:redis")
_KINDS: Final = {"tcp": "tcp", "ssl": "tls", "ws": "ws", "wss": "wss"}
_LISTENER: Final = {"max_connections": "max_connections", "proxy_protocol": "proxy_protocol"}
_MQTT: Final = {
    "max_packet_size": "max_packet_size",
    "max_clientid_len": "max_clientid_len",
    "max_topic_levels": "max_topic_levels",
    "max_topic_alias": "max_topic_aliases",
    "max_qos_allowed": "max_qos_allowed",
    "retain_available": "retain_available",
    "wildcard_subscription": "wildcard_subscription_available",
    "shared_subscription": "shared_subscription_available",
    "exclusive_subscription": "limit_subscription",
    "max_subscriptions": "max_subscriptions",
    "max_inflight": "max_inflight",
    "max_mqueue_len": "max_mqueue_len",
    "session_expiry_interval": "session_expiry_interval",
    "message_expiry_interval": "message_expiry_interval",
}
_TLS: Final = {"certfile": "cert", "keyfile": "key"}
# Roots that hold nothing for somebody to carry over, and why.
_NOTED: Final = {
    "node": "node.id and node.data_dir are this installation's own",
    "dashboard": "rmq-node --compat emqx serves the API at port 18083; there is no dashboard of EMQX",
    "api_key": "API keys are made anew: rmq-ctl, or POST /api/v5/api_key",
    "cluster": "rmq-node cluster founds one and lets nodes join",
    "prometheus": "/metrics and /api/v5/prometheus/stats are always there",
    "sys_topics": "rmq-sys-topic has publish_interval",
}
MOST_FILES: Final = 10_000


def read(path: Path) -> Findings:
    """Whichever of these it is; ``end_rules`` has the last rule."""
    content = read_bytes(path)
    if content[:2] == b"\x1f\x8b":
        return _read_archive(path, content)
    text = decoded(path, content)
    found = Findings()
    theirs: dict[str, object] = {}
    if path.suffix == ".csv" or (text.lstrip()[:1] in ("[", "{") and path.suffix == ".json"):
        _read_json(found, path, text)
    elif path.name.startswith("acl") and path.suffix == ".conf":
        add_erlang_rules(found, text, path.name)
    else:
        theirs = parsed(path, text, path.parent)
        _take_hocon(found, theirs)
    check(found)
    return found


def end_rules(found: Findings) -> None:
    """What no rule is about is denied here, and allowed by EMQX unless it says otherwise; once all files are read."""
    if found.rules and found.no_match != "deny":
        found.rules.append(["allow", "all"])
    elif not found.rules and found.no_match == "deny":
        # Without any rule of theirs the plugin's own ones would allow.
        found.rules.append(["deny", "all"])


def _read_json(found: Findings, path: Path, text: str) -> None:
    if path.suffix == ".csv":
        read_users(found, text, is_csv=True)
        return
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MigrationError(f"{path}: isn't JSON: {error}") from None
    if isinstance(value, dict):
        read_version_4(found, value)
    else:
        read_users(found, text, is_csv=False)


def _read_archive(path: Path, content: bytes) -> Findings:
    """The archive has one folder, with META.hocon, cluster.hocon, tables below mnesia/, and files that it names."""
    files = _files(path, content)
    if "META.hocon" not in files:
        raise MigrationError(f"{path}: has no META.hocon: isn't a data export of EMQX 5")
    found = Findings()
    theirs: dict[str, object] = {}
    if "cluster.hocon" in files:
        inner = Path(f"{path}:cluster.hocon")
        theirs = parsed(inner, decoded(inner, files["cluster.hocon"]), None)
        _take_hocon(found, theirs)
    acl = next((name for name in files if name.endswith("acl.conf")), None)
    if acl is not None:
        add_erlang_rules(found, decoded(Path(acl), files[acl]), acl)
    tables = {name.rpartition("/")[2]: table for name, table in files.items() if name.startswith("mnesia/")}
    read_tables(found, tables, Hashing.of(theirs))
    for name in files:
        if name.startswith("certs/"):
            found.leave(name, "certificates and keys stay in the archive: unpack them yourself")
    check(found)
    return found


def _files(path: Path, content: bytes) -> dict[str, bytes]:
    """What is in the archive, without the name of its folder. Nothing is unpacked to the disk."""
    found: dict[str, bytes] = {}
    left = MOST_BYTES
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for number, member in enumerate(archive):
                left -= member.size
                if number >= MOST_FILES or left < 0:
                    raise MigrationError(f"{path}: holds more than can be an export of EMQX")
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    found["/".join(PurePosixPath(member.name).parts[1:])] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise MigrationError(f"{path}: isn't an archive that can be read: {error}") from None
    return found


def _take_hocon(found: Findings, theirs: Mapping[str, object]) -> None:
    starts = _take_listeners(found, _table(theirs, "listeners"))
    mqtt = _table(theirs, "mqtt")
    for name, value in mqtt.items():
        if name not in _MQTT:
            found.leave(f"mqtt.{name}", "there is nothing like it")
        elif value in ("infinity", "disabled"):
            found.note(f"mqtt.{name}", "no limit: as it is here, or as large as it can be")
        else:
            for start in starts or ["listener.tcp.external"]:
                found.take(f"mqtt.{name}", f"{start}.{_MQTT[name]}", value)
    retainer = _table(theirs, "retainer")
    if "msg_expiry_interval" in retainer:
        value = str(retainer["msg_expiry_interval"])
        found.take("retainer.msg_expiry_interval", "retain.retained_message_ttl", "0" if value == "0s" else value)
    if "max_payload_size" in retainer:
        found.take("retainer.max_payload_size", "retain.max_payload_size", retainer["max_payload_size"])
    if theirs.get("authentication"):
        _take_authentication(found, theirs["authentication"])
    elif starts:
        found.leave(
            "authentication",
            "there is none in these files, and without any EMQX lets everybody in: allow_anonymous = true does that",
        )
    _take_authorization(found, _table(theirs, "authorization"))
    emqx_bridges.take(found, theirs)
    for name in theirs:
        if name in _NOTED:
            found.note(name, _NOTED[name])
        elif name not in ("listeners", "mqtt", "retainer", "authentication", "authorization", *emqx_bridges.ROOTS):
            found.leave(name, "there is nothing like it, or it is set in another way: see docs/migration.md")


def _take_authentication(found: Findings, value: object) -> None:
    for one in value if isinstance(value, list) else [value]:
        kind = f"{one.get('mechanism')}:{one.get('backend', '')}" if isinstance(one, Mapping) else ""
        if kind == "password_based:built_in_database":
            found.note(f"authentication {kind}", "the users file")
        elif kind == "password_based:http":
            found.leave(
                f"authentication {kind}", "rmq-auth-http does that: its URLs go into plugins/rmq-auth-http.toml"
            )
        elif kind in _DATABASES:
            found.leave(f"authentication {kind}", "rmq-auth-db does that: its queries go into plugins/rmq-auth-db.toml")
        else:
            found.leave(f"authentication {kind.strip(':')}", "there is nothing like it")


def _take_authorization(found: Findings, authorization: Mapping[str, object]) -> None:
    sources = authorization.get("sources")
    for source in sources if isinstance(sources, list) else []:
        kind = str(source.get("type")) if isinstance(source, Mapping) else ""
        what = f"authorization {kind}".rstrip()
        if isinstance(source, Mapping) and source.get("enable") is False:
            found.note(what, "is switched off there")
        elif kind in ("file", "built_in_database"):
            found.note(what, "rules of rmq-acl, where its rules are among these files")
        elif kind == "http":
            found.leave(what, "rmq-auth-http does that: its URLs go into plugins/rmq-auth-http.toml")
        elif kind in ("mysql", "postgresql", "redis"):
            found.leave(what, "rmq-auth-db does that: its queries go into plugins/rmq-auth-db.toml")
        else:
            found.leave(what, "there is nothing like it")
    found.no_match = str(authorization.get("no_match", ""))
    if authorization.get("deny_action") == "ignore":
        found.note("authorization.deny_action", "disconnect_if_pub_rejected = false in plugins/rmq-acl.toml does that")


def _table(tables: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = tables.get(name)
    return found if isinstance(found, Mapping) else {}


def _take_listeners(found: Findings, listeners: Mapping[str, object]) -> list[str]:
    starts: list[str] = []
    for kind, named in listeners.items():
        if kind not in _KINDS or not isinstance(named, Mapping):
            found.leave(f"listeners.{kind}", "there is no such listener")
            continue
        for name, one in named.items():
            if isinstance(one, Mapping):
                start = f"listener.{_KINDS[kind]}.{'external' if name == 'default' else name}"
                starts.append(start)
                _take_listener(found, f"listeners.{kind}.{name}", start, one)
    return starts


def _take_listener(found: Findings, what: str, start: str, one: Mapping[str, object]) -> None:
    bind = str(one.get("bind", ""))
    found.take(f"{what}.bind", f"{start}.addr", bind if ":" in bind else f"0.0.0.0:{bind}")
    if one.get("enable") is False or one.get("enabled") is False:
        found.take(f"{what}.enable", f"{start}.enable", False)
    for name, key in _LISTENER.items():
        if name in one and one[name] != "infinity":
            found.take(f"{what}.{name}", f"{start}.{key}", one[name])
    path = _table(one, "websocket").get("mqtt_path")
    if path is not None:
        found.take(f"{what}.websocket.mqtt_path", f"{start}.path", path)
    tls = _table(one, "ssl_options")
    for name, key in _TLS.items():
        if name in tls:
            found.take(f"{what}.ssl_options.{name}", f"{start}.{key}", tls[name])
    if tls.get("verify") == "verify_peer":
        found.take(f"{what}.ssl_options.verify", f"{start}.cross_certificate", True)
        if "cacertfile" in tls:
            found.take(f"{what}.ssl_options.cacertfile", f"{start}.client_ca_certs", tls["cacertfile"])
    if one.get("mountpoint"):
        found.leave(f"{what}.mountpoint", "there are no mount points")
