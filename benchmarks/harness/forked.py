"""Runs a piece of work in a process of its own, so that its highest memory is that of the work alone."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run(Generic[T]):
    """What the work returned, how long it took, and the highest memory of its process."""

    result: T
    seconds: float
    megabytes: float


def run_forked(work: Callable[[], T]) -> Run[T]:
    """Fork, run `work` and return its run. The database connections of this process are closed before."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_child, args=(sender, work))
    connections.close_all()
    process.start()
    sender.close()
    run: Run[T] = receiver.recv()
    process.join()
    return run


def _child(sender: Connection, work: Callable[[], T]) -> None:
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    sender.send(Run(result, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
