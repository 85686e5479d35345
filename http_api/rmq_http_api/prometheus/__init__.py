"""Monitoring by Prometheus: every figure of a node, or of all nodes, in the text format that it scrapes.

names       what each counter, gauge and figure of the cluster is called there, with its labels and its meaning
families    figures of nodes as metric families
exposition  families as text; the only file that knows prometheus_client
routes      /metrics, and the paths that a dialect has for it
"""

from rmq_http_api.prometheus.routes import routes, routes_below

__all__ = ["routes", "routes_below"]
