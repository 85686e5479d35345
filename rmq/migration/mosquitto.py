"""mosquitto.conf: its listeners, limits, TLS and files (mosquitto 1.5 to 2.1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rmq.migration import mosquitto_bridges
from rmq.migration.files import beside, read_text
from rmq.migration.findings import Findings, MigrationError
from rmq.migration.mosquitto_access import read_passwords, read_rules
from rmq.migration.mosquitto_store import read_retained
from rmq.migration.settings import check

# What holds for every listener here, because it has one table for each.
_OF_ALL: Final = {
    "max_inflight_messages": "max_inflight",
    "max_queued_messages": "max_mqueue_len",
    "max_keepalive": "max_keepalive",
    "max_packet_size": "max_packet_size",
    "message_size_limit": "max_packet_size",
    "retain_available": "retain_available",
    "set_tcp_nodelay": "nodelay",
    "max_qos": "max_qos_allowed",
    "max_topic_alias": "max_topic_aliases",
    "max_topic_alias_broker": "max_outbound_topic_aliases",
    "max_connections": "max_connections",
    "allow_anonymous": "allow_anonymous",
}
_TLS: Final = {"certfile": "cert", "keyfile": "key", "cafile": "client_ca_certs"}
_NEEDS_NOTHING: Final = {
    "pid_file": "the service manager knows the process",
    "user": "the service manager says who runs it",
    "daemon": "the service manager runs it",
    "persistence": "sessions and retained messages are kept on disk unless [storage] says otherwise",
    "persistence_file": "the data have a form of their own",
    "autosave_interval": "what is acknowledged is written at once",
    "autosave_on_changes": "what is acknowledged is written at once",
    "per_listener_settings": "access is the same at every listener",
    "log_timestamp": "every line of the log has its time",
    "log_timestamp_format": "every line of the log has its time",
    "connection_messages": "log.connection_lines says how many",
    "allow_duplicate_messages": "a client gets one message where subscriptions overlap",
    "queue_qos0_messages": "QoS 0 isn't kept for clients that are off line",
    "upgrade_outgoing_qos": "messages keep the lower QoS, as the specification says",
    "allow_zero_length_clientid": "a client without an id gets one",
    "auto_id_prefix": "a client without an id gets one",
    "memory_limit": "[node.busy] and [storage] have the limits of memory",
    "sys_interval": "rmq-sys-topic has publish_interval",
    "socket_domain": "the address says it",
    "tls_version": "TLS 1.2 and 1.3",
    "protocol": "the kind of the listener",
    "max_inflight_bytes": "packets are counted, not bytes",
    "max_queued_bytes": "[storage] has session_memory_budget",
    "check_retain_source": "what is retained was allowed when it was published",
}
_PROXY: Final = "enable_proxy_protocol"  # 2.1; the version is in front of each connection
_YES: Final = {"true": True, "false": False}
MOST_INCLUDED: Final = 100


@dataclass(slots=True)
class _Listener:
    port: str
    host: str = ""
    lines: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Which of our kinds it is."""
        secure = "certfile" in self.lines
        if self.port == "0":
            return "unix"
        if self.lines.get("protocol") == "websockets":
            return "wss" if secure else "ws"
        return "tls" if secure else "tcp"


def read(path: Path) -> Findings:
    """The configuration with all files that it names."""
    found = Findings()
    general: dict[str, str] = {}
    listeners: list[_Listener] = []
    first = _Listener("1883")
    connections: list[tuple[str, mosquitto_bridges.Lines]] = []
    is_bridge = False
    for key, value in _lines(path, []):
        place = listeners[-1].lines if listeners else first.lines
        if key == "connection":
            is_bridge = True
            connections.append((value, []))
        elif key == "listener":
            is_bridge = False
            port, _, host = value.partition(" ")
            listeners.append(_Listener(port, host.strip()))
        elif is_bridge and mosquitto_bridges.is_of_bridge(key):
            connections[-1][1].append((key, value))
        elif key in ("port", "bind_address"):
            setattr(first, "port" if key == "port" else "host", value)
            place[key] = value
        elif key in _TLS or key in _PER_LISTENER:
            place[key] = value
        else:
            general[key] = value
    if first.lines.keys() & {"port", "bind_address"} or not listeners:
        if not listeners and not first.lines.keys() & {"port", "bind_address"}:
            first.host = "127.0.0.1"  # mosquitto 2: without any listener only this machine
            first.lines.setdefault("allow_anonymous", "true")
        listeners.insert(0, first)
    else:
        for key, value in first.lines.items():
            general.setdefault(key, value)
    _take_listeners(found, listeners, general)
    _take_general(found, path, general, listeners)
    for name, lines in connections:
        mosquitto_bridges.take(found, name, lines)
    check(found)
    return found


_PER_LISTENER: Final = frozenset(
    {
        "protocol",
        "max_connections",
        "max_qos",
        "max_topic_alias",
        "max_topic_alias_broker",
        "require_certificate",
        "use_identity_as_username",
        "use_subject_as_username",
        "allow_anonymous",
        "mount_point",
        "capath",
        "ciphers",
        "ciphers_tls1.3",
        "crlfile",
        "dhparamfile",
        "tls_engine",
        "psk_hint",
        "use_username_as_clientid",
        "clientid_prefixes",
        "http_dir",
        _PROXY,
    }
)


def _lines(path: Path, seen: list[Path]) -> Iterator[tuple[str, str]]:
    if len(seen) > MOST_INCLUDED or path.resolve() in seen:
        raise MigrationError(f"{path}: is included by itself, or too many files are")
    seen.append(path.resolve())
    for line in read_text(path).splitlines():
        key, _, value = line.strip().partition(" ")
        value = value.strip()
        if not key or key.startswith("#"):
            continue
        if key != "include_dir":
            yield key, value
            continue
        folder = beside(path, value)
        for inner in sorted(folder.glob("*.conf")):
            yield from _lines(inner, seen)


def _take_listeners(found: Findings, listeners: list[_Listener], general: dict[str, str]) -> None:
    counts: dict[str, int] = {}
    for listener in listeners:
        kind = listener.kind
        counts[kind] = counts.get(kind, 0) + 1
        name = "external" if counts[kind] == 1 else f"p{listener.port}" if listener.port != "0" else f"n{counts[kind]}"
        start = f"listener.{kind}.{name}"
        what = f"listener {listener.port} {listener.host}".rstrip()
        if kind == "unix":
            found.take(what, f"{start}.path", listener.host)
        else:
            host = listener.host or "0.0.0.0"
            found.take(what, f"{start}.addr", f"[{host}]:{listener.port}" if ":" in host else f"{host}:{listener.port}")
        # mosquitto 2 lets nobody in without a name unless it says so.
        values = {"allow_anonymous": "false", **general, **listener.lines}
        for key, ours in _OF_ALL.items():
            if key in values:
                _take_value(found, f"{what}: {key}" if key in listener.lines else key, f"{start}.{ours}", values[key])
        if kind in ("tls", "wss"):
            _take_tls(found, what, start, listener.lines)
        if listener.lines.get(_PROXY, "0") in ("1", "2"):
            found.take(f"{what}: {_PROXY}", f"{start}.proxy_protocol", True)
        for key in listener.lines:
            if key not in _OF_ALL and key not in _TLS and key not in _TLS_WORDS and key != _PROXY:
                if key in _NEEDS_NOTHING:
                    found.note(f"{what}: {key}", _NEEDS_NOTHING[key])
                elif key not in ("port", "bind_address"):
                    found.leave(f"{what}: {key}", "there is nothing like it")


_TLS_WORDS: Final = {"require_certificate", "use_identity_as_username", "use_subject_as_username"}


def _take_tls(found: Findings, what: str, start: str, lines: dict[str, str]) -> None:
    needs = lines.get("require_certificate") == "true"
    for key in ("certfile", "keyfile"):
        if key in lines:
            found.take(f"{what}: {key}", f"{start}.{_TLS[key]}", lines[key])
    if needs:
        found.take(f"{what}: require_certificate", f"{start}.cross_certificate", True)
        if "cafile" in lines:
            found.take(f"{what}: cafile", f"{start}.client_ca_certs", lines["cafile"])
    elif "cafile" in lines:
        found.note(f"{what}: cafile", "not needed: clients show no certificate")
    if lines.get("use_identity_as_username") == "true":
        found.take(f"{what}: use_identity_as_username", f"{start}.cert_cn_as_username", True)
    if lines.get("use_subject_as_username") == "true":
        found.take(f"{what}: use_subject_as_username", f"{start}.cert_subject_dn_as_username", True)


def _take_value(found: Findings, what: str, key: str, written: str) -> None:
    ours = key.rpartition(".")[2]
    if written in _YES:
        found.take(what, key, _YES[written])
        return
    try:
        number = int(written)
    except ValueError:
        found.leave(what, "isn't a number")
        return
    if number <= 0 and ours in ("max_connections", "max_inflight", "max_mqueue_len"):
        found.leave(what, f"no limit: {key} must be a number, and stays as it is")
    elif number or ours != "max_packet_size":
        found.take(what, key, number)


def _take_general(found: Findings, path: Path, general: dict[str, str], listeners: list[_Listener]) -> None:
    for key, value in general.items():
        if key in _OF_ALL or key in _PER_LISTENER or key in _TLS:
            continue
        if key == "password_file":
            read_passwords(found, beside(path, value))
        elif key == "acl_file":
            is_open = any(
                one.lines.get("allow_anonymous", general.get("allow_anonymous")) == "true" for one in listeners
            )
            read_rules(found, beside(path, value), has_anonymous=is_open)
        elif key == "persistence_location":
            store = Path(value) / general.get("persistence_file", "mosquitto.db")
            read_retained(found, beside(path, str(store)))
            found.note(key, "node.data_dir says where data are kept; it isn't changed by the import")
        elif key == "persistent_client_expiration":
            _take_expiry(found, value, listeners)
        elif key == "log_dest":
            _take_log(found, value)
        elif key == "log_type":
            level = {"all": "debug", "debug": "debug", "error": "error", "warning": "warning"}.get(value, "info")
            found.take(f"log_type {value}", "log.level", level)
        elif key in _NEEDS_NOTHING:
            found.note(key, _NEEDS_NOTHING[key])
        else:
            found.leave(key, "there is nothing like it")


def _take_expiry(found: Findings, value: str, listeners: list[_Listener]) -> None:
    """``14d``, ``2w``, ``1m``, ``1y``, ``8h``; months have 30 days here."""
    days = {"d": 1, "w": 7, "m": 30, "y": 365}
    what = f"persistent_client_expiration {value}"
    unit, number = value[-1:], value[:-1]
    if not number.isdigit() or unit not in {*days, "h"}:
        found.leave(what, "isn't a time")
        return
    text = f"{number}h" if unit == "h" else f"{int(number) * days[unit]}d"
    for key in [key for key in found.settings if key.endswith((".addr", ".path")) and key.startswith("listener.")]:
        found.take(what, f"{key.rpartition('.')[0]}.session_expiry_interval", text)


def _take_log(found: Findings, value: str) -> None:
    kind, _, where = value.partition(" ")
    if kind == "file" and where:
        path = Path(where)
        found.take(f"log_dest {value}", "log.to", "file")
        found.take(f"log_dest {value}", "log.dir", str(path.parent))
        found.take(f"log_dest {value}", "log.file", path.name)
    elif kind in ("stdout", "stderr"):
        found.take(f"log_dest {value}", "log.to", "console")
    elif kind == "none":
        found.take(f"log_dest {value}", "log.to", "off")
    else:
        found.leave(f"log_dest {value}", "the log goes to standard error or to a file")
