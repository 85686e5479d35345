"""An API that is made up, and rmq-ctl in front of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from click.testing import CliRunner, Result

from rmq.ctl import main
from rmq.ctl.session import Session

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Desk:
    """Answers by method and path, as it came over the wire; ``asked`` is what it was asked.

    Several answers to one question are given in turn, the last one again and again.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.environment: dict[str, str | None] = {"RMQ_API_URL": "http://localhost:6060"}
        self._answers: dict[str, list[Answer]] = {}

    def answers(
        self, question: str, value: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """To a question such as ``GET /nodes``, JSON."""
        sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        self.says(question, httpx.Response(status, content=json.dumps(value), headers=sent))

    def refuses(
        self, question: str, status: int, code: str, message: str = "no", headers: Mapping[str, str] | None = None
    ) -> None:
        """In the shape of all refusals."""
        self.answers(question, {"code": code, "message": message}, status=status, headers=headers)

    def says(self, question: str, answer: Answer) -> None:
        """Anything; an exception is what the network does."""
        method, _, path = question.partition(" ")
        self._answers.setdefault(f"{method} /api/v1{path}", []).append(answer)

    def run(self, *args: str, typed: str | bytes = "") -> Result:
        """Run the command line."""
        session = Session(httpx.MockTransport(self._handle))
        session.pause = self.pauses.append
        result = CliRunner().invoke(main, args, typed, self.environment, obj=session, prog_name="rmq-ctl")
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result

    @property
    def asked(self) -> list[str]:
        """The questions."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    @property
    def body(self) -> Any:
        """What the last request brought."""
        request = self.requests[-1]
        assert request.headers["content-type"] == "application/json"
        return json.loads(request.content)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        question = f"{request.method} {request.url.raw_path.decode().partition('?')[0]}"
        found = self._answers.get(question)
        if found is None:
            return httpx.Response(404, json={"code": "PATH_NOT_FOUND", "message": "there is no such path"})
        answer = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)
