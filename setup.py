"""Compiles the hot modules with mypyc when a wheel is built; everything else about the package is in pyproject.toml.

RMQ_COMPILE=1  a wheel that can't be compiled is an error
RMQ_COMPILE=0  a plain Python wheel, for any machine
unset          compiled where a C compiler and Python's headers are, plain otherwise (a line says so)
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from subprocess import DEVNULL, run
from typing import TYPE_CHECKING

from setuptools import setup

if TYPE_CHECKING:
    from setuptools import Extension

HERE = Path(__file__).resolve().parent
# A checkout must never import a stale compiled module, nor a wheel pick up a file deleted since: nothing is built here.
WORKSHOP = tempfile.mkdtemp(prefix="rmq-build-")
atexit.register(shutil.rmtree, WORKSHOP, ignore_errors=True)
PROBE = "#include <Python.h>\nint main(void) { return Py_IsInitialized(); }\n"


def hot_files() -> list[str]:
    """The files of [tool.rmq] hot that exist, without the packages' __init__.py."""
    patterns = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["rmq"]["hot"]
    found = {path for pattern in patterns for path in HERE.glob(pattern) if path.name != "__init__.py"}
    return sorted(str(path.relative_to(HERE)) for path in found)


def can_compile() -> bool:
    """Is there a C compiler, and does it find Python's headers?"""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    source = Path(WORKSHOP, "probe.c")
    source.write_text(PROBE)
    include = sysconfig.get_path("include")
    command = [*compiler, f"-I{include}", "-c", str(source), "-o", str(source.with_suffix(".o"))]
    try:
        return run(command, stdout=DEVNULL, stderr=DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def extensions() -> list[Extension]:
    """One shared library for all hot modules and a thin extension module for each; none for a plain wheel."""
    wanted = os.environ.get("RMQ_COMPILE", "")
    if "--inplace" in sys.argv or "develop" in sys.argv:
        sys.exit("rmq: compiled modules never belong in a checkout; use `make wheel` or `pip install .`")
    if wanted == "0" or "bdist_wheel" not in sys.argv:
        return []
    if not can_compile():
        if wanted == "1":
            sys.exit("rmq: RMQ_COMPILE=1, but there is no working C compiler with the headers of this Python")
        print("rmq: no C compiler with Python's headers: building a plain (slower) wheel", file=sys.stderr)
        return []
    from mypyc.build import mypycify

    # The project's own mypy settings are for `make lint`: here a wheel must build with nothing but mypy installed.
    options = ["--config-file=", "--follow-imports=silent"]
    paths = [*options, *hot_files()]
    compiled = mypycify(paths, opt_level="3", debug_level="1", group_name="rmq", target_dir=WORKSHOP)
    for extension in compiled:
        # mypyc asks for -Werror; a warning that only some other compiler has must not cost anyone the compiled wheel.
        extension.extra_compile_args.append("-Wno-error")
    return compiled


setup(ext_modules=extensions(), options={"build": {"build_base": WORKSHOP}})
