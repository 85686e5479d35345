"""The keys of rmq-http-api, with what can be wrong about them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rmq.plugin_api import Address, ByteSize, Duration, ListenAddress, PluginConfig

Role = Literal["viewer", "administrator"]


class ApiUser(PluginConfig):
    """Somebody who logs in with Basic authentication; ``password_hash`` as `rmq-node passwd` writes it."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[^:\x00-\x1f\x7f]+$")]
    password_hash: Annotated[str, Field(min_length=1)]
    role: Role = "viewer"


class TlsFiles(PluginConfig):
    """Certificate chain and key in PEM; both or none."""

    cert: str = ""
    key: str = ""


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
    loopback_is_open: Literal["auto", "always", "never"] = "auto"
    anonymous_may_read: bool = False
    tls: TlsFiles = TlsFiles()
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 128
    flush_interval: Annotated[Duration, Field(ge=1)] = 5.0
    history_retention: Duration = 604_800.0
    max_body_size: Annotated[ByteSize, Field(ge=1024)] = 1_048_576

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.tls.cert) != bool(self.tls.key):
            raise ValueError("tls: cert and key go together")
        names = [user.name for user in self.users]
        if len(set(names)) != len(names):
            raise ValueError("users: a name is there twice")
        return self

    @property
    def has_credentials(self) -> bool:
        """Whether anybody can say who they are."""
        return bool(self.http_bearer_token or self.users)
