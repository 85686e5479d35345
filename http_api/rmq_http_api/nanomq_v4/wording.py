"""The dialect, and times as text."""

from datetime import datetime
from typing import Final

from rmq_http_api.dialects import Dialect
from rmq_http_api.nanomq.codes import ErrorObject, present_error

PREFIX: Final = "/api/v4"
DIALECT: Final = Dialect("nanomq_v4", "NanoMQ v4", PREFIX, present_error, trusts_loopback=False, error_type=ErrorObject)
RUNNING: Final = "Running"


def local_time(seconds: float) -> str:
    """``YYYY-MM-DD HH:mm:ss`` in this machine's time zone, as NanoMQ writes times."""
    return f"{datetime.fromtimestamp(int(seconds)):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """``15 Hours, 1 minutes, 38 seconds``."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} Hours, {minutes} minutes, {left} seconds"
