"""Figures for Prometheus under EMQX's names, so that its dashboards find them; open to all, as with EMQX."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import trio

from rmq.management.aggregate import sum_metrics, sum_stats
from rmq.management.models import Gathered, Metrics, MissingNode, NodeFigures, Stats
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.figure_names import metrics_values, stats_values
from rmq_http_api.emqx_v5.pages import V5Query
from rmq_http_api.emqx_v5.wording import PREFIX, listener_id
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Nobody has to log in, so nobody may have them read more often; in seconds.
KEPT_S: Final = 1.0

Mode = Literal["node", "all_nodes_aggregated", "all_nodes_unaggregated"]
# A name with its kind, and its values by their labels.
Family = tuple[str, str, list[tuple[Mapping[str, str], float]]]


class StatsQuery(V5Query):
    """This node, all nodes as one, or each node with its name as a label."""

    mode: Mode = "node"


class PushGateway(TypedDict):
    """Nothing is pushed from here."""

    enable: bool
    url: str
    interval: str


class PrometheusConfig(TypedDict):
    """How figures are to be had."""

    enable_basic_auth: bool
    push_gateway: PushGateway
    collectors: dict[str, str]


class PrometheusRoutes:
    """The routes of figures."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management
        self._one = trio.CapacityLimiter(1)
        self._kept: dict[Mode, tuple[float, Answer]] = {}

    def routes(self) -> list[AnyRoute]:
        """Both."""
        path = f"{PREFIX}/prometheus"
        return [
            Route(
                "GET",
                f"{path}/stats",
                "prometheus_stats",
                "All figures",
                self.stats,
                StatsQuery,
                media_types=("text/plain",),
                open=True,
            ),
            Route("GET", path, "prometheus", "How they are to be had", self.config, answers=(PrometheusConfig,)),
        ]

    async def config(self, call: Call[NoQuery, None]) -> Answer:
        """Always the same: they are scraped."""
        body: PrometheusConfig = {
            "enable_basic_auth": False,
            "push_gateway": {"enable": False, "url": "", "interval": "15s"},
            "collectors": {},
        }
        return json_answer(body)

    async def stats(self, call: Call[StatsQuery, None]) -> Answer:
        """Text, a second old at most."""
        mode = call.query.mode
        async with self._one:
            kept = self._kept.get(mode)
            if kept is not None and kept[0] > trio.current_time():
                return kept[1]
            answer = Answer(await self._text(mode), MEDIA_TYPE)
            self._kept[mode] = (trio.current_time() + KEPT_S, answer)
            return answer

    async def _text(self, mode: Mode) -> bytes:
        gathered = await self._management.figures()
        own = self._management.local.ref.node_id
        sessions = _sessions(gathered.answers)
        nodes = [one for one in gathered.answers if mode != "node" or one.node.node_id == own]
        found: dict[str, Family] = {}
        if mode == "all_nodes_unaggregated":
            for one in sorted(nodes, key=lambda one: one.node.node_id):
                _collect(found, {"node": one.node.name}, one.stats, one.metrics, sessions)
        else:
            stats = sum_stats(Gathered(tuple(Stats((one.node,), one.stats) for one in nodes)))
            metrics = sum_metrics(Gathered(tuple(Metrics((one.node,), one.metrics) for one in nodes)))
            _collect(found, {}, stats.values, metrics.values, sessions)
        for one in nodes:
            _collect_process(found, {"node": one.node.name} if mode != "node" else {}, one)
        _collect_cluster(found, gathered.answers, gathered.missing)
        pieces = []
        for family in found.values():
            pieces.append("\n".join(_lines(family)))
            if not len(pieces) % 64:
                await self._management.local.turns.wait()
        return ("\n".join(pieces) + "\n").encode()


def _sessions(answers: tuple[NodeFigures, ...]) -> tuple[int, int]:
    return (
        sum(one.stats["sessions.count"] for one in answers),
        sum(one.stats["sessions.max"] for one in answers),
    )


def _collect(
    found: dict[str, Family],
    labels: Mapping[str, str],
    stats: Mapping[str, int],
    metrics: Mapping[str, int],
    sessions: tuple[int, int],
) -> None:
    for name, value in stats_values(stats, *sessions).items():
        _add(found, name, "gauge", labels, value)
    for name in ("routes.count", "routes.max"):  # EMQX has it here and not among its stats
        _add(found, name, "gauge", labels, stats.get(name, 0))
    for name, value in metrics_values(metrics).items():
        _add(found, name, "counter", labels, value)


def _collect_process(found: dict[str, Family], labels: Mapping[str, str], figures: NodeFigures) -> None:
    _add(found, "vm_used_memory", "gauge", labels, figures.memory_resident)
    for name, ends_at in figures.certificates.items():
        kind, _, rest = listener_id(name).partition(":")
        listener = {**labels, "listener_type": kind, "listener_name": rest or kind}
        _add(found, "cert_expiry_at", "gauge", listener, ends_at)


def _collect_cluster(
    found: dict[str, Family], answers: tuple[NodeFigures, ...], missing: tuple[MissingNode, ...]
) -> None:
    _add(found, "cluster_nodes_running", "gauge", {}, len(answers))
    _add(found, "cluster_nodes_stopped", "gauge", {}, len(missing))


def _add(found: dict[str, Family], name: str, kind: str, labels: Mapping[str, str], value: float) -> None:
    whole = f"emqx_{name.replace('.', '_')}"
    found.setdefault(whole, (whole, kind, []))[2].append((labels, value))


def _lines(family: Family) -> Iterator[str]:
    """Prometheus's text format, version 0.0.4; EMQX has no "_total" at its counters."""
    name, kind, samples = family
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        written = str(int(value)) if value == int(value) else repr(value)
        yield f"{name}{{{inner}}} {written}" if inner else f"{name} {written}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
