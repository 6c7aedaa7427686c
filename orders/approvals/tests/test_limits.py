"""Who sets limits: operations, who move no money; never those of a role of one's own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from orders.models import MoneyLimit
from payments.manual.tests.proposals import limit, person

pytestmark = pytest.mark.django_db
LIST = "admin:payments_moneylimit_changelist"


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def values(role: str, amount: str = "50.00") -> dict[str, object]:
    return {"role": Group.objects.get(name=role).pk, "action": "approve_refund", "amount": amount}


def test_operations_set_a_limit_and_the_log_says_who() -> None:
    client = logged_in(person("ops", "operations"))
    client.post(reverse("admin:payments_moneylimit_add"), values("finance"))
    row = MoneyLimit.objects.get()
    assert (row.role.name, row.amount) == ("finance", Decimal("50.00"))
    client.post(reverse("admin:payments_moneylimit_change", args=[row.pk]), values("finance", "60.00"))
    assert MoneyLimit.objects.get().amount == Decimal("60.00")
    assert [entry.user.get_username() for entry in LogEntry.objects.all()] == ["ops", "ops"]


def test_who_also_has_the_role_does_not_set_its_limit() -> None:
    both = person("both", "operations")
    both.groups.add(Group.objects.get(name="finance"))
    limit("finance", MoneyLimit.Action.APPROVE_REFUND, "10.00")
    row = MoneyLimit.objects.get()
    client = logged_in(both)
    change = reverse("admin:payments_moneylimit_change", args=[row.pk])
    delete = reverse("admin:payments_moneylimit_delete", args=[row.pk])
    assert client.post(change, values("finance", "9999.00")).status_code == 403
    assert client.post(delete, {"post": "yes"}).status_code == 403
    limit("agent", MoneyLimit.Action.APPROVE_REFUND, "10.00")
    of_another = MoneyLimit.objects.get(role__name="agent")
    client.post(
        reverse("admin:payments_moneylimit_change", args=[of_another.pk]), values("finance", "9999.00")
    )
    client.post(reverse("admin:payments_moneylimit_add"), {**values("finance"), "action": "refund_alone"})
    assert sorted(MoneyLimit.objects.values_list("role__name", "amount")) == [
        ("agent", Decimal("10.00")),
        ("finance", Decimal("10.00")),
    ]


@pytest.mark.parametrize("role", ["agent", "supervisor", "finance", "auditor"])
def test_who_moves_money_sets_no_limits(role: str) -> None:
    client = logged_in(person("somebody", role))
    assert client.post(reverse("admin:payments_moneylimit_add"), values("viewer")).status_code == 403
    assert not MoneyLimit.objects.exists()


def test_a_superuser_sets_all_of_them() -> None:
    client = logged_in(User.objects.create_superuser("root"))
    client.post(reverse("admin:payments_moneylimit_add"), values("operations"))
    assert MoneyLimit.objects.get().role.name == "operations"
