"""The page where the buyer chooses how to pay an order: any way, always the same order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from orders.models import Order
from orders.tests.builders import build_merchant, build_order, build_order_in
from payments.models import Payment, PaymentAccount, PaymentStatus
from payments.tests.builders import build_alipay, build_webhook
from payments.tests.sandbox_accounts import (
    open_cashier,
    sandbox_alipay,
    sandbox_webhook,
    start_sandbox_attempt,
)
from payments.tests.steps import fresh
from sandbox.tests.nobody import nobody
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def address_of(order: Order) -> str:
    return f"/pay/order/{order.tracking_token}/"


def test_another_way_pays_the_same_order(box: Running) -> None:
    alipay, other = sandbox_alipay(box), sandbox_webhook(box)
    first = start_sandbox_attempt(alipay)
    open_cashier(box, first)

    page = Client().get(address_of(first.order)).content.decode()
    assert [f'value="{account.slug}"' in page for account in (alipay, other)] == [True, True]

    chosen = Client().post(address_of(first.order), {"account": other.slug})
    second = Payment.objects.latest("pk")
    assert (chosen.status_code, chosen.headers["Location"]) == (303, second.pay_url)
    assert (second.order_id, second.account_id) == (first.order_id, other.pk)
    assert box.trade(first.reference)["state"] == "closed"
    assert fresh(first).status == PaymentStatus.CLOSED
    assert Order.objects.count() == 1


def test_same_way_leads_back_to_its_cashier(box: Running) -> None:
    first = start_sandbox_attempt(sandbox_alipay(box))
    chosen = Client().post(address_of(first.order), {"account": "demo-alipay"})
    assert (chosen.status_code, chosen.headers["Location"]) == (303, first.pay_url)
    assert Payment.objects.count() == 1


def test_silent_provider_is_said_and_others_offered() -> None:
    order = build_order()
    build_webhook(pay_url=f"{nobody()}/pay", query_url=f"{nobody()}/query")
    build_alipay()
    zh = Client(headers={"Accept-Language": "zh-hans"})
    answer = zh.post(address_of(order), {"account": "demo-webhook"})
    page = answer.content.decode()
    assert (answer.status_code, "暂时没有应答" in page) == (502, True)
    assert 'value="demo-alipay"' in page
    assert zh.post(address_of(order), {"account": "demo-alipay"}).status_code == 303


@pytest.mark.parametrize("account", ["", "nobody", "other-alipay", "disabled", "no-page"])
def test_what_is_not_offered_starts_nothing(account: str) -> None:
    order = build_order()
    build_alipay("other-alipay", merchant=build_merchant("other"))
    build_alipay("disabled")
    build_webhook("no-page")
    PaymentAccount.objects.filter(slug="disabled").update(is_active=False)
    assert Client().post(address_of(order), {"account": account}).status_code == 400
    assert Payment.objects.count() == 0


@pytest.mark.parametrize("status", ["paid", "shipped", "closed", "refunded"])
def test_nothing_to_pay_leads_to_the_order(status: str) -> None:
    order = build_order_in(status)
    build_alipay()
    for answer in (
        Client().get(address_of(order)),
        Client().post(address_of(order), {"account": "demo-alipay"}),
    ):
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/track/{order.tracking_token}/")
    assert Payment.objects.count() == 0


def test_overdue_order_is_not_offered() -> None:
    order = build_order(due_in=timedelta(seconds=-1))
    build_alipay()
    assert Client().get(address_of(order)).status_code == 303


def test_two_accounts_of_a_provider_differ() -> None:
    order = build_order()
    build_alipay()
    build_alipay("second-alipay")
    page = Client(headers={"Accept-Language": "zh-hans"}).get(address_of(order)).content.decode()
    assert ("<span>支付宝</span>" in page, "<span>支付宝 2</span>" in page) == (True, True)


def test_ways_stand_provider_by_provider(box: Running) -> None:
    order = build_order()
    sandbox_webhook(box)
    sandbox_alipay(box)
    page = Client().get(address_of(order)).content.decode()
    assert 0 < page.index('value="demo-alipay"') < page.index('value="demo-webhook"')


def test_page_is_private_and_guarded() -> None:
    order = build_order()
    build_alipay()
    page = Client().get(address_of(order))
    assert ("no-store" in page.headers["Cache-Control"], "noindex" in page.headers["X-Robots-Tag"]) == (
        True,
        True,
    )
    assert Client().get("/pay/order/0123456789abcdef0123/").status_code == 404
    forged = Client(enforce_csrf_checks=True).post(address_of(order), {"account": "demo-alipay"})
    assert (forged.status_code, Payment.objects.count()) == (403, 0)
