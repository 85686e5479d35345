"""How fast messages stay while somebody guesses passwords: python -m tests.bench.bad_logins; run by hand.

A node of this checkout (or of RMQ_TEST_PYTHON) with a password file is asked, in turn and twice: how long a QoS 0
message takes from publisher to subscriber, and how long the login of a client that was here before takes, with and
without a flood of bad logins from another process, each with a name and password of its own, so that each is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import trio

from tests.support import wire
from tests.support.broker_process import REPOSITORY, BrokerProcess
from tests.support.client import Client

USER: Final = "somebody"
PASSWORD: Final = b"right"
MESSAGES_A_SECOND: Final = 200
LOGINS_A_SECOND: Final = 10
FLOOD_AHEAD_S: Final = 1.0


class Measured:
    """Latencies of one phase in ms, and what became of the bad logins."""

    def __init__(self, messages: list[float], logins: list[float], answers: dict[str, int], seconds: float) -> None:
        self.messages = sorted(messages)
        self.logins = sorted(logins)
        self.answers = answers
        self.seconds = seconds


def percentile(values: list[float], share: float) -> float:
    """Of sorted values."""
    return values[min(int(len(values) * share), len(values) - 1)]


def measure(address: tuple[str, int], seconds: float) -> tuple[list[float], list[float]]:
    """Round trips at a steady pace over one connection, and logins of a user whose password is known to be right."""
    client = Client(address, "measuring")
    client.connect(username=USER, password=PASSWORD)
    client.subscribe("latency")
    messages: list[float] = []
    logins: list[float] = []
    begun = time.perf_counter()
    for number in range(int(seconds * MESSAGES_A_SECOND)):
        due = begun + number / MESSAGES_A_SECOND
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        sent = time.perf_counter()
        client.send_publish("latency", b"%d" % number)
        client.receive_publish(b"%d" % number)
        messages.append((time.perf_counter() - sent) * 1000)
        if number % (MESSAGES_A_SECOND // LOGINS_A_SECOND) == 0:
            logins.append(login_ms(address))
    client.disconnect()
    return messages, logins


def login_ms(address: tuple[str, int]) -> float:
    """One login, from the first SYN to the CONNACK."""
    started = time.perf_counter()
    client = Client(address, "again")
    client.connect(username=USER, password=PASSWORD)
    took = (time.perf_counter() - started) * 1000
    client.close()
    return took


async def flood(address: tuple[str, int], rate: int, seconds: float) -> Counter[str]:
    """Bad logins at a steady rate whatever becomes of them; counts the answers."""
    answers: Counter[str] = Counter()

    async def guess(number: int) -> None:
        try:
            with trio.fail_after(30):
                async with await trio.open_tcp_stream(*address) as stream:
                    await stream.send_all(wire.connect(f"g{number}", username=f"u{number}", password=b"%d" % number))
                    data = await stream.receive_some(1000)
            answers[f"0x{data[3]:02x}" if len(data) > 3 else "closed"] += 1
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            answers[type(error).__name__] += 1

    async with trio.open_nursery() as nursery:
        begun = trio.current_time()
        for number in range(int(rate * seconds)):
            await trio.sleep_until(begun + number / rate)
            nursery.start_soon(guess, number)
    return answers


def phase(address: tuple[str, int], rate: int, seconds: float) -> Measured:
    """One phase, with a flood of ``rate`` bad logins a second, or without."""
    if not rate:
        return Measured(*measure(address, seconds), {}, seconds)
    length = seconds + 2 * FLOOD_AHEAD_S
    command = [sys.executable, "-m", "tests.bench.bad_logins", "--flood", f"{address[0]}:{address[1]}"]
    command += ["--rate", str(rate), "--seconds", str(length)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, env=os.environ) as process:
        time.sleep(FLOOD_AHEAD_S)
        messages, logins = measure(address, seconds)
        answers, _ = process.communicate(timeout=60)
    return Measured(messages, logins, json.loads(answers), length)


def password_file(directory: Path) -> Path:
    """One user, with the hash that `rmq-node passwd` makes."""
    path = directory / "users"
    command = [os.environ.get("RMQ_TEST_PYTHON") or sys.executable, "-m", "rmq", "passwd", str(path), USER, "--stdin"]
    subprocess.run(command, input=PASSWORD, cwd=REPOSITORY, check=True)
    return path


def table(rows: list[tuple[str, Measured]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| | publish p50 | p99 | max | login again p50 | p99 | bad logins/s: checked | refused busy | other |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows:
        answers = dict(row.answers)
        checked, busy = answers.pop("0x86", 0), answers.pop("0x89", 0)
        rates = [f"{count / row.seconds:.0f}" for count in (checked, busy, sum(answers.values()))]
        times = [
            *(f"{percentile(row.messages, share):.2f} ms" for share in (0.5, 0.99, 1.0)),
            *(f"{percentile(row.logins, share):.2f} ms" for share in (0.5, 0.99)),
        ]
        other = f" ({', '.join(answers)})" if answers else ""
        lines.append(f"| {name} | {' | '.join(times)} | {rates[0]} | {rates[1]} | {rates[2]}{other} |")
    return "\n".join(lines)


def main() -> None:
    """Run all phases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rate", type=int, default=1000, help="bad logins a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a phase")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="auth.login_threads of the nodes")
    parser.add_argument("--rounds", type=int, default=2, help="how often each phase is run")
    parser.add_argument("--flood", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flood:
        host, _, port = arguments.flood.rpartition(":")
        answers = trio.run(flood, (host, int(port)), arguments.rate, arguments.seconds)
        sys.stdout.write(json.dumps(answers))
        return
    rows: list[tuple[str, Measured]] = []
    for threads in arguments.threads:
        with tempfile.TemporaryDirectory() as directory:
            users = password_file(Path(directory))
            sets = [f"auth.users_file={users}", f"auth.login_threads={threads}", "log.level=warning"]
            node = BrokerProcess(Path(directory), sets)
            try:
                login_ms(node.address)
                for _ in range(arguments.rounds):
                    for rate in (0, arguments.rate):
                        name = f"{threads} threads, {rate} bad logins/s" if rate else f"{threads} threads, none"
                        rows.append((name, phase(node.address, rate, arguments.seconds)))
            finally:
                node.stop()
    sys.stdout.write(table(rows) + "\n")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    sys.stdout.write(f"\n{os.cpu_count()} cores, load averages at the end {load}\n")


if __name__ == "__main__":
    main()
