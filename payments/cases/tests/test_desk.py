"""The desk of payment exceptions: whose a case is, what was done about it, and the way out of each kind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.models import Order, OrderEvent
from orders.tests.builders import build_order
from ordersite.lib.errors import DomainError
from payments.cases import desk, remedies
from payments.manual.tests.proposals import NUMBER, PDF, late_payment, lines_of, person
from payments.models import (
    Payment,
    PaymentException,
    PaymentExceptionStep,
    RefundRequest,
    RevivalRequest,
    SettlementRequest,
)
from payments.tests.builders import build_alipay, build_payment, build_webhook

pytestmark = pytest.mark.django_db
Kind = PaymentException.Kind


def logged_in(user: User) -> Client:
    client = Client(headers={"accept-language": "zh-hans"})
    client.force_login(user)
    return client


def steps_of(case: PaymentException) -> list[tuple[str, str, str]]:
    steps = PaymentExceptionStep.objects.filter(exception=case).select_related("user")
    return [(step.action, step.user.get_username() if step.user else "", step.note) for step in steps]


def do(case: PaymentException, code: str) -> str:
    return reverse("admin:payments_paymentexception_do", args=[case.pk, code])


def offered(client: Client, case: PaymentException) -> list[str]:
    page = client.get(reverse("admin:payments_paymentexception_change", args=[case.pk]))
    assert page.status_code == 200
    return [button["action"].code for button in page.context["confirmed_actions"]]


def test_assigned_and_resolved_with_every_step() -> None:
    _payment, case = late_payment()
    wang, li = person("wang"), person("li")
    client = logged_in(wang)
    client.post(do(case, "take"))
    client.post(do(case, "assign"), {"colleague": li.pk})
    case.refresh_from_db()
    assert case.owner == li
    client.post(do(case, "resolve"), {"reason": "买家不要了,已线下退款"})
    case.refresh_from_db()
    assert (case.resolved_by, case.resolution) == (wang, "买家不要了,已线下退款")
    assert steps_of(case) == [
        ("taken", "wang", ""),
        ("assigned", "wang", "li"),
        ("resolved", "wang", "买家不要了,已线下退款"),
    ]
    assert case.order is not None
    assert lines_of(case.order)[-1] == ("case_resolved", "wang")


def test_resolving_needs_a_note_and_happens_once() -> None:
    _payment, case = late_payment()
    wang = person("wang")
    seq = Order.objects.get().history_seq
    with pytest.raises(DomainError, match="note_missing"):
        desk.resolve(case, user=wang, note=" ")
    assert (PaymentException.objects.get().resolved_at, steps_of(case)) == (None, [])
    desk.resolve(case, user=wang, note="done")
    for again in (
        lambda: desk.resolve(case, user=wang, note="again"),
        lambda: desk.assign(case, user=wang, to=wang),
        lambda: desk.assign(case, user=wang, to=person("li")),
    ):
        with pytest.raises(DomainError, match="already_resolved"):
            again()
    assert [action for action, _user, _note in steps_of(case)] == ["resolved"]
    assert Order.objects.get().history_seq == seq + 1


@pytest.mark.parametrize(
    "change",
    ["UPDATE payments_paymentexceptionstep SET words = 'x'", "DELETE FROM payments_paymentexceptionstep"],
)
def test_the_database_keeps_every_step(change: str) -> None:
    _payment, case = late_payment()
    desk.add_step(case.pk, PaymentExceptionStep.Action.NOTED, note="y")
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)
    assert steps_of(case) == [("noted", "", "y")]


def test_a_case_without_an_order_is_resolved_too() -> None:
    case = PaymentException.objects.create(kind=Kind.UNKNOWN_ORDER, dedup_key="x", account=build_webhook())
    desk.resolve(case, user=person("wang"), note="测试款")
    assert not OrderEvent.objects.exists()
    assert PaymentException.objects.get().resolution == "测试款"


def test_late_payment_offers_refund_and_revival() -> None:
    _payment, case = late_payment(build_alipay())
    client = logged_in(person("wang"))
    assert offered(client, case) == ["refund", "revive", "take", "assign", "resolve"]
    client.post(do(case, "revive"), {"reason": "买家还要", "stock_confirmed": "on"})
    request = RevivalRequest.objects.get()
    assert (request.case, request.stock_confirmed) == (case, True)
    assert steps_of(case) == [("revival_proposed", "wang", str(request))]
    client.post(do(case, "revive"), {"reason": "x"})
    assert RevivalRequest.objects.count() == 1


def test_refund_from_the_case() -> None:
    payment, case = late_payment(build_alipay())
    logged_in(person("wang")).post(do(case, "refund"), {"reason": "买家不要了"})
    request = RefundRequest.objects.get()
    assert (request.payment, request.amount, request.reason) == (payment, payment.amount, "买家不要了")
    assert steps_of(case) == [("refund_requested", "wang", request.reference)]
    case.refresh_from_db()
    assert not remedies.can_refund(PaymentException.objects.get())


def test_stale_remedy_is_refused() -> None:
    payment, case = late_payment(build_alipay())
    client = logged_in(person("wang"))
    Payment.objects.update(is_surplus=False)
    for code in ("refund", "revive"):
        client.post(do(case, code), {"reason": "x", "stock_confirmed": "on"})
    for code in ("replay", "ask"):
        client.post(do(case, code))
    assert (RefundRequest.objects.count(), RevivalRequest.objects.count(), steps_of(case)) == (0, 0, [])
    assert Payment.objects.get(pk=payment.pk).status == "paid"


def test_unknown_order_leads_to_a_settlement() -> None:
    account = build_webhook()
    order = build_order(merchant=account.merchant)
    case = PaymentException.objects.create(
        kind=Kind.UNKNOWN_ORDER, dedup_key="x", account=account, amount=order.total_amount,
        detail={"provider_reference": NUMBER},
    )  # fmt: skip
    client = logged_in(person("wang"))
    assert offered(client, case) == ["settle", "take", "assign", "resolve"]
    address = reverse("admin:payments_settlementrequest_add") + f"?case={case.pk}"
    assert "order" not in client.get(address).context
    page = client.get(address + f"&order={order.number}")
    assert page.context["form"].initial == {"account": account.pk, "provider_reference": NUMBER}
    receipt = ContentFile(PDF, name="receipt.pdf")
    values = {
        "account": account.pk, "amount": "199.00", "provider_reference": NUMBER, "reason": "银行转账", "file": receipt,
    }  # fmt: skip
    answer = client.post(address + f"&order={order.number}", values)
    request = SettlementRequest.objects.get()
    assert answer.headers["Location"] == reverse("admin:payments_settlementrequest_change", args=[request.pk])
    assert (request.case, request.order, request.files.get().file_name) == (case, order, "receipt.pdf")


def test_refusal_goes_back_into_the_form() -> None:
    account = build_webhook()
    order = build_order(merchant=account.merchant)
    client = logged_in(person("wang"))
    address = reverse("admin:payments_settlementrequest_add") + f"?order={order.number}"
    values = {"account": account.pk, "amount": "199.00", "provider_reference": NUMBER, "reason": "x"}
    page = client.post(address, values)
    assert page.context["form"].non_field_errors() == ["需要凭证：一条流水行，或上传的文件。"]
    assert not SettlementRequest.objects.exists()


def test_evidence_download_needs_the_right() -> None:
    account = build_webhook()
    order = build_order(merchant=account.merchant)
    manual_client = logged_in(person("wang"))
    values = {
        "account": account.pk, "amount": "199.00", "provider_reference": NUMBER, "reason": "x",
        "file": ContentFile(PDF, name="receipt.pdf"),
    }  # fmt: skip
    manual_client.post(reverse("admin:payments_settlementrequest_add") + f"?order={order.number}", values)
    request = SettlementRequest.objects.get()
    address = reverse("admin:payments_settlementrequest_file", args=[request.pk, request.files.get().pk])
    answer = manual_client.get(address)
    assert b"".join(answer.streaming_content) == PDF  # type: ignore[attr-defined]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == 'attachment; filename="receipt.pdf"'
    assert logged_in(person("viewer", "viewer")).get(address).status_code == 403
    other = reverse("admin:payments_settlementrequest_file", args=[request.pk + 1, request.files.get().pk])
    assert manual_client.get(other).status_code == 404


def test_proposer_withdraws_and_others_decide() -> None:
    payment, case = late_payment()
    li, wang = person("li"), person("wang")
    logged_in(li).post(do(case, "revive"), {"reason": "x", "stock_confirmed": "on"})
    request = RevivalRequest.objects.get()
    page = reverse("admin:payments_revivalrequest_change", args=[request.pk])

    def codes(user: User) -> list[str]:
        return [one["action"].code for one in logged_in(user).get(page).context["confirmed_actions"]]

    assert (codes(li), codes(wang)) == (["withdraw"], ["approve", "refuse"])
    logged_in(wang).post(
        reverse("admin:payments_revivalrequest_do", args=[request.pk, "approve"]), {"reason": "有货"}
    )
    assert Order.objects.get(pk=payment.order_id).status == "paid"


def test_undecided_payment_is_queried() -> None:
    account = build_webhook()
    payment = build_payment(account)
    case = PaymentException.objects.create(
        kind=Kind.PROVIDER_SILENT, dedup_key="x", account=account, order=payment.order, payment=payment
    )
    client = logged_in(person("wang"))
    assert offered(client, case) == ["settle", "ask", "take", "assign", "resolve"]
    client.post(do(case, "ask"))
    assert steps_of(case) == [("asked", "wang", "")]


def test_filters_by_owner_and_age() -> None:
    account = build_webhook()
    wang = person("wang")
    for number, (owner, age) in enumerate([(wang, 0), (None, 2), (person("li"), 30)]):
        case = PaymentException.objects.create(
            kind=Kind.POISON, dedup_key=str(number), account=account, owner=owner
        )
        PaymentException.objects.filter(pk=case.pk).update(created_at=timezone.now() - timedelta(hours=age))
    client = logged_in(wang)

    def count(query: str) -> int:
        page = client.get(reverse("admin:payments_paymentexception_changelist") + query)
        return len(page.context["cl"].result_list)

    found = {
        query: count(query)
        for query in ("?owner=me", "?owner=nobody", "?owner=others", "?age=1h", "?age=1d", "")
    }
    assert found == {
        "?owner=me": 1,
        "?owner=nobody": 1,
        "?owner=others": 1,
        "?age=1h": 2,
        "?age=1d": 1,
        "": 3,
    }


def test_every_kind_has_advice() -> None:
    assert set(remedies.WHAT_TO_DO) == set(Kind)


def test_home_page_omits_own_proposals() -> None:
    _payment, case = late_payment()
    li, wang = person("li"), person("wang")
    logged_in(li).post(do(case, "revive"), {"reason": "x", "stock_confirmed": "on"})

    def tiles(user: User) -> list[str]:
        return [str(tile.label) for tile in logged_in(user).get(reverse("admin:index")).context["queues"]]

    assert tiles(wang) == ["待复核的恢复申请", "关闭后到账"]
    assert tiles(li) == ["关闭后到账"]
