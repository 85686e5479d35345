"""Stats and metrics by the names of EMQX v2, which have slashes: of each node, and of one."""

from collections.abc import Callable, Mapping
from typing import Final

from rmq.management.models import Gathered, Metrics, Stats
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.pages import Loose
from rmq_http_api.emqx_v2.wording import PREFIX, answers_of, missing_header, node_id_of, result_answer
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Plain = Call[Loose, None]
Figures = dict[str, int]

# EMQX's name, and ours that are added up to it.
STATS: Final[Mapping[str, tuple[str, ...]]] = {
    f"{theirs}/{kind}": tuple(f"{name}.{kind}" for name in ours)
    for theirs, ours in (
        ("clients", ("connections",)),
        ("sessions", ("sessions",)),
        ("topics", ("topics",)),
        ("subscribers", ("subscriptions",)),
        ("subscriptions", ("subscriptions",)),
        ("routes", ("routes",)),
        ("retained", ("retained",)),
    )
    for kind in ("count", "max")
}

_PACKETS: Final = {
    "connect": "connect.received",
    "connack": "connack.sent",
    "publish/received": "publish.received",
    "publish/sent": "publish.sent",
    "puback/received": "puback.received",
    "puback/sent": "puback.sent",
    "pubrec/received": "pubrec.received",
    "pubrec/sent": "pubrec.sent",
    "pubrel/received": "pubrel.received",
    "pubrel/sent": "pubrel.sent",
    "pubcomp/received": "pubcomp.received",
    "pubcomp/sent": "pubcomp.sent",
    "subscribe": "subscribe.received",
    "suback": "suback.sent",
    "unsubscribe": "unsubscribe.received",
    "unsuback": "unsuback.sent",
    "pingreq": "pingreq.received",
    "pingresp": "pingresp.sent",
    "disconnect": "disconnect.received",
}
_ENDS: Final = ("received", "sent")
METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    **{f"bytes/{end}": (f"bytes.{end}",) for end in _ENDS},
    **{f"packets/{theirs}": (f"packets.{ours}",) for theirs, ours in _PACKETS.items()},
    **{f"messages/qos{qos}/{end}": (f"messages.qos{qos}.{end}",) for qos in (0, 1, 2) for end in _ENDS},
    **{f"messages/{end}": tuple(f"messages.qos{qos}.{end}" for qos in (0, 1, 2)) for end in _ENDS},
    "messages/retained": ("messages.retained",),
    "messages/dropped": ("messages.dropped",),
    "messages/forward": ("messages.forwarded",),
}
# All packets that there are: EMQX's sums, made of every kind that is counted here.
PACKETS: Final = {f"packets/{end}": ("packets.", f".{end}") for end in _ENDS}


class FigureRoutes:
    """The routes of stats and metrics."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        stats, metrics = f"{PREFIX}/monitoring/stats", f"{PREFIX}/monitoring/metrics"
        each, one = answers_of(list[dict[str, Figures]]), answers_of(Figures)
        return [
            Route("GET", stats, "v2_stats", "What there is on each node", self.stats, Loose, answers=each),
            Route("GET", f"{stats}/{{node}}", "v2_stat", "What there is on a node", self.stats_of, Loose, answers=one),
            Route("GET", metrics, "v2_metrics", "What each node has counted", self.metrics, Loose, answers=each),
            Route(
                "GET",
                f"{metrics}/{{node}}",
                "v2_metric",
                "What a node has counted",
                self.metrics_of,
                Loose,
                answers=one,
            ),
        ]

    async def stats(self, call: Plain) -> Answer:
        """By the names of the nodes."""
        return _each(await self._management.stats(), stats_object)

    async def stats_of(self, call: Plain) -> Answer:
        """Of one node."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        return result_answer(stats_object((await self._management.stats_of(node_id)).values))

    async def metrics(self, call: Plain) -> Answer:
        """By the names of the nodes."""
        return _each(await self._management.metrics(), metrics_object)

    async def metrics_of(self, call: Plain) -> Answer:
        """Of one node."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        return result_answer(metrics_object((await self._management.metrics_of(node_id)).values))


def stats_object(values: Mapping[str, int]) -> Figures:
    """Gauges by EMQX's names."""
    return {theirs: sum(values[name] for name in ours) for theirs, ours in STATS.items()}


def metrics_object(values: Mapping[str, int]) -> Figures:
    """Counters by EMQX's names."""
    found = {theirs: sum(values[name] for name in ours) for theirs, ours in METRICS.items()}
    for theirs, (start, end) in PACKETS.items():
        found[theirs] = sum(value for name, value in values.items() if name.startswith(start) and name.endswith(end))
    return found


def _each(found: Gathered[Stats] | Gathered[Metrics], present: Callable[[Mapping[str, int]], Figures]) -> Answer:
    nodes = {answer.nodes[0].name: present(answer.values) for answer in found.answers}
    return result_answer([nodes], missing_header(found.missing))
