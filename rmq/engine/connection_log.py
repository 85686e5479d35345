"""Events of clients that connected, were refused or disconnected, for the log: bounded, and written in batches."""

from typing import Final

from rmq.mqtt import codes
from rmq.session.channel import Channel
from rmq.session.client_info import ClientInfo

# A client id or a user name may have 65,535 bytes, and a line is no place for that.
LONGEST_TEXT: Final = 128

PROTOCOL_NAMES: Final = {codes.V31: "3.1", codes.V311: "3.1.1", codes.V5: "5.0"}

Event = dict[str, object]


class ConnectionLog:
    """Events with their times (seconds since 1970), waiting for ``take``.

    Of those in one second, more than ``lines_per_second`` are left out and counted: 0 means that there are none at all.
    So what waits is bounded, and a storm of connections can't fill a disk.
    """

    def __init__(self, lines_per_second: int = 0) -> None:
        self._limit = lines_per_second
        self._events: list[tuple[float, Event]] = []
        self._second = 0
        self._in_second = 0
        self._left_out = 0

    def connected(self, now: float, info: ClientInfo, session_present: bool) -> None:
        """A client was let in."""
        if self._has_room(now):
            event = _who("client connected", info)
            event["protocol"] = PROTOCOL_NAMES.get(info.protocol_level, info.protocol_level)
            event["clean_start"] = info.clean_start
            event["session_present"] = session_present
            event["keep_alive"] = info.keepalive
            self._events.append((now, event))

    def ended(self, now: float, channel: Channel, reason_code: int, text: str) -> None:
        """A connection is ending: of a client that was let in, or of one whose CONNECT was refused."""
        info = channel.info
        if info is None or not self._has_room(now):
            return
        if channel.session is None:
            event = _who("client refused", info)
        else:
            event = _who("client disconnected", info)
            event["duration_s"] = round(now - info.connected_at, 3)
            event["bytes_received"] = channel.bytes_received
            event["bytes_sent"] = channel.bytes_sent
            event["messages_received"] = channel.messages_received
            event["messages_sent"] = channel.messages_sent
        event["reason_code"] = reason_code
        event["reason"] = codes.REASON_NAMES.get(reason_code, "unknown")
        event["text"] = text[:LONGEST_TEXT]
        self._events.append((now, event))

    def take(self, now: float) -> list[tuple[float, Event]]:
        """What has come together since the last time."""
        if int(now) != self._second:
            self._begin_second(now)
        events = self._events
        self._events = []
        return events

    def _has_room(self, now: float) -> bool:
        if not self._limit:
            return False
        if int(now) != self._second:
            self._begin_second(now)
        if self._in_second >= self._limit:
            self._left_out += 1
            return False
        self._in_second += 1
        return True

    def _begin_second(self, now: float) -> None:
        if self._left_out:
            self._events.append((now, {"event": "connection lines left out", "count": self._left_out}))
        self._second = int(now)
        self._in_second = 0
        self._left_out = 0


def _who(event: str, info: ClientInfo) -> Event:
    username = info.username
    return {
        "event": event,
        "client_id": info.client_id[:LONGEST_TEXT],
        "username": None if username is None else username[:LONGEST_TEXT],
        "address": f"{info.remote_host}:{info.remote_port}",
        "listener": info.listener,
    }
