"""Topics that name a client: ``p2p/{clientid}/{topic}`` (prefix) and ``{topic}/p2p/{clientid}`` (suffix)."""

from typing import Final

from rmq_plugins.p2p_messaging.config import Mode

_PREFIX: Final = "p2p/"
_SUFFIX: Final = "/p2p/"


def addressee(topic: str, mode: Mode) -> tuple[str, str] | None:
    """The client id and the topic that the client sees; None for an ordinary topic.

    It is one, too, where either is empty, or where the client would see a topic of the broker's own (``$SYS/…``). In
    mode ``both`` what stands in front counts.
    """
    client_id = seen = ""
    if mode != "suffix" and topic.startswith(_PREFIX):
        client_id, _, seen = topic[len(_PREFIX) :].partition("/")
    elif mode != "prefix":
        seen, found, client_id = topic.rpartition(_SUFFIX)
        if not found or "/" in client_id:
            return None
    if not client_id or not seen or seen.startswith("$"):
        return None
    return client_id, seen
