"""The table of causes: documented in both languages, its actions lead to pages that exist, no app names another code."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group, User
from django.test import RequestFactory
from django.utils.translation import override

from logistics.diagnosis import links as parcels
from orders.models import Order
from orders.tests.builders import build_order
from ordersite.diagnosis.actions import ACTIONS, actions_for
from ordersite.diagnosis.causes import CAUSES, NOTHING_WRONG, WHO
from ordersite.messaging import diagnosis as messages
from payments.about import diagnosis as payments
from payments.models import PaymentException
from scripts.env_file import ROOT

# What interfaces promise: more may be added, none renamed.
PROMISED = [
    "no_payment_attempt",
    "buyer_has_not_paid",
    "provider_unreachable",
    "provider_account_unusable",
    "notification_rejected",
    "notification_died_at_proxy",
    "notification_waiting",
    "notification_parked",
    "amount_mismatch",
    "wrong_account",
    "reference_conflict",
    "unknown_reference",
    "already_paid",
    "paid_after_close",
    "order_closed",
    "trigger_off",
    "settlement_waits",
    "statement_shows_money",
    "refund_under_way",
    "refund_trouble",
    "held",
    "not_dispatched",
    "dispatch_unanswered",
    "dispatch_refused",
    "out_of_stock",
    "not_shipped",
    "waybill_unknown",
    "waybill_refused",
    "number_missing",
    "carrier_account_missing",
    "carrier_account_unusable",
    "carrier_unreachable",
    "carrier_knows_nothing",
    "not_polled",
    "push_refused",
    "parcel_stalled",
    "parcel_problem",
    "waits_for_pickup",
    "parcel_returned",
    "order_not_completed",
    "message_waiting",
    "message_blocked",
    "message_failed",
    "message_maybe_sent",
    "no_channel",
    "nothing_wrong",
]


def test_no_promised_code_is_renamed() -> None:
    assert set(PROMISED) <= set(CAUSES)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_cause_is_documented(language: str) -> None:
    page = (ROOT / "docs" / language / "causes.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)

    assert [code for code, _looks, _mends in rows] == list(CAUSES)


def test_apps_name_known_causes() -> None:
    cases = {payments.code_of(PaymentException(kind=kind)) for kind in PaymentException.Kind.values}
    named = {
        *cases, *parcels._PROBLEMS.values(), *parcels._SIGNED_CODES.values(), *parcels._MOVING.values(),
        *messages._CODES.values(),
    }  # fmt: skip

    assert named <= set(CAUSES)


@pytest.mark.django_db
@pytest.mark.parametrize("code", sorted(set(CAUSES) - {NOTHING_WRONG}))
def test_its_actions_lead_somewhere(code: str) -> None:
    order = build_order()

    offered = actions_for(code, order)

    assert [one.code for one in offered] == list(CAUSES[code].actions)
    assert all(one.url or not ACTIONS[one.code].page for one in offered)
    assert CAUSES[code].who in WHO
    with override("zh-hans"):
        assert not any(re.search("[A-Za-z]{3}", one.text) for one in actions_for(code, order))


@pytest.mark.django_db
def test_nobody_is_offered_what_they_may_not_do() -> None:
    order = build_order()

    user = User.objects.create_user("agent1")
    user.groups.add(Group.objects.get(name="agent"))
    agent = {one.code for one in actions_for("buyer_has_not_paid", order, user)}
    nobody = {one.code for one in actions_for("buyer_has_not_paid", order, AnonymousUser())}

    assert agent == {"let_pay", "query_provider", "settle"}
    assert nobody == {"let_pay"}


@pytest.mark.django_db
def test_every_action_names_a_right_that_exists() -> None:
    rights = User.objects.create_superuser("root").get_all_permissions()

    assert {action.permission for action in ACTIONS.values()} - {""} <= rights


LISTS = [code for code, action in ACTIONS.items() if action.of_order and action.page.endswith("_changelist")]


@pytest.mark.django_db
@pytest.mark.parametrize("code", LISTS)
def test_its_list_is_searched_by_the_orders_number(rf: RequestFactory, code: str) -> None:
    page = next(
        page
        for model, page in admin.site._registry.items()
        if ACTIONS[code].page == f"{model._meta.app_label}_{model._meta.model_name}_changelist"
    )
    request = rf.get("/")
    request.user = User(username="root", is_superuser=True, is_active=True)
    build_order()
    number = "20260101-AB12-CD34"
    Order.objects.update(number=number)

    rows, _more = page.get_search_results(request, page.get_queryset(request), number)

    assert not rows.query.is_empty(), "a term of no known shape finds nothing"
    assert number in str(rows.query)
