"""NanoMQ's HTTP API, version 1: one address that takes numbered requests, ``POST /api/v1 {"req": 2, "seq": 1}``.

RMQTT has ``GET`` of the same path, so both dialects can be served by one listener.

routes    the whole table, which is one route
requests  what is asked by each number, and the answers
wording   the dialect
"""

from rmq_http_api.nanomq_v1.routes import routes
from rmq_http_api.nanomq_v1.wording import DIALECT

__all__ = ["DIALECT", "routes"]
