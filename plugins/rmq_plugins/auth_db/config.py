"""The keys of rmq-auth-db; where EMQX has a key for the same, it has EMQX's name."""

import ipaddress
import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from rmq.plugin_api import BreakerConfig, Duration, PluginConfig, RetryConfig, SomeTime
from rmq_plugins.auth_db.placeholders import Command, Query, read_command, read_query

Backend = Literal["sqlite", "postgresql", "mysql", "redis"]
DEFAULT: Final = "default"
PORTS: Final = {"postgresql": 5432, "mysql": 3306, "redis": 6379}
# What the words of a command for users may begin with, and how many words it has at least.
USER_COMMANDS: Final = {"HMGET": 3, "HGETALL": 2}
RULES_COMMANDS: Final = {"HGETALL": 2}

_SQL_USER: Final = "SELECT username, password_hash, salt, is_superuser FROM mqtt_user WHERE username = ${username}"
_SQL_RULES: Final = (
    "SELECT permission, action, topic, qos, retain FROM mqtt_acl WHERE (username IS NULL OR username = ${username})"
    " AND (clientid IS NULL OR clientid = ${clientid}) AND (ipaddress IS NULL OR ipaddress = ${ipaddr})"
    " ORDER BY position, id"
)
_REDIS_USER: Final = "HMGET mqtt_user:${username} password_hash salt is_superuser"
_REDIS_RULES: Final = "HGETALL mqtt_acl:${username}"
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


def _is_server(text: str) -> str:
    if text and not text.startswith("/"):
        split_server(text, 1)
    return text


def split_server(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of ``host:port``, ``host`` or ``[::1]:port``; ``ValueError`` for anything else."""
    host, _, port = text.rpartition(":") if re.search(r":[0-9]*$", text) and not text.endswith("]") else (text, "", "")
    if port == "" and text.endswith(":"):
        raise ValueError("the port is missing")
    number = int(port) if port else default_port
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif not _HOST.fullmatch(host):
        raise ValueError('a server is written "host:port", "[::1]:port", or "/path" of its Unix socket')
    if not 0 < number < 65536:
        raise ValueError("the port must be 1 to 65535")
    return host, number


class HashConfig(PluginConfig):
    """How passwords were hashed. ``auto``: as each hash says itself. The other keys are for those that don't."""

    name: Literal["auto", "bcrypt", "pbkdf2", "md5", "sha", "sha256", "sha512"] = "auto"
    salt_position: Literal["prefix", "suffix", "disable"] = "prefix"
    mac_fun: Literal["sha", "sha1", "sha224", "sha256", "sha384", "sha512"] = "sha256"
    iterations: Annotated[int, Field(ge=1, le=5_000_000)] = 4096
    dk_length: Annotated[int, Field(ge=0, le=1024)] = 0


class DatabaseRetryConfig(RetryConfig):
    """As for other servers, but sooner: what fails first is a connection that the server has closed meanwhile."""

    times: Annotated[int, Field(ge=0, le=100)] = 2
    interval: Duration = 0.2


class AuthDbConfig(PluginConfig):
    """All keys of etc/plugins/rmq-auth-db.toml; times in seconds."""

    priority: int = 80
    disconnect_if_pub_rejected: bool = True
    deny_if_error: bool = True
    unknown_user: Literal["deny", "ignore"] = "deny"
    no_match: Literal["deny", "allow", "ignore"] = "ignore"
    backend: Backend = "sqlite"
    server: Annotated[str, AfterValidator(_is_server)] = ""
    database: str = ""
    username: str = ""
    password: str = ""
    password_file: str = ""
    create_tables: bool = True
    auth_query: str = DEFAULT
    acl_query: str = DEFAULT
    password_hash_algorithm: HashConfig = HashConfig()
    login_cache_ttl: Duration = 600.0
    hash_threads: Annotated[int, Field(ge=1, le=64)] = 2
    pool_size: Annotated[int, Field(ge=1, le=100)] = 8
    max_waiting: Annotated[int, Field(ge=1, le=100_000)] = 1000
    timeout: SomeTime = 2.0
    retry: DatabaseRetryConfig = DatabaseRetryConfig()
    breaker: BreakerConfig = BreakerConfig()
    acl_cache_ttl: Duration = 300.0
    tls: bool = False
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""

    @property
    def user_query(self) -> str:
        """What is asked about a client that connects, "" for nothing."""
        return self._chosen(self.auth_query, _SQL_USER, _REDIS_USER)

    @property
    def rules_query(self) -> str:
        """What is asked for a client's rules, "" for nothing."""
        return self._chosen(self.acl_query, _SQL_RULES, _REDIS_RULES)

    def _chosen(self, given: str, of_sql: str, of_redis: str) -> str:
        if given.strip() != DEFAULT:
            return given.strip()
        return of_redis if self.backend == "redis" else of_sql

    def read_queries(self) -> tuple[Query | Command | None, Query | Command | None]:
        """Both of them, None for one that isn't asked."""
        return (
            _read("auth_query", self.user_query, self.backend, USER_COMMANDS),
            _read("acl_query", self.rules_query, self.backend, RULES_COMMANDS),
        )

    @model_validator(mode="after")
    def _fits_together(self) -> "AuthDbConfig":
        self.read_queries()
        if self.password and self.password_file:
            raise ValueError("password and password_file: one of them")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("tls_cert_file and tls_key_file go together")
        if not self.tls and (self.tls_ca_file or self.tls_cert_file):
            raise ValueError("tls_ca_file and tls_cert_file are for tls = true")
        if self.backend == "sqlite":
            for key in ("server", "username", "password", "password_file", "tls"):
                if getattr(self, key):
                    raise ValueError(f"{key}: SQLite is a file and has none; is backend what you mean?")
        elif self.backend == "redis":
            if not re.fullmatch("[0-9]{0,5}", self.database):
                raise ValueError("database: Redis has numbers for them")
        elif not self.database:
            raise ValueError(f"database: {self.backend} needs the name of one")
        return self


def _read(key: str, text: str, backend: str, commands: dict[str, int]) -> Query | Command | None:
    if not text:
        return None
    try:
        return read_command(text, commands) if backend == "redis" else read_query(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
