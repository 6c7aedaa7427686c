"""Each request has an id: the trusted proxy's or one of ours, in the response, the log lines and the stored call."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from ordersite.logs import JsonLineFormatter
from ordersite.server import request_id
from ordersite.server.client_address import networks
from payments.models import NotificationBody
from payments.tests import builders as build

GIVEN = "5f0c13812345678a9be1d2c3b4a59687"  # with what looks like a phone number: an id is never masked
OURS = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(autouse=True)
def proxies(settings: Any) -> Iterator[None]:
    settings.TRUSTED_PROXIES = networks("127.0.0.1")
    yield
    request_id._current.set("")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the handler of the settings writes, with its formatter and its filters."""
    [handler] = [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler]
    stream = handler.setStream(io.StringIO())
    yield handler.stream
    handler.setStream(stream)


@pytest.mark.parametrize(
    ("peer", "given", "is_taken"),
    [
        pytest.param("127.0.0.1", GIVEN, True, id="proxy"),
        pytest.param("203.0.113.9", GIVEN, False, id="stranger"),
        pytest.param("127.0.0.1", "x", False, id="short"),
        pytest.param("127.0.0.1", f"{GIVEN} {GIVEN}", False, id="odd"),
        pytest.param("127.0.0.1", "a" * 65, False, id="long"),
        pytest.param("127.0.0.1", "", False, id="none"),
    ],
)
def test_only_the_proxy_is_believed(peer: str, given: str, is_taken: bool) -> None:
    answer = Client().get("/healthz", headers={"x-request-id": given}, REMOTE_ADDR=peer)
    found = answer.headers["X-Request-Id"]
    assert (found == given) is is_taken
    assert is_taken or OURS.fullmatch(found)


def test_each_request_gets_another() -> None:
    client = Client()
    assert len({client.get("/healthz").headers["X-Request-Id"] for _ in range(3)}) == 3


@pytest.mark.django_db
def test_log_lines_carry_it(log: io.StringIO) -> None:
    Client().get("/no-such-page/", headers={"x-request-id": GIVEN})
    logging.getLogger("ordersite.server.front").warning("said after the response")
    lines = log.getvalue().splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == [f"request_id={GIVEN}"] * 2


def test_json_line_carries_it() -> None:
    record = logging.makeLogRecord({"msg": "paid by 13812345678", "request_id": GIVEN})
    assert json.loads(JsonLineFormatter().format(record)) | {"time": ""} == {
        "time": "", "level": "Level None", "message": "paid by 138****5678", "request_id": GIVEN,
    }  # fmt: skip


def test_line_outside_a_request_has_none(log: io.StringIO) -> None:
    logging.getLogger("ordersite.tests").warning("no request")
    assert "request_id" not in log.getvalue()


@pytest.mark.django_db(transaction=True)
def test_stored_call_carries_it() -> None:
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    answer = build.post_alipay(body, **{"x-request-id": GIVEN})
    assert (answer.content, answer.headers["X-Request-Id"]) == (b"success", GIVEN)
    assert NotificationBody.objects.get().headers["x-request-id"] == GIVEN
