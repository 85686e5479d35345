"""The keys of rmq-topic-rewrite, with RMQTT's names, checked when they are read."""

from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from rmq.plugin_api import PluginConfig, is_valid_topic_filter
from rmq_plugins.topic_rewrite.patterns import Pattern
from rmq_plugins.topic_rewrite.template import Template

Action = Literal["all", "publish", "subscribe"]

# Each of them may be asked about every message.
MAX_RULES: Final = 200
MAX_REGEX: Final = 512
_PREFIXES: Final = ("$share/", "$exclusive/", "$limit/", "$delayed/")


class RuleConfig(PluginConfig):
    """One rule: topics that ``source_topic_filter`` covers, and in which ``regex`` is found, become ``dest_topic``."""

    action: Action
    source_topic_filter: str
    dest_topic: str
    regex: str | None = None

    @field_validator("source_topic_filter")
    @classmethod
    def _is_filter(cls, value: str) -> str:
        if not is_valid_topic_filter(value):
            raise ValueError(f"{value!r} isn't a topic filter")
        if value.startswith(_PREFIXES):
            raise ValueError(f"{value}: write the filter alone, what stands before it stays as it is")
        return value

    @field_validator("regex")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            if len(value) > MAX_REGEX:
                raise ValueError(f"has no more than {MAX_REGEX} characters")
            Pattern(value)
        return value

    @field_validator("dest_topic")
    @classmethod
    def _is_template(cls, value: str) -> str:
        Template(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "RuleConfig":
        if not is_valid_topic_filter(self.dest_topic):
            raise ValueError(f"dest_topic {self.dest_topic!r} can't be a topic")
        if self.action != "subscribe" and not {"+", "#"}.isdisjoint(self.dest_topic):
            raise ValueError(f"nothing can be published to dest_topic {self.dest_topic!r}: it has a wildcard")
        groups = 0 if self.regex is None else Pattern(self.regex).groups
        wanted = Template(self.dest_topic).captures
        if wanted > groups:
            raise ValueError(f"dest_topic wants ${wanted}, and regex captures {groups}")
        return self


class TopicRewriteConfig(PluginConfig):
    """All keys of etc/plugins/rmq-topic-rewrite.toml."""

    rules: Annotated[tuple[RuleConfig, ...], Field(strict=False, max_length=MAX_RULES)] = ()

    @field_validator("rules")
    @classmethod
    def _are_different(cls, rules: tuple[RuleConfig, ...]) -> tuple[RuleConfig, ...]:
        seen: dict[tuple[str, str, str | None], int] = {}
        for number, rule in enumerate(rules):
            for action in ("publish", "subscribe") if rule.action == "all" else (rule.action,):
                before = seen.setdefault((action, rule.source_topic_filter, rule.regex), number)
                if before != number:
                    raise ValueError(f"rules {before} and {number} are about the same topics: only the last would hold")
        return rules
