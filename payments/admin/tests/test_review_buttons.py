"""The buttons on the page of a request that two persons decide: each one that is shown can work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.models import Merchant, Proposal
from payments.manual import revive, settle
from payments.manual.tests.proposals import late_payment, person, unpaid, wish_for
from payments.models import RevivalRequest, SettlementRequest

pytestmark = pytest.mark.django_db


def propose_settlement(user: User) -> SettlementRequest:
    return settle.propose(wish_for(*unpaid()), user=user)


def propose_revival(user: User) -> RevivalRequest:
    payment, case = late_payment()
    return revive.propose(payment.pk, user=user, reason="x", stock_confirmed=True, case_id=case.pk)


KINDS = pytest.mark.parametrize("propose", [propose_settlement, propose_revival])
Propose = Callable[[User], Proposal]


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(request: Proposal, page: str, *more: str) -> str:
    return reverse(f"admin:payments_{request._meta.model_name}_{page}", args=[request.pk, *more])


def buttons(user: User, request: Proposal) -> list[str]:
    page = logged_in(user).get(address(request, "change"))
    return [button["action"].code for button in page.context["confirmed_actions"]]


def proposed_alone(propose: Propose, user: User, *, minutes_ago: int) -> Proposal:
    """A request in a shop that lets one person decide after 30 minutes."""
    request = propose(user)
    Merchant.objects.update(allows_single_operator=True, single_operator_wait_minutes=30)
    type(request)._default_manager.update(proposed_at=timezone.now() - timedelta(minutes=minutes_ago))
    return request


@KINDS
def test_two_persons_see_different_ones(propose: Propose) -> None:
    li, wang = person("li"), person("wang")

    request = propose(li)

    assert buttons(li, request) == ["withdraw"]
    assert buttons(wang, request) == ["approve", "refuse"]


@KINDS
def test_a_single_operator_never_sees_refuse(propose: Propose) -> None:
    li, wang = person("li"), person("wang")

    request = proposed_alone(propose, li, minutes_ago=31)

    assert buttons(li, request) == ["approve", "withdraw"]
    assert buttons(wang, request) == ["approve", "refuse"]


@KINDS
@pytest.mark.parametrize(("code", "status"), [("approve", "approved"), ("withdraw", "withdrawn")])
def test_each_button_of_a_single_operator_works(propose: Propose, code: str, status: str) -> None:
    li = person("li")
    request = proposed_alone(propose, li, minutes_ago=31)

    logged_in(li).post(address(request, "do", code), {"reason": "checked"})

    request.refresh_from_db()
    assert (request.status, request.decided_by) == (status, li)
