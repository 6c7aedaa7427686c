"""One sentence of truth for each order: over all that can come together, none contradicts the money."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from orders.models import Order, OrderStatus
from orders.tests.builders import build_order_in
from orders.truth.facts import BuyerWords
from orders.truth.sentence import Truth, truth_of, truths_of
from payments.about.tests.orders_by_facts import Builder, Combination, combinations
from payments.manual.tests.proposals import late_payment
from payments.models import Payment, PaymentAccount, PaymentException, PaymentQuery
from payments.refunds.tests.builders import paid_payment, requested_refund, staff
from payments.tests.builders import alipay_body, build_alipay, build_payment, build_webhook, post_alipay

pytestmark = pytest.mark.django_db

UNPAID = (
    "未付款", "没有付款", "未支付", "等待买家付款", "等待付款", "付款时间已过", "即将关闭",
    "not paid", "unpaid", "without payment", "Waiting for the buyer's payment", "Waiting for payment",
    "The time to pay is over",
)  # fmt: skip
MOVING = (
    "等待仓库",
    "正在备货",
    "正在路上",
    "Waiting for the warehouse",
    "warehouse is packing",
    "on its way.",
)
REFUNDED = ("已退款", "已全额", "全部退", "已按原", "went back", "gone back to", "is refunded", "Refunded")
RECEIVED = ("已收到", "was received")
UNSURE = ("无法确认", "cannot be confirmed")
# These cases know themselves that money came or went, whatever the payments' rows say.
KNOWS_OF_MONEY = {"order_closed", "order_refused", "refund_event", "reversed"}


def voices(truth: Truth) -> str:
    """All first sentences of the three readers, and the marks of the lists."""
    marks = [line.mark for line in truth.marks if not line.code.startswith(("case_", "refund_", "request_"))]
    return " | ".join([truth.staff, truth.merchant, truth.buyer.title, truth.buyer.text, *marks])


def says(truth: Truth, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word in voices(truth)]


def contradictions(one: Combination, truth: Truth) -> list[str]:
    found = []
    if one.kept > 0:
        found += says(truth, UNPAID)
        found += says(truth, UNSURE)
    if one.money == "returned":
        found += says(truth, MOVING)
    if one.refunded == 0 and one.status != OrderStatus.REFUNDED and one.case not in KNOWS_OF_MONEY:
        found += says(truth, REFUNDED)
    if one.money == "none" and one.case not in KNOWS_OF_MONEY and one.request != "revival":
        found += says(truth, RECEIVED)
    return found


def first_code(one: Combination) -> str:
    """What must come first; empty: the state."""
    if one.case:
        return f"case_{one.case}"
    requests = {"approved": "refund_under_way", "ordered": "refund_under_way", "abnormal": "refund_stuck"}
    if one.request:
        return requests.get(one.request, f"request_{one.request.replace('proposed', 'refund')}")
    is_silent = not one.is_reachable and one.status == OrderStatus.PENDING and one.kept == 0
    if is_silent:
        return "silent"
    return "number_missing" if one.status == OrderStatus.SHIPPED else ""  # these orders have no parcels


def test_no_combination_contradicts_the_money() -> None:
    builder, wanted = Builder(build_webhook()), list(combinations())
    assert len(wanted) == 6 * (1 + len(PaymentException.Kind)) * 7 * 2 * 4

    wrong = []
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        orders = builder.build(part)
        for language in ("zh-hans", "en"):
            with translation.override(language):
                truths = truths_of(orders)
            for one, truth in zip(part, truths.values(), strict=True):
                assert all((truth.staff, truth.merchant, truth.buyer.title, truth.buyer.text)), one
                expected = first_code(one)
                assert truth.code == expected if expected else len(truth.lines) == 1, (one, truth.code)
                wrong += [(one, word, voices(truth)) for word in contradictions(one, truth)]
    assert wrong == []


def test_queries_do_not_grow_with_the_orders() -> None:
    builder = Builder(build_webhook())
    wanted = [one for one in combinations() if one.status in ("pending", "closed")][:200]
    builder.build(wanted)
    counted = []
    for count in (2, 150):
        with CaptureQueriesContext(connection) as queries:
            truths_of(list(Order.objects.order_by("-pk")[:count]))
        counted.append(len(queries) - 1)
    assert counted[0] <= counted[1] <= 6


def truth(order: Order, language: str = "zh-hans") -> Truth:
    with translation.override(language):
        return truth_of(Order.objects.get(pk=order.pk))


def test_closed_then_paid() -> None:
    payment, _case = late_payment()
    found = truth(payment.order)
    assert (found.code, found.staff, found.first.tone) == ("case_order_closed", "关闭后到账 ¥199.00", "bad")
    assert found.merchant == "已收到买家付款 ¥199.00，正在处理。"
    assert found.buyer == BuyerWords("已收到您的付款", "商家正在处理，您无需再次付款。")


def test_resolved_case_leaves_the_money() -> None:
    payment, _case = late_payment()
    PaymentException.objects.update(resolved_at=timezone.now())
    found = truth(payment.order)
    assert (found.code, found.staff) == ("closed_received", "已关闭。关闭后到账 ¥199.00，尚未退回。")
    assert found.buyer.title == "已收到您的付款"


def test_late_payment_sent_back() -> None:
    payment, _case = late_payment()
    Payment.objects.update(status="refunded", refunded_amount="199.00")
    found = truth(payment.order)
    assert (found.staff, found.merchant) == (
        "关闭后到账 ¥199.00",
        "已关闭。关闭后到账的 ¥199.00 已全额退回。",
    )
    assert found.buyer == BuyerWords("订单已退款", "¥199.00 已按原支付方式退回。")


def test_refund_that_waits_goes_before_the_state() -> None:
    payment = paid_payment(status="paid")
    agent = staff("agent", refund="0")
    requested_refund(payment, "60.00", user=agent)
    found = truth(payment.order)
    assert found.code == "request_refund"
    assert found.staff == "退款申请 ¥60.00 待审批。"
    assert found.merchant == "退款 ¥60.00 待审批。期间订单不会发货。"
    assert found.buyer == BuyerWords("退款审核中", "商家正在审核 ¥60.00 的退款。")


def test_partial_refund_is_added_to_the_state() -> None:
    payment = paid_payment(status="shipped")
    Order.objects.update(refunded_amount="50.00")
    found = truth(payment.order)
    assert (found.code, found.lines[-1].mark) == ("number_missing", "部分退款")  # it has no parcel
    assert found.lines[-1].merchant.endswith("已退款 ¥50.00。")
    assert found.buyer.text == "您的包裹正在路上。已退款 ¥50.00。"


def test_fully_refunded() -> None:
    found = truth(build_order_in("refunded"))
    assert found.buyer == BuyerWords("订单已退款", "¥199.00 已按原支付方式退回。")
    assert found.merchant == "已退款给买家：¥199.00。"


def silent_payment(account: PaymentAccount | None = None) -> Payment:
    payment = build_payment(account or build_alipay())
    PaymentQuery.objects.create(payment=payment, error_code="provider_http_error", error="HTTP 500", times=3)
    return payment


def test_silent_provider() -> None:
    found = truth(silent_payment().order)
    assert found.code == "silent"
    assert found.staff == "无法确认是否付款：支付宝最近 3 次查单没有应答。也没有收到支付通知。"
    assert found.merchant == "支付宝没有应答，无法确认是否付款。"
    assert found.buyer.text == "支付宝没有应答。如果您已付款，款项不会丢失，请不要重复付款。"


def test_silent_provider_with_a_notification() -> None:
    payment = silent_payment()
    post_alipay(alipay_body(payment))
    assert truth(payment.order).staff == "无法确认是否付款：支付宝最近 3 次查单没有应答。"


def test_answer_ends_the_silence() -> None:
    payment = silent_payment()
    PaymentQuery.objects.create(payment=payment, answer="pending")
    assert truth(payment.order).code == "pending"


def test_open_circuit_is_silence() -> None:
    payment = build_payment(build_alipay())
    later = timezone.now() + timedelta(minutes=5)
    PaymentAccount.objects.update(failures_in_a_row=6, next_call_at=later)
    found = truth(payment.order, "en")
    assert found.code == "silent"
    assert found.staff.startswith(
        "It cannot be confirmed whether the buyer has paid: Alipay does not answer. "
        "No payment notification has arrived. Queries are paused for"
    )


def test_refused_query_is_no_silence_of_the_provider() -> None:
    payment = build_payment(build_alipay())
    PaymentQuery.objects.create(payment=payment, error_code="provider_refused", error="ACQ.INVALID_PARAMETER")
    assert "支付宝拒绝了查单（ACQ.INVALID_PARAMETER），无法确认是否付款。" in truth(payment.order).staff


def test_start_that_failed() -> None:
    payment = build_payment(build_alipay(), status="created", last_answer="provider_timeout: no answer")
    found = truth(payment.order)
    assert found.code == "unstarted"
    assert found.staff == "支付单没有创建成功：支付宝没有应答。买家可换一种方式付款。"
    PaymentQuery.objects.create(payment=payment, answer="not_found")
    assert truth(payment.order).code == "pending"


def test_money_goes_before_what_is_unsure() -> None:
    payment, _case = late_payment()
    PaymentException.objects.create(kind="statement_difference", dedup_key="later", order=payment.order)
    found = truth(payment.order)
    assert [line.code for line in found.lines] == [
        "case_order_closed", "case_statement_difference", "closed_received",
    ]  # fmt: skip
