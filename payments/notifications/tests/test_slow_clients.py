"""Hundreds of clients that send a part of a call and then nothing, or a byte a second, while genuine calls arrive."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx2
import pytest

from orders.tests.web import web_server
from payments.models import PaymentNotification
from payments.tests import builders as build

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
SLOW = 500
BEGUN = (
    b"POST /notify/alipay/demo-alipay/ HTTP/1.1\r\nHost: x\r\n",
    b"POST /notify/alipay/demo-alipay/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\na=",
    b"POST /admin/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\na=",
    b"POST /notify/alipay/demo-alipay/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na=",
)
WORST_MS = 250


def dribble(sockets: Sequence[socket.socket], stop: threading.Event) -> None:
    """A byte a second on each, whatever the server thinks of it."""
    while not stop.wait(1):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.send(b"x")


def latencies_beside_slow_clients(seconds: float) -> list[float]:
    """Milliseconds of each genuine call, about fifty a second, none of which may fail."""
    account = build.build_alipay()
    bodies = [build.alipay_body(build.build_payment(account)) for _ in range(40)]
    took: list[float] = []
    stop = threading.Event()
    with (
        web_server() as url,
        contextlib.ExitStack() as stack,
        httpx2.Client(base_url=url, timeout=20) as client,
    ):
        post = lambda n: client.post(  # noqa: E731
            "/notify/alipay/demo-alipay/", content=bodies[n % 40], headers={"content-type": build.FORM}
        )
        for number in range(8):
            assert post(number).content == b"success"
        place = (urlsplit(url).hostname, urlsplit(url).port)
        slow = [stack.enter_context(socket.create_connection(place)) for _ in range(SLOW)]
        for number, one in enumerate(slow):
            one.sendall(BEGUN[number % len(BEGUN)])
        threading.Thread(target=dribble, args=(slow, stop), daemon=True).start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            started = time.perf_counter()
            assert post(len(took)).content == b"success"
            took.append((time.perf_counter() - started) * 1000)
            time.sleep(0.015)
        stop.set()
    return took


@pytest.mark.serial
def test_genuine_calls_stay_fast() -> None:
    took = sorted(latencies_beside_slow_clients(3))
    assert len(took) > 50
    assert took[int(len(took) * 0.99) - 1] < WORST_MS
    assert PaymentNotification.objects.filter(check_result="verified").count() == 40


@pytest.mark.long
def test_genuine_calls_stay_fast_past_time_outs() -> None:
    """Longer than any of the time-outs: the slow ones are sent away and nobody else notices."""
    took = sorted(latencies_beside_slow_clients(25))
    assert took[int(len(took) * 0.99) - 1] < WORST_MS
