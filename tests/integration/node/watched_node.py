"""A node process whose log is read as it is written, with plugins of the test's own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.integration.node.node_command import command, environment
from tests.support.broker_process import HTTP_API_ANYWHERE, free_ports

TIMEOUT_S: Final = 60.0


def install_plugin(folder: Path, name: str, module: str, class_name: str, source: str) -> None:
    """Put a distribution with one plugin into a folder, which has to be on the path of whoever is to find it."""
    install_entry_points(folder, module, {name: f"{module}:{class_name}"})
    (folder / f"{module}.py").write_text(source)


def install_entry_points(folder: Path, distribution: str, points: Mapping[str, str]) -> Path:
    """Put a distribution that has plugins, and whose code is elsewhere, into a folder; the folder."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {path}\n" for name, path in points.items())
    (info / "entry_points.txt").write_text(f"[rmq.plugins]\n{lines}")
    return folder


class WatchedNode:
    """A running node on a free port; ``plugins`` are folders that ``install_plugin`` has filled, or with code.

    The configuration is ``node.toml`` in ``directory``, if it is there, with the plugins' files beside it. Its API
    takes a free port, unless ``api_anywhere`` leaves that to the configuration.
    """

    def __init__(
        self,
        directory: Path,
        *sets: str,
        plugins: Path | Sequence[Path] = (),
        port: int = 0,
        api_anywhere: bool = True,
        flags: Sequence[str] = (),
    ) -> None:
        self.address = ("127.0.0.1", port or free_ports(1)[0])
        arguments = ["--data-dir", "data", "--set", f"listener.tcp.external.addr=127.0.0.1:{self.address[1]}"]
        arguments += ["--set", "listener.ws.external.enable=false"]
        if (directory / "node.toml").exists():
            arguments += ["-f", "node.toml"]
        for item in sets:
            arguments += ["--set", item]
        arguments += flags
        variables = environment()
        if not api_anywhere:
            for name in HTTP_API_ANYWHERE:
                del variables[name]
        folders = [str(folder) for folder in ([plugins] if isinstance(plugins, Path) else plugins)]
        if folders:
            variables["PYTHONPATH"] = os.pathsep.join([*folders, *filter(None, [variables.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            command(*arguments),
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.wait_for("  config ")
        except BaseException:
            self.kill()
            raise

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        for line in stream:
            self.lines.append(line.rstrip("\n"))
            self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, text: str) -> str:
        """The next line of the log with this text in it."""
        while True:
            line = self._queue.get(timeout=TIMEOUT_S)
            assert line is not None, f"the node has ended without {text!r}: {self.lines}"
            if text in line:
                return line

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Its exit code, once it has ended by itself and all it has written was read."""
        code = self._process.wait(timeout_s)
        self._reader.join(TIMEOUT_S)
        return code

    def stop(self) -> int:
        """End it as an operator would."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it in any case; the end of a test."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
