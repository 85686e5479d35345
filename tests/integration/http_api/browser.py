"""A real browser, Debian's Chromium without a window, told what to do by its DevTools protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest
from websockets.sync.client import connect

TIMEOUT_S: Final = 60.0
# No sandbox, for tests may be root; and nothing is asked of anybody but the page's own server.
FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--remote-debugging-port=0",
)


class Browser:
    """One page of a browser. ``problems`` are what its console shows in red: errors, exceptions, what is refused."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("chromium")
        if program is None:
            pytest.skip("chromium is missing (Debian package chromium): see scripts/test_packages.sh")
        self.problems: list[str] = []
        self._calls = 0
        with (directory / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, *FLAGS, f"--user-data-dir={directory / 'profile'}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        with ExitStack() as stack:
            stack.callback(self._end)
            self._socket = stack.enter_context(connect(self._address(directory), max_size=None, proxy=None))
            for domain in ("Runtime", "Log", "Page"):
                self._call(f"{domain}.enable")
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def go(self, url: str) -> None:
        """Open a page; what it then loads may not be there yet."""
        answer = self._call("Page.navigate", url=url)
        assert "errorText" not in answer, answer

    def run(self, script: str) -> Any:
        """The value of an expression; of a promise, what it resolves to."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true, looked at whenever the page changes."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            done = self.run(
                f"""new Promise((resolve) => {{
                    const is = () => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }};
                    if (is()) return resolve(true);
                    const seen = new MutationObserver(() => {{ if (is()) {{ seen.disconnect(); resolve(true); }} }});
                    seen.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
                    setTimeout(() => {{ seen.disconnect(); resolve(is()); }}, 1000);
                }})"""
            )
            if done:
                return
            assert time.monotonic() < deadline, (condition, self.problems, self.run("document.body.innerText"))

    def _address(self, directory: Path) -> str:
        told = directory / "profile" / "DevToolsActivePort"
        deadline = time.monotonic() + TIMEOUT_S
        while not (told.exists() and (lines := told.read_text().splitlines())):
            assert self._process.poll() is None and time.monotonic() < deadline, "the browser doesn't start"
            threading.Event().wait(0.05)  # nothing else tells that it listens
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{lines[0]}/json/list", timeout=TIMEOUT_S) as answer:
            found: str = next(one["webSocketDebuggerUrl"] for one in json.load(answer) if one["type"] == "page")
        return found

    def _call(self, method: str, **params: object) -> dict[str, Any]:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(TIMEOUT_S))
            if message.get("id") == self._calls:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, event: str | None, params: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.problems.append(str(params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
