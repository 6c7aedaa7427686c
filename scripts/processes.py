"""Processes by their number: alive or not, their whole family, free ports. Linux only (reads /proc)."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


def free_port() -> int:
    """A TCP port on loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_port_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Try every 50 ms; True as soon as the condition holds, False when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


class Stat(NamedTuple):
    state: str
    parent: int
    birth: int  # clock ticks since boot: distinguishes a process from a later one with the same number


def _stat(pid: int) -> Stat | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return Stat(fields[0], int(fields[1]), int(fields[19]))


def is_alive(pid: int) -> bool:
    """False for a zombie too: it does no more work."""
    found = _stat(pid) if pid > 0 else None
    return found is not None and found.state not in "ZX"


def birth_of(pid: int) -> int:
    """When the process began, in clock ticks since boot; 0 when there is none."""
    found = _stat(pid)
    return found.birth if found else 0


def family_of(pid: int) -> list[int]:
    """The process and everything below it, parents first, whatever sessions they moved to."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _stat(int(entry.name))):
            children.setdefault(found.parent, []).append(int(entry.name))
    family = [pid]
    for member in family:
        family.extend(children.get(member, []))
    return family


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_family(pid: int) -> None:
    """SIGKILL to the process and all below it, then wait (10 s at most) until none of them does anything."""
    family = family_of(pid)
    for member in family:
        send(member, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(member) for member in family), 10)
