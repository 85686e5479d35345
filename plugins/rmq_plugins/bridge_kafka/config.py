"""The keys that bridges of both directions have; RMQTT's names, and those of its own beside them."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from rmq_plugins.bridges.config import BridgeBaseConfig, FromEnvironment

MAX_PROPERTIES: Final = 200

# Properties of librdkafka that are ours, and what says the same; the promises of a bridge rest on some of them.
OWN: Final[Mapping[str, str]] = {
    "bootstrap.servers": "that is servers",
    "metadata.broker.list": "that is servers",
    "client.id": "that is client_id_prefix",
    "group.id": "that is remote.group_id",
    "enable.auto.offset.store": "offsets are committed when this node has taken the messages",
    "enable.partition.eof": "nobody asks for it",
    "transactional.id": "there are no transactions",
    "plugin.library.paths": "nothing is loaded",
}
# Those that may be said, with the only values that they may have.
FIXED: Final[Mapping[str, tuple[str, ...]]] = {
    "acks": ("all", "-1"),
    "request.required.acks": ("all", "-1"),
    "enable.auto.commit": ("false",),
}

Mechanism = Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def _are_servers(text: str) -> str:
    for server in text.split(","):
        host, colon, port = server.strip().rpartition(":")
        if not colon or not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ValueError("servers are written host:port, with commas between them")
    return text


def _are_ours_to_pass_on(properties: dict[str, str]) -> dict[str, str]:
    for name, value in properties.items():
        if name in OWN:
            raise ValueError(f"{name} can't be set: {OWN[name]}")
        if name in FIXED and value not in FIXED[name]:
            raise ValueError(f"{name} is {FIXED[name][0]}: with {value!r} messages could be lost")
    return properties


Servers = Annotated[str, AfterValidator(_are_servers)]
LibraryProperties = Annotated[
    dict[str, FromEnvironment], Field(max_length=MAX_PROPERTIES), AfterValidator(_are_ours_to_pass_on)
]


class BridgeConfig(BridgeBaseConfig):
    """What bridges of both directions have; times in seconds."""

    client_id_prefix: Annotated[str, Field(max_length=64)] = "rmq"
    servers: Servers
    tls: bool = False
    root_cert: str = ""
    sasl_mechanism: Mechanism = ""
    username: FromEnvironment = ""
    password: FromEnvironment = ""
    properties: LibraryProperties = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_secured(self) -> "BridgeConfig":
        if (self.root_cert or self.client_cert) and not self.tls:
            raise ValueError("certificates are for tls = true")
        if self.sasl_mechanism and not (self.username and self.password):
            raise ValueError("sasl_mechanism needs username and password")
        if not self.sasl_mechanism and (self.username or self.password):
            raise ValueError("username and password need a sasl_mechanism")
        return self

    def library_properties(self, client_id: str) -> dict[str, str]:
        """What producers and consumers have in common; ``properties`` wins over what isn't there to be fixed."""
        pause_ms = max(1, round(self.reconnect_interval * 1000))
        found = {
            "reconnect.backoff.ms": str(min(100, pause_ms)),
            "reconnect.backoff.max.ms": str(pause_ms),
            "security.protocol": ("sasl_" if self.sasl_mechanism else "") + ("ssl" if self.tls else "plaintext"),
        }
        if self.sasl_mechanism:
            found |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        files = {
            "ssl.ca.location": self.root_cert,
            "ssl.certificate.location": self.client_cert,
            "ssl.key.location": self.client_key,
        }
        found |= {name: path for name, path in files.items() if path}
        return found | self.properties | {"bootstrap.servers": self.servers, "client.id": client_id}
