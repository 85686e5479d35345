"""One event of a trace as a line: text for people, or JSON; nothing that a client chose can begin another line."""

import json
from datetime import UTC, datetime
from typing import Final

from rmq.management.traces.traces import LineForm, PayloadForm
from rmq.mqtt.message import ORIGIN_NAMES, Message
from rmq.session.client_info import ClientInfo

# So much of a payload is written.
MAX_PAYLOAD: Final = 1024

Facts = dict[str, object]


def message_facts(message: Message, payloads: PayloadForm) -> Facts:
    """What is written of a message; of its payload only the length, unless somebody wants to see it."""
    facts: Facts = {
        "topic": message.topic,
        "qos": message.qos,
        "retain": message.retain,
        "publisher": message.publisher,
        "origin": ORIGIN_NAMES[message.origin],
        "payload_bytes": message.size if message.on_disk else len(message.payload),
    }
    if payloads == "hex":
        facts["payload"] = message.payload[:MAX_PAYLOAD].hex()
    elif payloads == "text":
        facts["payload"] = message.payload[:MAX_PAYLOAD].decode("utf-8", "backslashreplace")
    return facts


def trace_line(now: float, event: str, client: ClientInfo | None, facts: Facts, lines: LineForm) -> bytes:
    """The line with its end."""
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
    if lines == "json":
        row: Facts = {"time": at, "event": event}
        if client is not None:
            row["clientid"] = client.client_id
            row["username"] = client.username
            row["peername"] = f"{client.remote_host}:{client.remote_port}"
        return json.dumps({**row, **facts}).encode() + b"\n"
    who = "-" if client is None else f"{json.dumps(client.client_id)}@{client.remote_host}:{client.remote_port}"
    said = ", ".join(f"{name}: {json.dumps(value)}" for name, value in facts.items())
    return f"{at} [{event}] {who} {said}\n".encode()
