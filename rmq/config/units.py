"""How people write durations, byte sizes, addresses and rates, and the pydantic types that read them."""

import ipaddress
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

SECOND = 1
MINUTE = 60
HOUR = 3600
DAY = 86400
WEEK = 7 * DAY
KIB = 1024
MIB = 1024 * KIB

# MQTT carries intervals as four byte seconds; the largest value means "never" [MQTT5-3.1.2.11.2].
UINT32_MAX = 4294967295
_INT64_MAX = 2**63 - 1

_DURATION_MS = {"w": WEEK * 1000, "d": DAY * 1000, "h": HOUR * 1000, "m": MINUTE * 1000, "s": 1000, "ms": 1}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in _DURATION_MS), re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE | re.ASCII)
_SIZE_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")

_DURATION_HINT = 'write a duration such as "30s", "5m", "2h", "1h30m", "7d", "1500ms" or 0 (a bare number is seconds)'
_SIZE_HINT = 'write a size such as "512KB", "1MB", "2GB" or a number of bytes'
_ADDRESS_HINT = 'write an address such as "127.0.0.1:1883", "[::1]:1883" or ":1883" (every IPv4 interface)'
_RATE_HINT = 'write a rate such as "1000,1s" (1000 a second), or "" for unlimited'
_BYTE_RATE_HINT = 'write a rate such as "64KB,1s" (65536 bytes a second), or "" for unlimited'


def parse_duration(value: object) -> float:
    """Seconds. A bare number is seconds; nothing is finer than a millisecond, which is what timers can keep."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(_DURATION_HINT)
    if isinstance(value, str):
        millis = _duration_millis(value.strip())
    else:
        if not math.isfinite(value):
            raise ValueError(_DURATION_HINT)
        millis = Decimal(str(value)) * 1000
    if millis < 0:
        raise ValueError("a duration can't be negative")
    if millis != int(millis):
        raise ValueError("a duration can't be finer than 1ms")
    if millis > _INT64_MAX:
        raise ValueError("a duration this long can't be kept")
    return int(millis) / 1000


def _duration_millis(text: str) -> Decimal:
    if _NUMBER.fullmatch(text):
        return Decimal(text) * 1000
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(_DURATION_HINT)
    total = Decimal(0)
    for unit, amount in match.groupdict().items():
        if amount is not None:
            total += Decimal(amount) * _DURATION_MS[unit]
    return total


def parse_whole_seconds(value: object) -> int:
    """A duration MQTT sends as whole seconds in four bytes; "500ms" would silently become 0, so it is refused."""
    seconds = parse_duration(value)
    if seconds != int(seconds):
        raise ValueError("must be whole seconds")
    if seconds > UINT32_MAX:
        raise ValueError(f"must be at most {UINT32_MAX} seconds (which means never)")
    return int(seconds)


def format_duration(seconds: float) -> str:
    """The shortest exact way to write it: 5400.0 -> "1h30m", 0.1 -> "100ms", 0 -> "0"."""
    millis = round(seconds * 1000)
    if millis == UINT32_MAX * 1000:
        return str(UINT32_MAX)  # recognisable as "never", unlike 7101w3d6h28m15s
    parts = []
    for unit, size in _DURATION_MS.items():
        if unit != "w" and millis >= size:
            parts.append(f"{millis // size}{unit}")
            millis %= size
    return "".join(parts) or "0"


def parse_byte_size(value: object) -> int:
    """Bytes. K, M, G and T are powers of 1024, with or without B or iB."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(_SIZE_HINT)
    if isinstance(value, int):
        size = Decimal(value)
    else:
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise ValueError(_SIZE_HINT)
        size = Decimal(match[1]) * 1024 ** _SIZE_POWER[match[2].upper()]
    if size < 0:
        raise ValueError("a size can't be negative")
    if size != int(size) or size > _INT64_MAX:
        raise ValueError(_SIZE_HINT)
    return int(size)


def format_byte_size(size: int) -> str:
    """The largest unit that divides it exactly: 1048576 -> "1MB", 1000 -> "1000"."""
    for unit in ("T", "G", "M", "K"):
        factor: int = 1024 ** _SIZE_POWER[unit]
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}B"
    return str(size)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds. `host` is an IP literal without brackets, or a host name resolved when binding."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it; of names, only ``localhost`` is known to be so (RFC 6761, 6.3)."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address and no name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def is_wildcard(self) -> bool:
        return self.host in ("0.0.0.0", "::")

    def clashes_with(self, other: "Address") -> bool:
        """Whether the second bind would fail. Port 0 is "any free port" and never does."""
        if self.port != other.port or self.port == 0 or self.is_ipv6 != other.is_ipv6:
            return False
        return self.host == other.host or self.is_wildcard or other.is_wildcard


def parse_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError(_ADDRESS_HINT)
    host, colon, port_text = value.strip().rpartition(":")
    if not colon:
        raise ValueError(f"the port is missing; {_ADDRESS_HINT}")
    if not (port_text.isascii() and port_text.isdigit()) or int(port_text) > 65535:
        raise ValueError(f"the port must be 0 to 65535; {_ADDRESS_HINT}")
    return Address(_parse_host(host), int(port_text))


def _parse_host(host: str) -> str:
    if host == "":
        return "0.0.0.0"
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError(f"{host} is no IPv6 address") from None
    if ":" in host:
        raise ValueError(f"an IPv6 address is written in brackets; {_ADDRESS_HINT}")
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError(f"{host} is no IPv4 address") from None
    if _HOST_NAME.fullmatch(host) is None:
        raise ValueError(f"{host!r} is no host name or IP address; {_ADDRESS_HINT}")
    return host.lower()


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in every `period_s` seconds. A count of 0 is unlimited."""

    count: int
    period_s: float

    @property
    def is_unlimited(self) -> bool:
        return self.count == 0

    def __str__(self) -> str:
        return "" if self.is_unlimited else f"{self.count},{format_duration(self.period_s)}"


UNLIMITED = Rate(0, 1.0)  # the period is never 0, so that nobody divides by it


def parse_auto(value: object) -> bool | None:
    """true, false, or "auto" (None): the broker decides."""
    if value is None or isinstance(value, bool):
        return value
    if value == "auto":
        return None
    raise ValueError('must be true, false or "auto"')


def parse_rate(value: object) -> Rate:
    if isinstance(value, Rate):
        return value
    if value == 0 and not isinstance(value, bool):
        return UNLIMITED
    if not isinstance(value, str):
        raise ValueError(_RATE_HINT)
    text = value.strip()
    if text in ("", "0"):
        return UNLIMITED
    count_text, comma, period_text = (part.strip() for part in text.partition(","))
    if not comma or not (count_text.isascii() and count_text.isdigit()):
        raise ValueError(_RATE_HINT)
    count, period_s = int(count_text), parse_duration(period_text)
    if count == 0:
        return UNLIMITED
    if period_s == 0:
        raise ValueError("the period of a rate can't be 0")
    return Rate(count, period_s)


def parse_byte_rate(value: object) -> Rate:
    """As `parse_rate`, with a size before the comma."""
    if isinstance(value, Rate):
        return value
    if value == 0 and not isinstance(value, bool):
        return UNLIMITED
    if not isinstance(value, str):
        raise ValueError(_BYTE_RATE_HINT)
    size_text, comma, period = value.partition(",")
    if not comma:
        if size_text.strip() in ("", "0"):
            return UNLIMITED
        raise ValueError(_BYTE_RATE_HINT)
    return parse_rate(f"{parse_byte_size(size_text)},{period}")


def format_byte_rate(rate: Rate) -> str:
    """The size in the largest unit that divides it: 65536 bytes a second -> "64KB,1s"."""
    return "" if rate.is_unlimited else f"{format_byte_size(rate.count)},{format_duration(rate.period_s)}"


# The types configuration models use. `mode="json"` dumps give back what a person would write.
Duration = Annotated[float, PlainValidator(parse_duration), PlainSerializer(format_duration, when_used="json")]
WholeSeconds = Annotated[int, PlainValidator(parse_whole_seconds), PlainSerializer(format_duration, when_used="json")]
AutoBool = Annotated[
    bool | None,
    PlainValidator(parse_auto),
    PlainSerializer(lambda value: "auto" if value is None else value, when_used="json"),
]
ByteSize = Annotated[int, PlainValidator(parse_byte_size), PlainSerializer(format_byte_size, when_used="json")]
ListenAddress = Annotated[Address, PlainValidator(parse_address), PlainSerializer(str, when_used="json")]
MessageRate = Annotated[Rate, PlainValidator(parse_rate), PlainSerializer(str, when_used="json")]
ByteRate = Annotated[Rate, PlainValidator(parse_byte_rate), PlainSerializer(format_byte_rate, when_used="json")]
