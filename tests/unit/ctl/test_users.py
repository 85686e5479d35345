"""users: what is asked of the API, and where a new password comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ctl.desk import Desk

ANNA: dict[str, Any] = {
    "name": "anna",
    "role": "viewer",
    "description": "on \x1bduty",
    "email": "",
    "created_at": "2026-11-22T04:00:00Z",
    "default_password": False,
}
ADMIN = {**ANNA, "name": "admin", "role": "administrator", "created_at": None, "default_password": True}


def test_users_are_listed(desk: Desk) -> None:
    desk.answers("GET /users", [ADMIN, ANNA])
    lines = desk.run("users", "list").output.splitlines()
    assert lines[1].split()[:7] == ["admin", "administrator", "the", "one", "that", "everybody", "knows"]
    assert lines[2].split()[:4] == ["anna", "viewer", "own", "2026-11-22T04:00:00Z"] and "\\x1bduty" in lines[2]
    assert json.loads(desk.run("users", "list", "--json").output) == [ADMIN, ANNA]


def test_a_user_is_added(desk: Desk) -> None:
    desk.answers("POST /users", ANNA)
    desk.environment["RMQ_API_NEW_PASSWORD"] = "secret-1"
    result = desk.run("users", "add", "anna", "--role", "administrator", "--description", "d", "--email", "a@b")
    assert (result.exit_code, result.output) == (0, "added anna\n")
    expected = {"name": "anna", "password": "secret-1", "role": "administrator", "description": "d", "email": "a@b"}
    assert desk.body == expected
    desk.run("users", "add", "bert")
    assert desk.body == {"name": "bert", "password": "secret-1"}


def test_where_a_new_password_comes_from(desk: Desk, tmp_path: Path) -> None:
    desk.answers("PUT /users/%61%2Fb", ANNA)
    file = tmp_path / "password"
    file.write_text("secret-1 \r\nmore\n")
    assert desk.run("users", "password", "a/b", "--password-file", str(file)).output == "a/b has another password\n"
    assert desk.body == {"password": "secret-1 "}
    desk.environment["RMQ_API_NEW_PASSWORD"] = "secret-2"
    desk.run("users", "password", "a/b", "--password-file", "-", typed="secret-3\n")
    assert desk.body == {"password": "secret-3"}
    assert desk.run("users", "password", "a/b", "--quiet").output == ""
    assert desk.body == {"password": "secret-2"}


def test_it_is_asked_for_on_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.answers("PUT /users/%61nna", ANNA)
    monkeypatch.setattr("rmq.ctl.users.is_terminal", lambda: True)
    result = desk.run("users", "password", "anna", typed="secret-1\nsecret-1\n")
    assert desk.body == {"password": "secret-1"} and "secret-1" not in result.output


def test_where_there_is_none(desk: Desk) -> None:
    result = desk.run("users", "password", "anna")
    assert result.exit_code == 2 and "RMQ_API_NEW_PASSWORD" in result.output
    result = desk.run("users", "password", "anna", "--password-file", "nowhere")
    assert result.exit_code == 2 and "nowhere: No such file" in result.output
    assert desk.asked == []


def test_users_are_changed_and_removed(desk: Desk) -> None:
    desk.answers("PUT /users/%61nna", ANNA)
    assert desk.run("users", "change", "anna", "--role", "viewer").output == "changed anna\n"
    assert desk.body == {"role": "viewer"}
    assert desk.run("users", "change", "anna").exit_code == 2
    desk.answers("DELETE /users/%61nna")
    desk.refuses("DELETE /users/%6Eobody", 404, "USER_NOT_FOUND", "there is no user 'nobody'")
    result = desk.run("users", "remove", "nobody", "anna")
    assert result.exit_code == 1 and "there is no user 'nobody'" in result.output and "removed anna" in result.output
