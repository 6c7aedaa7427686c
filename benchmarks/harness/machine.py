"""Describes the machine and measures who uses its processors. Linux only (`/proc`)."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Servers that belong to the run although they are not its child processes.
_SERVERS = frozenset({"postgres", "redis-server", "beam.smp"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds since boot: of all processes, and of this run with its servers."""

    everybody: float
    ours: float


def usage() -> Usage:
    return Usage(everybody=_busy_seconds(), ours=_our_seconds())


def foreign_cores(before: Usage, after: Usage, seconds: float) -> float:
    """Return the cores that other programs used on average between two measurements."""
    foreign = (after.everybody - before.everybody) - (after.ours - before.ours)
    return round(max(foreign, 0.0) / max(seconds, 0.001), 2)


def _busy_seconds() -> float:
    """Sum user, nice, system, irq, softirq and steal of all processors (`cpu` line of /proc/stat)."""
    numbers = [
        int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    ]
    return (sum(numbers) - numbers[3] - numbers[4]) / _TICKS


def _processes() -> dict[int, tuple[int, str, float]]:
    """Map each pid to its parent, name and seconds, those of its reaped children included."""
    found: dict[int, tuple[int, str, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it ended while we were looking
        name = text[text.index("(") + 1 : text.rindex(")")]
        rest = text[text.rindex(")") + 2 :].split()
        found[int(path.parent.name)] = (int(rest[1]), name, sum(map(int, rest[11:15])) / _TICKS)
    return found


def _our_seconds() -> float:
    processes = _processes()
    servers = [pid for pid, (_parent, name, _seconds) in processes.items() if name in _SERVERS]
    ours = _families(processes, [os.getpid(), *servers])
    return _sum(processes, ours)


def _families(processes: Mapping[int, tuple[int, str, float]], heads: Iterable[int]) -> set[int]:
    """Return these processes and all their descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for pid, (parent, _name, _seconds) in processes.items():
        children[parent].append(pid)
    found: set[int] = set()
    waiting = list(heads)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += [child for child in children[pid] if child not in found]
    return found


def server_seconds(backends: Iterable[int]) -> tuple[float, float]:
    """Return the processor seconds of the web servers that this process started, and of these PostgreSQL backends.

    Not counted are the load's own tools, which come and go, and this process itself: the cost of a request is
    the difference of two looks, on a busy machine as on a quiet one.
    """
    processes = _processes()
    servers = _families(processes, [os.getpid()]) - {os.getpid()}
    return _sum(processes, servers), _sum(processes, backends)


def _sum(processes: Mapping[int, tuple[int, str, float]], pids: Iterable[int]) -> float:
    return sum(processes[pid][2] for pid in pids if pid in processes)


def describe() -> dict[str, object]:
    """Describe the machine, for the report."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    memory = next(
        (int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0
    )
    return {
        "cores": os.cpu_count(),
        "cpu": cpu,
        "memory_mb": memory // 1024,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()
