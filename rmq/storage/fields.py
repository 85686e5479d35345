"""What was read from disk or from the network, as the type that it has to be; ``TypeError`` if it isn't."""


def as_fields(value: object) -> list[object]:
    """A list."""
    if isinstance(value, list):
        return value
    raise TypeError("a list was expected")


def as_str(value: object) -> str:
    """A string."""
    if isinstance(value, str):
        return value
    raise TypeError("a string was expected")


def as_optional_str(value: object) -> str | None:
    """A string, or None."""
    return None if value is None else as_str(value)


def as_bytes(value: object) -> bytes:
    """Bytes."""
    if isinstance(value, bytes):
        return value
    raise TypeError("bytes were expected")


def as_int(value: object) -> int:
    """A whole number."""
    if isinstance(value, int):
        return value
    raise TypeError("a whole number was expected")


def as_float(value: object) -> float:
    """A number."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return float(value)
    raise TypeError("a number was expected")


def as_ids(value: object) -> list[int] | None:
    """A list of whole numbers, or None."""
    return None if value is None else [as_int(item) for item in as_fields(value)]
