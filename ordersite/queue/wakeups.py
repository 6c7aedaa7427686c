"""Wake-ups of workers through the broker. Losing one costs seconds, never an order.

A caller only sets a flag; one thread per process publishes each wake-up at most once per 50 ms, so that a burst of
notifications costs one message, and a silent broker never holds a request up.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from celery import current_app

INTERVAL_SECONDS = 0.05
# After a failure the broker is left alone for a while: the loops that run by the clock do the work meanwhile.
PAUSE_AFTER_FAILURE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Publisher:
    """The flags of one process and the thread that empties them."""

    def __init__(self) -> None:
        self._flags: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._pid = 0

    def wake(self, task_name: str) -> None:
        with self._lock:
            self._flags.add(task_name)
            if self._pid != os.getpid():
                self._start()
        self._wake.set()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._wake = threading.Event()
        threading.Thread(target=self._publish_for_ever, name="hints", daemon=True).start()

    def _publish_for_ever(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                names, self._flags = self._flags, set()
            time.sleep(INTERVAL_SECONDS if self._publish(names) else PAUSE_AFTER_FAILURE_SECONDS)

    def _publish(self, names: set[str]) -> bool:
        for name in sorted(names):
            try:
                current_app.send_task(name, ignore_result=True)
            except Exception as error:  # the edge: a wake-up may be lost, its row is not
                logger.warning("wake-up not published: %s", error.__class__.__name__, extra={"task": name})
                return False
        return True


_publisher = Publisher()


def wake(task_name: str) -> None:
    """Wake a worker for the named task. Returns at once; call it after the commit."""
    _publisher.wake(task_name)
