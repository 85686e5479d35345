"""EMQX's HTTP API, version 5: its paths, parameters, JSON names, types and codes, so that what was written for it runs.

routes         the whole table: a list of areas, and what EMQX has beside them
wording        the dialect: its words for what goes wrong, its times, pages and names of nodes
error_codes    the codes, as a list
codes          the one table of EMQX's error codes, and what ours are among them
status         whether this node runs
"""

from rmq_http_api.emqx_v5.routes import routes
from rmq_http_api.emqx_v5.wording import DIALECT

__all__ = ["DIALECT", "routes"]
