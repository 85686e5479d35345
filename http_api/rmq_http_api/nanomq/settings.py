"""NanoMQ's configuration keys and ours: the one table, read both ways.

A key that has no counterpart has one value here, which is told: one thread works, there are no bridges. NanoMQ knows
one listener of each kind; ours is "external", or where there is none of that name the first of its kind.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue, TypeAdapter

from rmq.plugin_api import Address, ByteSize, ListenAddress

Values = Mapping[str, Any]
Changes = dict[str, object]
Wanted = Mapping[str, JsonValue]

API: Final = "plugins.rmq-http-api"
KEPT: Final = f"{API}.compat_kept"
MASK: Final = "********"
COMPAT_PORT: Final = 8081
# What a packet may have at most by the protocol, in KB, and a property in bytes [MQTT 5.0, 1.5].
PROTOCOL_KB: Final = 262_144
PROPERTY_SIZE: Final = 65_535
_SIZE: Final = TypeAdapter(ByteSize)
_ADDRESS: Final = TypeAdapter(ListenAddress)
_DEFAULT_PORTS: Final = {"tcp": 1883, "tls": 8883, "ws": 8083, "wss": 8084}
_SCHEMES: Final = {"tcp": "nmq-tcp", "tls": "tls+nmq-tcp", "ws": "nmq-ws", "wss": "nmq-wss"}
_TAKEN: Final = {
    "tcp": {"nmq-tcp", "tcp", "mqtt-tcp", "broker+tcp", "nmq+tcp"},
    "tls": {"tls+nmq-tcp", "nmq-tls", "tls", "tls+mqtt-tcp", "nmq+tls"},
    "ws": {"nmq-ws", "ws"},
    "wss": {"nmq-wss", "wss"},
}


class Wrong(Exception):
    """A value that can't be; the text says why."""


def _equal(given: JsonValue, told: JsonValue) -> bool:
    return type(given) is type(told) and given == told


def _same_number(given: JsonValue, told: JsonValue) -> bool:
    numbers = not isinstance(given, bool) and isinstance(given, int | float) and isinstance(told, int | float)
    return numbers and given == told


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of NanoMQ: ``read`` tells its value by our settings, ``write`` what of ours changes for a wanted one.

    Without ``write`` there is no counterpart. ``same`` tells whether a value that is given is the one that is told.
    """

    read: Callable[[Values], JsonValue]
    write: Callable[[Wanted, Values], Changes] | None = None
    same: Callable[[JsonValue, JsonValue], bool] = _equal
    secret: bool = False


def at(values: Values, key: str, default: Any = None) -> Any:
    """One of our settings by its key."""
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return default
        found = found[part]
    return found


def listener_key(values: Values, kind: str) -> str:
    """``listener.tcp.external``, or the first one of its kind where none has that name."""
    names = sorted(at(values, f"listener.{kind}", {}))
    name = names[0] if names and "external" not in names else "external"
    return f"listener.{kind}.{name}"


# What is told


def _enabled(kind: str) -> Callable[[Values], JsonValue]:
    return lambda values: bool(at(values, f"{listener_key(values, kind)}.enable", False))


def _url(kind: str) -> Callable[[Values], JsonValue]:
    def read(values: Values) -> JsonValue:
        key = listener_key(values, kind)
        default = f"127.0.0.1:{_DEFAULT_PORTS[kind]}"
        path = at(values, f"{key}.path", "/mqtt") if kind in ("ws", "wss") else ""
        return f"{_SCHEMES[kind]}://{at(values, f'{key}.addr', default)}{path}"

    return read


def _of_tls(name: str) -> Callable[[Values], JsonValue]:
    return lambda values: at(values, f"{listener_key(values, 'tls')}.{name}") or None


def _anonymous(values: Values) -> JsonValue:
    listener = at(values, listener_key(values, "tcp"), {})
    said = listener.get("allow_anonymous", "auto")
    if isinstance(said, bool):
        return said
    # As the node decides where it was left to it (docs/configuration.md).
    address = _ADDRESS.validate_python(listener.get("addr", "127.0.0.1:1883"))
    return not at(values, "auth.users_file") and _is_loopback(address) and not listener.get("proxy_protocol", False)


def _is_loopback(address: Address) -> bool:
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return address.host == "localhost"


def _of_tcp(name: str) -> Callable[[Values], Any]:
    return lambda values: at(values, f"{listener_key(values, 'tcp')}.{name}")


def _packet_kb(values: Values) -> JsonValue:
    size = _SIZE.validate_python(_of_tcp("max_packet_size")(values) or 0)
    return size // 1024 if size else PROTOCOL_KB


def _verify(least: tuple[object, ...]) -> Callable[[Values], JsonValue]:
    return lambda values: at(values, f"{listener_key(values, 'tls')}.cross_certificate", False) in least


def _port(values: Values) -> JsonValue:
    if "nanomq" in at(values, f"{API}.compat", ()):
        return COMPAT_PORT
    return _ADDRESS.validate_python(at(values, f"{API}.http_laddr", "127.0.0.1:6060")).port


# What is changed


def _flag(wanted: Wanted, key: str) -> bool:
    value = wanted[key]
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def _number(wanted: Wanted, key: str) -> int:
    value = wanted[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise Wrong("must be a whole number")
    return int(value)


def _text(wanted: Wanted, key: str) -> str:
    value = wanted[key]
    if not isinstance(value, str):
        raise Wrong("must be a text")
    return value


def complete(changes: Changes, values: Values) -> None:
    """A listener with TLS that isn't there yet is off unless switched on, and has no files unless they are named."""
    for kind in ("tls", "wss"):
        key = listener_key(values, kind)
        if at(values, key) is None and any(name.startswith(f"{key}.") for name in changes):
            for name, value in (("enable", False), ("cert", ""), ("key", "")):
                changes.setdefault(f"{key}.{name}", value)


def _enable(kind: str, nano: str) -> Callable[[Wanted, Values], Changes]:
    return lambda wanted, values: {f"{listener_key(values, kind)}.enable": _flag(wanted, nano)}


def _parts(kind: str, url: str) -> tuple[str, str]:
    """Address and path of a URL; ``Wrong`` if it isn't one of this kind."""
    scheme, slashes, rest = url.partition("://")
    address, slash, path = rest.partition("/")
    if not slashes or scheme not in _TAKEN[kind]:
        raise Wrong(f"must be a URL such as {_SCHEMES[kind]}://0.0.0.0:{_DEFAULT_PORTS[kind]}")
    if kind in ("tcp", "tls") and path:
        raise Wrong("must have no path")
    try:
        _ADDRESS.validate_python(address)
    except ValueError:
        raise Wrong(f"{address[:64]!r} is no address") from None
    return address, slash + path


def _listen(kind: str, nano: str) -> Callable[[Wanted, Values], Changes]:
    def write(wanted: Wanted, values: Values) -> Changes:
        address, path = _parts(kind, _text(wanted, nano))
        key = listener_key(values, kind)
        changes: Changes = {f"{key}.addr": address}
        if path:
            changes[f"{key}.path"] = path
        return changes

    return write


def _same_url(kind: str) -> Callable[[JsonValue, JsonValue], bool]:
    def same(given: JsonValue, told: JsonValue) -> bool:
        if not isinstance(given, str) or not isinstance(told, str):
            return False
        try:
            (address, path), (here, path_here) = _parts(kind, given), _parts(kind, told)
        except Wrong:
            return False
        return _ADDRESS.validate_python(address) == _ADDRESS.validate_python(here) and path in ("", path_here)

    return same


def _file(name: str, nano: str) -> Callable[[Wanted, Values], Changes]:
    def write(wanted: Wanted, values: Values) -> Changes:
        path = _text(wanted, nano)
        if not path or any(sign < " " for sign in path) or path.lstrip().startswith("-----BEGIN"):
            raise Wrong("must be the path of a file on the node, not what is in it")
        return {f"{listener_key(values, 'tls')}.{name}": path}

    return write


def _certificates(wanted: Wanted, values: Values) -> Changes:
    verify, required = _flag(wanted, "tls.verify_peer"), _flag(wanted, "tls.fail_if_no_peer_cert")
    if required and not verify:
        raise Wrong("fail_if_no_peer_cert goes with verify_peer")
    return {f"{listener_key(values, 'tls')}.cross_certificate": required or ("optional" if verify else False)}


def _set_of_tcp(name: str, nano: str, ours: Callable[[Wanted, str], object]) -> Callable[[Wanted, Values], Changes]:
    return lambda wanted, values: {f"{listener_key(values, 'tcp')}.{name}": ours(wanted, nano)}


def _bytes(wanted: Wanted, key: str) -> int:
    size = _number(wanted, key)
    if size < 1:
        raise Wrong("must be at least 1")
    return size * 1024 if size < PROTOCOL_KB else 0


def _backoff(wanted: Wanted, key: str) -> float:
    value = wanted[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong("must be a number")
    return value / 2


def _set_port(wanted: Wanted, values: Values) -> Changes:
    port = _number(wanted, "http_server.port")
    if not 1 <= port <= 65_535:
        raise Wrong("must be from 1 to 65535")
    if "nanomq" in at(values, f"{API}.compat", ()):
        raise Wrong(f"is {COMPAT_PORT} where NanoMQ's API is served by compat")
    old = _ADDRESS.validate_python(at(values, f"{API}.http_laddr", "127.0.0.1:6060"))
    return {f"{API}.http_laddr": str(Address(old.host, port))}


def _fixed(value: JsonValue, *, secret: bool = False) -> Entry:
    return Entry(lambda values: value, same=_same_number if type(value) is int else _equal, secret=secret)


# By NanoMQ's keys, in the order of its document.
TABLE: Final[Mapping[str, Entry]] = {
    "url": Entry(_url("tcp"), _listen("tcp", "url"), _same_url("tcp")),
    "num_taskq_thread": _fixed(1),
    "max_taskq_thread": _fixed(1),
    "parallel": _fixed(1),
    "property_size": _fixed(PROPERTY_SIZE),
    "max_packet_size": Entry(_packet_kb, _set_of_tcp("max_packet_size", "max_packet_size", _bytes), _same_number),
    "client_max_packet_size": _fixed(PROTOCOL_KB),
    "msq_len": Entry(_of_tcp("max_mqueue_len"), _set_of_tcp("max_mqueue_len", "msq_len", _number), _same_number),
    "qos_duration": _fixed(0),
    "keepalive_backoff": Entry(
        lambda values: _of_tcp("keepalive_backoff")(values) * 2,
        _set_of_tcp("keepalive_backoff", "keepalive_backoff", _backoff),
        _same_number,
    ),
    "allow_anonymous": Entry(_anonymous, _set_of_tcp("allow_anonymous", "allow_anonymous", _flag)),
    "daemon": _fixed(False),
    "tls.enable": Entry(_enabled("tls"), _enable("tls", "tls.enable")),
    "tls.url": Entry(_url("tls"), _listen("tls", "tls.url"), _same_url("tls")),
    "tls.key": Entry(_of_tls("key"), _file("key", "tls.key")),
    "tls.keypass": _fixed(None),
    "tls.key_password": _fixed(None),
    "tls.cert": Entry(_of_tls("cert"), _file("cert", "tls.cert")),
    "tls.cacert": Entry(_of_tls("client_ca_certs"), _file("client_ca_certs", "tls.cacert")),
    "tls.verify_peer": Entry(_verify((True, "optional")), _certificates),
    "tls.fail_if_no_peer_cert": Entry(_verify((True,)), _certificates),
    "websocket.enable": Entry(_enabled("ws"), _enable("ws", "websocket.enable")),
    "websocket.url": Entry(_url("ws"), _listen("ws", "websocket.url"), _same_url("ws")),
    "websocket.tls_url": Entry(_url("wss"), _listen("wss", "websocket.tls_url"), _same_url("wss")),
    "http_server.enable": _fixed(True),
    "http_server.port": Entry(_port, _set_port, _same_number),
    "http_server.username": _fixed("admin"),
    "http_server.password": _fixed(MASK, secret=True),
    "http_server.auth_type": _fixed("basic"),
    "bridge.bridge_mode": _fixed(False),
    "bridge.address": _fixed(""),
    "bridge.proto_ver": _fixed(4),
    "bridge.clientid": _fixed(""),
    "bridge.clean_start": _fixed(True),
    "bridge.username": _fixed(""),
    "bridge.password": _fixed("", secret=True),
    "bridge.keepalive": _fixed(0),
    "bridge.parallel": _fixed(0),
    "bridge.forwards": _fixed([]),
    "bridge.subscription": _fixed([]),
}
