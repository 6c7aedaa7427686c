"""Connections of outgoing calls: to an address that was checked, and within the total time of the call.

The HTTP library has a time-out for each step, which begins again with each byte. A `Call` bounds all of them together:
connecting, TLS, the head with whatever comes before it, and the body.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore2
import httpx2

from ordersite.lib.outgoing.addresses import Target


@dataclass(frozen=True, slots=True)
class Call:
    """What this thread may do now: connect to one of `targets`, until the monotonic time `until`."""

    targets: tuple[Target, ...]
    until: float


_current: ContextVar[Call] = ContextVar("outgoing call")


@contextlib.contextmanager
def within(call: Call) -> Iterator[None]:
    """Bound everything that this thread sends and receives by the call."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def _seconds(timeout: float | None, late: type[Exception]) -> float:
    """The time that a step may take. Raises `late` where none is left of the call."""
    left = _current.get().until - time.monotonic()
    if left <= 0:
        raise late("the call's total time is over")
    return left if timeout is None else min(timeout, left)


@contextlib.contextmanager
def _named(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error


class Stream(httpcore2.NetworkStream):
    """A connected socket. Each step ends with the call that makes it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _named(httpcore2.ReadTimeout, httpcore2.ReadError):
            self._line.settimeout(_seconds(timeout, httpcore2.ReadTimeout))
            return self._line.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        with _named(httpcore2.WriteTimeout, httpcore2.WriteError):
            while left:
                self._line.settimeout(_seconds(timeout, httpcore2.WriteTimeout))
                left = left[self._line.send(left) :]

    def close(self) -> None:
        self._line.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            with _named(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                self._line.settimeout(_seconds(timeout, httpcore2.ConnectTimeout))
                return Stream(ssl_context.wrap_socket(self._line, server_hostname=server_hostname))
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._line if isinstance(self._line, ssl.SSLSocket) else None
        return _is_readable(self._line) if info == "is_readable" else None


def _is_readable(line: socket.socket) -> bool:
    """Whether an idle connection has something to read: its server has closed it."""
    if line.fileno() < 0:
        return True
    waiting = select.poll()
    waiting.register(line, select.POLLIN)
    return bool(waiting.poll(0))


class Network(httpcore2.NetworkBackend):
    """Connects to the targets of the current call and to nothing else: a name is not resolved a second time."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failed: Exception = httpcore2.ConnectError(f"{host} has no address")
        for target in _current.get().targets:
            try:
                with _named(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                    return Stream(_connected(target, _seconds(timeout, httpcore2.ConnectTimeout)))
            except (httpcore2.ConnectTimeout, httpcore2.ConnectError) as error:
                failed = error
        raise failed

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        raise httpcore2.ConnectError("outgoing calls use no local sockets")


def _connected(target: Target, seconds: float) -> socket.socket:
    line = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        line.settimeout(seconds)
        line.connect(target.place)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        line.close()
        raise
    return line


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities that are trusted. Read once a process: it takes 30 ms."""
    return httpx2.create_ssl_context(trust_env=False)


class BoundTransport(httpx2.HTTPTransport):
    """The library's transport on our `Network`; no proxy and no certificates of the environment."""

    def __init__(self) -> None:
        certificates = _certificates()
        super().__init__(verify=certificates, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=certificates,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=Network(),
        )
