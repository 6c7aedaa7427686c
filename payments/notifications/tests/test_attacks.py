"""What is thrown at the notify addresses from outside: refused quickly, in little memory, with nothing changed."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from django.conf import settings
from django.utils import timezone

from orders.tests.web import web_server
from ordersite.queue import refused_calls
from payments.models import Payment, PaymentNotification, RefusedCall
from payments.notifications import rejected
from payments.providers.alipay.tests.messages import form, signature, signed_fields, signed_text
from payments.tests import builders as build
from scripts.processes import family_of

pytestmark = pytest.mark.django_db(transaction=True)
FORM = {"content-type": build.FORM}
JSON = {
    "content-type": "application/json",
    "webhook-id": "m1",
    "webhook-timestamp": "1",
    "webhook-signature": "v1,YQ==",
}
XML = b'<?xml version="1.0"?><!DOCTYPE r [%s]><xml><out_trade_no>&b;</out_trade_no></xml>'
LAUGHS = b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(20))
QUICK_MS, LITTLE_MB = 50, 20
ALIPAY, WEBHOOK = "/notify/alipay/demo-alipay/", "/notify/webhook/demo-webhook/"


def odd_calls(genuine: bytes, listener: int) -> Iterator[tuple[str, str, bytes, Mapping[str, str], int]]:
    """Name, path, body, headers and the status that is wanted."""
    entity = b'<!ENTITY b SYSTEM "http://127.0.0.1:%d/x">' % listener
    doubled = genuine + b"&out_trade_no=T1"
    yield "ten thousand fields", ALIPAY, b"&".join(b"f%d=1" % n for n in range(10_000))[:65_000], FORM, 400
    yield "NUL bytes", ALIPAY, genuine.replace(b"T", b"\0"), FORM, 400
    yield "escaped NUL", ALIPAY, genuine.replace(b"subject=", b"subject=%00"), FORM, 400
    yield "a field twice", ALIPAY, doubled, FORM, 400
    yield "a field twice, once encoded", ALIPAY, genuine + b"&%6fut_trade_no=T1", FORM, 400
    for charset in (
        b"utf-7",
        b"utf-16",
        b"latin-9",
        b"GBK",
        b"idna",
        b"rot13",
        b"unicode_escape",
        b"undefined",
    ):
        body = genuine.replace(b"charset=utf-8", b"charset=" + charset)
        yield f"charset {charset.decode()}", ALIPAY, body, FORM, 400
    other_type = {"content-type": "application/x-www-form-urlencoded; charset=utf-16"}
    yield "charset of the header", ALIPAY, genuine.decode().encode("utf-16"), other_type, 400
    yield "nested arrays", WEBHOOK, (b"[" * 100_000)[:32_000] + b"]" * 32_000, JSON, 400
    yield "100,000 nested arrays", WEBHOOK, b"[" * 100_000 + b"]" * 100_000, JSON, 413
    yield "gzip", ALIPAY, gzip.compress(genuine), {**FORM, "content-encoding": "gzip"}, 415
    yield "gzip bomb", WEBHOOK, gzip.compress(b"0" * 40_000_000), {**JSON, "content-encoding": "gzip"}, 415
    for path, headers in (
        (ALIPAY, {"content-type": "text/xml"}),
        (WEBHOOK, {**JSON, "content-type": "text/xml"}),
    ):
        yield "entity of a file", path, XML % b'<!ENTITY b SYSTEM "file:///etc/passwd">', headers, 400
        yield "entity of an address", path, XML % entity, headers, 400
        yield "billion laughs", path, XML % (b'<!ENTITY a "ha">' + LAUGHS), headers, 400


@contextlib.contextmanager
def tripwire() -> Iterator[tuple[int, list[Any]]]:
    """A listener that nobody may call, and who did."""
    callers: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    callers.append(server.accept()[1])

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], callers
        server.shutdown(socket.SHUT_RDWR)


def memory_mb() -> int:
    """What the web server's processes hold (they are children of this one), in MB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family_of(os.getpid())[1:])
    return pages * 4096 // 1_000_000


def answer_to_ten_megabytes(url: str) -> tuple[bytes, float]:
    """The status and the ms until it arrived, which is before the body is sent: nobody waits for the rest of it."""
    address = urlsplit(url)
    started = time.perf_counter()
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\na=x" % ALIPAY.encode()
        )
        status = connection.recv(4096).split()[1]
    return status, (time.perf_counter() - started) * 1000


def best_of_five(
    client: httpx2.Client, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, float]:
    """The status, and the shortest of five times in ms: the machine's moods are no attack."""
    took = []
    for _ in range(5):
        started = time.perf_counter()
        response = client.post(path, content=body, headers=headers)
        took.append((time.perf_counter() - started) * 1000)
    return response.status_code, min(took)


@pytest.mark.postgres
@pytest.mark.serial
def test_odd_bodies_cost_little_time_and_memory() -> None:
    payment = build.build_payment(build.build_alipay())
    build.build_webhook()
    genuine = build.alipay_body(payment)
    with (
        tripwire() as (port, callers),
        web_server() as url,
        httpx2.Client(base_url=url, timeout=20) as client,
    ):
        calls = list(odd_calls(genuine, port))
        for _ in range(4):
            client.post(ALIPAY, content=b"warm=1", headers=FORM)
        before = memory_mb()
        seen = {
            f"{name} {path}": best_of_five(client, path, body, headers)
            for name, path, body, headers, _ in calls
        }
        large = min((answer_to_ten_megabytes(url) for _ in range(3)), key=lambda answer: answer[1])
        grown = memory_mb() - before
    assert {name: status for name, (status, _) in seen.items()} == {f"{c[0]} {c[1]}": c[4] for c in calls}
    assert {name: ms for name, (_, ms) in seen.items() if ms >= QUICK_MS} == {}
    assert (large[0], large[1] < QUICK_MS) == (b"413", True)
    assert grown < LITTLE_MB
    assert callers == []
    assert not PaymentNotification.objects.filter(check_result="verified").exists()
    assert Payment.objects.get(pk=payment.pk).status == "open"


def test_truncated_body_is_rejected() -> None:
    """What is cut off is no call of ours. (A length that is too long: ordersite/server/tests/test_front.py.)"""
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    answer = build.post_alipay(body[:-10])
    assert (answer.status_code, PaymentNotification.objects.get().check_result) == (400, "rejected")


def test_nothing_here_reads_xml() -> None:
    """What is not there cannot resolve an entity."""
    rooms = [settings.BASE_DIR / "payments" / room for room in ("notifications", "providers")]
    texts = [path.read_text() for room in rooms for path in room.rglob("*.py") if "tests" not in path.parts]
    assert len(texts) > 30
    assert [text for text in texts if "import xml" in text or "from xml" in text or "lxml" in text] == []


def test_junk_is_kept_then_sampled_then_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_calls, "KEPT_WHOLE", 3)
    monkeypatch.setattr(refused_calls, "REJECTED_PER_DAY", 6)
    monkeypatch.setattr(refused_calls, "SAMPLED", 10**9)
    account = build.build_alipay()
    for _ in range(5):
        build.post_alipay(b"nonsense")
    assert (PaymentNotification.objects.count(), counted()) == (3, 2)
    monkeypatch.setattr(refused_calls, "SAMPLED", 1)
    for _ in range(5):
        build.post_alipay(b"nonsense")
    assert (PaymentNotification.objects.count(), counted()) == (6, 4)
    assert not rejected.has_room(account.pk, now=timezone.now())


def counted() -> int:
    return RefusedCall.objects.get().calls


def test_genuine_call_passes_a_flood_of_junk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_calls, "KEPT_WHOLE", 0)
    monkeypatch.setattr(refused_calls, "REJECTED_PER_DAY", 0)
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    build.post_alipay(b"nonsense")
    assert build.post_alipay(body).content == b"success"
    assert PaymentNotification.objects.get().check_result == "verified"


def test_verified_text_is_the_text_stored() -> None:
    """A charset game: bytes that are one text in GBK and another in UTF-8."""
    payment = build.build_payment(build.build_alipay())
    fields = {**signed_fields_of(payment), "charset": "GBK", "subject": "测试订单"}
    body = form(
        fields | {"sign": signature(signed_text(fields), charset="gbk"), "sign_type": "RSA2"}, charset="gbk"
    )
    answer = build.post_alipay(body, content_type="application/x-www-form-urlencoded; charset=utf-8")
    row = build.only_notification()
    assert (answer.content, row.check_result, row.reference) == (b"success", "verified", payment.reference)
    assert bytes(row.raw.body) == body


def signed_fields_of(payment: Payment) -> dict[str, str]:
    fields = signed_fields(out_trade_no=payment.reference, total_amount=str(payment.amount))
    return {name: value for name, value in fields.items() if name not in ("sign", "sign_type")}
