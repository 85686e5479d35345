"""The dialect: where its path is, and how it refuses."""

from typing import Final

from rmq_http_api.dialects import Dialect
from rmq_http_api.nanomq.codes import ErrorObject, present_error

PREFIX: Final = "/api/v1"
DIALECT: Final = Dialect("nanomq_v1", "NanoMQ v1", PREFIX, present_error, trusts_loopback=False, error_type=ErrorObject)
