"""Notices a database server that does not answer (frozen, vanished), so that no statement waits for it for ever.

The server's own time limits need a server that runs, and the kernel of a frozen one still acknowledges what is sent to
it. So the client looks at the clock while it waits: a block may have a time limit (`time_limit`), and a statement that
waits without one asks the server on a new connection whether it answers at all. What is aborted closes its connection.
After that the process refuses all statements at once, but for one trial a second: the first that is answered ends it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")

# How often a waiting statement looks at the clock.
LOOK_SECONDS = 0.1
LOOK_SECONDS_IN_TIME_LIMIT = 0.02
# A statement without a time limit waits so long before it asks the server, and between two questions.
PATIENCE_SECONDS = 2.0
PATIENCE_SECONDS_IN_TIME_LIMIT = 0.5
# How long a live server may take to answer that question.
ANSWER_SECONDS = 1.0
ANSWER_SECONDS_IN_TIME_LIMIT = 0.3
# A statement to a live server ends here all the same: a pooler answers for a frozen server behind it.
LONGEST_SECONDS = 1800.0
TRIAL_SECONDS = 1.0
# «Do you speak TLS?»: one byte comes back from PostgreSQL and from poolers, before any log-in.
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class ServerIsSilent(psycopg.OperationalError):
    """The database did not answer in time; its connection is closed. Django raises its own OperationalError."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Abort statements of the block, connecting included, that are not answered so many seconds after its begin."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def look_seconds() -> float:
    """How often a wait that begins now looks at the clock."""
    return LOOK_SECONDS if _ends_at.get() is None else LOOK_SECONDS_IN_TIME_LIMIT


class Knowledge:
    """What this process knows about the server's silence; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._next_trial = 0.0

    @property
    def since(self) -> float | None:
        """When the silence was noticed, on the monotonic clock; None while the server answers."""
        return self._since

    def notice(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._since = self._since or now
            self._next_trial = now + TRIAL_SECONDS

    def heard(self) -> None:
        """Called for every answer; reading a flag costs nothing."""
        if self._since is not None:
            self._since = None

    def refuse(self) -> None:
        """Raise ServerIsSilent while the server is known to be silent, except for one trial a second."""
        if self._since is None:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next_trial:
                raise ServerIsSilent("the database does not answer")
            self._next_trial = now + TRIAL_SECONDS


knowledge = Knowledge()


@dataclass(slots=True)
class Watch:
    """The clock of one wait. `connection` is None while connecting: then there is nobody to ask."""

    connection: psycopg.Connection[Any] | None
    began: float = field(default_factory=time.monotonic)
    ends_at: float | None = field(default_factory=_ends_at.get)
    asks_at: float = 0.0

    def look(self) -> None:
        """Raise ServerIsSilent when this wait has to end."""
        now = time.monotonic()
        since = knowledge.since
        if since is not None and now - max(since, self.began) > TRIAL_SECONDS:
            raise ServerIsSilent("the database does not answer")
        if self._is_over(now):
            if self.connection is None:
                knowledge.notice()
            raise ServerIsSilent("the database did not answer in time")
        self._ask(now)

    def _is_over(self, now: float) -> bool:
        return now - self.began > LONGEST_SECONDS or (self.ends_at is not None and now >= self.ends_at)

    def _ask(self, now: float) -> None:
        limited = self.ends_at is not None
        patience = PATIENCE_SECONDS_IN_TIME_LIMIT if limited else PATIENCE_SECONDS
        if self.connection is None or now < (self.asks_at or self.began + patience):
            return
        if not answers(self.connection.info, ANSWER_SECONDS_IN_TIME_LIMIT if limited else ANSWER_SECONDS):
            knowledge.notice()
            raise ServerIsSilent("the database does not answer")
        self.asks_at = time.monotonic() + patience


def watched(
    work: Generator[Any, Any, T], connection: psycopg.Connection[Any] | None
) -> Generator[Any, Any, T]:
    """Run a generator of psycopg, which waits at each `yield`; raises ServerIsSilent."""
    knowledge.refuse()
    try:
        wanted = next(work)
        watch = Watch(connection)
        while True:
            ready = yield wanted
            if not ready:
                watch.look()
            wanted = work.send(ready)
    except StopIteration as end:
        knowledge.heard()
        result: T = end.value
        return result


def answers(server: psycopg.ConnectionInfo, seconds: float) -> bool:
    """Whether the server answers a new connection within so many seconds."""
    try:
        with _connected(server, seconds) as line:
            line.sendall(_SSL_REQUEST)
            return line.recv(1) != b""
    except OSError:
        return False


def _connected(server: psycopg.ConnectionInfo, seconds: float) -> socket.socket:
    if not server.host.startswith("/"):
        return socket.create_connection((server.hostaddr or server.host, server.port), timeout=seconds)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(seconds)
    line.connect(f"{server.host}/.s.PGSQL.{server.port}")
    return line
