"""/api-docs in a real browser: every dialect can be chosen and is shown, and nothing is red in the console."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.browser import Browser
from tests.integration.http_api.http import Http
from tests.integration.http_api.places import SETS
from tests.support.broker_process import BrokerProcess

DIALECTS: Final = {"rmq", "nanomq_v1", "nanomq_v4", "emqx_v2", "emqx_v5"}
METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Http]:
    """A node's API."""
    node = BrokerProcess(tmp_path, SETS)
    try:
        yield Http.of(node)
    finally:
        node.stop()
    assert "Traceback" not in node.log


def shows(title: str, operations: int) -> str:
    """Whether the page shows a document: its title, and all of its operations."""
    return (
        f"document.querySelector('.info .title').innerText.startsWith({json.dumps(title)}) && "
        f"document.querySelectorAll('.opblock').length === {operations}"
    )


@pytest.mark.slow
def test_every_dialect_can_be_chosen(http: Http, tmp_path: Path) -> None:
    documents = http.get("/api-docs/dialects.json")
    assert {one["name"] for one in documents} == DIALECTS
    shown = {}
    for one in documents:
        document = http.get(one["url"])
        count = sum(method in METHODS for path in document["paths"].values() for method in path)
        shown[one["name"]] = shows(document["info"]["title"] + "\n", count)
    page = f"http://127.0.0.1:{http.port}/api-docs"
    with Browser(tmp_path) as browser:
        browser.go(page)
        browser.until(shown["rmq"])
        assert browser.run("[...document.getElementById('dialect').options].map((one) => one.text)") == [
            one["title"] for one in documents
        ]
        for one in reversed(documents):
            browser.run(
                f"(() => {{ const choice = document.getElementById('dialect'); choice.value = {json.dumps(one['url'])};"
                " choice.dispatchEvent(new Event('change')); })()"
            )
            browser.until(shown[one["name"]])
        browser.go(f"{page}?dialect=emqx_v2")
        browser.until(shown["emqx_v2"])
        assert browser.run("document.getElementById('dialect').selectedOptions[0].text") == "as EMQX v2"
        # An operation unfolds: what it is made of can be drawn too.
        browser.run("document.querySelector('.opblock-summary-control').click()")
        browser.until("document.querySelector('.opblock.is-open .responses-wrapper')")
        assert browser.problems == []


def test_a_problem_would_be_seen(tmp_path: Path) -> None:
    """So that no problems means something."""
    with Browser(tmp_path) as browser:
        browser.go("data:text/html,<p id='p'></p><script>console.error('red'); setTimeout(() => missing(), 0)</script>")
        browser.until("document.getElementById('p')")
        browser.run("new Promise((resolve) => setTimeout(resolve, 0))")
        assert ["red" in one or "missing" in one for one in browser.problems] == [True, True]
