"""The keys of rmq-acl: rules in the form RMQTT writes them, checked when they are read."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_serializer, model_validator

from rmq.plugin_api import PluginConfig, is_valid_topic_filter

Access = Literal["allow", "deny"]
Action = Literal["connect", "publish", "subscribe", "pubsub", "all"]

_RULE_PARTS: Final = ("access", "who", "action", "topics")


class Who(PluginConfig):
    """The clients a rule is about: everything that is given has to fit."""

    user: str | None = None
    password: str | None = None
    superuser: bool | None = None
    clientid: str | None = None
    ipaddr: str | None = None
    protocol: Literal[3, 4, 5] | None = None

    @field_validator("ipaddr")
    @classmethod
    def _is_network(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ip_network(value)
            except ValueError as error:
                raise ValueError(f"{error}; write an address or a network such as 10.0.0.0/8") from None
        return value

    @model_serializer
    def _written(self) -> dict[str, object] | str:
        given = {name: value for name, value in self if value is not None}
        return given or "all"


class TopicPattern(PluginConfig):
    """A topic filter, or ``{ eq = "filter" }``, which is compared as text."""

    text: str
    literal: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read(cls, raw: object) -> object:
        if isinstance(raw, cls):
            return raw
        literal = isinstance(raw, Mapping) and list(raw) == ["eq"]
        text = raw["eq"] if isinstance(raw, Mapping) and literal else raw
        if not isinstance(text, str):
            raise ValueError('a topic is a topic filter or { eq = "filter" }')
        if text.startswith("$share/"):
            raise ValueError(f"{text}: write the filter alone, shared subscriptions are judged by theirs")
        if not is_valid_topic_filter(text):
            raise ValueError(f"{text!r} isn't a topic filter")
        return {"text": text, "literal": literal}

    @model_serializer
    def _written(self) -> dict[str, str] | str:
        return {"eq": self.text} if self.literal else self.text


class RuleConfig(PluginConfig):
    """One rule, written ``[access, who, action, [topics]]``; without topics it is about all of them."""

    access: Access
    who: Who
    action: Action = "all"
    topics: Annotated[tuple[TopicPattern, ...], Field(strict=False)] = ()

    @model_validator(mode="before")
    @classmethod
    def _read(cls, raw: object) -> object:
        if isinstance(raw, cls):
            return raw
        if not isinstance(raw, (list, tuple)) or not 2 <= len(raw) <= len(_RULE_PARTS):
            raise ValueError('a rule is ["allow" or "deny", who, action, [topics]]; action and topics may be left out')
        if len(raw) == len(_RULE_PARTS) and raw[-1] == []:
            raise ValueError("a rule without topics is about all topics: leave the empty list out")
        return dict(zip(_RULE_PARTS, raw, strict=False))

    @field_validator("who", mode="before")
    @classmethod
    def _read_who(cls, raw: object) -> object:
        if raw == "all":
            return Who()
        if isinstance(raw, str) or raw == {}:
            raise ValueError('who is "all" or a table such as { user = "name" }')
        return raw

    @model_validator(mode="after")
    def _fits_together(self) -> "RuleConfig":
        if self.action == "connect" and self.topics:
            raise ValueError("a rule about connecting has no topics")
        return self

    @model_serializer
    def _written(self) -> list[object]:
        written: list[object] = [self.access, self.who, self.action]
        if self.topics:
            written.append(list(self.topics))
        return written


# RMQTT's, and ::1 beside 127.0.0.1; but nobody may publish what looks like the broker's own figures.
DEFAULT_RULES: Final = tuple(
    RuleConfig.model_validate(rule)
    for rule in (
        ["allow", {"user": "dashboard"}, "subscribe", ["$SYS/#"]],
        ["allow", {"ipaddr": "127.0.0.1"}, "subscribe", ["$SYS/#", "#"]],
        ["allow", {"ipaddr": "::1"}, "subscribe", ["$SYS/#", "#"]],
        ["deny", "all", "subscribe", ["$SYS/#", {"eq": "#"}]],
        ["deny", "all", "publish", ["$SYS/#"]],
        ["allow", "all"],
    )
)


class AclConfig(PluginConfig):
    """All keys of etc/plugins/rmq-acl.toml."""

    disconnect_if_pub_rejected: bool = True
    priority: int = 10
    rules: Annotated[tuple[RuleConfig, ...], Field(strict=False)] = DEFAULT_RULES
