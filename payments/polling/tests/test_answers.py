"""What a provider answered is kept: each answer once, equal ones counted; and staff query in one click."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import translation
from pytest_httpserver import HTTPServer

from orders.models import OrderStatus
from orders.tests.builders import build_order_in
from payments.about.labels import answer_label
from payments.about.timeline import timeline
from payments.models import Payment, PaymentAccount, PaymentQuery, PaymentStatus
from payments.polling import poll
from payments.refunds.labels import answer_label as refund_answer_label
from payments.refunds.tests.builders import staff
from payments.tests.builders import build_payment
from payments.tests.fake_provider import answer_with, due_payment, pollable, serving
from payments.tests.steps import fresh, long_ago

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    with serving() as server:
        yield server


@pytest.fixture
def agent() -> Client:
    client = Client()
    client.force_login(staff("agent"))
    client.cookies["django_language"] = "zh-hans"
    return client


def kept() -> list[tuple[str, str, int]]:
    return list(PaymentQuery.objects.values_list("answer", "error_code", "times"))


def query(payment: Payment) -> None:
    Payment.objects.update(last_query_at=None)
    poll.query_now(fresh(payment))


def test_equal_answers_are_counted(provider: HTTPServer) -> None:
    payment = build_payment(pollable(provider))
    provider.expect_request("/query").respond_with_data(status=500)
    query(payment)
    query(payment)
    provider.clear()
    answer_with(provider, "pending")
    query(payment)
    query(payment)
    query(payment)
    assert kept() == [("", "provider_http_error", 2), ("pending", "", 3)]
    first, last = PaymentQuery.objects.all()
    assert first.first_at < first.last_at < last.first_at < last.last_at


def test_background_polls_are_kept_too(provider: HTTPServer) -> None:
    provider.expect_request("/query").respond_with_data(status=500)
    due_payment(pollable(provider))
    poll.poll_providers()
    assert kept() == [("", "provider_http_error", 1)]


def test_failed_queries_stand_in_the_timeline(provider: HTTPServer) -> None:
    payment = build_payment(pollable(provider))
    provider.expect_request("/query").respond_with_data(status=500)
    query(payment)
    query(payment)
    with translation.override("zh-hans"):
        entry = timeline(payment.order)[-1]
    assert (entry.title, entry.tone) == ("查单：Webhook 渠道没有应答", "bad")
    assert "起 2 次" in entry.detail
    assert "provider_http_error" not in entry.detail
    assert "500" in entry.detail


def ask(client: Client, payment: Payment) -> tuple[str, str]:
    """Press the button; the message and its level. It leads back to the order's page."""
    answer = client.post(f"/admin/payments/payment/{payment.pk}/do/ask/")
    assert answer["Location"] == f"/admin/orders/order/{payment.order_id}/change/"
    *_earlier, message = get_messages(answer.wsgi_request)
    return str(message), message.level_tag


def test_no_answer_is_called_so(agent: Client, provider: HTTPServer) -> None:
    provider.expect_request("/query").respond_with_data(status=500)
    payment = build_payment(pollable(provider))
    assert ask(agent, payment) == ("Webhook 渠道没有应答，无法确认是否付款。", "error")
    assert ask(agent, payment) == ("没有查单：三秒内刚查过。", "info")
    page = agent.get(f"/admin/orders/order/{payment.order_id}/change/").content.decode()
    assert "无法确认是否付款：Webhook 渠道最近 1 次查单没有应答。也没有收到支付通知。" in page
    assert "provider_http_error" not in page
    assert fresh(payment).status == PaymentStatus.OPEN


def test_open_circuit_is_called_so(agent: Client, provider: HTTPServer) -> None:
    payment = build_payment(pollable(provider))
    PaymentAccount.objects.update(failures_in_a_row=6, next_call_at=long_ago(minutes=-5))
    text, level = ask(agent, payment)
    assert text.startswith("Webhook 渠道没有应答，无法确认是否付款。查单已暂停，")
    assert text.endswith("后再试，这次没有查。")
    assert (level, provider.log) == ("error", [])


@pytest.mark.parametrize(
    ("status", "text", "level"),
    [
        ("pending", "Webhook 渠道应答：尚未付款。", "info"),
        ("succeeded", "Webhook 渠道应答：已付款。订单当前状态：已支付。", "success"),
    ],
)
def test_answer_is_shown_as_it_is(
    agent: Client, provider: HTTPServer, status: str, text: str, level: str
) -> None:
    answer_with(provider, status)
    assert ask(agent, build_payment(pollable(provider))) == (text, level)


def test_closed_attempt_is_queried_by_staff(agent: Client, provider: HTTPServer) -> None:
    answer_with(provider, "succeeded")
    account = pollable(provider)
    payment = build_payment(
        account, order=build_order_in("closed", merchant=account.merchant), status="closed"
    )
    assert poll.query_now(fresh(payment)) is False
    assert ask(agent, payment) == ("Webhook 渠道应答：已付款，但需要人工处理：关闭后到账。", "warning")
    late = fresh(payment)
    assert (late.status, late.order.status) == (PaymentStatus.PAID, OrderStatus.CLOSED)


def test_settled_attempt_is_not_queried(agent: Client, provider: HTTPServer) -> None:
    payment = build_payment(pollable(provider), status="paid")
    assert ask(agent, payment)[0].startswith("没有查单：款项已到账。")
    assert provider.log == []


def test_viewer_may_not_query(provider: HTTPServer) -> None:
    payment, client = build_payment(pollable(provider)), Client()
    client.force_login(staff("viewer"))
    assert client.post(f"/admin/payments/payment/{payment.pk}/do/ask/").status_code == 403
    assert (provider.log, kept()) == ([], [])


def test_errors_are_shown_without_their_code() -> None:
    with translation.override("zh-hans"):
        assert refund_answer_label("provider_http_error: 支付宝没有应答") == "支付宝没有应答"
        assert answer_label("provider_http_error: 支付宝没有给出可用的应答：HTTP 500") == (
            "支付宝没有给出可用的应答：HTTP 500"
        )
        assert answer_label("provider_timeout: The other side did not answer in full.") == "超时未应答"
        assert (answer_label("pending"), answer_label("")) == ("尚未付款", "–")
