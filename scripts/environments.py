"""Makes and refreshes the virtual environments and wheels that the Makefile's targets run in.

    python scripts/environments.py run|dev|compiled|bench    make that environment up to date
    python scripts/environments.py wheel [DIRECTORY]         build the wheel into DIRECTORY (default: dist)

run       .venv           the wheel, compiled where a C compiler is there, plain otherwise
dev       .venv-dev       this checkout, interpreted (editable), with the tools of tests and lint
compiled  .venv-compiled  the compiled wheel, with the tools of tests
bench     .venv-bench     the compiled wheel alone

A wheel is built once for each state of the sources and kept below build/wheels; an environment is touched only when
what is installed in it differs from what should be. Needs nothing but Python's own library.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHEELS = ROOT / "build" / "wheels"
PACKAGE_FOLDERS = ("rmq", "cluster/rmq_cluster", "http_api/rmq_http_api", "plugins/rmq_plugins")
RECIPE = ("pyproject.toml", "setup.py")
KEPT_WHEELS = 4
OLDEST_PYTHON = (3, 11)


class BuildFailed(Exception):
    """A step that ended badly; its own output has been shown already."""


def say(text: str) -> None:
    print(f"rmq: {text}", file=sys.stderr, flush=True)


def call(*command: str | Path) -> None:
    """Run a command in the project's folder, its output on stderr, so that stdout stays ours."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode:
        raise BuildFailed(f"`{' '.join(words[1:6])} …` failed ({done.returncode})")


def pip(python: Path, *arguments: str) -> None:
    call(python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def digest_of(files: list[Path]) -> str:
    """One short name for the content of these files and for the Python that will use them."""
    hasher = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.platform}".encode())
    for path in files:
        hasher.update(f"\0{path.relative_to(ROOT)}\0".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:16]


def recipe_files() -> list[Path]:
    return [ROOT / name for name in RECIPE]


def package_files() -> list[Path]:
    found = recipe_files()
    for folder in PACKAGE_FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return sorted(found)


def forget_old_wheels() -> None:
    folders = sorted(WHEELS.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[KEPT_WHEELS:]:
        shutil.rmtree(folder, ignore_errors=True)


def build_wheel(compile_mode: str) -> Path:
    """The wheel of the sources as they are now; compile_mode is RMQ_COMPILE of setup.py, empty for automatic."""
    home = WHEELS / f"{digest_of(package_files())}-{'plain' if compile_mode == '0' else compiler()}"
    for ready in home.glob("*.whl"):
        if compile_mode != "1" or not is_plain(ready):
            return ready
    say("building the wheel (compiling takes about a minute)" if compile_mode != "0" else "building a plain wheel")
    os.environ["RMQ_COMPILE"] = compile_mode
    WHEELS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WHEELS.parent, prefix="wheel-") as workshop:
        pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", workshop, str(ROOT))
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(workshop, home)
    forget_old_wheels()
    wheel = next(home.glob("*.whl"))
    say(f"built {wheel.name}: {describe(wheel)}")
    return wheel


def compiler() -> str:
    """Which C compiler a build would find; a plain wheel made for want of one is not used again once there is one."""
    found = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or "none"
    return "".join(letter if letter.isalnum() else "-" for letter in found).strip("-")


def is_plain(wheel: Path) -> bool:
    return wheel.name.endswith("-none-any.whl")


def describe(wheel: Path) -> str:
    if is_plain(wheel):
        return "plain Python, because no C compiler with Python's headers was found or compiling was switched off"
    return "hot modules compiled"


def make_environment(folder: Path) -> Path:
    """The interpreter of a virtual environment, made if it is not there or belongs to another Python."""
    python = folder / "bin" / "python"
    marker = folder / ".python-version"
    if not python.exists() or not marker.exists() or marker.read_text() != sys.version:
        say(f"making {folder.name}")
        call(sys.executable, "-m", "venv", "--clear", folder)
        marker.write_text(sys.version)
    return python


def install_wheel(folder: Path, wheel: Path, extras: str) -> None:
    python = make_environment(folder)
    stamp = folder / ".rmq-installed"
    state = f"{wheel.parent.name}/{wheel.name}{extras}"
    if stamp.exists() and stamp.read_text() == state:
        return
    say(f"installing {wheel.name}{extras} into {folder.name}")
    stamp.unlink(missing_ok=True)
    pip(python, "install", "--force-reinstall", "--no-deps", str(wheel))
    pip(python, "install", f"{wheel}{extras}")
    stamp.write_text(state)


def install_checkout(folder: Path, extras: str) -> None:
    python = make_environment(folder)
    stamp = folder / ".rmq-installed"
    state = f"{digest_of(recipe_files())} {ROOT}{extras}"
    if stamp.exists() and stamp.read_text() == state:
        return
    say(f"installing this checkout{extras} into {folder.name}")
    stamp.unlink(missing_ok=True)
    pip(python, "install", "--editable", f"{ROOT}{extras}")
    stamp.write_text(state)


def prepare(what: str, arguments: list[str]) -> None:
    """Do what the command line asks; see the module's first lines."""
    mode = os.environ.get("RMQ_COMPILE", "")
    if what == "run":
        install_wheel(ROOT / ".venv", build_wheel(mode), "")
    elif what == "dev":
        install_checkout(ROOT / ".venv-dev", "[test,lint]")
    elif what == "compiled":
        install_wheel(ROOT / ".venv-compiled", build_wheel("1"), "[test]")
    elif what == "bench":
        install_wheel(ROOT / ".venv-bench", build_wheel("1"), "")
    elif what == "wheel":
        target = Path(arguments[0]) if arguments else ROOT / "dist"
        target.mkdir(parents=True, exist_ok=True)
        print(shutil.copy2(build_wheel(mode), target))
    else:
        raise BuildFailed(f"unknown environment {what!r}; one of run, dev, compiled, bench, wheel")


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        say(f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed; this is {sys.version.split()[0]}")
        return 2
    try:
        prepare(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])
    except BuildFailed as failed:
        say(str(failed))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
