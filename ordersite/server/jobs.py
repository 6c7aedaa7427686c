"""The requests that wait for a thread of the web process: machines' calls go first, and pages never take all threads."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any


@dataclass(slots=True)
class Job:
    """A complete request, and whom to wake when it is answered."""

    environ: dict[str, Any]
    protocol: Any
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    is_machines: bool = False
    begun_at: float | None = None
    watch: asyncio.TimerHandle | None = None
    answer: threading.Lock = field(default_factory=threading.Lock)

    def claim_answer(self) -> bool:
        """Whether the caller is the one who answers: a thread, or the event loop that waited too long for it."""
        return self.answer.acquire(blocking=False)


class JobQueue:
    """Hands jobs to `threads` threads, a quarter of which (at least one, where there are two) pages leave free."""

    def __init__(self, threads: int) -> None:
        self._most_pages = max(threads - max(threads // 4, 1), 1)
        self._pages_begun = 0
        self._counting = threading.Lock()
        self._machines: deque[Job] = deque()
        self._pages: deque[Job] = deque()
        # One for each job that a thread may begin: it waits there without holding the interpreter, or a lock.
        self._tokens: SimpleQueue[None] = SimpleQueue()

    def put(self, job: Job) -> None:
        (self._machines if job.is_machines else self._pages).append(job)
        self._tokens.put(None)

    def take(self) -> Job:
        """Wait for the next job. The caller ends it with `end`."""
        while True:
            self._tokens.get()
            try:
                return self._machines.popleft()
            except IndexError:
                job = self._page()
            if job is not None:
                return job

    def end(self, job: Job) -> None:
        """Make room for the next page."""
        if job.is_machines:
            return
        with self._counting:
            self._pages_begun -= 1
            if self._pages:
                self._tokens.put(None)

    def _page(self) -> Job | None:
        """None where pages have their share, or another thread was faster; `end` tells the threads to look again."""
        with self._counting:
            if self._pages_begun == self._most_pages or not self._pages:
                return None
            self._pages_begun += 1
            return self._pages.popleft()
