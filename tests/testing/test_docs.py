"""docs/testing.md tells the truth: its examples are tests that pass, its tables name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rmq.testing import Broker, ThreadedBroker
from tests.architecture.sources import ROOT
from tests.support.client import Client
from tests.testing.run_pytest import Run

pytestmark = pytest.mark.realtime

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_examples_pass(tmp_path: Path) -> None:
    assert len(EXAMPLES) >= 7
    Run(tmp_path, EXAMPLES).passed(sum(len(re.findall(r"(?m)^(?:async )?def test_", source)) for source in EXAMPLES))


def test_the_table_names_every_public_method() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`(?:clock\.)?(\w+)", table))
    for kind in (ThreadedBroker, Broker):
        public = {name for name in dir(kind) if not name.startswith("_")} - {"start", "stop"}
        assert public <= named, public - named


def test_the_error_shown_is_the_one_given() -> None:
    rules = [["deny", {"user": "sensor-1"}], ["allow", "all"]]
    shown = re.search(r"`after 5 s (client .*?)`", PAGE)
    assert shown is not None
    with ThreadedBroker(plugins={"rmq-acl": {"rules": rules}}) as broker:
        other, refused = Client(broker.address(), "sensor-2"), Client(broker.address(), "sensor-1")
        other.connect()
        refused.connect(username="sensor-1", code=0x87)
        with pytest.raises(TimeoutError, match=re.escape(shown[1])):
            broker.wait_for_client("sensor-1", timeout=0.01)
        other.close()
        refused.close()
