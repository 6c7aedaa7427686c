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
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import chain
from typing import IO, Any

from granian.rsgi import ProtocolClosed, ProtocolError

from ordersite.server.bodies import (
    IN_MEMORY,
    LARGEST_BODY,
    LARGEST_UPLOAD,
    NO_UPLOADS,
    Room,
    SlowBody,
    Spool,
    TooLarge,
    TooShort,
    TooSlow,
    UnreadBody,
    Uploads,
)
from ordersite.server.jobs import Job, JobQueue

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Calls of machines are small and fast; a person may upload a file over a slow line.
SMALL_BODY = 64 * 1024
SMALL_SECONDS = 5.0
# A large body may take this long, and a second more for each piece of so many bytes.
LARGE_SECONDS = 30.0
BYTES_PER_SECOND = 32 * 1024
# What all long bodies of a process may fill together, in memory and on disk: beyond it the answer is 413.
ROOM = 1024 * 1024 * 1024
SEND_SECONDS = 30.0
SWEEP_SECONDS = 0.2
# A machine's call is refused with 503 after so long when no thread gets anything done: its sender tries again.
STUCK_SECONDS = 0.95
MOVING_SECONDS = 0.3

logger = logging.getLogger(__name__)


class Front:
    """Reads a body of up to LARGEST_BODY from anybody, and a longer one where and from whom `uploads` says.

    `small_prefixes`: paths of machines' calls, which go before all others. There a longer body is cut one byte beyond
    SMALL_BODY (not read at all where its length says so) and a slow one raises TimeoutError when read: the application
    refuses, counts and answers it in its own words.

    `worded_prefixes`: paths where the application itself refuses by its announced length what is too long."""

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        small_prefixes: Sequence[str],
        worded_prefixes: Sequence[str] = (),
        uploads: Uploads = NO_UPLOADS,
    ) -> None:
        self._application = application
        self._threads = threads
        self._small_prefixes = tuple(small_prefixes)
        self._worded_prefixes = tuple(worded_prefixes)
        self._uploads = uploads
        self._gate = ThreadPoolExecutor(1, "uploads")
        self._room = Room(ROOM)
        self._jobs = JobQueue(threads)
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
        except (ProtocolClosed, TooShort):
            logger.info("a client went away before its body was here")
            with contextlib.suppress(ProtocolClosed, ProtocolError):  # it may still listen
                protocol.response_empty(400, [("connection", "close")])
        except TooSlow:
            protocol.response_empty(408, [("connection", "close")])
        except TooLarge:
            protocol.response_empty(413, [("connection", "close")])
        else:
            loop = asyncio.get_running_loop()
            is_machines = environ["PATH_INFO"].startswith(self._small_prefixes)
            job = Job(environ, protocol, loop, loop.create_future(), is_machines)
            self._jobs.put(job)
            if is_machines:
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
            # Known where a thread began with it; the loop itself works for many requests at a time.
            found = {"request_id": job.environ.get("ordersite.request_id", "")}
            logger.error("a call was refused: its thread is stuck, or none is free", extra=found)
            with contextlib.suppress(ProtocolClosed, ProtocolError):
                job.protocol.response_empty(503, [("retry-after", "1")])
            self._answered.append(job.done)

    async def _body(self, environ: Mapping[str, Any], protocol: Any) -> IO[bytes]:
        """Raises TooSlow, TooLarge, and TooShort or ProtocolClosed where the client goes away.

        A chunked body that breaks off cannot be told from a whole one; Django reads none, and a machine's is signed.
        """
        length = environ.get("CONTENT_LENGTH")
        if length is None and "HTTP_TRANSFER_ENCODING" not in environ:
            return BytesIO()
        announced = None if length is None else int(length)
        if environ["PATH_INFO"].startswith(self._small_prefixes):
            return await _small(announced, protocol)
        if announced is not None and announced <= SMALL_BODY:
            return await _in_time(_whole(protocol), LARGE_SECONDS, False)
        return await self._large(environ, announced, protocol)

    async def _large(self, environ: Mapping[str, Any], announced: int | None, protocol: Any) -> IO[bytes]:
        """Any other body, on disk where it is long."""
        most = LARGEST_BODY
        if self._uploads.is_address(environ["PATH_INFO"]) and await self._may_upload(environ):
            most = LARGEST_UPLOAD
        if announced is not None and announced > most:
            if environ["PATH_INFO"].startswith(self._worded_prefixes):
                return UnreadBody()
            raise TooLarge
        spool = Spool(self._room, most)
        try:
            await _fill(spool, protocol)
            if announced is not None and spool.size < announced:
                raise TooShort
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return spool

    async def _may_upload(self, environ: Mapping[str, Any]) -> bool:
        """Ask in a thread apart, since the answer is in the database; no thread that answers requests waits for it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._gate, self._uploads.may_upload, environ)

    def _work(self) -> None:
        """Run one thread: handle requests one after the other. An exception of the application is answered with 500."""
        while True:
            job = self._jobs.take()
            if job.answer.locked():  # refused while it waited here
                job.environ["wsgi.input"].close()
                self._jobs.end(job)
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
                self._jobs.end(job)
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
        "x-request-id",
    )
}


async def _small(announced: int | None, protocol: Any) -> IO[bytes]:
    """Read the body of a machine's call; one that is too long is cut where it is long enough to be refused."""
    if announced is None:
        return await _in_time(_cut(protocol), SMALL_SECONDS, True)
    if announced > SMALL_BODY:
        return UnreadBody(bytes(SMALL_BODY + 1))
    return await _in_time(_whole(protocol), SMALL_SECONDS, True)


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
