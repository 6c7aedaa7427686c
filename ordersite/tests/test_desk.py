"""The back office: what staff may do there goes through the doors, and nothing else changes anything."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.forms.models import model_to_dict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.tests.builders import build_shipment
from orders import machine
from orders.approvals import workflow
from orders.models import ApiClient, ChangeRequest, Order, OrderEvent, PhoneLook, TransitionRule
from orders.tests.builders import build_merchant, build_order, build_order_in, move
from ordersite.lib.adminkit.paginator import BothEndsPaginator
from ordersite.queue.models import Delivery
from ordersite.tests.access import REFERENCE, build_world
from payments.accounts.change_kind import ACCOUNT
from payments.models import Payment, PaymentAccount, PaymentNotification

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english(client: Client) -> None:
    client.cookies["django_language"] = "en"


def log_in(client: Client, role: str) -> User:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return user


def page_of(order: Order, tail: str = "change/") -> str:
    return f"/admin/orders/order/{order.pk}/{tail}"


# --- nothing is changed by a form -----------------------------------------------------------------------------


def test_hidden_fields_change_no_row_of_any_page(client: Client) -> None:
    values = build_world()
    client.force_login(User.objects.create_superuser("root"))
    forged = {
        "status": "paid", "total_amount": "0.01", "amount": "0.01", "outcome": "applied", "check_result": "verified",
        "number": "X", "held": "on", "kind": "note", "hash": "00", "to_status": "paid", "is_enabled": "", "scopes": "[]",
        "sealed_secrets": "x", "old_value": "x", "tracking_number": "X", "done_at": "", "resolved_at": "2026-01-01",
        "_save": "1",
    }  # fmt: skip
    editable = {
        "orders.merchant", "logistics.warehouse", "auth.user", "auth.group", "payments.moneylimit",
        "payments.statementmapping", "logistics.stallrule", "orders.watchlimit", "orders.riskstrategy",
        "messaging.messagetemplate", "messaging.messagesettings",
    }  # fmt: skip
    for model in admin.site._registry:
        label = f"{model._meta.app_label}.{model._meta.model_name}"
        if label in editable:
            continue
        before = model_to_dict(model._default_manager.get(pk=values[label]))
        answer = client.post(f"/admin/{label.replace('.', '/')}/{values[label]}/change/", forged)
        assert answer.status_code in {403, 405}, label
        assert model_to_dict(model._default_manager.get(pk=values[label])) == before, label


# --- the order page ---------------------------------------------------------------------------------------------


def test_order_page_masks_the_phone(client: Client) -> None:
    order = build_shipment().order
    log_in(client, "viewer")
    text = client.get(page_of(order)).content.decode()
    assert order.number in text
    assert "138****8000" in text
    assert "13800138000" not in text
    assert "王小明" not in text
    assert "pending → paid" in text
    assert "paid → shipped" in text


def test_phone_access_is_recorded_before_display(client: Client) -> None:
    order = build_order()
    agent = log_in(client, "agent")
    assert "13800138000" in client.post(page_of(order, "phone/")).content.decode()
    look = PhoneLook.objects.get()
    assert (look.user_id, look.username, look.order_id) == (agent.pk, "agent", order.pk)


def test_refused_phone_access_is_not_recorded(client: Client) -> None:
    order = build_order()
    log_in(client, "viewer")
    assert client.post(page_of(order, "phone/")).status_code == 403
    assert PhoneLook.objects.count() == 0


def test_staff_close_unpaid_order_with_reason(client: Client) -> None:
    order = build_order()
    log_in(client, "agent")
    assert client.get(page_of(order, "do/close/")).status_code == 200
    assert Order.objects.get(pk=order.pk).status == "pending"
    client.post(page_of(order, "do/close/"), {"reason": "buyer called"})
    assert Order.objects.get(pk=order.pk).status == "closed"
    line = OrderEvent.objects.filter(order_id=order.pk).latest("seq")
    assert (line.trigger, line.actor_kind, line.actor_id) == ("staff_cancel", "staff", "agent")
    assert LogEntry.objects.get().change_message == "close: buyer called"


def test_invalid_close_changes_nothing(client: Client) -> None:
    pending, paid = build_order(), build_order_in("paid")
    log_in(client, "agent")
    assert client.post(page_of(pending, "do/close/"), {"reason": " "}).status_code == 200
    client.post(page_of(paid, "do/close/"), {"reason": "x"})
    assert Order.objects.get(pk=pending.pk).status == "pending"
    assert Order.objects.get(pk=paid.pk).status == "paid"
    assert LogEntry.objects.count() == 0


def test_a_supervisor_holds_and_releases(client: Client) -> None:
    order = build_order_in("paid")
    log_in(client, "supervisor")
    client.post(page_of(order, "do/hold/"), {"reason": "brushing?"})
    assert Order.objects.get(pk=order.pk).held is True
    client.post(page_of(order, "do/release/"), {"reason": "known buyer"})
    assert Order.objects.get(pk=order.pk).held is False
    kinds = OrderEvent.objects.filter(order_id=order.pk).order_by("seq").values_list("kind", flat=True)
    assert list(kinds)[-2:] == ["hold", "release"]


def test_a_shipped_order_is_not_held(client: Client) -> None:
    order = build_order_in("shipped")
    log_in(client, "supervisor")
    client.post(page_of(order, "do/hold/"), {"reason": "too late"})
    assert Order.objects.get(pk=order.pk).held is False
    assert OrderEvent.objects.filter(order_id=order.pk, kind="hold").count() == 0


@pytest.mark.parametrize("role", ["viewer", "agent", "finance", "operations", "auditor"])
def test_only_supervisors_hold(client: Client, role: str) -> None:
    order = build_order_in("paid")
    log_in(client, role)
    assert client.post(page_of(order, "do/hold/"), {"reason": "x"}).status_code == 403
    assert Order.objects.get(pk=order.pk).held is False


# --- search -----------------------------------------------------------------------------------------------------


def test_customers_numbers_lead_to_the_order(client: Client) -> None:
    values = build_world()
    order, parcel = Order.objects.get(payments__reference=REFERENCE), build_shipment()
    Payment.objects.update(provider_reference="2026112222001400000000000001")
    assert values["orders.order"] == str(order.pk)
    log_in(client, "viewer")
    for term in (order.number, REFERENCE, "2026112222001400000000000001"):
        assert client.get("/admin/orders/order/find/", {"q": term})["Location"] == page_of(order)
    location = client.get("/admin/orders/order/find/", {"q": parcel.tracking_number})["Location"]
    assert location == page_of(parcel.order)
    listed = client.get("/admin/orders/order/", {"q": "13800138000"}).content.decode()
    assert order.number in listed
    assert parcel.order.number in listed


def test_unknown_or_nul_term_finds_nothing(client: Client) -> None:
    order = build_order()
    log_in(client, "viewer")
    for term in ("no such thing", "1%", "\x00"):
        answer = client.get("/admin/orders/order/", {"q": term})
        assert answer.status_code == 200
    assert order.number not in client.get("/admin/orders/order/", {"q": "zzz"}).content.decode()


@pytest.mark.parametrize("lookup", ["buyer_phone__regex", "note__icontains", "buyer__name", "status__in"])
def test_unlisted_lookups_are_refused(client: Client, lookup: str) -> None:
    build_order()
    log_in(client, "viewer")
    assert client.get("/admin/orders/order/", {lookup: "1"}).status_code == 400


# --- lists that do not grow slow ---------------------------------------------------------------------------------


def count_queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert client.get(address).status_code == 200
    return len(caught)


def test_order_list_takes_at_most_12_queries(client: Client) -> None:
    log_in(client, "supervisor")
    order = build_order()
    few = count_queries(client, "/admin/orders/order/")
    for _i in range(20):
        build_order()
    assert count_queries(client, "/admin/orders/order/") == few <= 12
    for query in (f"q={order.number}", "q=13800138000", "status__exact=pending", "held__exact=1&day=week"):
        assert count_queries(client, f"/admin/orders/order/?{query}") <= 12


def many_deliveries(count: int) -> None:
    now = timezone.now()
    rows = (Delivery(handler="h", event="e", subject_id=i, event_at=now) for i in range(count))
    Delivery.objects.bulk_create(rows, batch_size=5_000)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE rails_delivery")


def test_last_page_is_read_from_the_tables_end() -> None:
    many_deliveries(20_150)
    pages = BothEndsPaginator(Delivery.objects.order_by("-id"), 50)
    with CaptureQueriesContext(connection) as caught:
        last = list(pages.page(pages.num_pages))
    oldest = list(Delivery.objects.order_by("id").values_list("id", flat=True)[:50])
    assert [row.pk for row in last] == oldest[::-1]
    assert not [
        query for query in caught.captured_queries if "COUNT(" in query["sql"] or "OFFSET" in query["sql"]
    ]


def test_a_filtered_count_stops_at_ten_thousand() -> None:
    many_deliveries(10_050)
    pages = BothEndsPaginator(Delivery.objects.filter(handler="h").order_by("-id"), 50)
    assert (pages.count, pages.is_capped, pages.num_pages) == (10_000, True, 200)
    few = BothEndsPaginator(Delivery.objects.filter(subject_id__lt=3).order_by("-id"), 50)
    assert (few.count, few.is_capped) == (3, False)


# --- the rest of the desk ----------------------------------------------------------------------------------------


def test_raw_call_is_shown_with_masked_secrets(client: Client) -> None:
    values = build_world()
    log_in(client, "viewer")
    page = f"/admin/payments/paymentnotification/{values['payments.paymentnotification']}/change/"
    text = client.get(page).content.decode()
    assert "Bearer secret" not in text
    assert "<th>sign</th><td>01234567…" in text


def test_replay_queues_a_verified_notification(client: Client) -> None:
    values = build_world()
    pk = values["payments.paymentnotification"]
    PaymentNotification.objects.update(check_result="verified", outcome="applied")
    log_in(client, "agent")
    client.post(f"/admin/payments/paymentnotification/{pk}/do/replay/")
    notice = PaymentNotification.objects.get(pk=pk)
    assert (notice.outcome, notice.done_at, notice.attempts) == ("", None, 0)


def test_disabling_a_rule_is_audited(client: Client) -> None:
    rule = TransitionRule.objects.get(from_status="pending", action="pay", trigger=machine.NOTIFICATION)
    order = build_order()
    log_in(client, "operations")
    client.post(f"/admin/orders/transitionrule/{rule.pk}/do/off/", {"reason": "provider is hacked"})
    assert move(order, "pay", machine.NOTIFICATION).code == "trigger_off"
    assert Order.objects.get(pk=order.pk).status == "pending"
    assert LogEntry.objects.get().change_message == "off: provider is hacked"


def test_a_token_is_shown_once(client: Client) -> None:
    shop = build_merchant()
    log_in(client, "operations")
    made = client.post(
        "/admin/orders/apiclient/add/", {"name": "ERP", "merchant": shop.pk, "scopes": ["orders:read"]}
    )
    row = ApiClient.objects.get()
    token = made.content.decode().partition('id="os-once">')[2].partition("<")[0]
    assert token.startswith(row.token_hint)
    assert len(token) == 43
    assert token not in client.get(f"/admin/orders/apiclient/{row.pk}/change/").content.decode()


def test_account_keys_go_in_and_do_not_come_out(client: Client) -> None:
    shop = build_merchant()
    log_in(client, "operations")
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    form = {
        "provider": "webhook", "slug": "hook", "merchant": shop.pk, "keys": f'{{"secret": "{secret}"}}',
        "reason": "开通",
    }  # fmt: skip
    made = client.post("/admin/payments/paymentaccount/add/", form).content.decode()
    assert "/notify/webhook/hook/" in made
    waiting = ChangeRequest.objects.get(subject="hook")
    workflow.approve(ACCOUNT, waiting.pk, user=User.objects.create_superuser("boss"), note="ok")
    account = PaymentAccount.objects.get(slug="hook")
    for address in (f"{account.pk}/change/", f"{account.pk}/do/keys/"):
        assert secret not in client.get(f"/admin/payments/paymentaccount/{address}").content.decode()
    refused = client.post(
        "/admin/payments/paymentaccount/add/", {**form, "slug": "bad", "keys": '{"secret": "x"}'}
    )
    assert refused.status_code == 200
    assert not PaymentAccount.objects.filter(slug="bad").exists()


def test_home_page_counts_and_links_pending_work(client: Client) -> None:
    build_world()
    log_in(client, "supervisor")
    text = client.get("/admin/").content.decode()
    assert "/admin/payments/paymentexception/?kind__exact=unknown_order" in text
    assert "/admin/orders/order/?status__exact=pending" in text
    assert client.get("/admin/payments/paymentexception/?kind__exact=unknown_order").status_code == 200


def test_amounts_are_exact_on_the_page(client: Client) -> None:
    order = build_order(total="1234567.89")
    log_in(client, "viewer")
    assert order.total_amount == Decimal("1234567.89")
    assert "¥1,234,567.89" in client.get(page_of(order)).content.decode()
