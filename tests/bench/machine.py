"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median


def facts() -> dict[str, str]:
    """Processor, cores, memory, system, and how busy the machine was otherwise."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) / 1024**2:.1f} GiB",
        "system": _system(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "load average before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "commit": _commit(),
    }


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10, check=False
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def filesystem(folder: Path) -> str:
    """Type and device of the filesystem that a folder is on."""
    found = ("", "unknown", "unknown")
    place = str(folder.resolve())
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, mounted, kind = line.split()[:3]
        inside = place == mounted or place.startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= len(found[0]):
            found = (mounted, kind, device)
    return f"{found[1]} on {found[2]}"


def sync_us(folder: Path) -> float:
    """What writing 4 KiB at the end of a file and its fdatasync take there, in µs: the median of 50."""
    taken: list[float] = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(50):
            begun = time.perf_counter()
            file.write(b"." * 4096)
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e6)
    return median(taken)


def memory_bytes(pid: int) -> tuple[int, int]:
    """(PSS, private memory) of a process, in bytes."""
    pss = private = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            pss = int(value.split()[0]) * 1024
        elif name in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"):
            private += int(value.split()[0]) * 1024
    return pss, private


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
