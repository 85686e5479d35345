"""Logging: level, targets, one line per event whatever a stranger puts into it."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from rmq.log import render_json, render_text, reopen_files, setup_logging, write_events


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    setup_logging("off")
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


def test_the_console_gets_readable_lines_from_us_and_from_other_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("console", "info")
    structlog.get_logger("rmq.net").info("listening", addr="127.0.0.1:1883", note="two words")
    structlog.get_logger("rmq.net").debug("too quiet")
    logging.getLogger("other").warning("odd %s", "thing")
    logging.getLogger("other").debug("too quiet")
    first, second = capsys.readouterr().err.splitlines()
    assert first.split(" ", 1)[1] == "info    rmq.net listening addr=127.0.0.1:1883 note='two words'"
    assert second.split(" ", 1)[1] == "warning other odd thing"


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("console", "debug", "json")
    structlog.get_logger("rmq").debug("started", path=Path("x"), ids=[1])
    event = json.loads(capsys.readouterr().err)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "started", "level": "debug", "logger": "rmq", "path": "x", "ids": [1]}


def test_to_a_file_that_is_opened_again_after_rotation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log" / "rmq.log"
    setup_logging("file", "info", path=path)
    structlog.get_logger("a").info("one")
    path.rename(tmp_path / "rotated")
    structlog.get_logger("a").info("two")
    assert "one" in (tmp_path / "rotated").read_text()
    assert "two" in path.read_text()
    assert capsys.readouterr().err == ""


def test_a_file_that_is_opened_again_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "rmq.log"
    setup_logging("file", "info", path=path)
    structlog.get_logger("a").info("one")
    reopen_files()
    structlog.get_logger("a").info("two")
    assert len(path.read_text().splitlines()) == 2
    path.rename(tmp_path / "rotated")
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        reopen_files()
    structlog.get_logger("a").info("three")
    assert (tmp_path / "rotated").read_text().endswith(" a three\n"), "the old one is written on"


def test_auto_is_text_for_people_and_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rmq.log"
    setup_logging("both", "info", "auto", path)
    structlog.get_logger("a").info("piped")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    setup_logging("both", "info", "auto", path)
    structlog.get_logger("a").info("seen")
    first, second = capsys.readouterr().err.splitlines()
    assert json.loads(first)["event"] == "piped"
    assert second.endswith(" a seen")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["piped", "seen"]


def test_many_events_at_once_look_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rmq.log"
    setup_logging("both", "info", path=path)
    events: list[tuple[float, dict[str, object]]] = [(0.25, {"event": "one", "n": 1}), (1.0, {"event": "two"})]
    write_events("rmq.x", events)
    assert path.read_text() == capsys.readouterr().err
    assert path.read_text().splitlines() == [
        "1970-01-01T00:00:00.250000Z info    rmq.x one n=1",
        "1970-01-01T00:00:01.000000Z info    rmq.x two",
    ]
    path.rename(tmp_path / "rotated")
    write_events("rmq.x", events[:1])
    assert len(path.read_text().splitlines()) == 1
    setup_logging("both", "warning", path=path)
    write_events("rmq.x", events)
    assert len(path.read_text().splitlines()) == 1


STRANGE = "a\x1b[31m\r\n\x00\x7f\x9b\u2028\u202e\U000e0001\ud800z"


@pytest.mark.parametrize("render", [render_text, render_json])
def test_nothing_that_a_client_sends_steers_a_terminal(render: Callable[..., str]) -> None:
    line = render(None, "info", {"event": STRANGE, "client_id": STRANGE})
    assert line.isprintable()


def test_json_says_what_was_sent() -> None:
    line = render_json(None, "info", {"id": STRANGE[:-2], "n": 1 << 70, "path": Path("x")})
    assert json.loads(line) == {"id": STRANGE[:-2], "n": 1 << 70, "path": "x"}
    assert json.loads(render_json(None, "info", {"id": STRANGE[:-2]})) == {"id": STRANGE[:-2]}


def test_both_and_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rmq.log"
    setup_logging("both", "info", path=path)
    structlog.get_logger("a").info("seen")
    setup_logging("off")
    structlog.get_logger("a").error("unseen")
    shown = capsys.readouterr().err
    assert shown == path.read_text()
    assert shown.endswith(" a seen\n")


def test_a_file_that_cannot_be_opened_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        setup_logging("file", path=tmp_path / "file" / "rmq.log")


def test_a_setup_replaces_the_one_before_and_leaves_handlers_of_others() -> None:
    setup_logging("off")
    before = list(logging.getLogger().handlers)
    for _ in range(3):
        setup_logging("console")
    handlers = logging.getLogger().handlers
    assert len(handlers) == len(before)
    assert [handler for handler in before if handler not in handlers] == before[-1:]


def test_strangers_cannot_fake_a_line() -> None:
    line = render_text(None, "", {"event": "bad\nid", "level": "info", "client_id": "x\n2026 info y", "empty": ""})
    assert line == "- info    - bad\\nid client_id='x\\n2026 info y' empty=''"


def test_a_traceback_follows_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("console")
    try:
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger("a").exception("failed", plugin="p")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("failed plugin=p")
    assert lines[1].startswith("Traceback")
    assert lines[-1] == "ValueError: boom"


def test_a_disk_that_is_full_is_told_of_once_and_not_with_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    setup_logging("file", "info", path=Path("/dev/full"))
    for _ in range(3):
        structlog.get_logger("rmq").info("started")
        write_events("rmq.connections", [(0.0, {"event": "client connected"})])
    assert capsys.readouterr().err == "rmq-node: the log can't be written: No space left on device\n"
