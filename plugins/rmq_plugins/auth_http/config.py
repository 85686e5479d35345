"""The keys of rmq-auth-http; RMQTT's names, and those of its own beside them."""

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from rmq.plugin_api import BreakerConfig, ByteSize, Duration, HttpHeaders, HttpUrl, PluginConfig, RetryConfig, SomeTime

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


def _has_no_fragment(text: str) -> str:
    if urlsplit(text).fragment:
        raise ValueError("a URL to ask has no #")
    return text


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Url = Annotated[HttpUrl, AfterValidator(_has_no_fragment)]


class RequestConfig(PluginConfig):
    """One request: where to, how, and with which parameters. Without a URL nobody is asked."""

    url: Url = ""
    method: Annotated[Literal["get", "post", "put"], BeforeValidator(_lower)] = "post"
    headers: HttpHeaders = Field(default_factory=lambda: {"content-type": FORM})
    params: dict[str, str] = Field(default_factory=dict)

    @property
    def sends_json(self) -> bool:
        """Whether the body is JSON; otherwise it is a form."""
        for name, value in self.headers.items():
            if name.lower() == "content-type":
                return value.partition(";")[0].strip().lower() == JSON
        return False


class LoginRequestConfig(RequestConfig):
    """The request about a client that connects."""

    params: dict[str, str] = Field(default_factory=lambda: {"clientid": "%c", "username": "%u", "password": "%P"})


class AccessRequestConfig(RequestConfig):
    """The request about a topic."""

    params: dict[str, str] = Field(
        default_factory=lambda: {"access": "%A", "username": "%u", "clientid": "%c", "ipaddr": "%a", "topic": "%t"}
    )


class AuthHttpConfig(PluginConfig):
    """All keys of etc/plugins/rmq-auth-http.toml; times in seconds."""

    priority: int = 100
    disconnect_if_pub_rejected: bool = True
    disconnect_if_expiry: bool = True
    deny_if_error: bool = True
    http_timeout: SomeTime = 5.0
    http_headers: HttpHeaders = Field(
        default_factory=lambda: {"accept": "*/*", "cache-control": "no-cache", "user-agent": "rmq"}
    )
    http_retry: RetryConfig = RetryConfig()
    http_breaker: BreakerConfig = BreakerConfig()
    http_connections: Annotated[int, Field(ge=1, le=10_000)] = 100
    http_max_answer: Annotated[ByteSize, Field(ge=16)] = 256 * 1024
    http_ca_file: str = ""
    acl_cache_ttl: Duration = 60.0
    acl_cache_size: Annotated[int, Field(ge=1, le=100_000)] = 256
    http_auth_req: LoginRequestConfig = LoginRequestConfig()
    http_acl_req: AccessRequestConfig = AccessRequestConfig()
