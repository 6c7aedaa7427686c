"""Money limits: operations propose, an auditor or administrator approves, nobody for a role of their own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from orders.approvals import limit_changes, workflow
from orders.approvals.limit_changes import LIMIT
from orders.models import ChangeRequest, MoneyLimit
from ordersite.lib.errors import DomainError
from ordersite.queue.models import AuditEntry
from payments.manual.tests.proposals import limit, person

pytestmark = pytest.mark.django_db
ADD = "admin:payments_moneylimit_add"


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def values(role: str, amount: str = "50.00") -> dict[str, object]:
    named = Group.objects.get(name=role)
    return {"role": named.pk, "action": "approve_refund", "amount": amount, "reason": "旺季"}


def limits() -> list[tuple[str, Decimal]]:
    return sorted(MoneyLimit.objects.values_list("role__name", "amount"))


def proposed(role: str, amount: str | None, user: User) -> ChangeRequest:
    named, sum_ = Group.objects.get(name=role), None if amount is None else Decimal(amount)
    return limit_changes.propose(
        named, MoneyLimit.LimitedAction.APPROVE_REFUND, sum_, user=user, reason="旺季"
    )


def test_old_limit_holds_until_approved() -> None:
    limit("finance", MoneyLimit.LimitedAction.APPROVE_REFUND, "10.00")
    operations, auditor = person("ops", "operations"), person("aud", "auditor")

    request = proposed("finance", "50.00", operations)
    assert limits() == [("finance", Decimal("10.00"))]

    workflow.approve(LIMIT, request.pk, user=auditor, note="已核对")
    assert limits() == [("finance", Decimal("50.00"))]
    entry = AuditEntry.objects.get(table_name="payments_moneylimit")
    assert (entry.old_value, entry.new_value, entry.database_user) == ("10.00", "50.00", "staff: ops + aud")


def test_page_proposes_and_writes_nothing() -> None:
    client = logged_in(person("ops", "operations"))

    client.post(reverse(ADD), values("finance"))

    assert (limits(), ChangeRequest.objects.get().status) == ([], "proposed")
    assert ChangeRequest.objects.get().amount == Decimal("50.00")


def test_removal_is_a_change_too() -> None:
    limit("finance", MoneyLimit.LimitedAction.APPROVE_REFUND, "10.00")
    request = proposed("finance", None, person("ops", "operations"))
    assert limits() == [("finance", Decimal("10.00"))]

    workflow.approve(LIMIT, request.pk, user=person("aud", "auditor"), note="ok")

    assert limits() == []


def test_own_role_cannot_be_proposed_or_approved() -> None:
    both = person("both", "operations")
    both.groups.add(Group.objects.get(name="finance"), Group.objects.get(name="auditor"))
    with pytest.raises(DomainError, match="own_limit"):
        proposed("finance", "9999.00", both)
    request = proposed("finance", "9999.00", person("ops", "operations"))

    with pytest.raises(DomainError, match="own_limit"):
        workflow.approve(LIMIT, request.pk, user=both, note="ok")

    assert (limits(), ChangeRequest.objects.get().status) == ([], "proposed")


def test_changed_meanwhile_is_refused() -> None:
    operations, auditor = person("ops", "operations"), person("aud", "auditor")
    request = proposed("finance", "50.00", operations)
    limit("finance", MoneyLimit.LimitedAction.APPROVE_REFUND, "20.00")

    with pytest.raises(DomainError, match="changed_meanwhile"):
        workflow.approve(LIMIT, request.pk, user=auditor, note="ok")

    assert limits() == [("finance", Decimal("20.00"))]
    workflow.refuse(LIMIT, request.pk, user=auditor, note="过时")


@pytest.mark.parametrize("role", ["agent", "supervisor", "finance", "auditor"])
def test_movers_of_money_propose_none(role: str) -> None:
    client = logged_in(person("somebody", role))
    assert client.post(reverse(ADD), values("viewer")).status_code == 403
    assert not ChangeRequest.objects.exists()
