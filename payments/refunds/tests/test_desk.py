"""The refund desk in the back office: from the order's page to the provider, in the browser's words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from orders.models import Merchant, Order
from payments.models import RefundRequest
from payments.refunds.tests.builders import (
    fresh_request,
    order_of,
    paid_payment,
    requested_refund,
    staff,
    surplus_payment,
)

pytestmark = pytest.mark.django_db


def browser(user: User) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(user)
    client.cookies["django_language"] = "en"
    return client


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, (url, answer.status_code)
    return answer.content.decode()


def test_from_the_orders_page_to_a_request() -> None:
    payment, client = paid_payment(total="199.00"), browser(staff("agent"))
    form = f"/admin/payments/payment/{payment.pk}/do/refund/"
    assert form in page(client, f"/admin/orders/order/{payment.order_id}/change/")
    assert 'value="199.00"' in page(client, form)
    answer = client.post(form, {"amount": "60.00", "reason": "broken cup"})
    assert answer["Location"].endswith(f"/admin/orders/order/{payment.order_id}/change/")
    request = RefundRequest.objects.get()
    assert (request.amount, request.reason, request.status) == (Decimal("60.00"), "broken cup", "proposed")
    shown = page(client, f"/admin/orders/order/{payment.order_id}/change/")
    assert f"/admin/payments/refundrequest/{request.pk}/change/" in shown
    assert "A refund of ¥60.00 is under way" in shown
    assert 'value="139.00"' in page(client, form)


def test_more_than_is_left_changes_nothing() -> None:
    payment, client = paid_payment(total="199.00"), browser(staff("agent"))
    answer = client.post(
        f"/admin/payments/payment/{payment.pk}/do/refund/", {"amount": "199.01", "reason": "x"}, follow=True
    )
    assert "no more than ¥199.00 can be given back" in answer.content.decode()
    assert (RefundRequest.objects.count(), order_of(payment).refunds_pending) == (0, Decimal("0.00"))


def test_person_without_right_is_refused() -> None:
    payment, client = paid_payment(), browser(staff("viewer"))
    form = f"/admin/payments/payment/{payment.pk}/do/refund/"
    assert form not in page(client, f"/admin/orders/order/{payment.order_id}/change/")
    assert client.post(form, {"amount": "1.00", "reason": "x"}).status_code == 403
    request = requested_refund(payment, "1.00", user=staff("agent"))
    for code in ("approve", "refuse", "withdraw", "try"):
        address = f"/admin/payments/refundrequest/{request.pk}/do/{code}/"
        assert client.post(address, {"reason": "x"}).status_code == 403
    assert fresh_request(request).status == "proposed"


def test_queue_lists_requests_for_their_approver() -> None:
    request = requested_refund(paid_payment(), "60.00", user=staff("agent", "li"))
    client = browser(staff("supervisor"))
    queue = page(client, "/admin/payments/refundrequest/")
    assert request.reference in queue
    assert "a second person&#x27;s approval" in queue
    assert "refunds to approve" in page(client, "/admin/")
    detail = page(client, f"/admin/payments/refundrequest/{request.pk}/change/")
    assert "do/approve/" in detail
    assert "do/withdraw/" not in detail
    assert "¥139.00" in page(client, f"/admin/payments/refundrequest/{request.pk}/do/approve/")
    client.post(f"/admin/payments/refundrequest/{request.pk}/do/approve/", {"reason": "seen the photo"})
    approved = fresh_request(request)
    assert (approved.status, approved.decision_note) == ("approved", "seen the photo")
    assert request.reference not in page(client, "/admin/payments/refundrequest/?state=waiting")
    assert request.reference in page(client, "/admin/payments/refundrequest/?state=under_way")


def test_self_approval_needs_single_operator() -> None:
    boss = staff("supervisor")
    request, client = requested_refund(paid_payment(), user=boss), browser(boss)
    address = f"/admin/payments/refundrequest/{request.pk}/change/"
    assert ("do/withdraw/" in page(client, address), "do/approve/" in page(client, address)) == (True, False)
    response = client.post(
        f"/admin/payments/refundrequest/{request.pk}/do/approve/", {"reason": "me"}, follow=True
    )
    assert "ask a colleague" in response.content.decode()
    assert fresh_request(request).status == "proposed"
    Merchant.objects.update(allows_single_operator=True)
    assert "do/approve/" in page(client, address)


def test_a_refund_number_finds_its_order() -> None:
    request, client = requested_refund(surplus_payment(), "199.00"), browser(staff("agent"))
    found = client.get(f"/admin/orders/order/find/?q={request.reference}")
    assert found["Location"].endswith(f"/admin/orders/order/{request.order_id}/change/")
    assert Order.objects.count() == 1


def test_refused_form_keeps_what_was_typed() -> None:
    payment, client = paid_payment(total="2568.00"), browser(staff("agent"))
    form = f"/admin/payments/payment/{payment.pk}/do/refund/"

    answer = client.post(form, {"amount": "9999.00", "reason": "broken on the way"})

    shown = answer.content.decode()
    assert answer.status_code == 200
    assert "no more than ¥2,568.00 can be given back" in shown
    assert ('value="9999.00"' in shown, "broken on the way" in shown) == (True, True)
    assert RefundRequest.objects.count() == 0


@pytest.mark.parametrize(("status", "is_said"), [("paid", True), ("shipped", False), ("completed", False)])
def test_only_what_has_not_shipped_is_said_to_wait(status: str, is_said: bool) -> None:
    payment, client = paid_payment(status=status), browser(staff("agent"))
    form = f"/admin/payments/payment/{payment.pk}/do/refund/"

    question = page(client, form)
    answer = client.post(form, {"amount": "60.00", "reason": "broken"}, follow=True)

    said = [str(message) for message in answer.context["messages"]]
    waits = "The refund waits for the approval of a second person."
    assert said == [f"{waits} The order does not ship meanwhile." if is_said else waits]
    assert "An order that has not shipped does not ship until that has ended." in question
