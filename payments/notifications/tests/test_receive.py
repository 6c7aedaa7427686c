"""The notify addresses, line by line of the promised table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from orders.models import Order
from ordersite.queue import refused_calls as counting
from payments.accounts.cache import known_accounts
from payments.accounts.save import save_account
from payments.models import (
    NotificationBody,
    Payment,
    PaymentAccount,
    PaymentException,
    PaymentNotification,
    RefusedCall,
)
from payments.notifications.apply import drain_notifications
from payments.providers.alipay.tests.messages import form, key_pair, sdk, signed_fields, signed_text
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)
SUCCESS, FAIL = (200, b"success"), (400, b"fail")


def status_and_body(response: Any) -> tuple[int, bytes]:
    return response.status_code, response.content


def refused_calls() -> dict[tuple[str, str], int]:
    return {(row.path, row.reason): row.calls for row in RefusedCall.objects.all()}


def test_genuine_call_is_success_and_kept_whole() -> None:
    payment = build.build_payment(build.build_alipay())
    body = build.alipay_body(payment, trade_no="2026112222001")
    assert status_and_body(build.post_alipay(body)) == SUCCESS
    row = build.only_notification()
    assert (row.check_result, row.kind, row.reference) == ("verified", "payment", payment.reference)
    assert (row.provider_reference, row.amount, row.outcome) == ("2026112222001", payment.amount, "")
    assert (bytes(row.raw.body), row.raw.headers["content-type"]) == (body, build.FORM)


def test_repeated_call_is_success_and_one_row() -> None:
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    assert [status_and_body(build.post_alipay(body)) for _ in range(3)] == [SUCCESS] * 3
    assert (PaymentNotification.objects.count(), NotificationBody.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"total_amount": "198.99"}, "amount_mismatch"),
        ({"app_id": "2021000000000009"}, "wrong_account"),
        ({"seller_id": "2088000000000009"}, "wrong_account"),
    ],
)
def test_genuine_mismatch_is_success_and_a_case(changes: dict[str, str], outcome: str) -> None:
    payment = build.build_payment(build.build_alipay())
    assert status_and_body(build.post_alipay(build.alipay_body(payment, **changes))) == SUCCESS
    drain_notifications()
    row, case = build.only_notification(), PaymentException.objects.get()
    assert (row.outcome, case.kind, case.notification_id) == (outcome, outcome, row.pk)
    payment = Payment.objects.get()
    assert (payment.status, payment.order.status) == ("open", "pending")


def test_a_webhook_call_is_answered_204() -> None:
    payment = build.build_payment(build.build_webhook())
    body, headers = build.webhook_call(payment)
    assert status_and_body(build.post_webhook(body, headers)) == (204, b"")
    assert build.only_notification().reference == payment.reference


def test_altered_webhook_call_is_bad_signature() -> None:
    payment = build.build_payment(build.build_webhook())
    body, headers = build.webhook_call(payment)
    response = build.post_webhook(body.replace(b"199.00", b"199.01"), headers)
    assert (response.status_code, json.loads(response.content)["code"]) == (400, "bad_signature")
    row = build.only_notification()
    assert (row.check_result, row.reject_code, row.done_at is not None) == ("rejected", "bad_signature", True)


def test_a_stale_webhook_call_is_refused() -> None:
    build.build_webhook()
    body, headers = build.sign_webhook(b'{"type":"x","data":{}}', at=timezone.now() - timedelta(seconds=301))
    response = build.post_webhook(body, headers)
    assert (response.status_code, json.loads(response.content)["code"]) == (400, "stale_timestamp")


def alipay_forgeries() -> dict[str, bytes]:
    """Calls that look genuine and are not, by the code that each is to be kept with."""
    fields = signed_fields()
    genuine = form(fields)
    unsigned = {name: value for name, value in fields.items() if name not in ("sign", "sign_type")}
    other_key = {**unsigned, "sign": str(sdk("stranger")._sign(signed_text(unsigned))), "sign_type": "RSA2"}
    old_method = {
        **unsigned,
        "sign": str(sdk(sign_type="RSA")._sign(signed_text(unsigned))),
        "sign_type": "RSA",
    }
    old_disguised = {**old_method, "sign_type": "RSA2"}
    return {
        "bad_signature/one byte": genuine.replace(b"266.40", b"266.41", 1),
        "bad_signature/another key": form(other_key),
        "wrong_sign_type/RSA": form(old_method),
        "bad_signature/RSA called RSA2": form(old_disguised),
        "duplicate_key/twice": genuine + b"&total_amount=0.01",
        "bad_charset/unknown": genuine.replace(b"charset=utf-8", b"charset=latin-9"),
        "missing_field/no sign": form(unsigned),
        "malformed/no form": b"{}",
        "malformed/empty": b"",
    }


@pytest.mark.parametrize("name", list(alipay_forgeries()))
def test_forged_call_is_kept_and_reported_once(name: str) -> None:
    build.build_alipay()
    body = alipay_forgeries()[name]
    assert [status_and_body(build.post_alipay(body)) for _ in range(2)] == [FAIL] * 2
    rows = PaymentNotification.objects.all()
    assert [(row.check_result, row.reject_code, bytes(row.raw.body)) for row in rows] == [
        ("rejected", name.partition("/")[0], body)
    ] * 2
    assert drain_notifications() == 0
    assert PaymentException.objects.filter(kind="bad_signatures").count() == 1


def test_genuine_call_after_a_forged_one_pays() -> None:
    payment = build.build_payment(build.build_alipay())
    genuine = build.alipay_body(payment)
    assert status_and_body(build.post_alipay(genuine.replace(b"199.00", b"199.01"))) == FAIL
    assert status_and_body(build.post_alipay(genuine)) == SUCCESS
    drain_notifications()
    assert sorted(PaymentNotification.objects.values_list("check_result", "outcome")) == [
        ("rejected", "rejected"),
        ("verified", "applied"),
    ]
    assert Payment.objects.get().order.status == "paid"


def test_rejected_calls_above_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "REJECTED_PER_DAY", 2)
    build.build_alipay()
    for _ in range(5):
        build.post_alipay(b"nonsense")
    assert PaymentNotification.objects.count() == 2
    assert refused_calls() == {("/notify/alipay/demo-alipay/", "malformed"): 3}


def test_only_rejected_calls_expire() -> None:
    build.post_alipay(build.alipay_body(build.build_payment(build.build_alipay())))
    build.post_alipay(b"nonsense")
    PaymentNotification.objects.update(received_at=timezone.now() - timedelta(days=31))
    PaymentException.objects.all().delete()
    build.post_alipay(b"nonsense")
    kept = PaymentNotification.objects.order_by("id").values_list("check_result", flat=True)
    assert (list(kept), NotificationBody.objects.count()) == (["verified", "rejected"], 2)


def test_call_above_64_kib_is_413_and_counted() -> None:
    build.build_alipay()
    assert status_and_body(build.post_alipay(b"a=" + b"x" * 65_534)) == FAIL
    assert status_and_body(build.post_alipay(b"a=" + b"x" * 65_535)) == (413, b"fail")
    assert refused_calls() == {("/notify/alipay/", "too_large"): 1}


def streamed(body: bytes) -> Any:
    """A call sent in chunks, as the server hands it over: no length, and an input that ends."""
    extra: dict[str, Any] = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    return Client().post("/notify/alipay/demo-alipay/", content_type=build.FORM, **extra)


def test_chunked_call_is_taken_up_to_64_kib() -> None:
    payment = build.build_payment(build.build_alipay())
    body = build.alipay_body(payment)
    assert status_and_body(streamed(body)) == SUCCESS
    assert bytes(build.only_notification().raw.body) == body
    assert status_and_body(streamed(b"a=" + b"x" * 65_535)) == (413, b"fail")
    assert refused_calls() == {("/notify/alipay/", "too_large"): 1}


@pytest.mark.parametrize("paid_at", ["9999-12-31T23:59:59+00:00", "1970-01-01T00:00:00+00:00"])
def test_impossible_time_does_not_stop_the_money(paid_at: str) -> None:
    payment = build.build_payment(build.build_webhook())
    assert status_and_body(build.post_webhook(*build.webhook_call(payment, paid_at=paid_at))) == (204, b"")
    drain_notifications()
    row, order = build.only_notification(), Order.objects.get(pk=payment.order_id)
    assert (row.occurred_at, row.outcome, order.status, order.paid_at) == (
        None,
        "applied",
        "paid",
        row.received_at,
    )


@pytest.mark.parametrize("ahead", [timedelta(seconds=30), timedelta(hours=8)])
def test_no_payment_is_later_than_its_receipt(ahead: timedelta) -> None:
    """A clock that runs ahead, or Beijing's time that was taken for UTC."""
    payment = build.build_payment(build.build_webhook())
    paid_at = timezone.now() + ahead
    build.post_webhook(*build.webhook_call(payment, paid_at=paid_at.isoformat()))
    drain_notifications()
    row, paid = build.only_notification(), Payment.objects.get()
    assert (row.occurred_at, row.outcome) == (paid_at, "applied")
    assert (paid.paid_at, paid.order.paid_at) == (row.received_at, row.received_at)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_405_and_counted(method: str) -> None:
    build.build_alipay()
    response = Client().generic(method, "/notify/alipay/demo-alipay/", data=b"a=b")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert refused_calls() == {("/notify/alipay/", "method_not_allowed"): 1}
    assert PaymentNotification.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "counted"),
    [
        ("/notify/alipay/nobody/", "/notify/alipay/"),
        ("/notify/webhook/demo-alipay/", "/notify/webhook/"),
        ("/notify/nobody/nobody/", "/notify/*"),
        ("/notify/", "/notify/*"),
    ],
)
def test_an_unknown_account_is_404_and_counted(path: str, counted: str) -> None:
    build.build_alipay()
    assert Client().post(path, data=b"a=b", content_type=build.FORM).status_code == 404
    assert refused_calls() == {(counted, "unknown_account"): 1}


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"accept": "text/xml"}),
        ("?format=x", {}),
        ("?total_amount=0.01", {"accept": "application/json;q=0, */*;q=0"}),
        ("", {"authorization": "Basic !!!"}),
        ("", {"authorization": "Bearer nobody", "cookie": "sessionid=forged"}),
        ("", {"x-http-method-override": "DELETE", "accept-language": "xx"}),
        ("", {"host": "evil.example"}),
    ],
)
def test_query_and_odd_headers_change_nothing(query: str, headers: dict[str, str]) -> None:
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    client = Client(headers=headers)
    assert (
        status_and_body(
            client.post(f"/notify/alipay/demo-alipay/{query}", data=body, content_type=build.FORM)
        )
        == SUCCESS
    )
    kept = build.only_notification().raw.headers
    assert not {"Basic !!!", "Bearer nobody", "sessionid=forged"} & set(kept.values())


def test_unusual_genuine_form_is_applied() -> None:
    payment = build.build_payment(build.build_alipay())
    body = build.alipay_body(payment, subject="保温杯 1+1 &=", passback_params="", a_new_field="未知")
    content_type = "application/x-www-form-urlencoded;charset=GBK"
    assert status_and_body(build.post_alipay(body, content_type=content_type)) == SUCCESS
    drain_notifications()
    assert build.only_notification().outcome == "applied"


def test_no_other_middleware_runs(settings: Any) -> None:
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "payments.notifications.tests.test_receive.Tripwire"]
    Tripwire.calls = 0
    assert status_and_body(build.post_alipay(body)) == SUCCESS
    assert status_and_body(build.post_alipay(b"nonsense")) == FAIL
    assert Client().post("/notify/nobody/x/").status_code == 404
    assert Tripwire.calls == 0
    Client().get("/no-such-page/")
    assert Tripwire.calls == 1


class Tripwire:
    calls = 0

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        Tripwire.calls += 1
        return self.get_response(request)


def test_disabled_account_is_still_paid() -> None:
    account = build.build_alipay()
    payment = build.build_payment(account)
    PaymentAccount.objects.update(is_active=False)
    known_accounts.forget(("alipay", account.slug))
    assert status_and_body(build.post_alipay(build.alipay_body(payment))) == SUCCESS
    drain_notifications()
    assert Payment.objects.get().status == "paid"


def test_changed_key_is_seen_at_the_next_failure() -> None:
    account = build.build_alipay(alipay_public_key=key_pair("old alipay")[1])
    payment = build.build_payment(account)
    body = build.alipay_body(payment)
    assert status_and_body(build.post_alipay(body)) == FAIL
    old = known_accounts.get(("alipay", account.slug))
    assert old
    build.build_alipay()
    # What another process would still hold: the old key, loaded a few seconds ago.
    stale = replace(old, loaded_at=old.loaded_at - 5)
    known_accounts._keep(("alipay", account.slug), stale)
    assert status_and_body(build.post_alipay(body)) == SUCCESS


def test_huge_headers_are_cut_and_do_no_harm() -> None:
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    headers = {f"x-{number}": "v" * 5000 for number in range(100)} | {"x-odd": "é\x7f"}
    assert status_and_body(build.post_alipay(body, **headers)) == SUCCESS
    kept = build.only_notification().raw.headers
    assert len(kept) <= 40
    assert max(map(len, kept.values())) == 1000


@pytest.mark.parametrize("provider", ["alipay", "webhook"])
def test_failed_write_is_503_and_never_success(provider: str) -> None:
    alipay, webhook = build.build_alipay(), build.build_webhook()
    body, headers = build.webhook_call(build.build_payment(webhook))
    form_body = build.alipay_body(build.build_payment(alipay))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_paymentnotification RENAME TO elsewhere")
    try:
        if provider == "alipay":
            assert status_and_body(build.post_alipay(form_body)) == (503, b"fail")
        else:
            assert build.post_webhook(body, headers).status_code == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO payments_paymentnotification")
    assert PaymentNotification.objects.count() == 0


def test_deep_and_doubled_json_is_refused() -> None:
    build.build_webhook()
    for text in (
        b'{"type":"a","type":"b","data":{}}',
        b"[" * 30_000 + b"]" * 30_000,
        b'{"data":{"reference":"\\u0000"}}',
    ):
        body, headers = build.sign_webhook(text)
        response = build.post_webhook(body, headers)
        assert (response.status_code, json.loads(response.content)["code"]) == (400, "malformed")


def test_account_of_another_merchant_is_kept() -> None:
    account = build.build_alipay()
    other = build.build_merchant("other")
    with pytest.raises(Exception, match="account_of_another"):
        save_account(
            account.slug, provider="webhook", merchant=other, values={"secret": build.WEBHOOK_SECRET}
        )
    assert PaymentAccount.objects.get().provider == "alipay"
