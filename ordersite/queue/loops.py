"""Loops that run by the clock, each in a thread of its own, until they are stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import close_old_connections

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loop:
    """`run` is called again and again with `every` seconds of rest between two calls."""

    name: str
    run: Callable[[], object]
    every: float


def run_for_ever(loops: Sequence[Loop], *, stop: threading.Event) -> None:
    """Run all loops until `stop` is set; returns when each has ended its present round."""
    threads = [threading.Thread(target=_run_loop, args=(loop, stop), name=loop.name) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _run_loop(loop: Loop, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            loop.run()
        except Exception:  # the edge: the next round tries again, the error is in the log
            logger.exception("loop %s failed", loop.name)
            # Without this a connection that died with its server stays «closed» for ever.
            close_old_connections()
        stop.wait(loop.every)
    close_old_connections()
