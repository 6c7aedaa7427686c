"""The same truth about an order on every page, said to staff, merchant and buyer; and what can be done, beside it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from logistics.tests.builders import build_shipment
from orders import about as orders_about
from orders import closing, machine
from orders.history.lines import Actor
from orders.models import ApiClient, MerchantMember, Order
from orders.tests.builders import build_merchant, build_order, build_order_in
from payments.manual import revive, settle
from payments.manual.tests.proposals import late_payment, wish_for
from payments.models import Payment, PaymentQuery
from payments.refunds.tests.builders import paid_payment, requested_refund, staff
from payments.tests.builders import build_payment, build_webhook
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db


def chinese(client: Client) -> Client:
    client.cookies["django_language"] = "zh-hans"
    return client


def office(role: str = "supervisor") -> Client:
    client = Client()
    client.force_login(staff(role, f"{role}-reader"))
    return chinese(client)


def shop() -> Client:
    client = Client()
    user, _made = User.objects.get_or_create(username="merchant")
    MerchantMember.objects.get_or_create(merchant=build_merchant(), user=user)
    client.force_login(user)
    return chinese(client)


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def desk_page(order: Order, role: str = "supervisor") -> str:
    return text(office(role), f"/admin/orders/order/{order.pk}/change/")


def box(page: str) -> str:
    """The box «next step»."""
    return page.partition("<h2>下一步</h2>")[2].partition("</section>")[0]


def shop_page(order: Order) -> str:
    return text(shop(), f"/shop/orders/{order.number}/")


def track_page(order: Order) -> str:
    return text(chinese(Client()), f"/track/{order.tracking_token}/")


def return_page(payment: Payment) -> str:
    return text(chinese(Client()), f"/pay/return/{payment.reference}/")


def do(case_id: int, code: str) -> str:
    return f'href="/admin/payments/paymentexception/{case_id}/do/{code}/"'


def test_late_payment_on_every_page() -> None:
    payment, case = late_payment()
    pages = [
        desk_page(payment.order), shop_page(payment.order), track_page(payment.order), return_page(payment),
        text(shop(), "/shop/orders/"), text(office(), "/admin/orders/order/"),
    ]  # fmt: skip
    for page in pages:
        assert [words for words in ("未付款", "没有付款", "无需处理") if words in page] == []
    assert f'/paymentexception/{case.pk}/change/">关闭后到账 ¥199.00</a>' in box(pages[0])
    assert "已收到买家付款 ¥199.00，正在处理。" in pages[1]
    assert "已收到您的付款" in pages[2]
    assert "商家正在处理，您无需再次付款。" in pages[3]
    assert 'data-state="late"' in pages[3]
    assert "已收到买家付款 ¥199.00，正在处理。" in pages[4]
    assert "关闭后到账" in pages[5]
    assert "有款待处理" in pages[5]
    assert "&lt;span" not in pages[5]


def test_case_has_its_buttons_on_the_order() -> None:
    payment, case = late_payment()
    found = box(desk_page(payment.order))
    assert do(case.pk, "refund") in found
    assert do(case.pk, "revive") in found
    assert f'action="/admin/payments/paymentexception/{case.pk}/do/take/"' in found
    assert do(case.pk, "resolve") not in found
    assert "/do/" not in box(desk_page(payment.order, "viewer"))


def test_revival_that_waits_replaces_the_buttons() -> None:
    payment, case = late_payment()
    request = revive.propose(
        payment.pk, user=staff("finance"), reason="有货", stock_confirmed=True, case_id=case.pk
    )
    found = box(desk_page(payment.order))
    assert "恢复订单申请 ¥199.00（finance 提出）待复核。" in found
    assert f'href="/admin/payments/revivalrequest/{request.pk}/change/"' in found
    assert do(case.pk, "refund") not in found
    assert do(case.pk, "revive") not in found
    assert "请与买家确认" not in found


def test_settlement_that_waits_is_said() -> None:
    order, account = build_order(), build_webhook()
    request = settle.propose(wish_for(order, account), user=staff("finance"))
    page = box(desk_page(order))
    assert "补单申请 ¥199.00（finance 提出）待复核。" in page
    assert f'/admin/payments/settlementrequest/{request.pk}/change/"><span' in page
    assert "/settlementrequest/add/" not in page
    assert "正在核对买家的付款 ¥199.00。" in shop_page(order)
    assert "正在核对您的付款" in track_page(order)


def test_refund_that_waits_is_said() -> None:
    payment = paid_payment(status="shipped")
    requested_refund(payment, "60.00", user=staff("agent", refund="0"))
    assert "退款申请 ¥60.00 待审批。" in box(desk_page(payment.order))
    assert "退款 ¥60.00 待审批。" in shop_page(payment.order)
    assert "不会发货" not in box(desk_page(payment.order))


def test_silent_provider_on_every_page() -> None:
    payment = build_payment(build_webhook(query_url=f"{nobody()}/query"))
    assert "暂时无法确认您的付款" in return_page(payment)
    assert PaymentQuery.objects.get().error_code == "provider_unreachable"
    found = box(desk_page(payment.order, "agent"))
    assert "无法确认是否付款：Webhook 渠道最近 1 次查单没有应答。也没有收到支付通知。" in found
    assert f'method="post" action="/admin/payments/payment/{payment.pk}/do/ask/"' in found
    assert f'href="/admin/payments/settlementrequest/add/?order={payment.order.number}"' in found
    assert "无法确认是否付款" in shop_page(payment.order)
    assert "您的付款" not in shop_page(payment.order)
    assert "暂时无法确认您的付款" in track_page(payment.order)


def test_partial_refund_in_the_merchants_head() -> None:
    order = paid_payment(status="shipped").order
    Order.objects.update(refunded_amount="50.00")
    head = shop_page(order).partition('<p class="notice')[0]
    assert "已退款 ¥50.00" in head


@pytest.mark.parametrize("is_shipped", [False, True])
def test_buyer_reads_that_all_is_refunded(is_shipped: bool) -> None:
    order = build_shipment().order if is_shipped else build_order_in("paid")
    Order.objects.filter(pk=order.pk).update(status="refunded", refunded_amount=order.total_amount)
    page = track_page(order)
    assert "订单已退款" in page
    assert "已按原支付方式退回。" in page


def test_attempt_of_an_order_paid_by_another() -> None:
    account = build_webhook()
    order = build_order_in("paid", merchant=account.merchant)
    page = return_page(build_payment(account, order=order))
    assert 'data-state="paid"' in page
    assert "谢谢" in page


def test_closed_attempt_of_a_paid_order() -> None:
    account = build_webhook()
    order = build_order_in("paid", merchant=account.merchant)
    page = return_page(build_payment(account, order=order, status="closed"))
    assert "没有扣款" not in page
    assert "仓库正在备货" in page


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.mark.parametrize("address", ["/shop/orders/", "/admin/orders/order/"])
def test_lists_take_a_fixed_number_of_queries(address: str) -> None:
    client = shop() if address.startswith("/shop") else office()
    account = build_webhook()
    for number in range(12):
        order = build_order_in("closed", merchant=account.merchant)
        paid = build_payment(account, order=order, status="paid", is_surplus=True)
        PaymentQuery.objects.create(payment=paid, answer="paid")
        if number == 1:
            few = queries_of(client, address)
    assert queries_of(client, address) == few <= 14


def test_client_of_the_api_has_its_name() -> None:
    order = build_order()
    client = ApiClient.objects.create(merchant=order.merchant, name="旺店通 ERP", token_digest="x")
    actor = Actor("client", str(client.pk))
    closing.cancel(order.number, reason="买错了", actor=actor, trigger=machine.BUYER_CANCEL)
    assert desk_page(order).count("API 客户端 旺店通 ERP") == 2


def test_shipping_is_one_entry_of_the_timeline() -> None:
    order = build_shipment().order
    titles = [entry.title for entry in orders_about.timeline(order)]
    assert len(titles) == order.events.count() - 1
    assert titles[-1] == "已支付 → 已发货"
