"""The keys that bridges of both directions have; RMQTT's names, and those of its own beside them."""

import base64
import binascii
import ssl
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rmq.plugin_api import V5, V311, ByteSize, PluginConfig, SomeTime, WholeSeconds, Will, is_valid_topic_name
from rmq_plugins.bridges.config import BridgeBaseConfig, Clients, FromEnvironment, Qos
from rmq_plugins.bridges.config import read_tls as read_files

_PORTS: Final = {"tcp": 1883, "mqtt": 1883, "tls": 8883, "mqtts": 8883}


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


class BridgeConfig(BridgeBaseConfig):
    """What bridges of both directions have; times in seconds."""

    client_id_prefix: Annotated[str, Field(max_length=64)] = "rmq"
    server: Annotated[str, AfterValidator(_is_server)]
    root_cert: str = ""
    username: FromEnvironment = ""
    password: FromEnvironment = ""
    concurrent_client_limit: Clients = 1
    connect_timeout: SomeTime = 20.0
    keepalive: Annotated[WholeSeconds, Field(ge=1, le=65_535)] = 60
    mqtt_ver: Literal["v4", "v5"] = "v4"
    v4: V4Config = V4Config()
    v5: V5Config = V5Config()

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


async def read_tls(bridge: BridgeConfig) -> ssl.SSLContext | None:
    """How a bridge secures its connections, None without TLS; raises ``PluginError`` naming the file that is wrong."""
    return await read_files(bridge, bridge.root_cert) if Server(bridge.server).is_tls else None


def remote_id(bridge: BridgeConfig, direction: str, key: str, number: int) -> str:
    """The client id on the other broker; RMQTT's but for the node, so that another node may go on."""
    return f"{bridge.client_id_prefix}:{bridge.name}:{direction}:{key}:{number}"
