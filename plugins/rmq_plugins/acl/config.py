"""The keys of rmq-acl: rules as RMQTT writes them, checked when they are read."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from rmq.plugin_api import PluginConfig, is_valid_topic_filter

ACTIONS = ("connect", "publish", "subscribe", "pubsub", "all")


class Who(BaseModel):
    """The clients a rule is about: all that is given has to fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str | None = None
    password: SecretStr | None = None
    superuser: bool | None = None
    clientid: str | None = None
    ipaddr: str | None = None
    protocol: int | None = Field(None, ge=3, le=5)

    @field_validator("ipaddr")
    @classmethod
    def _is_network(cls, value: str | None) -> str | None:
        if value is not None:
            ip_network(value, strict=False)
        return value

    @property
    def network(self) -> IPv4Network | IPv6Network | None:
        """The addresses of ``ipaddr``."""
        return None if self.ipaddr is None else ip_network(self.ipaddr, strict=False)


class TopicPattern(BaseModel):
    """A topic filter, or with ``literal`` a filter that is compared as text."""

    model_config = ConfigDict(frozen=True)

    text: str
    literal: bool = False


class RuleConfig(BaseModel):
    """One rule: ``[access, who, action, topics]``; action defaults to all, topics to every topic."""

    model_config = ConfigDict(frozen=True)

    access: Literal["allow", "deny"]
    who: Who
    action: Literal["connect", "publish", "subscribe", "pubsub", "all"] = "all"
    topics: tuple[TopicPattern, ...] = ()


def parse_rule(raw: Any) -> RuleConfig:
    """A rule from its list form; raises ``ValueError`` that says what is wrong with it."""
    if not isinstance(raw, list) or not 2 <= len(raw) <= 4:
        raise ValueError('a rule is a list: ["allow" or "deny", who, action, [topics]]; action and topics may be left off')
    access, who, *rest = raw
    if access not in ("allow", "deny"):
        raise ValueError(f'a rule begins with "allow" or "deny", not {access!r}')
    if who == "all":
        who = {}
    if not isinstance(who, dict):
        raise ValueError('the second part of a rule is "all" or a table such as { user = "name" }')
    action = rest[0] if rest else "all"
    if action not in ACTIONS:
        raise ValueError(f"the action of a rule is one of {', '.join(ACTIONS)}, not {action!r}")
    topics = rest[1] if len(rest) > 1 else []
    if not isinstance(topics, list):
        raise ValueError("the topics of a rule are a list")
    return RuleConfig(access=access, who=Who(**who), action=action, topics=tuple(_pattern(topic) for topic in topics))


def _pattern(raw: Any) -> TopicPattern:
    if isinstance(raw, str):
        if not is_valid_topic_filter(raw):
            raise ValueError(f"{raw!r} isn't a topic filter")
        return TopicPattern(text=raw)
    if isinstance(raw, dict) and list(raw) == ["eq"] and isinstance(raw["eq"], str):
        return TopicPattern(text=raw["eq"], literal=True)
    raise ValueError(f'a topic is a topic filter or {{ eq = "filter" }}, not {raw!r}')


DEFAULT_RULES: list[list[Any]] = [
    ["allow", {"user": "dashboard"}, "subscribe", ["$SYS/#"]],
    ["allow", {"ipaddr": "127.0.0.1"}, "pubsub", ["$SYS/#", "#"]],
    ["allow", {"ipaddr": "::1"}, "pubsub", ["$SYS/#", "#"]],
    ["deny", "all", "subscribe", ["$SYS/#", {"eq": "#"}]],
    ["deny", "all", "publish", ["$SYS/#"]],
    ["allow", "all"],
]


class AclConfig(PluginConfig):
    """All keys of etc/plugins/rmq-acl.toml."""

    disconnect_if_pub_rejected: bool = True
    priority: int = 10
    rules: tuple[RuleConfig, ...] = Field(default_factory=lambda: tuple(parse_rule(rule) for rule in DEFAULT_RULES))

    @field_validator("rules", mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise ValueError("rules are a list of rules")
        return tuple(rule if isinstance(rule, RuleConfig) else parse_rule(rule) for rule in value)
