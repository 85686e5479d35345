"""What a topic name is called among NATS's subjects, and back; nothing is lost on the way.

As nats-server has it for its own MQTT clients: a level is a token, an empty level is the token ``/``, and a dot within
a level is ``//``. What a token can't have (white space, control characters, the wildcards ``*`` and ``>``) is written
``%`` and two hexadecimal digits, and so is ``%``.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

# A server ends the connection at a line of more than 4096 bytes (max_control_line), of which an inbox's name and two
# numbers are the rest; such a message would come again and again.
MAX_SUBJECT: Final = 3_900

_NOT_IN_A_TOKEN: Final = re.compile(r"[\x00-\x20\x7f*>%]")
_ESCAPED: Final = re.compile(r"%(?:[01][0-9A-F]|20|7F|2A|3E|25)")


def subject_of(topic: str) -> str:
    """The subject of a topic name."""
    found = []
    for level in topic.split("/"):
        escaped = _NOT_IN_A_TOKEN.sub(lambda match: f"%{ord(match[0]):02X}", level)
        found.append(escaped.replace(".", "//") or "/")
    return ".".join(found)


def topic_of(subject: str) -> str:
    """The topic name of a subject; one that NATS's own clients gave stays as readable as it was."""
    found = []
    for token in subject.split("."):
        level = "" if token == "/" else token.replace("//", ".")
        found.append(_ESCAPED.sub(lambda match: unquote_to_bytes(match[0]).decode(), level))
    return "/".join(found)


def is_subject(text: str) -> bool:
    """Whether a message can be published under this subject."""
    tokens = text.split(".")
    return all(tokens) and not any(token in ("*", ">") for token in tokens) and not re.search(r"[\x00-\x20\x7f]", text)


def is_subject_filter(text: str) -> bool:
    """Whether this can be subscribed to: as a subject, with ``*`` for one token and ``>`` for the last ones."""
    *before, last = text.split(".")
    return is_subject(".".join("t" if token == "*" else token for token in [*before, "t" if last == ">" else last]))


class SubjectMap:
    """A subject with one placeholder, which stands for the topic name without its first ``skip_levels`` levels."""

    def __init__(self, template: str, placeholder: str, skip_levels: int = 0) -> None:
        self._parts = template.split(placeholder)
        self._skip = skip_levels

    def name(self, topic: str) -> str | None:
        """The subject; None where there is none, or one that is too long."""
        if len(self._parts) == 1:
            return self._parts[0]
        if self._skip:
            levels = topic.split("/", self._skip)
            if len(levels) <= self._skip:
                return None
            topic = levels[self._skip]
        found = subject_of(topic).join(self._parts)
        return found if len(found.encode()) <= MAX_SUBJECT else None


def check_subject(template: str, placeholder: str) -> str:
    """``ValueError`` where no subject can come of a template."""
    if "${" in template.replace(placeholder, ""):
        raise ValueError(f"{template!r}: the only placeholder is {placeholder}")
    if not is_subject(template.replace(placeholder, "t")):
        raise ValueError(f"{template!r} makes no subject of NATS")
    return template


def check_filter(text: str) -> str:
    """``ValueError`` where nothing can be subscribed to."""
    if not is_subject_filter(text):
        raise ValueError(f"{text!r} is no subject of NATS")
    return text
