"""What the machine has and this process uses: load, memory, disk. The only file that knows psutil."""

import resource
from contextlib import suppress
from dataclasses import dataclass

import psutil

from rmq.threads import NoThreadError, in_thread


@dataclass(frozen=True, slots=True)
class HostFigures:
    """Figures of the machine; sizes in bytes, ``boot_time`` in seconds since 1970. 0 where they can't be had."""

    boot_time: float = 0.0
    load1: float = 0.0
    load5: float = 0.0
    load15: float = 0.0
    memory_total: int = 0
    memory_used: int = 0
    memory_free: int = 0
    disk_total: int = 0
    disk_free: int = 0
    max_open_files: int = 0


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """Figures of this process; memory in bytes, processor time in milliseconds since its start. 0: not to be had."""

    memory_resident: int = 0
    open_files: int = 0
    threads: int = 0
    cpu_ms: int = 0


def read_process() -> ProcessFigures:
    """Read them; belongs in a thread."""
    try:
        process = psutil.Process()
        with process.oneshot():
            used = process.cpu_times()
            return ProcessFigures(
                memory_resident=process.memory_info().rss,
                open_files=process.num_fds(),
                threads=process.num_threads(),
                cpu_ms=round((used.user + used.system) * 1000),
            )
    except OSError:
        return ProcessFigures()


async def look_at_process() -> ProcessFigures:
    """Read them in a thread."""
    try:
        return await in_thread(read_process)
    except NoThreadError:
        return ProcessFigures()


async def look_at_host(data_path: str) -> HostFigures:
    """Read them in a thread, the disk's from where ``data_path`` is."""
    try:
        return await in_thread(lambda: read_host(data_path))
    except NoThreadError:
        return HostFigures()


def read_host(data_path: str) -> HostFigures:
    """Read them, the disk's from where ``data_path`` is; may wait for that disk, so it belongs in a thread."""
    load1, load5, load15 = psutil.getloadavg()
    memory_total = memory_free = disk_total = disk_free = 0
    boot_time = 0.0
    with suppress(OSError):
        memory = psutil.virtual_memory()
        memory_total, memory_free = memory.total, memory.available
    with suppress(OSError):
        boot_time = psutil.boot_time()
    with suppress(OSError):
        disk = psutil.disk_usage(data_path)
        disk_total, disk_free = disk.total, disk.free
    return HostFigures(
        boot_time=boot_time,
        load1=load1,
        load5=load5,
        load15=load15,
        memory_total=memory_total,
        memory_used=memory_total - memory_free,
        memory_free=memory_free,
        disk_total=disk_total,
        disk_free=disk_free,
        max_open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )
