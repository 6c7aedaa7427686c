"""The review desk: what a decision does to the order and its money, who may decide, and what the pages say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from orders.approvals import workflow
from orders.models import HoldReview, Order, OrderEvent
from orders.tests.builders import build_order, build_order_in, move
from ordersite.admin.bulk_operations import OPERATIONS
from ordersite.bulk_jobs.models import BulkJob
from ordersite.bulk_jobs.run import run_bulk_jobs
from ordersite.hold_desk.tests.builders import DESK, hold, member, page_of
from payments.models import RefundRequest
from payments.refunds.approval import REFUND
from payments.refunds.tests.builders import order_of, paid_payment, staff
from payments.tests.builders import build_payment, build_webhook

pytestmark = pytest.mark.django_db


def decide(client: Client, review: HoldReview, what: str, reason: str = "checked") -> Any:
    return client.post(page_of(review, f"do/{what}/"), {"reason": reason}, follow=True)


def state_of(review: HoldReview) -> tuple[str, str]:
    found = HoldReview.objects.get(pk=review.pk)
    return found.state, found.decided_by.get_username() if found.decided_by else ""


def order_row(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


# --- decisions ------------------------------------------------------------------------------------------------------


def test_a_release_lets_the_order_ship() -> None:
    order = build_order_in("paid")
    review = hold(order)

    page = decide(member("supervisor"), review, "release", "gifts of a company")

    assert "The order is released." in page.content.decode()
    assert state_of(review) == ("released", "supervisor")
    assert order_row(order).held is False
    assert LogEntry.objects.get().change_message == "release: gifts of a company"


def test_closing_an_unpaid_order_closes_it() -> None:
    order = build_order()
    review = hold(order)

    page = decide(member("supervisor"), review, "close", "a bot")

    assert "The order is closed." in page.content.decode()
    assert (order_row(order).status, *state_of(review)) == ("closed", "closed", "supervisor")
    line = OrderEvent.objects.filter(order=order).latest("seq")
    assert (line.trigger, line.actor_id) == ("staff_cancel", "supervisor")


def test_a_started_payment_is_asked_for_first() -> None:
    account = build_webhook()
    order = build_order(merchant=account.merchant)
    build_payment(account, order=order)
    review = hold(order)

    page = decide(member("supervisor"), review, "close")

    assert "The payment provider is queried first" in page.content.decode()
    after = order_row(order)
    assert (after.status, after.closing_at is not None, state_of(review)[0]) == ("pending", True, "closed")


def test_closing_a_paid_order_takes_two_persons() -> None:
    payment = paid_payment()
    order = order_of(payment)
    review = hold(order)

    page = decide(member("supervisor"), review, "close", "brushing")

    assert "Its refund is requested" in page.content.decode()
    request = RefundRequest.objects.get()
    assert (request.amount, request.status) == (Decimal("199.00"), "proposed")
    assert str(request.proposer) == "supervisor"
    after = order_row(order)
    assert (after.status, after.held, after.refunds_pending) == ("paid", True, Decimal("199.00"))
    assert state_of(review) == ("closed", "supervisor")

    second = staff("finance", approve_refund="500.00")
    workflow.approve(REFUND, request.pk, user=second, note="seen")
    assert RefundRequest.objects.get().status == "approved"


def test_without_money_to_give_back_nothing_changes() -> None:
    order = build_order_in("paid")
    review = hold(order)

    page = decide(member("supervisor"), review, "close")

    assert "No payment of this order holds money" in page.content.decode()
    assert (state_of(review), order_row(order).held) == (("open", ""), True)


def test_what_had_left_is_reviewed_without_a_hold() -> None:
    order = build_order_in("shipped")
    review = hold(order)

    page = decide(member("supervisor"), review, "close", "carrier rung up")

    assert review.is_shipped
    assert "stays as it is" in page.content.decode()
    assert (order_row(order).status, state_of(review)[0]) == ("shipped", "closed")


def test_a_decision_is_made_once() -> None:
    order = build_order()
    review = hold(order)
    chief = member("supervisor")
    decide(chief, review, "release")

    page = decide(chief, review, "close", "after all")

    assert "This is decided already: released." in page.content.decode()
    assert (state_of(review)[0], order_row(order).status) == ("released", "pending")


def test_a_reason_is_required() -> None:
    review = hold(build_order())
    decide(member("supervisor"), review, "release", " ")
    assert state_of(review) == ("open", "")


@pytest.mark.parametrize("role", ["viewer", "agent", "finance", "operations", "auditor"])
@pytest.mark.parametrize("what", ["release", "close"])
def test_only_supervisors_decide(role: str, what: str) -> None:
    review = hold(build_order())
    client = member(role)

    assert client.get(page_of(review)).status_code == 200
    assert decide(client, review, what).status_code == 403
    assert state_of(review) == ("open", "")


def test_closing_needs_the_right_to_close() -> None:
    review = hold(build_order())
    user = User.objects.create_user("guard", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["hold_order", "view_holdreview"]))
    client = Client()
    client.force_login(user)

    decide(client, review, "close")

    assert state_of(review) == ("open", "")


def test_a_release_on_the_orders_page_ends_the_review() -> None:
    order = build_order()
    review = hold(order)

    member("supervisor").post(f"/admin/orders/order/{order.pk}/do/release/", {"reason": "rang up the buyer"})

    assert state_of(review) == ("released", "supervisor")


# --- many at once -----------------------------------------------------------------------------------------------------


def bulk(client: Client, what: str, *reviews: HoldReview) -> dict[str, tuple[str, str]]:
    """Run the operation on the chosen rows; the result and code of each row by its order's number."""
    chosen = {"action": what, "_selected_action": [str(one.pk) for one in reviews]}
    client.post(DESK, {**chosen, "bulk_start": "1", "select_across": "0", "reason": "one gang"})
    run_bulk_jobs(OPERATIONS)
    rows = BulkJob.objects.latest("pk").rows.all()
    return {row.name: (row.result, row.code) for row in rows}


def test_many_are_closed_with_one_reason() -> None:
    pending, paid, poor = build_order(), order_of(paid_payment()), build_order_in("paid")

    results = bulk(member("supervisor"), "close_held", *map(hold, (pending, paid, poor)))

    assert results == {
        pending.number: ("done", "closed"),
        paid.number: ("done", "refund_requested"),
        poor.number: ("failed", "nothing_to_refund"),
    }
    assert set(HoldReview.objects.values_list("order__number", "state", "reason")) == {
        (pending.number, "closed", "one gang"), (paid.number, "closed", "one gang"), (poor.number, "open", ""),
    }  # fmt: skip


def test_many_are_released_with_one_reason() -> None:
    orders = [build_order(), build_order_in("paid")]

    results = bulk(member("supervisor"), "release_held", *map(hold, orders))

    assert set(results.values()) == {("done", "")}
    assert not Order.objects.held().exists()


def test_an_agent_is_offered_no_bulk() -> None:
    review = hold(build_order())
    assert bulk_is_offered(member("supervisor")) is True
    assert bulk_is_offered(member("agent")) is False
    assert state_of(review) == ("open", "")


def bulk_is_offered(client: Client) -> bool:
    return 'value="close_held"' in client.get(DESK).content.decode()


# --- what the pages say -------------------------------------------------------------------------------------------------


def test_the_oldest_waits_on_top() -> None:
    old, young, decided = build_order(), build_order(), build_order()
    hold(old, minutes_ago=90)
    hold(young)
    HoldReview.objects.filter(pk=hold(decided).pk).update(state="released", decided_at=timezone.now())
    client = member("viewer")

    page = client.get(DESK).content.decode()

    assert page.index(old.number) < page.index(young.number)
    assert decided.number not in page
    assert decided.number in client.get(f"{DESK}?state=released").content.decode()


def test_the_evidence_stands_side_by_side() -> None:
    first = build_order()
    move(first, "close", "timeout")
    second = build_order()
    Order.objects.filter(pk=first.pk).update(device_id="device-one", client_ip="203.0.113.7")
    Order.objects.filter(pk=second.pk).update(
        device_id="device-one", client_ip="203.0.113.8", buyer_id=first.buyer_id
    )
    review = hold(Order.objects.get(pk=second.pk))

    page = member("agent").get(page_of(review)).content.decode()

    assert page.index(second.number) < page.index("os-subject") < page.index(first.number)
    assert '<span class="os-same">device-one</span>' in page
    assert "203.0.113.8" in page
    assert '<span class="os-same">203.0.113.7</span>' not in page
    assert "138****8000" in page
    assert "13800138000" not in page
    assert "4 attempts to order “保温杯” within 5 minutes; more than 3 are too many." in page


def test_order_and_shop_say_under_review() -> None:
    order = build_order_in("paid")
    review = hold(order)
    client = member("supervisor")

    english = client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    client.cookies["django_language"] = "zh-hans"
    chinese = client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()

    assert "under review · suspected brushing" in english
    assert "审核中 · 疑似刷单" in chinese
    assert "suspected" not in chinese
    assert page_of(review) in chinese
    assert "去审核" in chinese


def test_buyers_read_nothing_of_suspicion() -> None:
    order = build_order_in("paid")
    hold(order)
    for language in ("zh-hans", "en"):
        client = Client()
        client.cookies["django_language"] = language
        page = client.get(f"/track/{order.tracking_token}/").content.decode()
        for word in ("刷单", "审核", "拦截", "brushing", "suspected", "review"):
            assert word not in page, word


def test_the_home_page_counts_what_waits() -> None:
    hold(build_order(), minutes_ago=180)
    page = member("supervisor").get("/admin/").content.decode()
    assert "held orders to review" in page
