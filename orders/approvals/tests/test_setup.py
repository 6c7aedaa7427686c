"""The set-up exception: alone until a second person who may approve has logged in, and never again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from orders.approvals import switches
from orders.approvals.setup import may_set_up_alone
from orders.models import ChangeRequest, Merchant, SetupEnd
from orders.tests.builders import build_merchant
from ordersite.lib.errors import DomainError
from ordersite.queue.models import AuditEntry
from payments.manual.tests.proposals import person

pytestmark = pytest.mark.django_db


def first_administrator() -> User:
    return User.objects.create_superuser("root", email="root@shop.test")


def proposed_by(user: User, late_payments: str = "refund") -> ChangeRequest:
    merchant = Merchant.objects.first() or build_merchant()
    wanted = replace(switches.switches_of(merchant), late_payments=late_payments)
    return switches.propose(merchant.pk, wanted, user=user, reason="开店")


def log_in(user: User) -> None:
    user.set_password("a long passphrase 7")
    user.save()
    assert Client().login(username=user.get_username(), password="a long passphrase 7")


def test_first_administrator_changes_at_once() -> None:
    root = first_administrator()

    request = proposed_by(root)

    assert (request.status, request.is_setup, request.is_single_operator) == ("approved", True, True)
    assert Merchant.objects.get().late_payments == "refund"
    assert AuditEntry.objects.get().database_user == "set-up: root"


def test_a_second_administrator_does_not() -> None:
    first_administrator()
    second = User.objects.create_superuser("second")

    request = proposed_by(second)

    assert (request.status, Merchant.objects.get().late_payments) == ("proposed", "ask")


def test_log_in_of_a_second_person_ends_it() -> None:
    root, finance = first_administrator(), person("fin")
    log_in(root)
    assert may_set_up_alone(root), "there is a second person, who has not logged in"

    log_in(finance)

    assert not may_set_up_alone(root)
    assert proposed_by(root).status == "proposed"
    assert Merchant.objects.get().late_payments == "ask"


def test_ended_latch_stays_ended() -> None:
    root, finance = first_administrator(), person("fin")
    log_in(finance)
    assert SetupEnd.objects.get().ended_by == "fin"

    finance.delete()

    assert not may_set_up_alone(root)
    log_in(person("late"))
    assert SetupEnd.objects.get().ended_by == "fin"


@pytest.mark.parametrize("role", ["agent", "viewer", "operations"])
def test_people_without_the_right_do_not_end_it(role: str) -> None:
    root = first_administrator()
    log_in(person("somebody", role))
    assert may_set_up_alone(root)


def test_log_ins_before_the_latch_count() -> None:
    root, finance = first_administrator(), person("fin")
    User.objects.filter(pk=finance.pk).update(last_login=timezone.now(), is_active=False)
    assert not may_set_up_alone(root)


def test_set_up_needs_the_right_all_the_same() -> None:
    first_administrator()
    with pytest.raises(DomainError, match="not_allowed"):
        proposed_by(person("somebody", "agent"))
    assert not ChangeRequest.objects.exists()
