"""Which request a thread of the web process takes next."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ordersite.server.jobs import Job, JobQueue

NOTHING: Any = None


def put(queue: JobQueue, *names: str) -> None:
    for name in names:
        queue.put(Job({"name": name}, NOTHING, NOTHING, NOTHING, is_machines=name.startswith("machine")))


def take(queue: JobQueue, seconds: float = 5) -> Job | None:
    """What a thread gets, None where it waits."""
    taken: list[Job] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()), daemon=True)
    thread.start()
    thread.join(seconds)
    return taken[0] if taken else None


def names(queue: JobQueue, count: int) -> list[str]:
    return [job.environ["name"] for job in (take(queue) for _ in range(count)) if job is not None]


def test_machines_go_first_each_in_order() -> None:
    queue = JobQueue(8)
    put(queue, "page 1", "machine 1", "page 2", "machine 2")
    assert names(queue, 4) == ["machine 1", "machine 2", "page 1", "page 2"]


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (2, 1), (4, 3), (8, 6)])
def test_pages_leave_a_quarter_to_machines(threads: int, most: int) -> None:
    queue = JobQueue(threads)
    put(queue, *(f"page {number}" for number in range(most + 1)))
    begun = [take(queue) for _ in range(most)]
    assert all(begun)

    waiting = threading.Thread(target=lambda: later.append(queue.take()), daemon=True)
    later: list[Job] = []
    waiting.start()
    waiting.join(0.2)
    assert later == []
    put(queue, "machine")
    waiting.join(5)
    assert [job.environ["name"] for job in later] == ["machine"]

    for job in (later[0], begun[0]):
        assert job is not None
        queue.end(job)
    assert names(queue, 1) == [f"page {most}"]


def test_nothing_is_left_behind() -> None:
    """Many threads, many jobs of both kinds: each is taken once."""
    queue, taken, lock = JobQueue(8), list[str](), threading.Lock()

    def work() -> None:
        while True:
            job = queue.take()
            with lock:
                taken.append(job.environ["name"])
            queue.end(job)

    for _ in range(8):
        threading.Thread(target=work, daemon=True).start()
    wanted = [f"{kind} {number}" for number in range(500) for kind in ("page", "machine")]
    put(queue, *wanted)
    over = threading.Event()
    for _ in range(100):
        if len(taken) == len(wanted):
            break
        over.wait(0.1)
    assert sorted(taken) == sorted(wanted)
