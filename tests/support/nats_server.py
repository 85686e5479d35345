"""Debian's nats-server for tests, and NATS as a client speaks it, on a plain socket: nothing of our library."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0


class NatsServer:
    """A nats-server with streams on disk; ``kill`` is SIGKILL, ``lines`` go into its configuration."""

    def __init__(self, directory: Path, port: int, lines: Sequence[str] = ()) -> None:
        self.address = ("127.0.0.1", port)
        self._file = directory / "nats.conf"
        text = [
            f'listen: "127.0.0.1:{port}"',
            f'jetstream {{ store_dir: "{directory}/streams", max_mem: 64M, max_file: 256M }}',
            *lines,
        ]
        self._file.write_text("\n".join(text) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address as NATS writes it."""
        return f"nats://{self.address[0]}:{self.address[1]}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            ["nats-server", "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(self.address, 1).close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, "nats-server doesn't listen"

    def kill(self) -> None:
        """End it as nothing but the kernel can."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have it answer nothing more, with its connections open: what a partition looks like."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


class NatsMessage:
    """What came: ``headers`` as they stand there, ``reply`` "" if nobody waits for an answer."""

    def __init__(self, subject: str, reply: str, headers: dict[str, str], payload: bytes) -> None:
        self.subject = subject
        self.reply = reply
        self.headers = headers
        self.payload = payload


class NatsClient:
    """One connection; subscriptions have one queue, ``take`` gives its next message."""

    def __init__(self, address: tuple[str, int], **options: object) -> None:
        self._socket = socket.create_connection(address, PATIENCE_S)
        self._socket.settimeout(PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small questions wait for answers
        self._file = self._socket.makefile("rb")
        self._found: list[NatsMessage] = []
        self._number = 0
        assert self._line().startswith(b"INFO ")
        self._send(b"CONNECT " + json.dumps({"verbose": False, "headers": True, **options}).encode() + b"\r\n")
        self.settle()

    def close(self) -> None:
        """End it."""
        self._file.close()
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _line(self) -> bytes:
        line = self._file.readline()
        assert line, "the server has closed the connection"
        return line.rstrip(b"\r\n")

    def settle(self) -> None:
        """Return when the server has had all that was sent."""
        self._send(b"PING\r\n")
        while (line := self._line()) != b"PONG":
            self._handle(line)

    def subscribe(self, subject: str, group: str = "") -> None:
        """Have messages come."""
        self._number += 1
        self._send(f"SUB {subject} {group} {self._number}\r\n".encode())
        self.settle()

    def publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None, reply: str = "") -> None:
        """Send a message."""
        if headers:
            block = b"NATS/1.0\r\n" + b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items()) + b"\r\n"
            self._send(f"HPUB {subject} {reply} {len(block)} {len(block) + len(payload)}\r\n".encode() + block)
        else:
            self._send(f"PUB {subject} {reply} {len(payload)}\r\n".encode())
        self._send(payload + b"\r\n")

    def take(self) -> NatsMessage:
        """The next message."""
        while not self._found:
            self._handle(self._line())
        return self._found.pop(0)

    def expect_nothing(self) -> None:
        """All that the server had for us has come; there was nothing."""
        self.settle()
        assert not self._found, self._found[0].payload

    def _handle(self, line: bytes) -> None:
        words = line.decode().split()
        if words[0] == "PING":
            self._send(b"PONG\r\n")
        elif words[0] == "MSG":
            data = self._file.read(int(words[-1]) + 2)[:-2]
            self._found.append(NatsMessage(words[1], words[3] if len(words) == 5 else "", {}, data))
        elif words[0] == "HMSG":
            data = self._file.read(int(words[-1]) + 2)[:-2]
            size = int(words[-2])
            headers = dict(row.split(": ", 1) for row in data[:size].decode().split("\r\n")[1:] if ": " in row)
            self._found.append(NatsMessage(words[1], words[3] if len(words) == 6 else "", headers, data[size:]))
        elif words[0] not in ("+OK", "INFO", "PONG"):
            raise AssertionError(line.decode())

    def ask(self, subject: str, request: dict[str, object]) -> dict[str, Any]:
        """A request to JetStream's API and its answer; only with nothing subscribed."""
        inbox = f"_INBOX.test.{self._number}"
        self.subscribe(inbox)
        number = self._number
        self.publish(subject, json.dumps(request).encode(), reply=inbox)
        answer: dict[str, Any] = json.loads(self.take().payload)
        self._send(f"UNSUB {number}\r\n".encode())
        return answer

    def make_stream(self, name: str, subjects: list[str]) -> None:
        """A stream on disk."""
        answer = self.ask(
            f"$JS.API.STREAM.CREATE.{name}", {"name": name, "subjects": subjects, "storage": "file", "num_replicas": 1}
        )
        assert "error" not in answer, answer

    def stream_length(self, name: str) -> int:
        """How many messages a stream has."""
        return int(self.ask(f"$JS.API.STREAM.INFO.{name}", {})["state"]["messages"])

    def unacknowledged(self, stream: str, consumer: str) -> int:
        """How many messages a consumer hasn't acknowledged or hasn't had."""
        answer = self.ask(f"$JS.API.CONSUMER.INFO.{stream}.{consumer}", {})
        return int(answer["num_ack_pending"]) + int(answer["num_pending"])

    def stream_payloads(self, name: str, first: int) -> list[bytes]:
        """What is in a stream from a number on, in order."""
        found = []
        for number in range(first, self.stream_length(name) + 1):
            answer = self.ask(f"$JS.API.STREAM.MSG.GET.{name}", {"seq": number})
            found.append(base64.b64decode(answer["message"].get("data", "")))
        return found
