"""The asynchronous front of a WSGI application: a request gets a thread only when its body is complete.

A WSGI server starts the application when the headers are read; a client that sends its body slowly then holds a thread
as long as it likes. Here the event loop reads the body, within a time and a size, and a fixed number of threads work.
Speaks RSGI (granian's own interface) for HTTP/1.1; what is too slow or too large never costs a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain
from queue import SimpleQueue
from typing import IO, Any

from granian.rsgi import ProtocolClosed, ProtocolError

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Calls of machines are small and fast; a person may upload a file over a slow line.
SMALL_BODY = 64 * 1024
SMALL_SECONDS = 5.0
LARGEST_BODY = 512 * 1024 * 1024
# A large body may take this long, and a second more for each piece of so many bytes.
LARGE_SECONDS = 30.0
BYTES_PER_SECOND = 32 * 1024
# Held in memory up to here, on disk beyond; answers up to here go out whole, so that a slow reader holds no thread.
IN_MEMORY = 2 * 1024 * 1024
# What all long bodies of a process may fill together, in memory and on disk: beyond it the answer is 413.
ROOM = 1024 * 1024 * 1024
SEND_SECONDS = 30.0
SWEEP_SECONDS = 0.2
# A machine's call is refused with 503 after so long when no thread gets anything done: its sender tries again.
STUCK_SECONDS = 0.95
MOVING_SECONDS = 0.3

logger = logging.getLogger(__name__)


class TooSlow(Exception):
    """The body did not arrive in time."""


class TooLarge(Exception):
    """The body is longer than the limit."""


class UnreadBody(BytesIO):
    """Stands for a body that was not read to its end: its connection cannot be used again."""


class SlowBody(UnreadBody):
    """Stands for a body that did not arrive in time, where the application itself is to answer that."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise TimeoutError("the body did not arrive in time")


class Room:
    """The bytes that all long bodies may fill together; taken by the event loop, returned by the threads."""

    def __init__(self, size: int) -> None:
        self._left, self._lock = size, threading.Lock()

    def take(self, size: int) -> bool:
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


class Spool(tempfile.SpooledTemporaryFile[bytes]):
    """A long body, on disk beyond IN_MEMORY; gives its room back when it is closed."""

    def __init__(self, room: Room) -> None:
        super().__init__(IN_MEMORY)
        self._room, self.size = room, 0

    def add(self, piece: bytes) -> None:
        """Raises TooLarge where this body, or all of them together, would be more than is taken."""
        if self.size + len(piece) > LARGEST_BODY or not self._room.take(len(piece)):
            raise TooLarge
        self.size += len(piece)
        self.write(piece)

    def close(self) -> None:
        super().close()
        self._room.give(self.size)
        self.size = 0


@dataclass(slots=True)
class Job:
    """A complete request, and whom to wake when it is answered."""

    environ: dict[str, Any]
    protocol: Any
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    begun_at: float | None = None
    watch: asyncio.TimerHandle | None = None
    answer: threading.Lock = field(default_factory=threading.Lock)

    def claim_answer(self) -> bool:
        """Whether the caller is the one who answers: a thread, or the event loop that waited too long for it."""
        return self.answer.acquire(blocking=False)


class Front:
    """`small_prefixes`: paths of machines' calls. There a longer body is cut one byte beyond SMALL_BODY (not read at all
    where its length says so) and a slow one raises TimeoutError when read: the application refuses, counts and answers
    it in its own words."""

    def __init__(self, application: Application, *, threads: int, small_prefixes: Sequence[str]) -> None:
        self._application = application
        self._threads = threads
        self._small_prefixes = tuple(small_prefixes)
        self._room = Room(ROOM)
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._answered: deque[asyncio.Future[None]] = deque()
        self._last_answer = 0.0

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon(self._sweep, loop)
        for number in range(self._threads):
            threading.Thread(target=self._work, name=f"web-{number}", daemon=True).start()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        self._let_go()
        environ = environ_of(scope)
        try:
            environ["wsgi.input"] = await self._body(environ, protocol)
        except ProtocolClosed:
            logger.info("a client went away before its body was here")
        except TooSlow:
            protocol.response_empty(408, [("connection", "close")])
        except TooLarge:
            protocol.response_empty(413, [("connection", "close")])
        else:
            loop = asyncio.get_running_loop()
            job = Job(environ, protocol, loop, loop.create_future())
            self._jobs.put(job)
            if environ["PATH_INFO"].startswith(self._small_prefixes):
                job.watch = loop.call_later(STUCK_SECONDS, self._refuse_if_stuck, job)
            await job.done
            if job.watch is not None:
                job.watch.cancel()

    def _refuse_if_stuck(self, job: Job) -> None:
        """Answer 503 for threads that all wait for something; a long queue that moves is no reason."""
        now = job.loop.time()
        patient_until = (
            self._last_answer + MOVING_SECONDS if job.begun_at is None else job.begun_at + STUCK_SECONDS
        )
        if now < patient_until:
            job.watch = job.loop.call_at(patient_until, self._refuse_if_stuck, job)
        elif job.claim_answer():
            logger.error("a call was refused: its thread is stuck, or none is free")
            with contextlib.suppress(ProtocolClosed, ProtocolError):
                job.protocol.response_empty(503, [("retry-after", "1")])
            self._answered.append(job.done)

    async def _body(self, environ: Mapping[str, Any], protocol: Any) -> IO[bytes]:
        """Raises TooSlow and TooLarge."""
        length = environ.get("CONTENT_LENGTH")
        if length is None and "HTTP_TRANSFER_ENCODING" not in environ:
            return BytesIO()
        is_small = environ["PATH_INFO"].startswith(self._small_prefixes)
        if length is not None and int(length) <= SMALL_BODY:
            return await _in_time(_whole(protocol), SMALL_SECONDS if is_small else LARGE_SECONDS, is_small)
        if is_small and length is not None:
            return UnreadBody(bytes(SMALL_BODY + 1))  # long enough to be refused
        return (
            await _in_time(_cut(protocol), SMALL_SECONDS, True) if is_small else await self._large(protocol)
        )

    async def _large(self, protocol: Any) -> IO[bytes]:
        """Any other body, on disk where it is long."""
        spool = Spool(self._room)
        try:
            await _fill(spool, protocol)
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return spool

    def _work(self) -> None:
        """Run one thread: handle requests one after the other. An exception of the application is answered with 500."""
        while True:
            job = self._jobs.get()
            if job.answer.locked():  # refused while it waited here
                job.environ["wsgi.input"].close()
                continue
            job.begun_at = time.monotonic()
            try:
                _respond(self._application, job)
            except ProtocolClosed:
                logger.info("the client went away")
            except Exception:
                logger.exception("request failed")
                with contextlib.suppress(ProtocolClosed, ProtocolError):  # its answer may have begun
                    if job.claim_answer():
                        job.protocol.response_empty(500, [])
            finally:
                self._last_answer = time.monotonic()
                job.environ["wsgi.input"].close()
                self._answered.append(job.done)

    def _let_go(self) -> None:
        """End the coroutines of answered requests together: waking the loop for each would cost more, and no client
        waits for it."""
        while self._answered:
            done = self._answered.popleft()
            if not done.done():
                done.set_result(None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._let_go()
        loop.call_later(SWEEP_SECONDS, self._sweep, loop)


# --- The request ---

_BASIC: Mapping[str, Any] = {
    "SCRIPT_NAME": "", "SERVER_SOFTWARE": "granian", "wsgi.errors": sys.stderr, "wsgi.version": (1, 0),
    "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input_terminated": True,
}  # fmt: skip


def environ_of(scope: Any) -> dict[str, Any]:
    """Build the environ of PEP 3333. Header names with an underscore are dropped: they could pass for our proxy's."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        **_BASIC,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
    }
    for name, value in scope.headers.items():
        key = _KEYS.get(name) or _key(name)
        environ[key] = (
            f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}" if key in environ else value
        )
    environ.pop("", None)
    return environ


def _key(name: str) -> str:
    return "" if "_" in name else f"HTTP_{name.upper().replace('-', '_')}"


# The usual ones need not be built again for each call.
_KEYS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"} | {
    name: _key(name)
    for name in (
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "connection",
        "x-forwarded-for",
        "x-forwarded-proto",
    )
}


async def _in_time(reading: Any, seconds: float, marked: bool) -> IO[bytes]:
    try:
        async with asyncio.timeout(seconds):
            body: bytes = await reading
            return BytesIO(body) if len(body) <= SMALL_BODY else UnreadBody(body)
    except TimeoutError:
        if marked:
            return SlowBody()
        raise TooSlow from None


async def _whole(protocol: Any) -> bytes:
    """Read a body of announced length, which the server enforces."""
    return bytes(await protocol())


async def _cut(protocol: Any) -> bytes:
    """Read a body until it is known to be too long."""
    taken = bytearray()
    async for piece in protocol:
        taken += piece
        if len(taken) > SMALL_BODY:
            break
    return bytes(taken[: SMALL_BODY + 1])


async def _fill(spool: Spool, protocol: Any) -> None:
    """Read into the spool. The time limit grows with the bytes received."""
    started, pieces = asyncio.get_running_loop().time(), aiter(protocol)
    while True:
        try:
            async with asyncio.timeout_at(started + LARGE_SECONDS + spool.size / BYTES_PER_SECOND):
                piece = await pieces.__anext__()
        except TimeoutError:
            raise TooSlow from None
        except StopAsyncIteration:
            return
        spool.add(piece)


# --- The answer ---


def _respond(application: Application, job: Job) -> None:
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        closing = [("connection", "close")] if isinstance(job.environ["wsgi.input"], UnreadBody) else []
        head[:] = [int(status[:3]), [*headers, *closing]]

    answer = application(job.environ, start_response)
    try:
        pieces = iter(answer)
        whole, rest = _up_to(pieces, IN_MEMORY)
        if not job.claim_answer():
            logger.warning("a call was answered too late: its sender has been refused")
        elif rest is None:
            job.protocol.response_bytes(*head, whole)
        else:
            _stream(job, head, chain([whole, rest], pieces))
    finally:
        if close := getattr(answer, "close", None):
            close()


def _up_to(pieces: Iterator[bytes], most: int) -> tuple[bytes, bytes | None]:
    """Return a short answer whole and None, or the beginning of a long one and its next piece."""
    taken: list[bytes] = []
    size = 0
    for piece in pieces:
        if size > most:
            return b"".join(taken), piece
        taken.append(piece)
        size += len(piece)
    return b"".join(taken), None


def _stream(job: Job, head: Sequence[Any], pieces: Iterable[bytes]) -> None:
    """Send a long answer. Raises TimeoutError for a client that reads nothing for SEND_SECONDS."""

    async def opened() -> Any:
        return job.protocol.response_stream(*head)

    transport = asyncio.run_coroutine_threadsafe(opened(), job.loop).result(SEND_SECONDS)
    for piece in pieces:
        asyncio.run_coroutine_threadsafe(_send(transport, piece), job.loop).result(SEND_SECONDS)


async def _send(transport: Any, piece: bytes) -> None:
    await transport.send_bytes(piece)
