"""What a request says of where it came from: its peer, its ``Host``, and what browsers and proxies add.

Names are why this matters: a page whose name was turned to another address after it was loaded (DNS rebinding) may read
whatever that address answers, but its requests go on naming it. An address in ``Host`` can't be turned anywhere.
"""

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# What only proxies add; the first is RFC 7239.
PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of who asks. ``headers`` by small names; ``address`` is the peer's, "" if it isn't known."""

    method: str
    address: str
    headers: Mapping[str, str]


def is_local(request: Request) -> bool:
    """Whether a request without credentials came from this machine by all signs."""
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    return (
        _is_loopback(request.address)
        and is_local_host(request.headers.get("host", ""))
        and not is_from_elsewhere(request)
    )


def is_local_host(host: str) -> bool:
    """Whether a ``Host`` header names this machine: ``localhost``, 127.0.0.0/8 or ``[::1]``, with any port."""
    name = _name_of(host)
    return name == "localhost" or _is_loopback(name)


def is_known_host(host: str, names: Collection[str]) -> bool:
    """Whether a ``Host`` header has an address, ``localhost`` or one of these names, which are in small letters."""
    name = _name_of(host)
    return name == "localhost" or name.removesuffix(".") in names or _is_address(name)


def is_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that a page of somebody else asks (Fetch metadata; Origin, RFC 6454)."""
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    except ValueError:
        return True


def _name_of(host: str) -> str:
    """The name or address of a ``Host``, "" when it isn't one: only a port may follow it."""
    try:
        found = urlsplit(f"//{host}")
        name = found.hostname or ""
        port = found.port
    except ValueError:
        return ""
    is_plain = not (found.path or found.query or found.fragment or "@" in found.netloc)
    return name if is_plain and (port is None or port >= 0) else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
