"""What the machine has and this process uses: load, memory, disk. The only file that knows psutil."""

import resource
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class HostFigures:
    """Figures of the machine; sizes in bytes, ``boot_time`` in seconds since 1970. 0 where they can't be had."""

    boot_time: float
    load1: float
    load5: float
    load15: float
    memory_total: int
    memory_used: int
    memory_free: int
    disk_total: int
    disk_free: int
    max_open_files: int


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """Figures of this process; memory in bytes, processor time in milliseconds since its start."""

    memory_resident: int
    open_files: int
    threads: int
    cpu_ms: int


def read_process() -> ProcessFigures:
    """Read them; belongs in a thread."""
    process = psutil.Process()
    with process.oneshot():
        used = process.cpu_times()
        return ProcessFigures(
            memory_resident=process.memory_info().rss,
            open_files=process.num_fds(),
            threads=process.num_threads(),
            cpu_ms=round((used.user + used.system) * 1000),
        )


def read_host(data_path: str) -> HostFigures:
    """Read them, the disk's from where ``data_path`` is; may wait for that disk, so it belongs in a thread."""
    load1, load5, load15 = psutil.getloadavg()
    memory = psutil.virtual_memory()
    try:
        disk = psutil.disk_usage(data_path)
        disk_total, disk_free = disk.total, disk.free
    except OSError:
        disk_total = disk_free = 0
    return HostFigures(
        boot_time=psutil.boot_time(),
        load1=load1,
        load5=load5,
        load15=load15,
        memory_total=memory.total,
        memory_used=memory.total - memory.available,
        memory_free=memory.available,
        disk_total=disk_total,
        disk_free=disk_free,
        max_open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )
