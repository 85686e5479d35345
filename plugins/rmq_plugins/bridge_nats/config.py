"""The keys that bridges to NATS of both directions have: RMQTT's, and those of its own beside them."""

import ssl
from typing import Annotated, Final
from urllib.parse import urlsplit

import trio
from pydantic import AfterValidator, Field, model_validator

from rmq.plugin_api import PluginConfig, PluginError, SomeTime
from rmq_plugins.bridge_nats.client import NatsOptions, NotedContext
from rmq_plugins.bridges.config import BridgeBaseConfig, FromEnvironment, Inflight

MAX_SERVERS: Final = 16
_SCHEMES: Final = ("nats", "tls")

# The first part of a name there, of characters that NATS takes in the names of consumers.
NamePrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def _are_servers(text: str) -> str:
    found = [one.strip() for one in text.split(",")]
    if len(found) > MAX_SERVERS:
        raise ValueError(f"{MAX_SERVERS} servers at most")
    for one in found:
        try:
            parts = urlsplit(one)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"not an address: {error}") from None
        rest = parts.path or parts.query or parts.fragment
        if parts.scheme not in _SCHEMES or not parts.hostname or rest or port == 0:
            raise ValueError("a server is written nats://host:port or tls://host:port")
        if "@" in parts.netloc:
            raise ValueError("who we are stands in auth.username and auth.password, not in the address")
    return text


class AuthConfig(PluginConfig):
    """Who we are; one of these ways, or none."""

    jwt: FromEnvironment = ""
    jwt_seed: FromEnvironment = ""
    nkey: FromEnvironment = ""
    username: FromEnvironment = ""
    password: FromEnvironment = ""
    token: FromEnvironment = ""

    @model_validator(mode="after")
    def _is_one_way(self) -> "AuthConfig":
        if bool(self.jwt) != bool(self.jwt_seed):
            raise ValueError("jwt and jwt_seed belong together")
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password belong together")
        ways = (self.jwt, self.nkey, self.username, self.token)
        if sum(map(bool, ways)) > 1:
            raise ValueError("only one of jwt, nkey, username and token")
        return self


class NatsBridgeConfig(BridgeBaseConfig):
    """What bridges to NATS of both directions have; times in seconds."""

    servers: Annotated[str, AfterValidator(_are_servers)]
    no_echo: bool = False
    ping_interval: SomeTime = 20.0
    connection_timeout: SomeTime = 10.0
    tls_required: bool = False
    tls_first: bool = False
    root_certificates: str = ""
    sender_capacity: Inflight = 256
    request_timeout: SomeTime = 10.0
    retry_on_initial_connect: bool = True
    auth: AuthConfig = AuthConfig()
    jetstream: bool = False

    @property
    def addresses(self) -> list[str]:
        """The servers, each with its scheme."""
        return [one.strip() for one in self.servers.split(",")]

    @property
    def server(self) -> str:
        """What they are called in marks and figures: the same for all bridges that name the same ones."""
        return ",".join(sorted(f"{urlsplit(one).hostname}:{urlsplit(one).port or 4222}" for one in self.addresses))

    @property
    def is_tls(self) -> bool:
        """Whether connections have to be secured."""
        keys = self.tls_required or self.tls_first or self.root_certificates or self.client_cert
        return bool(keys) or any(one.startswith("tls:") for one in self.addresses)


async def options_of(bridge: NatsBridgeConfig, name: str) -> NatsOptions:
    """How one entry connects; raises ``PluginError`` naming the file of a certificate that is wrong."""
    tls = await _read_tls(bridge) if bridge.is_tls else None
    auth = bridge.auth
    return NatsOptions(
        servers=bridge.addresses,
        name=name,
        tls=tls,
        tls_first=bridge.tls_first,
        no_echo=bridge.no_echo,
        connect_s=bridge.connection_timeout,
        ping_s=bridge.ping_interval,
        request_s=bridge.request_timeout,
        username=auth.username,
        password=auth.password,
        token=auth.token,
        nkey=auth.nkey,
        jwt=auth.jwt,
        jwt_seed=auth.jwt_seed,
    )


async def _read_tls(bridge: NatsBridgeConfig) -> NotedContext:
    path = bridge.root_certificates

    def read() -> NotedContext:
        nonlocal path
        context = NotedContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate, and that the name is right
        if path:
            context.load_verify_locations(path)
        else:
            context.load_default_certs()
        if bridge.client_cert:
            path = bridge.client_cert
            context.load_cert_chain(bridge.client_cert, bridge.client_key)
        return context

    try:
        # In a thread: reading all authorities of a machine takes a tenth of a second.
        return await trio.to_thread.run_sync(read)
    except OSError as error:
        raise PluginError(f"bridge {bridge.name}: {path}: {error}") from None
