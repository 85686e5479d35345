"""A Docker engine to run containers with: the one that answers, else one that is started here and ended by its number.

Needs nothing but Python's own library. What an engine of ours keeps is in .docker: images, volumes, its log and socket.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
HOME: Final = ROOT / ".docker"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
PUBLIC_BASE: Final = "debian:bookworm-slim"
OWN_BASE: Final = "rmq-base:bookworm"


class NoEngine(Exception):
    """There is nothing to run containers with, or it can't do what is asked; the text says why."""


def say(text: str) -> None:
    print(f"rmq: {text}", file=sys.stderr, flush=True)


class Engine:
    """Docker, by its command line. ``environment`` is what its commands run with."""

    def __init__(self, home: Path = HOME) -> None:
        self._home = home
        self.environment = dict(os.environ)
        self._process: subprocess.Popen[bytes] | None = None
        if self._pid() is not None:
            self._use_own()

    def __enter__(self) -> Self:
        """An engine that answers: the machine's own, else one that is started."""
        self.find()
        return self

    def __exit__(self, *_: object) -> None:
        """End the engine if it is ours."""
        self.stop()

    def find(self) -> None:
        """See that an engine answers; starts one if need be and this is root. Raises ``NoEngine``."""
        if shutil.which("docker") is None:
            raise NoEngine("docker is missing (Debian: apt install docker.io docker-compose)")
        if self._answers():
            return
        if os.geteuid() != 0 or shutil.which("dockerd") is None:
            raise NoEngine("no Docker engine answers, and only root can start one")
        self._start()

    @property
    def is_own(self) -> bool:
        """Whether the engine was started here, by whatever process."""
        return self._pid() is not None

    def stop(self) -> None:
        """End the engine that was started here, if there is one; the machine's own one is left alone."""
        pid = self._pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._pid() is not None:
            if time.monotonic() > deadline:
                raise NoEngine(f"dockerd (process {pid}) doesn't end; its log is {self._log}")
            time.sleep(0.1)
        if self._process is not None:
            self._process.wait()

    def open_files(self) -> int | None:
        """How many open files a container can be given, if that is known: our engine has no more than this process."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)[1] if self.is_own else None

    def docker(self, *arguments: str) -> str:
        """What a command of docker prints; its errors raise ``NoEngine``."""
        done = subprocess.run(
            ["docker", *arguments], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            raise NoEngine(f"docker {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def has_image(self, name: str) -> bool:
        """Whether the image is here."""
        return bool(self.docker("image", "ls", "--quiet", name).strip())

    def can_pull(self, name: str) -> bool:
        """Get an image from its registry; False where none is reached."""
        try:
            self.docker("pull", "--quiet", name)
        except NoEngine:
            return False
        return True

    def base_image(self) -> str:
        """The image to build on: $RMQ_BASE_IMAGE, else Debian's own, else one that is made of Debian's packages."""
        given = self.environment.get("RMQ_BASE_IMAGE")
        if given:
            return given
        if self.has_image(PUBLIC_BASE):
            return PUBLIC_BASE
        if self.has_image(OWN_BASE):
            return OWN_BASE
        if self.can_pull(PUBLIC_BASE):
            return PUBLIC_BASE
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            raise NoEngine(f"{PUBLIC_BASE} can't be had, and it takes root and debootstrap to make something like it")
        if subprocess.run([ROOT / "scripts" / "base_image.sh", OWN_BASE], env=self.environment, check=False).returncode:
            raise NoEngine(f"{OWN_BASE} could not be made")
        return OWN_BASE

    def build(self, tag: str) -> None:
        """Build rmq's image of this checkout."""
        base = self.base_image()
        say(f"building {tag} on {base} (compiling takes some minutes)")
        command = ["docker", "build", "--quiet", "--file", "deploy/Dockerfile", "--tag", tag]
        command += ["--build-arg", f"BASE_IMAGE={base}", "."]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise NoEngine("the image could not be built")

    def logs(self, container: str) -> str:
        """The end of what a container has written."""
        done = subprocess.run(
            ["docker", "logs", "--tail", "20", container], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        return done.stdout.decode(errors="replace").rstrip()

    @property
    def _log(self) -> Path:
        return self._home / "dockerd.log"

    @property
    def _pid_file(self) -> Path:
        return self._home / "dockerd.pid"

    def _pid(self) -> int | None:
        """The number of our engine's process, if that is still the same program."""
        try:
            pid = int(self._pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self._pid_file) in words else None

    def _answers(self) -> bool:
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        return done.returncode == 0

    def _use_own(self) -> None:
        self.environment["DOCKER_HOST"] = f"unix://{self._home / 'docker.sock'}"

    def _start(self) -> None:
        say("no Docker engine answers: starting dockerd for as long as it is needed")
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._use_own()
        # An engine that was killed leaves the number of its process, which dockerd takes for a running one's.
        self._pid_file.unlink(missing_ok=True)
        command = ["dockerd", "--data-root", str(self._home / "data"), "--exec-root", str(self._home / "exec")]
        command += ["--pidfile", str(self._pid_file), "--host", self.environment["DOCKER_HOST"]]
        with self._log.open("wb") as log:
            # In a session of its own: Ctrl-C is for this program, which ends it in order.
            self._process = process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.terminate()
                process.wait()
                raise NoEngine(f"dockerd does not start; its log is {self._log}")
            time.sleep(0.2)
