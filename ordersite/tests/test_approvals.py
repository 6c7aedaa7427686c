"""What holds for every kind of request that two persons decide. The kinds come from the registry: a new one that has
no case here fails."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from orders.approvals.kinds import ApprovalKind, registered
from orders.approvals.mail import send_staff_mail
from orders.approvals.workflow import approve, refuse, withdraw
from ordersite import relay
from ordersite.lib.errors import DomainError
from ordersite.tests.approval_cases import CASES, let_one_decide, set_limit, staff_with, world
from payments.tests.steps import run_together

pytestmark = pytest.mark.django_db
CENT = Decimal("0.01")


def kinds_that(fits: Callable[[ApprovalKind[Any]], Any]) -> pytest.MarkDecorator:
    chosen = [kind for kind in registered() if fits(kind)]
    return pytest.mark.parametrize("kind", chosen, ids=[kind.key for kind in chosen])


EVERY = kinds_that(lambda kind: True)
REFUSABLE = kinds_that(lambda kind: kind.is_refusable)


def proposed(kind: ApprovalKind[Any]) -> tuple[Any, User]:
    """A waiting request, and its proposer, who also has the right to approve."""
    case, proposer = CASES[kind.key], staff_with("li", kind.may_propose, kind.may_approve)
    return case.propose(case.build(), proposer), proposer


def second_person(kind: ApprovalKind[Any], name: str = "wang") -> User:
    return staff_with(name, kind.may_approve)


def refusal(action: Callable[[], Any]) -> str:
    """The code of a refusal that changed no row of any table."""
    before = world()
    with pytest.raises(DomainError) as caught:
        action()
    assert world() == before
    return caught.value.code


def test_every_kind_has_a_case() -> None:
    assert set(CASES) == {kind.key for kind in registered()}


def without(right: str, other: str) -> str:
    """The other right; one that decides nothing, where a kind has the same right for both persons."""
    return other if other != right else "orders.view_order"


@EVERY
def test_second_person_approves(kind: ApprovalKind[Any]) -> None:
    request, _proposer = proposed(kind)
    wang = second_person(kind)

    approve(kind, request.pk, user=wang, note="checked")

    fresh = kind.rows().get(pk=request.pk)
    assert (fresh.is_waiting, fresh.is_single_operator) == (False, False)
    assert CASES[kind.key].effects(request) == 1


@EVERY
def test_proposer_cannot_approve(kind: ApprovalKind[Any]) -> None:
    request, proposer = proposed(kind)

    code = refusal(lambda: approve(kind, request.pk, user=proposer, note="mine"))

    assert code == "own_proposal"


@kinds_that(lambda kind: kind.needs_note)
def test_a_decision_needs_a_note(kind: ApprovalKind[Any]) -> None:
    request, _proposer = proposed(kind)
    wang = second_person(kind)

    code = refusal(lambda: approve(kind, request.pk, user=wang, note=" "))

    assert code == "reason_missing"


@EVERY
def test_nobody_approves_without_the_right(kind: ApprovalKind[Any]) -> None:
    request, _proposer = proposed(kind)
    outsider = staff_with("zhao", without(kind.may_approve, kind.may_propose))

    code = refusal(lambda: approve(kind, request.pk, user=outsider, note="ok"))

    assert code == "not_allowed"


@REFUSABLE
def test_nobody_proposes_without_the_right(kind: ApprovalKind[Any]) -> None:
    case, outsider = CASES[kind.key], staff_with("zhao", without(kind.may_propose, kind.may_approve))
    subject = case.build()

    code = refusal(lambda: case.propose(subject, outsider))

    assert code == "not_allowed"


@EVERY
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_at_once_have_one_effect(kind: ApprovalKind[Any]) -> None:
    request, _proposer = proposed(kind)
    wang, zhao = second_person(kind), second_person(kind, "zhao")

    results = run_together(
        lambda: approve(kind, request.pk, user=wang, note="ok"),
        lambda: approve(kind, request.pk, user=zhao, note="ok"),
    )

    assert sorted(result == "already_decided" for result in results) == [False, True]
    assert CASES[kind.key].effects(request) == 1


@kinds_that(lambda kind: kind.approve_limit)
def test_limit_of_the_approver_holds(kind: ApprovalKind[Any]) -> None:
    request, _proposer = proposed(kind)
    amount, wang = kind.amount_of(request), second_person(kind)
    assert amount is not None
    assert kind.approve_limit is not None

    set_limit(wang, kind.approve_limit, amount - CENT)
    code = refusal(lambda: approve(kind, request.pk, user=wang, note="ok"))
    set_limit(wang, kind.approve_limit, amount)
    approve(kind, request.pk, user=wang, note="ok")

    assert code == "beyond_limit"
    assert CASES[kind.key].effects(request) == 1


@kinds_that(lambda kind: kind.propose_limit)
def test_limit_of_the_proposer_holds(kind: ApprovalKind[Any]) -> None:
    case, li = CASES[kind.key], staff_with("li", kind.may_propose)
    subject = case.build()
    assert kind.propose_limit is not None
    set_limit(li, kind.propose_limit, CENT)

    code = refusal(lambda: case.propose(subject, li))

    assert code == "beyond_limit"


@REFUSABLE
def test_second_person_refuses(kind: ApprovalKind[Any]) -> None:
    request, proposer = proposed(kind)
    wang, outsider = second_person(kind), staff_with("zhao", without(kind.may_approve, kind.may_propose))

    codes = [
        refusal(lambda: refuse(kind, request.pk, user=proposer, note="no")),
        refusal(lambda: refuse(kind, request.pk, user=outsider, note="no")),
        refusal(lambda: refuse(kind, request.pk, user=wang, note=" ")),
    ]
    refuse(kind, request.pk, user=wang, note="no slip")
    codes.append(refusal(lambda: approve(kind, request.pk, user=wang, note="after all")))

    assert codes == ["own_proposal", "not_allowed", "reason_missing", "already_decided"]
    assert CASES[kind.key].effects(request) == 0


@REFUSABLE
def test_proposer_withdraws(kind: ApprovalKind[Any]) -> None:
    request, proposer = proposed(kind)
    wang = second_person(kind)

    codes = [refusal(lambda: withdraw(kind, request.pk, user=wang, note="no"))]
    withdraw(kind, request.pk, user=proposer, note="typo")
    codes.append(refusal(lambda: withdraw(kind, request.pk, user=proposer, note="again")))

    assert codes == ["not_the_proposer", "already_decided"]
    assert CASES[kind.key].effects(request) == 0


@kinds_that(lambda kind: not kind.is_refusable)
def test_unrefusable_kind_is_only_approved(kind: ApprovalKind[Any]) -> None:
    request, proposer = proposed(kind)
    wang = second_person(kind)

    codes = [
        refusal(lambda: refuse(kind, request.pk, user=wang, note="no")),
        refusal(lambda: withdraw(kind, request.pk, user=proposer, note="no")),
    ]

    assert codes == ["not_refusable"] * 2


@kinds_that(lambda kind: kind.key in CASES and CASES[kind.key].is_of_a_shop)
def test_single_operator_waits(kind: ApprovalKind[Any]) -> None:
    request, proposer = proposed(kind)

    let_one_decide(kind, request, minutes_ago=29)
    code = refusal(lambda: approve(kind, request.pk, user=proposer, note="ok"))
    let_one_decide(kind, request, minutes_ago=31)
    approve(kind, request.pk, user=proposer, note="ok")

    assert code == "too_early"
    assert kind.rows().get(pk=request.pk).is_single_operator


@kinds_that(lambda kind: kind.event)
def test_only_others_than_proposer_are_notified(kind: ApprovalKind[Any]) -> None:
    second_person(kind)
    request, _proposer = proposed(kind)

    relay.run_relay()
    send_staff_mail()

    [message] = mail.outbox
    assert message.to == ["wang@shop.test"]
    assert kind.page_of(request) in str(message.body)


@kinds_that(lambda kind: kind.event)
def test_mail_is_in_the_receivers_language(kind: ApprovalKind[Any], settings: Any) -> None:
    wang, _zhao = second_person(kind), second_person(kind, "zhao")
    client = Client()
    client.force_login(wang)
    client.post("/i18n/setlang/", {"language": "en"})
    request, _proposer = proposed(kind)

    relay.run_relay()
    send_staff_mail()

    by_receiver = {message.to[0]: message for message in mail.outbox}
    assert set(by_receiver) == {"wang@shop.test", "zhao@shop.test"}
    english, chinese = by_receiver["wang@shop.test"], by_receiver["zhao@shop.test"]
    assert (english.subject[:11], chinese.subject[:4]) == ("To review: ", "待复核：")
    assert ("waits for your review" in str(english.body), "正在等待您复核" in str(chinese.body)) == (
        True,
        True,
    )
    link = settings.PUBLIC_BASE_URL + kind.page_of(request)
    assert [link in str(message.body) for message in (english, chinese)] == [True, True]


def test_every_kind_with_a_tile_sends_mail() -> None:
    assert [kind.key for kind in registered() if kind.tile and not kind.event] == []
