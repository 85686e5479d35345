"""What a topic is called on the other side: a text in which a placeholder stands for the name it has here."""

from rmq.plugin_api import is_valid_topic_name


class TopicMap:
    """``template`` with one placeholder, which stands for the topic name without its first ``skip_levels`` levels."""

    def __init__(self, template: str, placeholder: str, skip_levels: int = 0) -> None:
        self._parts = template.split(placeholder)
        self._skip = skip_levels

    def name(self, topic: str) -> str | None:
        """The name on the other side; None where that is no topic name."""
        if self._skip:
            levels = topic.split("/", self._skip)
            topic = levels[self._skip] if len(levels) > self._skip else ""
        found = topic.join(self._parts)
        return found if is_valid_topic_name(found) else None


def check(template: str, placeholder: str) -> str:
    """``ValueError`` where no topic name can come of a template."""
    if "${" in template.replace(placeholder, ""):
        raise ValueError(f"{template!r}: the only placeholder is {placeholder}")
    if not is_valid_topic_name(template.replace(placeholder, "t")):
        raise ValueError(f"{template!r} makes no topic name")
    return template
