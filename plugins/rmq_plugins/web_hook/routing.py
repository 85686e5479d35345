"""Which event goes to which URL, under which name."""

from rmq.plugin_api import filter_covers, topic_matches, unshared
from rmq_plugins.web_hook.config import Event, RuleConfig, WebHookConfig


class Route:
    """One rule, ready to be asked."""

    __slots__ = ("_topics", "action", "urls")

    def __init__(self, event: Event, rule: RuleConfig, default_urls: tuple[str, ...]) -> None:
        self.action = rule.action or event
        self.urls = tuple(dict.fromkeys(rule.urls)) or default_urls
        self._topics = rule.topics

    def wants_topic(self, topic: str) -> bool:
        """Whether a message of this topic goes here."""
        return not self._topics or any(topic_matches(wanted, topic) for wanted in self._topics)

    def wants_filter(self, topic_filter: str) -> bool:
        """Whether a subscription goes here: a filter of the rule covers it."""
        if not self._topics:
            return True
        asked = unshared(topic_filter)
        return any(filter_covers(wanted, asked) for wanted in self._topics)


def routes(config: WebHookConfig) -> dict[Event, list[Route]]:
    """The routes of each event that goes anywhere."""
    found: dict[Event, list[Route]] = {}
    for event, rules in config.rule.items():
        listed = [Route(event, rule, config.default_urls) for rule in rules]
        if any(route.urls for route in listed):
            found[event] = [route for route in listed if route.urls]
    return found


def urls_of(table: dict[Event, list[Route]]) -> list[str]:
    """All URLs that something goes to, each once."""
    return list(dict.fromkeys(url for listed in table.values() for route in listed for url in route.urls))
