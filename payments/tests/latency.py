"""How long genuine notifications wait for their answers while something else keeps the site busy."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import httpx2

from payments.tests.builders import FORM

# A bound against starvation: what is starved waits for seconds.
WORST_MS = 250


class Stuck(Exception):
    """The site asks the sender to try again."""


def post_notification(client: httpx2.Client, body: bytes) -> None:
    """Send a notification of `demo-alipay`, which has to be accepted. Raises Stuck for a 503."""
    answer = client.post("/notify/alipay/demo-alipay/", content=body, headers={"content-type": FORM})
    if answer.status_code == 503:
        raise Stuck
    assert (answer.status_code, answer.content) == (200, b"success"), answer


def p99_of_notifications(client: httpx2.Client, bodies: Sequence[bytes], *, seconds: float) -> float:
    """Send these bodies in turn, fifty a second at most; return the 99th percentile of the answers in milliseconds.

    A 503 says that all threads were stuck for almost a second; it counts as for ever.
    """
    took = list[float]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        try:
            post_notification(client, bodies[len(took) % len(bodies)])
            took.append((time.perf_counter() - started) * 1000)
        except Stuck:
            took.append(math.inf)
        time.sleep(0.02)
    return sorted(took)[int(len(took) * 0.99) - 1]
