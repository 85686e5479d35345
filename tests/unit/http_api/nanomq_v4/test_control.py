"""Stop and restart: who is told, and who may tell."""

from __future__ import annotations

import pytest

from tests.unit.http_api.nanomq import VIEWER, NanoApi, problem


class Life:
    """A process that only notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stop(self) -> None:
        self.told.append("stop")

    def restart(self) -> None:
        self.told.append("restart")


@pytest.mark.parametrize(("path", "told"), [("ctrl/stop", "stop"), ("ctrl/restart", "restart"), ("restart", "restart")])
async def test_the_process_is_told(nano: NanoApi, path: str, told: str) -> None:
    life = nano.world.local.operations.life = Life()
    answer = await nano.ask("POST", f"/api/v4/{path}")
    assert (answer.status_code, answer.json(), life.told) == (200, {"code": 0}, [told])


async def test_who_may_not_and_what_isn_t_there(nano: NanoApi) -> None:
    life = nano.world.local.operations.life = Life()
    assert problem(await nano.ask("POST", "/api/v4/ctrl/restart", headers=VIEWER)) == (403, 103)
    assert problem(await nano.ask("POST", "/api/v4/ctrl/dance")) == (404, 101)
    assert problem(await nano.ask("GET", "/api/v4/ctrl/stop")) == (405, 102)
    assert life.told == []


async def test_a_node_in_a_program_goes_on(nano: NanoApi) -> None:
    assert problem(await nano.ask("POST", "/api/v4/ctrl/stop")) == (400, 101)
