"""The keys of rmq-web-hook; RMQTT's names, and those of its own beside them."""

from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from rmq.plugin_api import ByteSize, Duration, HttpHeaders, PluginConfig, SomeTime, is_valid_topic_filter

Event = Literal[
    "session_created",
    "session_terminated",
    "session_subscribed",
    "session_unsubscribed",
    "client_connect",
    "client_connack",
    "client_connected",
    "client_disconnected",
    "client_subscribe",
    "client_unsubscribe",
    "message_publish",
    "message_delivered",
    "message_acked",
    "message_dropped",
    "offline_message",
]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)


def _is_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme == "file":
        if host or not parts.path.startswith("/") or parts.path.endswith("/") or parts.query or parts.fragment:
            raise ValueError("a file is written file:///absolute/path")
    elif parts.scheme not in ("http", "https") or not host:
        raise ValueError("a URL begins with http:// or https:// and a host, or with file:///")
    return text


def _is_filter(text: str) -> str:
    if not is_valid_topic_filter(text) or text.startswith("$share/"):
        raise ValueError(f"{text!r} isn't a topic filter")
    return text


Url = Annotated[str, AfterValidator(_is_url)]
Urls = Annotated[tuple[Url, ...], Field(strict=False)]
Topics = Annotated[tuple[Annotated[str, AfterValidator(_is_filter)], ...], Field(strict=False)]


class RuleConfig(PluginConfig):
    """Where an event goes: ``action`` is what it is called there (its own name if empty), ``urls`` instead of all."""

    action: str = ""
    urls: Urls = ()
    topics: Topics = ()


Rules = Annotated[tuple[RuleConfig, ...], Field(strict=False)]


def _every_event() -> dict[Event, tuple[RuleConfig, ...]]:
    return {event: (RuleConfig(action=event),) for event in EVENTS}


class WebHookConfig(PluginConfig):
    """All keys of etc/plugins/rmq-web-hook.toml; times in seconds."""

    urls: Urls = ()
    http_urls: Urls = ()
    queue_capacity: Annotated[int, Field(ge=1)] = 1_000_000
    queue_max_size: Annotated[ByteSize, Field(ge=1024)] = 1024 * 1024 * 1024
    queue_sync: bool = False
    concurrency_limit: Annotated[int, Field(ge=1)] = 128
    http_timeout: SomeTime = 5.0
    http_headers: HttpHeaders = Field(default_factory=dict)
    http_ca_file: str = ""
    signature_secret: str = ""
    batch_max_events: Annotated[int, Field(ge=1, le=10_000)] = 1
    batch_max_size: Annotated[ByteSize, Field(ge=1024)] = 1024 * 1024
    batch_interval: Duration = 0.0
    retry_interval: SomeTime = 0.5
    retry_multiplier: Annotated[float, Field(ge=1, le=100, strict=False)] = 2.5
    retry_max_interval: SomeTime = 30.0
    retry_max_elapsed_time: Duration = 0.0
    rule: dict[Event, Rules] = Field(default_factory=_every_event)

    @property
    def default_urls(self) -> tuple[str, ...]:
        """Where rules without URLs send to."""
        return tuple(dict.fromkeys((*self.urls, *self.http_urls)))
