"""Addresses of nodes: "host:port" as host and port, and which hosts are this machine."""

from ipaddress import ip_address


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[IPv6]:port``. Raises ``ValueError`` with a text that names the address."""
    host, colon, digits = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address needs brackets, as in [::1]:1900")
    if not colon or not host:
        raise ValueError(f"{text!r} is not host:port")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) <= 65_535):
        raise ValueError(f"{text!r}: a port is a number from 1 to 65535")
    return host, int(digits)


def join_address(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether this host can only be this machine: a loopback address, or the name ``localhost`` (RFC 6761, 6.3)."""
    if host.lower() == "localhost":
        return True
    return is_loopback_address(host)


def is_loopback_address(address: str) -> bool:
    """The same of an address that a name was resolved to."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def is_address(host: str) -> bool:
    """Whether this is an IP address, which needs no resolving."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
