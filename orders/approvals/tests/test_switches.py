"""A merchant's money switches: operations propose, finance approves; more room for one person takes two."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.approvals import switches, workflow
from orders.approvals.switches import SWITCHES, Switches
from orders.models import ChangeRequest, Merchant
from orders.tests.builders import build_merchant
from ordersite.lib.errors import DomainError
from ordersite.queue.models import AuditEntry
from payments.manual.tests.proposals import person

pytestmark = pytest.mark.django_db
CAREFUL = Switches(late_payments="ask", allows_single_operator=False, single_operator_wait_minutes=30)


def present(merchant: Merchant) -> Switches:
    return switches.switches_of(Merchant.objects.get(pk=merchant.pk))


def proposed(merchant: Merchant, user: User, **changes: object) -> ChangeRequest:
    wanted = replace(present(merchant), **changes)  # type: ignore[arg-type]
    return switches.propose(merchant.pk, wanted, user=user, reason="老板同意")


def single_operator_shop(**columns: object) -> tuple[Merchant, User]:
    """A shop of one person, who has both rights."""
    merchant = build_merchant()
    Merchant.objects.update(allows_single_operator=True, single_operator_wait_minutes=30, **columns)
    alone = person("alone", "operations")
    alone.groups.add(person("helper", "finance").groups.get())
    return merchant, User.objects.get(pk=alone.pk)


def wait(request: ChangeRequest) -> None:
    ChangeRequest.objects.filter(pk=request.pk).update(proposed_at=timezone.now() - timedelta(minutes=31))


def test_old_switches_hold_until_approved() -> None:
    merchant, operations = build_merchant(), person("ops", "operations")

    request = proposed(merchant, operations, late_payments="refund", allows_single_operator=True)
    assert present(merchant) == CAREFUL

    workflow.approve(SWITCHES, request.pk, user=person("fin"), note="已核对")
    assert present(merchant) == replace(CAREFUL, late_payments="refund", allows_single_operator=True)
    written = AuditEntry.objects.filter(table_name="orders_merchant").values_list("column_name", "new_value")
    assert sorted(written) == [("allows_single_operator", "True"), ("late_payments", "refund")]


def test_form_of_the_shop_cannot_write_them() -> None:
    merchant, client = build_merchant(), Client()
    client.force_login(person("ops", "operations"))
    form = {
        "name": "另一个名字", "late_payments": "refund", "allows_single_operator": "on",
        "single_operator_wait_minutes": "5", "is_active": "on",
        "members-TOTAL_FORMS": "0", "members-INITIAL_FORMS": "0",
    }  # fmt: skip

    client.post(reverse("admin:orders_merchant_change", args=[merchant.pk]), form)

    assert Merchant.objects.get(pk=merchant.pk).name == "另一个名字"
    assert present(merchant) == CAREFUL


def test_page_proposes_the_switches() -> None:
    merchant, client = build_merchant(), Client()
    client.force_login(person("ops", "operations"))
    address = reverse("admin:orders_merchant_do", args=[merchant.pk, "switches"])

    client.post(address, {"late_payments": "refund", "single_operator_wait_minutes": "30", "reason": "春节"})

    assert ChangeRequest.objects.get().changes == {"late_payments": ["ask", "refund"]}
    assert present(merchant) == CAREFUL


def test_single_operator_decides_after_the_wait() -> None:
    merchant, alone = single_operator_shop()
    request = proposed(merchant, alone, late_payments="refund")
    with pytest.raises(DomainError, match="too_early"):
        workflow.approve(SWITCHES, request.pk, user=alone, note="一个人")

    wait(request)
    workflow.approve(SWITCHES, request.pk, user=alone, note="一个人")

    assert present(merchant).late_payments == "refund"
    assert AuditEntry.objects.get().database_user == "staff: alone"


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"allows_single_operator": False}, {"allows_single_operator": True}),
        ({}, {"single_operator_wait_minutes": 5}),
    ],
)
def test_more_room_always_takes_two(before: dict[str, object], change: dict[str, object]) -> None:
    merchant, alone = single_operator_shop()
    Merchant.objects.update(**before)
    was = present(merchant)
    request = proposed(merchant, alone, **change)
    wait(request)

    with pytest.raises(DomainError, match="own_proposal"):
        workflow.approve(SWITCHES, request.pk, user=alone, note="一个人")

    assert present(merchant) == was


def test_one_change_of_a_shop_waits_at_a_time() -> None:
    merchant, operations = build_merchant(), person("ops", "operations")
    proposed(merchant, operations, late_payments="refund")

    with pytest.raises(DomainError, match="proposal_waiting"):
        proposed(merchant, operations, single_operator_wait_minutes=60)
    with pytest.raises(DomainError, match="nothing_changes"):
        proposed(build_merchant("other"), operations)

    assert ChangeRequest.objects.count() == 1
