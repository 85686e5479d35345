"""What Prometheus scrapes is well formed, and alerts and dashboard ask for nothing that isn't there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.monitoring.conftest import Expositions, Promtool
from tests.integration.monitoring.expressions import named_in
from tests.support.broker_process import REPOSITORY

PROMETHEUS = REPOSITORY / "deploy/prometheus"
GRAFANA = REPOSITORY / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards/rmq.json").read_text())
ALERTS = (PROMETHEUS / "alerts.yml").read_text()
# What Prometheus itself says of a target, by the rules of a scrape file.
OF_PROMETHEUS = {"up": {"job", "instance"}}


def targets() -> list[tuple[str, str, str]]:
    """Panel, expression and legend of every query."""
    return [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]


def alert_expressions() -> list[str]:
    """The expressions of all alerts, which are one line each."""
    return re.findall(r"^ +expr: (.+)$", ALERTS, re.MULTILINE)


def labels_of(text: str) -> Mapping[str, set[str]]:
    """The labels of every metric name in an exposition."""
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def check(expression: str, known: Mapping[str, set[str]], further: set[str]) -> None:
    """Every metric of an expression, and every label that it names, is there."""
    named = named_in(expression)
    assert named.metrics, expression
    for metric, labels in named.metrics.items():
        assert metric in known, f"{metric} isn't exposed: {expression}"
        assert labels <= known[metric], f"{metric} has no {labels - known[metric]}: {expression}"
        assert named.grouped | further <= known[metric] or "scalar" in expression, f"{metric}: {expression}"


@pytest.mark.parametrize("which", ["own", "each", "sum"])
def test_promtool_accepts_the_exposition(promtool: Promtool, expositions: Expositions, which: str) -> None:
    assert promtool(["check", "metrics"], getattr(expositions, which)) == ""


def test_promtool_finds_faults(promtool: Promtool) -> None:
    with pytest.raises(AssertionError, match="counter metrics should have"):
        promtool(["check", "metrics"], "# HELP a A thing\n# TYPE a counter\na 1\n")


def test_every_family_is_of_rmq_and_says_what_it_is(expositions: Expositions) -> None:
    for family in text_string_to_metric_families(expositions.each):
        assert family.name.startswith("rmq_")
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram")


def test_the_figures_of_a_cluster_are_there(expositions: Expositions) -> None:
    known = labels_of(expositions.own)
    for name in ("term", "commit_index", "apply_lag_entries", "has_quorum", "silence_seconds"):
        assert f"rmq_cluster_{name}" in known
    for node in ("1", "2", "3"):
        assert f'rmq_up{{node="{node}"}} 1.0' in expositions.each
    assert 'rmq_certificate_not_after_timestamp_seconds{listener="tls.external",node="1"}' in expositions.own


def test_real_messages_were_measured(expositions: Expositions) -> None:
    count = re.search(r'rmq_publish_to_ack_seconds_count\{node="1"\} (\S+)', expositions.own)
    assert count is not None and float(count[1]) >= 1
    lag = re.search(r'rmq_event_loop_lag_seconds_count\{node="1"\} (\S+)', expositions.own)
    assert lag is not None and float(lag[1]) >= 1


@pytest.mark.parametrize("scrape_file", ["prometheus/prometheus.yml", "compose/prometheus.yml"])
def test_the_scrape_files_and_the_rules_are_valid(promtool: Promtool, tmp_path: Path, scrape_file: str) -> None:
    for path in (PROMETHEUS.parent / scrape_file, PROMETHEUS / "alerts.yml"):
        shutil.copy(path, tmp_path)  # side by side, as they are mounted
    assert "SUCCESS" in promtool(["check", "config", str(tmp_path / "prometheus.yml")], "")


def test_the_alerts_fire_and_are_silent(promtool: Promtool) -> None:
    assert "SUCCESS" in promtool(["test", "rules", str(PROMETHEUS / "alerts_test.yml")], "")


def test_every_alert_is_tested() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", ALERTS))
    tested = set(re.findall(r'alertname="(\w+)"', (PROMETHEUS / "alerts_test.yml").read_text()))
    assert alerts == tested and len(alerts) == len(alert_expressions())


@pytest.mark.parametrize("expression", alert_expressions())
def test_an_alert_asks_for_what_is_there(expositions: Expositions, expression: str) -> None:
    check(expression, labels_of(expositions.own), set())


@pytest.mark.parametrize(("panel", "expression", "legend"), targets())
def test_a_panel_asks_for_what_is_there(expositions: Expositions, panel: str, expression: str, legend: str) -> None:
    shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
    check(expression, labels_of(expositions.own), shown)
    grouped = named_in(expression).grouped
    assert not grouped or shown <= grouped, f"{panel}: the legend shows what the query takes away"


def test_panels_have_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_grafana_finds_the_dashboard_and_its_data() -> None:
    source = (GRAFANA / "provisioning/datasources/prometheus.yml").read_text()
    uids = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel}
    assert uids == set(re.findall(r"uid: (\w+)", source))
    assert "path: /etc/grafana/dashboards" in (GRAFANA / "provisioning/dashboards/rmq.yml").read_text()


@pytest.mark.parametrize(
    ("expression", "metrics", "grouped"),
    [
        ('a{b="c",d!="e"} > 0.5 or f', {"a": {"b", "d"}, "f": set()}, set()),
        ("sum by (x, y) (rate(a[5m])) / on (z) time()", {"a": set()}, {"x", "y", "z"}),
        ('histogram_quantile(0.9, rate(a_bucket{n=~"$n"}[$__rate_interval]))', {"a_bucket": {"n"}}, set()),
    ],
)
def test_expressions_are_read(expression: str, metrics: dict[str, set[str]], grouped: set[str]) -> None:
    found = named_in(expression)
    assert (found.metrics, found.grouped) == (metrics, grouped)
