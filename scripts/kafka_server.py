"""Kafka's own server, for tests: fetched once, by Debian's Maven, and run as one process that is broker and controller.

    python scripts/kafka_server.py    fetch it into build/kafka, where it isn't there yet

scripts/kafka/pom.xml names the version, scripts/kafka/jars.sha256 has the checksum of every file: what differs from it,
is missing or is too many isn't used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "scripts" / "kafka"
JARS = ROOT / "build" / "kafka"
FETCHER = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
# The name of every cluster that is made here, 16 bytes in base64: each is alone.
IDENTITY = "cm1xJ3Mgb3duIHRlc3RzIQ"
# Small and quick to start: a test's server has few messages.
JAVA = ("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


class KafkaUnusable(Exception):
    """It can't be fetched, or isn't what it has to be; the text says why."""


def checksums() -> dict[str, str]:
    """What every file has to be, by its name."""
    lines = (RECIPE / "jars.sha256").read_text(encoding="utf-8").split("\n")
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines if line)}


def check(folder: Path) -> None:
    """``KafkaUnusable`` names the first file that isn't what it has to be."""
    wanted = checksums()
    found = {path.name: path for path in folder.glob("*")}
    for name in sorted(wanted.keys() ^ found.keys()):
        raise KafkaUnusable(f"{name} is {'missing' if name in wanted else 'none of those that are known'}")
    for name, path in sorted(found.items()):
        if hashlib.sha256(path.read_bytes()).hexdigest() != wanted[name]:
            raise KafkaUnusable(f"{name} isn't what it has to be")


def fetch() -> None:
    """Have the server in ``JARS``."""
    if JARS.is_dir():
        check(JARS)
        return
    if shutil.which("mvn") is None or shutil.which("java") is None:
        raise KafkaUnusable("Debian's packages maven and default-jre-headless are needed")
    print("rmq: fetching Kafka's server", file=sys.stderr, flush=True)
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JARS.parent, prefix="kafka-") as folder:
        jars = Path(folder) / "jars"
        done = subprocess.run(
            ["mvn", "-B", "-q", "-f", str(RECIPE / "pom.xml"), FETCHER, f"-DoutputDirectory={jars}"],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode:
            raise KafkaUnusable(f"Maven failed ({done.returncode})")
        check(jars)
        jars.rename(JARS)


def configuration(folder: Path, port: int, controller: int, more: Mapping[str, str]) -> Path:
    """The file of a server that keeps its data in a folder and listens on a port of this machine; ``more`` wins."""
    keys = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{port}",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "num.partitions": "3",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.cleaner.enable": "false",
        **more,
    }
    path = folder / "server.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in keys.items()), encoding="utf-8")
    return path


def format_storage(path: Path) -> None:
    """Make the folder of a server's data, once."""
    subprocess.run(
        [*command("kafka.tools.StorageTool"), "format", "-t", IDENTITY, "-c", str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )


def command(program: str, *arguments: str) -> list[str]:
    """One of the programs of the server."""
    return [*JAVA, "-cp", os.path.join(JARS, "*"), program, *arguments]


def main() -> int:
    try:
        fetch()
    except KafkaUnusable as error:
        print(f"rmq: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
