"""The keys that bridges of both directions have; RMQTT's names, and those of its own beside them."""

import base64
import binascii
import os
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rmq.plugin_api import V5, V311, ByteSize, Duration, PluginConfig, WholeSeconds, Will, is_valid_topic_name

# How many bridges, entries of one, and connections of an entry there may be: each is a session on both sides.
MAX_BRIDGES: Final = 100
MAX_ENTRIES: Final = 100
MAX_CLIENTS: Final = 64
# A session has so many packet identifiers for what waits; beside the queue stands what is in flight.
MAX_QUEUE: Final = 60_000
MAX_INFLIGHT: Final = 1_000

_FROM_ENVIRONMENT: Final = re.compile(r"\$\{ENV:([A-Za-z_][A-Za-z0-9_]*)\}")
_PORTS: Final = {"tcp": 1883, "mqtt": 1883, "tls": 8883, "mqtts": 8883}

Qos = Annotated[int, Field(ge=0, le=2)]


class Server:
    """Where the other broker is."""

    def __init__(self, text: str) -> None:
        parts = urlsplit(text)
        self.host = parts.hostname or ""
        self.port = parts.port or _PORTS.get(parts.scheme, 0)
        self.is_tls = parts.scheme in ("tls", "mqtts")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_server(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from None
    rest = parts.path or parts.query or parts.fragment or parts.username
    if parts.scheme not in _PORTS or not parts.hostname or rest or port == 0:
        raise ValueError("a broker is written tcp://host:port or tls://host:port")
    return text


def _is_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise ValueError("a name has up to 64 letters, digits, dots, hyphens and underscores")
    return text


def _with_environment(text: str) -> str:
    missing = [name for name in _FROM_ENVIRONMENT.findall(text) if name not in os.environ]
    if missing:
        raise ValueError(f"the environment has no {missing[0]}")
    return _FROM_ENVIRONMENT.sub(lambda found: os.environ[found[1]], text)


def _more_than_none(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be more than 0")
    return seconds


SomeTime = Annotated[Duration, AfterValidator(_more_than_none)]
FromEnvironment = Annotated[str, AfterValidator(_with_environment)]


class WillConfig(PluginConfig):
    """What the other broker publishes when the connection breaks."""

    topic: str
    message: str = ""
    encoding: Literal["plain", "base64"] = "plain"
    qos: Qos = 0
    retain: bool = False

    @model_validator(mode="after")
    def _is_will(self) -> "WillConfig":
        if not is_valid_topic_name(self.topic):
            raise ValueError(f"{self.topic!r} isn't a topic name")
        self.will()
        return self

    def will(self) -> Will:
        """As it stands in a CONNECT."""
        payload = self.message.encode()
        if self.encoding == "base64":
            try:
                payload = base64.b64decode(payload, validate=True)
            except binascii.Error:
                raise ValueError("message isn't base64") from None
        return Will(self.topic, payload, self.qos, self.retain)


class V4Config(PluginConfig):
    """How to connect by MQTT 3.1.1."""

    clean_session: bool = False
    last_will: WillConfig | None = None


class V5Config(PluginConfig):
    """How to connect by MQTT 5."""

    clean_start: bool = False
    session_expiry_interval: WholeSeconds = 86_400
    receive_maximum: Annotated[int, Field(ge=1, le=65_535)] = 16
    maximum_packet_size: Annotated[ByteSize, Field(ge=1024, le=268_435_460)] = 1024 * 1024
    topic_alias_maximum: Annotated[int, Field(ge=0, le=65_535)] = 0
    last_will: WillConfig | None = None


class BridgeConfig(PluginConfig):
    """What bridges of both directions have; times in seconds."""

    enable: bool = False
    name: Annotated[str, AfterValidator(_is_name)]
    client_id_prefix: Annotated[str, Field(max_length=64)] = "rmq"
    server: Annotated[str, AfterValidator(_is_server)]
    root_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    username: FromEnvironment = ""
    password: FromEnvironment = ""
    concurrent_client_limit: Annotated[int, Field(ge=1, le=MAX_CLIENTS)] = 1
    connect_timeout: SomeTime = 20.0
    keepalive: Annotated[WholeSeconds, Field(ge=1, le=65_535)] = 60
    reconnect_interval: SomeTime = 5.0
    mqtt_ver: Literal["v4", "v5"] = "v4"
    v4: V4Config = V4Config()
    v5: V5Config = V5Config()
    session_retention: Annotated[WholeSeconds, Field(ge=60)] = 7 * 86_400

    @model_validator(mode="after")
    def _fits_together(self) -> "BridgeConfig":
        if bool(self.client_cert) != bool(self.client_key):
            raise ValueError("client_cert and client_key belong together")
        return self

    @property
    def version(self) -> int:
        """The protocol level of the connection to the other broker."""
        return V5 if self.mqtt_ver == "v5" else V311

    @property
    def is_clean(self) -> bool:
        """Whether each connection to the other broker begins with nothing."""
        return self.v5.clean_start if self.mqtt_ver == "v5" else self.v4.clean_session

    @property
    def will(self) -> Will | None:
        """The will of that connection."""
        will = self.v5.last_will if self.mqtt_ver == "v5" else self.v4.last_will
        return None if will is None else will.will()


def are_different(names: list[str]) -> None:
    """``ValueError`` names what stands there twice."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f"{name} stands there twice")
