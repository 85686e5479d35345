"""Run Debian's mosquitto_sub and mosquitto_pub as a person at a terminal does, and read what they print."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from .adapters.base import STEP_TIMEOUT_S, Door

# topic, qos, retain, content type, response topic, correlation data, expiry, user properties, payload in hex
FORMAT = "MESSAGE\\t%t\\t%q\\t%r\\t%C\\t%R\\t%D\\t%E\\t%P\\t%x"
LINE_LIMIT_BYTES = 4 * 1024 * 1024
VERSION_FLAGS = {3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}


@dataclass(frozen=True, slots=True)
class Printed:
    """One message as mosquitto_sub printed it."""

    topic: str
    qos: int
    retain: bool
    content_type: str
    response_topic: str
    correlation_data: str
    expiry: str
    user: str
    payload: bytes


class CommandFailed(Exception):
    """A mosquitto tool ended with an error."""


class Terminal:
    """Knows the broker and the protocol version; starts the tools and ends those still running."""

    def __init__(self, door: Door, version: int) -> None:
        host, port = door.address
        self._connection = ["-h", host, "-p", str(port), "-V", VERSION_FLAGS[version]]
        if door.cafile:
            self._connection += ["--cafile", door.cafile]
        self._subscribers: list[MosquittoSub] = []

    async def pub(self, *arguments: str, stdin: bytes = b"") -> None:
        """Run mosquitto_pub to its end; exit code 0 means the broker acknowledged everything."""
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub",
            *self._connection,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                output, _ = await process.communicate(stdin)
        except BaseException:
            process.kill()
            await process.communicate()
            raise
        if process.returncode != 0 or output:
            raise CommandFailed(f"mosquitto_pub {arguments} ended with {process.returncode}: {output!r}")

    async def sub(self, *arguments: str) -> MosquittoSub:
        """Start mosquitto_sub and wait for its SUBACK."""
        # Into a pipe it would print by the block: line by line is what a terminal shows.
        process = await asyncio.create_subprocess_exec(
            "stdbuf",
            "-oL",
            "mosquitto_sub",
            *self._connection,
            "-d",
            "-F",
            FORMAT,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_LIMIT_BYTES,
        )
        subscriber = MosquittoSub(process)
        self._subscribers.append(subscriber)
        await subscriber.wait_for_debug_line("Subscribed (mid:")
        return subscriber

    async def end(self) -> None:
        for subscriber in self._subscribers:
            await subscriber.stop()


class MosquittoSub:
    """A running mosquitto_sub; debug lines and messages come interleaved on its standard output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._read: list[Printed] = []
        self.debug_lines: list[str] = []

    async def message(self) -> Printed:
        while not self._read:
            await self._read_line()
        return self._read.pop(0)

    async def messages(self, count: int) -> list[Printed]:
        return [await self.message() for _ in range(count)]

    async def wait_for_debug_line(self, text: str) -> str:
        position = 0
        while True:
            for line in self.debug_lines[position:]:
                if text in line:
                    return line
            position = len(self.debug_lines)
            await self._read_line()

    async def stop(self) -> None:
        """Like Ctrl-C: it sends DISCONNECT. A signal just before it waits for its socket is missed: then once more."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while self._process.returncode is None:
                self._process.terminate()
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self._process.wait()
        await self._ended()

    async def kill(self) -> None:
        """The process is gone without a DISCONNECT."""
        self._process.kill()
        await self._ended()

    async def _ended(self) -> None:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await self._process.communicate()

    async def _read_line(self) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(STEP_TIMEOUT_S):
            line = (await self._process.stdout.readline()).decode()
        if not line:
            raise CommandFailed(f"mosquitto_sub ended; it had said: {self.debug_lines}")
        if not line.startswith("MESSAGE\t"):
            self.debug_lines.append(line.rstrip("\n"))
            return
        topic, qos, retain, content, response, correlation, expiry, user, payload = line.rstrip("\n").split("\t")[1:]
        self._read.append(
            Printed(
                topic, int(qos), retain == "1", content, response, correlation, expiry, user, bytes.fromhex(payload)
            )
        )
