"""The keys of rmq-http-api, with what can be wrong about them."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from rmq.plugin_api import Address, ByteSize, Duration, ListenAddress, PluginConfig

Role = Literal["viewer", "administrator"]
DialectName = Literal["rmqtt_v1", "nanomq_v1", "nanomq_v4", "emqx_v2", "emqx_v5"]
ALL_DIALECTS: Final[tuple[DialectName, ...]] = get_args(DialectName)
Brand = Literal["nanomq", "emqx"]

_HOST_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")


def _host_name(value: str) -> str:
    name = value.lower()
    if not _HOST_NAME.fullmatch(name):
        raise ValueError("must be the name of a host, without a port")
    return name


HostName = Annotated[str, AfterValidator(_host_name)]


class ApiUser(PluginConfig):
    """Somebody who logs in with Basic authentication; ``password_hash`` as `rmq-node passwd` writes it."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[^:\x00-\x1f\x7f]+$")]
    password_hash: Annotated[str, Field(min_length=1)]
    role: Role = "viewer"


class TlsFiles(PluginConfig):
    """Certificate chain and key in PEM; both or none."""

    cert: str = ""
    key: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.cert) != bool(self.key):
            raise ValueError("cert and key go together")
        return self


class ListenerRules(PluginConfig):
    """One listener: its address, and the dialects that it serves."""

    addr: ListenAddress
    tls: TlsFiles = TlsFiles()
    dialects: Annotated[list[DialectName], Field(min_length=1)] = Field(default_factory=lambda: list(ALL_DIALECTS))


# Where the APIs of other brokers listen by default, and what is served there.
COMPAT: Final[Mapping[Brand, tuple[ListenerRules, ...]]] = {
    "nanomq": (ListenerRules(addr=Address("127.0.0.1", 8081), dialects=["nanomq_v1", "nanomq_v4"]),),
    "emqx": (
        ListenerRules(addr=Address("127.0.0.1", 8080), dialects=["emqx_v2"]),
        ListenerRules(addr=Address("127.0.0.1", 18083), dialects=["emqx_v5"]),
    ),
}


def _brands(value: object) -> object:
    """A list, or names with commas between them, as a variable of the environment has them."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class JwtRules(PluginConfig):
    """JSON Web Tokens; without ``algorithms`` there are none."""

    algorithms: list[Literal["HS256", "RS256", "ES256"]] = Field(default_factory=list)
    secret: str = ""
    secret_file: str = ""
    public_key_file: str = ""
    jwks_url: str = ""
    jwks_ca: str = ""
    jwks_refresh: Annotated[Duration, Field(ge=10)] = 600.0
    jwks_timeout: Annotated[Duration, Field(gt=0, le=60)] = 5.0
    audience: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    issuer: str = ""
    leeway: Annotated[Duration, Field(le=600)] = 30.0
    name_claim: Annotated[str, Field(min_length=1)] = "sub"
    role_claim: Annotated[str, Field(min_length=1)] = "role"
    roles: dict[str, Role] = Field(default_factory=dict)
    default_role: Literal["", "viewer"] = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.algorithms)) != len(self.algorithms):
            raise ValueError("algorithms: one is there twice")
        if self.secret and self.secret_file:
            raise ValueError("secret and secret_file: one of the two")
        if self.public_key_file and self.jwks_url:
            raise ValueError("public_key_file and jwks_url: one of the two")
        has_secret = bool(self.secret or self.secret_file)
        if ("HS256" in self.algorithms) != has_secret:
            raise ValueError("algorithms: HS256 and a secret (secret or secret_file) go together")
        has_public = bool(self.public_key_file or self.jwks_url)
        if any(name in self.algorithms for name in ("RS256", "ES256")) != has_public:
            raise ValueError("algorithms: RS256 or ES256 and public keys (public_key_file or jwks_url) go together")
        if self.jwks_url:
            _check_url(self.jwks_url)
        elif self.jwks_ca:
            raise ValueError("jwks_ca: there is no jwks_url")
        return self


class HttpApiConfig(PluginConfig):
    """All keys of etc/plugins/rmq-http-api.toml; intervals in seconds, sizes in bytes."""

    http_laddr: ListenAddress = Address("127.0.0.1", 6060)
    http_reuseaddr: bool = True
    http_reuseport: bool = False
    http_request_log: bool = False
    http_bearer_token: str = ""
    max_row_limit: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    message_expiry_interval: Duration = 300.0
    workers: Annotated[int, Field(ge=1)] = 1
    users: list[ApiUser] = Field(default_factory=list)
    login_lifetime: Annotated[Duration, Field(ge=60, le=2_592_000)] = 3600.0
    loopback_is_open: Literal["auto", "always", "never"] = "auto"
    anonymous_may_read: bool = False
    host_names: list[HostName] = Field(default_factory=list)
    jwt: JwtRules = JwtRules()
    tls: TlsFiles = TlsFiles()
    listener: list[ListenerRules] = Field(default_factory=list)
    compat: Annotated[list[Brand], BeforeValidator(_brands)] = Field(default_factory=list)
    compat_keep_unknown: bool = False
    compat_kept: dict[str, JsonValue] = Field(default_factory=dict)
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 128
    flush_interval: Annotated[Duration, Field(ge=1)] = 5.0
    history_retention: Duration = 604_800.0
    max_body_size: Annotated[ByteSize, Field(ge=1024)] = 1_048_576

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [user.name for user in self.users]
        if len(set(names)) != len(names):
            raise ValueError("users: a name is there twice")
        known: list[Address] = []
        for each in self.listeners:
            if any(each.addr.clashes_with(other) for other in known):
                raise ValueError(f"http_laddr, listener, compat: {each.addr} is there twice")
            known.append(each.addr)
        return self

    @property
    def listeners(self) -> list[ListenerRules]:
        """All of them: that of ``http_laddr`` with every dialect first."""
        first = ListenerRules(addr=self.http_laddr, tls=self.tls)
        brands = dict.fromkeys(self.compat)
        return [first, *self.listener, *(each for brand in brands for each in COMPAT[brand])]

    @property
    def has_credentials(self) -> bool:
        """Whether the configuration has anybody who can say who they are; API keys are no part of it."""
        return bool(self.http_bearer_token or self.users or self.jwt.algorithms)


def _check_url(url: str) -> None:
    try:
        found = urlsplit(url)
        host = found.hostname or ""
        is_usable = bool(host) and (found.port is None or found.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable or found.scheme not in ("http", "https"):
        raise ValueError("jwks_url: must be an https address")
    # Whoever can change these keys on their way can make tokens.
    if found.scheme == "http" and not _is_loopback(host):
        raise ValueError("jwks_url: must be https, unless it is on this machine")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
