"""Connections of a test session go only to servers of its own: any other is refused, written down and fails the test.

A port on loopback belongs to the session once a guarded process has bound it: a test's server, a sandbox, a port that
`free_port()` chose for a program. Servers that the environment names are allowed as well. `confine` guards this process
and, through `sitecustomize` on PYTHONPATH, every Python process that it starts. Programs in other languages are not
guarded: the tests tell Chromium itself where it may go, and PostgreSQL's library connects only to the database's URL.

Why: sandboxes of a test run once sent forged notifications to a shop that somebody was using on port 8000.
"""

from __future__ import annotations

import _socket
import errno
import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VARIABLE = "TEST_NETWORK"
# What OUTGOING_ALLOWED_NETWORKS is in tests.
OWN_MACHINE = "127.0.0.0/8,::1/128"
_IN_CHILDREN = str(Path(__file__).resolve().parent / "in_children")
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_USUAL_PORTS = {
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
}
Address = tuple[str, int]


class ForeignAddress(ConnectionRefusedError):
    """A connection to an address that the test session did not start."""


class Network:
    """What a session may connect to, in a folder that all its processes share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = folder / "ports"
        self._refused = folder / "refused"
        self._servers = folder / "servers.json"
        self._known: set[int] = set()

    def make(self, servers: Iterable[Address]) -> None:
        self._ports.mkdir(parents=True)
        self._servers.write_text(json.dumps(sorted(servers)))

    def own(self, port: int) -> None:
        """Remember a port that the session has bound."""
        (self._ports / str(port)).touch()

    def allows(self, host: str, port: int) -> bool:
        return (_is_loopback(host) and self._owns(port)) or [host, port] in self._named

    def _owns(self, port: int) -> bool:
        """Owned once is owned to the end, so each process looks once."""
        if port not in self._known and (self._ports / str(port)).exists():
            self._known.add(port)
        return port in self._known

    @functools.cached_property
    def _named(self) -> list[list[object]]:
        found: list[list[object]] = json.loads(self._servers.read_text())
        return found

    def refuse(self, host: str, port: int) -> ForeignAddress:
        """Write the attempt down and return what is to be raised."""
        text = f"{host}:{port} is not of this test session, which connects only to servers that it started"
        with self._refused.open("a") as file:
            file.write(f"{text} (process {os.getpid()}: {' '.join(sys.argv)[:120]})\n")
        return ForeignAddress(errno.ECONNREFUSED, text)

    def take_refused(self) -> list[str]:
        """The attempts since the last look, one line each."""
        if not self._refused.exists():
            return []
        taken = self._refused.rename(self._refused.with_suffix(".taken"))
        return taken.read_text().splitlines()


_network: Network | None = None


def confine(folder: Path, servers: Iterable[Address]) -> Network:
    """Guard this process and all that it starts from now on; `folder` must not exist or be empty."""
    network = Network(folder)
    network.make(servers)
    os.environ.update(_for_children(os.environ, network))
    _guard(network)
    return network


def guard_if_enabled() -> None:
    """Guard this process when a confined one has started it."""
    if folder := os.environ.get(VARIABLE):
        _guard(Network(Path(folder)))


def servers_of(urls: Iterable[str]) -> set[Address]:
    """Host and port of each URL, by every numeric address that the host has."""
    found: set[Address] = set()
    for parts in map(urlsplit, filter(None, urls)):
        port = parts.port or _USUAL_PORTS.get(parts.scheme)
        if parts.hostname and port:
            entries = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
            found |= {(str(place[0]), port) for *_kind, place in entries}
    return found


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("localhost", "::1")


def _for_children(environment: Mapping[str, str], network: Network) -> dict[str, str]:
    path = environment.get("PYTHONPATH", "").split(os.pathsep)
    others = [folder for folder in path if folder not in ("", _IN_CHILDREN)]
    return {VARIABLE: str(network.folder), "PYTHONPATH": os.pathsep.join([_IN_CHILDREN, *others])}


def _guard(network: Network) -> None:
    """Guard every socket of this process; a second call changes only the network."""
    global _network
    if _network is None:
        sockets: Any = socket.socket
        sockets.bind, sockets.connect, sockets.connect_ex = _bind, _connect, _connect_ex
        programs: Any = subprocess.Popen
        programs.__init__ = _start
    _network = network


def _bind(self: socket.socket, address: Any) -> None:
    _socket.socket.bind(self, address)
    if self.family in _INTERNET and self.type == socket.SOCK_STREAM and _network is not None:
        _network.own(self.getsockname()[1])


def _connect(self: socket.socket, address: Any) -> None:
    if refusal := _refusal(self, address):
        raise refusal
    _socket.socket.connect(self, address)


def _connect_ex(self: socket.socket, address: Any) -> int:
    if _refusal(self, address):
        return errno.ECONNREFUSED
    return _socket.socket.connect_ex(self, address)


def _refusal(connection: socket.socket, address: Any) -> ForeignAddress | None:
    if connection.family not in _INTERNET or _network is None:
        return None
    host, port = address[:2]
    return None if _network.allows(host, port) else _network.refuse(host, port)


_start_program: Any = subprocess.Popen.__init__


@functools.wraps(_start_program)
def _start(
    self: subprocess.Popen[Any], *args: Any, env: Mapping[str, str] | None = None, **options: Any
) -> None:
    """A program with an environment of its own is guarded like the others."""
    if env is not None and _network is not None:
        env = {**env, **_for_children(env, _network)}
    _start_program(self, *args, env=env, **options)
