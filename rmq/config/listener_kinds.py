"""The kinds of listener and the keys that only some of them have: addresses, TLS, WebSocket, Unix sockets."""

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from rmq.config.listeners import ListenerSettings, above_zero
from rmq.config.section import Section
from rmq.config.tls_files import checked_certificates, checked_key
from rmq.config.units import Address, Duration, ListenAddress, parse_address

DEFAULT_LISTENER: Final = "external"
# Loopback until told otherwise: a broker nobody configured must not be open to the network.
DEFAULT_ADDRESSES: Final = {
    "tcp": Address("127.0.0.1", 1883),
    "tls": Address("127.0.0.1", 8883),
    "ws": Address("127.0.0.1", 8083),
    "wss": Address("127.0.0.1", 8084),
}
# A Unix socket's address holds so many bytes (unix(7)), the last of them 0.
MAX_SOCKET_PATH: Final = 107

ClientCertificates = Literal[False, True, "optional"]

_URL_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_MODE = re.compile(r"0?[0-7]{3}")


def _parse_client_certificates(value: object) -> ClientCertificates:
    if value is True or value is False:
        return value
    if value == "optional":
        return "optional"
    if value in ("true", "false"):  # a variable or a flag that was taken for text
        return value == "true"
    raise ValueError('must be false, true or "optional"')


def _parse_mode(value: object) -> str:
    if not isinstance(value, str) or _MODE.fullmatch(value) is None:
        raise ValueError('write the permissions in octal, such as "0660"')
    return value


def _parse_url_path(value: object) -> str:
    if not isinstance(value, str) or _URL_PATH.fullmatch(value) is None:
        raise ValueError('write the path of the URL, such as "/mqtt"')
    return value


def _server_reference(value: str) -> str:
    if not value:
        return value
    address = parse_address(value)
    if address.port == 0 or address.is_wildcard:
        raise ValueError("must be an address that clients can connect to, or empty")
    return str(address)


class TcpListenerSettings(ListenerSettings):
    """[listener.tcp.<name>], and what every listener with an internet address has."""

    addr: ListenAddress
    advertise: Annotated[str, AfterValidator(_server_reference)] = ""
    # Our default: replies are gathered and sent once per turn, so Nagle's algorithm could only delay them.
    nodelay: bool = True
    reuseaddr: bool = True
    reuseport: bool = False
    tcp_keepalive: bool = True
    proxy_protocol: bool = False
    proxy_protocol_timeout: Annotated[Duration, AfterValidator(above_zero)] = 5.0


class TlsKeys(Section):
    """What a listener with TLS has beside. A listener that is off may name files that aren't there yet."""

    cert: str
    key: str
    client_ca_certs: str = ""
    cross_certificate: Annotated[ClientCertificates, PlainValidator(_parse_client_certificates)] = False
    cert_cn_as_username: bool = False
    cert_subject_dn_as_username: bool = False

    @field_validator("cert")
    @classmethod
    def _is_a_certificate(cls, value: str, info: ValidationInfo) -> str:
        return checked_certificates(value) if info.data.get("enable", True) else value

    @field_validator("key")
    @classmethod
    def _is_its_key(cls, value: str, info: ValidationInfo) -> str:
        return checked_key(value, info.data.get("cert")) if info.data.get("enable", True) else value

    @field_validator("client_ca_certs")
    @classmethod
    def _are_certificates(cls, value: str, info: ValidationInfo) -> str:
        return checked_certificates(value) if value and info.data.get("enable", True) else value

    @field_validator("cross_certificate")
    @classmethod
    def _has_authorities(cls, value: ClientCertificates, info: ValidationInfo) -> ClientCertificates:
        if value and info.data.get("client_ca_certs") == "":
            raise ValueError("needs client_ca_certs, the certificates of those who sign the clients' ones")
        return value

    @field_validator("cert_cn_as_username", "cert_subject_dn_as_username")
    @classmethod
    def _asks_for_certificates(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("cross_certificate") is False:
            raise ValueError('needs cross_certificate = true or "optional"')
        if value and info.data.get("cert_cn_as_username"):
            raise ValueError("cert_cn_as_username is set: only one of the two can be the user name")
        return value


class TlsListenerSettings(TlsKeys, TcpListenerSettings):
    """[listener.tls.<name>]"""


class WsListenerSettings(TcpListenerSettings):
    """[listener.ws.<name>]"""

    path: Annotated[str, PlainValidator(_parse_url_path)] = "/mqtt"


class WssListenerSettings(TlsKeys, WsListenerSettings):
    """[listener.wss.<name>]"""


class UnixListenerSettings(ListenerSettings):
    """[listener.unix.<name>]"""

    path: str
    mode: Annotated[str, PlainValidator(_parse_mode)] = "0660"

    @field_validator("path")
    @classmethod
    def _can_hold_a_socket(cls, value: str, info: ValidationInfo) -> str:
        if not value or "\0" in value or value.endswith("/"):
            raise ValueError("must be the path of a socket")
        path = Path(value).expanduser()
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            raise ValueError(f"must be at most {MAX_SOCKET_PATH} bytes, the longest address of a Unix socket")
        if info.data.get("enable", True) and not path.parent.is_dir():
            raise ValueError(f"there is no folder {path.parent}")
        return str(path)


AnyListenerSettings = (
    TcpListenerSettings | TlsListenerSettings | WsListenerSettings | WssListenerSettings | UnixListenerSettings
)

MODELS: Final[dict[str, type[ListenerSettings]]] = {
    "tcp": TcpListenerSettings,
    "tls": TlsListenerSettings,
    "ws": WsListenerSettings,
    "wss": WssListenerSettings,
    "unix": UnixListenerSettings,
}
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def _default_tcp() -> dict[str, TcpListenerSettings]:
    return {DEFAULT_LISTENER: TcpListenerSettings(addr=DEFAULT_ADDRESSES["tcp"])}


def _default_ws() -> dict[str, WsListenerSettings]:
    return {DEFAULT_LISTENER: WsListenerSettings(addr=DEFAULT_ADDRESSES["ws"])}


class ListenerTables(Section):
    """[listener.<kind>.<name>]"""

    tcp: dict[str, TcpListenerSettings] = Field(default_factory=_default_tcp)
    tls: dict[str, TlsListenerSettings] = Field(default_factory=dict)
    ws: dict[str, WsListenerSettings] = Field(default_factory=_default_ws)
    wss: dict[str, WssListenerSettings] = Field(default_factory=dict)
    unix: dict[str, UnixListenerSettings] = Field(default_factory=dict)

    @field_validator("tcp", "tls", "ws", "wss", "unix")
    @classmethod
    def _names_fit_a_key(cls, listeners: dict[str, AnyListenerSettings]) -> dict[str, AnyListenerSettings]:
        for name in listeners:
            if _NAME.fullmatch(name) is None:
                raise ValueError(f"the listener name {name!r} may hold letters, digits, _ and - only")
        return listeners

    def enabled(self) -> dict[str, AnyListenerSettings]:
        """The listeners to open, by full name, such as "tcp.external"."""
        kinds: dict[str, dict[str, AnyListenerSettings]] = {
            "tcp": {**self.tcp},
            "tls": {**self.tls},
            "ws": {**self.ws},
            "wss": {**self.wss},
            "unix": {**self.unix},
        }
        return {
            f"{kind}.{name}": listener
            for kind, listeners in kinds.items()
            for name, listener in listeners.items()
            if listener.enable
        }


def listener_defaults(kind: str) -> dict[str, object]:
    """What a listener of this kind has when only what is required was set, as a person would write it."""
    required: dict[str, object] = {"addr": DEFAULT_ADDRESSES["tcp"], "cert": "", "key": "", "path": "x"}
    model = MODELS[kind]
    asked = {name for name, field in model.model_fields.items() if field.is_required()}
    listener = model.model_validate({"enable": False, **{name: required[name] for name in asked}})
    return {**listener.model_dump(mode="json", exclude=asked), "enable": True}
