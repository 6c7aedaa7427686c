"""What the log keeps of a call: enough to see what happened, no secret and nothing personal."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.carrier_calls.log import KEEP, KEEP_GOOD_QUERIES, forget_old_calls, store_calls
from logistics.carrier_calls.recorder import CallRecorder, RecordedCall
from logistics.carriers.interface import Operation
from logistics.carriers.types import CarrierError, CarrierKeys
from logistics.models import CarrierAccount, CarrierCall
from logistics.tests.builders import build_account
from ordersite.lib.http import Gateway
from sandbox.tests.nobody import nobody

WORD, NAME, STREET = "se/cret+W", "王小明", '人民路 1 号 "甲"'
KEYS = CarrierKeys("sf", "demo-sf", {}, {"checkword": WORD})


@pytest.fixture
def echo(httpserver: HTTPServer) -> str:
    """The address of a carrier that sends back what it got."""

    def send_back(request: Request) -> Response:
        return Response(request.get_data(), content_type="text/plain")

    httpserver.expect_request("/std/service").respond_with_handler(send_back)
    return httpserver.url_for("/std/service")


@pytest.fixture
def account() -> CarrierAccount:
    return build_account(f"{nobody()}/query.do")


def post(gateway: Gateway, url: str, body: bytes) -> None:
    gateway.post(url, content=body, headers={})


@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize("in_form", [True, False])
def test_secrets_names_streets_and_phones_are_hidden_in_every_form(
    echo: str, is_ascii: bool, in_form: bool
) -> None:
    person = {"name": NAME, "street": STREET, "mobile": "13800138000", "word": WORD, "goods": "保温杯"}
    text = json.dumps(person, ensure_ascii=is_ascii)
    body = urlencode({"msgData": text}) if in_form else text
    recorder = CallRecorder(Operation.CREATE_WAYBILL, KEYS, personal=(NAME, STREET, "13800138000"))
    recorder.run(lambda gateway: post(gateway, echo, body.encode()))
    [exchange] = recorder.exchanges
    assert (exchange.status, recorder.code) == (200, "ok")
    for kept in (exchange.request.removeprefix(f"{echo}\n"), exchange.response):
        shown = body
        for hidden in (
            json.dumps(NAME, ensure_ascii=is_ascii)[1:-1],
            json.dumps(STREET, ensure_ascii=is_ascii)[1:-1],
        ):
            part = urlencode({"": hidden})[1:] if in_form else hidden
            assert part in shown
            shown = shown.replace(part, "•••")
        part = urlencode({"": WORD})[1:] if in_form else WORD
        assert kept == shown.replace(part, "•••").replace("13800138000", "•••")


@pytest.mark.django_db
def test_each_end_of_a_call_is_one_row(echo: str, account: CarrierAccount) -> None:
    good = CallRecorder(Operation.QUERY, KEYS)
    good.run(lambda gateway: post(gateway, echo, b"{}"))
    refused = CallRecorder(Operation.CREATE_WAYBILL, KEYS, personal=(NAME,))

    def refuse(gateway: Gateway) -> None:
        post(gateway, echo, b"{}")
        raise CarrierError("refused", f"{NAME}: 超区")

    with pytest.raises(CarrierError):
        refused.run(refuse)
    away = CallRecorder(Operation.CANCEL_WAYBILL, KEYS)
    with pytest.raises(Exception, match="provider_unreachable"):
        away.run(lambda gateway: post(gateway, f"{nobody()}/", b"{}"))
    store_calls(
        account.pk, [RecordedCall(good, "SF1"), RecordedCall(refused, "R2"), RecordedCall(away, "SF3")]
    )
    rows = CarrierCall.objects.order_by("id").values_list(
        "operation", "subject", "http_status", "result", "detail"
    )
    assert list(rows[:2]) == [
        ("query", "SF1", 200, "ok", ""),
        ("create_waybill", "R2", 200, "refused", "•••: 超区"),
    ]
    assert rows[2][:4] == ("cancel_waybill", "SF3", None, "fault")
    assert "OutsideError" in rows[2][4]


@pytest.mark.django_db
def test_old_calls_go_and_good_queries_go_first(account: CarrierAccount) -> None:
    now, second = timezone.now(), timedelta(seconds=1)

    def row(result: str, operation: Operation, age: timedelta) -> int:
        made = CarrierCall.objects.create(
            account=account, operation=operation, result=result, at=now - age, duration_ms=1
        )
        return made.pk

    row("ok", Operation.QUERY, KEEP_GOOD_QUERIES + second)
    row("busy", Operation.QUERY, KEEP + second)
    stays = [
        row("ok", Operation.QUERY, KEEP_GOOD_QUERIES - 60 * second),
        row("busy", Operation.QUERY, KEEP_GOOD_QUERIES + second),
        row("ok", Operation.CREATE_WAYBILL, KEEP - 60 * second),
    ]
    assert forget_old_calls() == 2
    assert sorted(CarrierCall.objects.values_list("pk", flat=True)) == stays
