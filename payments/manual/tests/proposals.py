"""People and wishes for the tests of what two persons decide."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib.auth.models import Group, User

from orders.approvals.kinds import ApprovalKind
from orders.approvals.workflow import approve
from orders.models import MoneyLimit, Order, OrderEvent, Proposal
from orders.tests.builders import build_order, build_order_in
from ordersite.lib.errors import DomainError
from payments.manual.evidence import Handed
from payments.manual.settle import Wish
from payments.models import Payment, PaymentAccount, PaymentException
from payments.tests.builders import build_payment, build_webhook
from payments.tests.steps import run_together

PDF = b"%PDF-1.7\nreceipt\n"
NUMBER = "BANK20261122000001"


def person(name: str, role: str = "finance") -> User:
    """A member of staff with a role, and an address for mail."""
    user = User.objects.create_user(name, is_staff=True, email=f"{name}@shop.test")
    user.groups.add(Group.objects.get(name=role))
    return user


def limit(role: str, action: MoneyLimit.LimitedAction, amount: str) -> None:
    MoneyLimit.objects.create(role=Group.objects.get(name=role), action=action, amount=Decimal(amount))


def receipt(content: bytes = PDF, name: str = "回单.pdf") -> Handed:
    return Handed(name, io.BytesIO(content))


def wish_for(order: Order, account: PaymentAccount, **changes: Any) -> Wish:
    """What somebody saw: the whole sum of the order, with a receipt."""
    wish = Wish(
        order_id=order.pk,
        account_id=account.pk,
        amount=order.total_amount,
        provider_reference=NUMBER,
        reason="银行转账",
        files=[receipt()],
    )
    return replace(wish, **changes)


def unpaid(account: PaymentAccount | None = None) -> tuple[Order, PaymentAccount]:
    account = account or build_webhook()
    return build_order(merchant=account.merchant), account


def late_payment(account: PaymentAccount | None = None) -> tuple[Payment, PaymentException]:
    """Money for a closed order, with its case, as the payment door leaves them."""
    account = account or build_webhook()
    order = build_order_in("closed", merchant=account.merchant)
    payment = build_payment(
        account, order=order, status="paid", is_surplus=True, provider_reference="LATE0001"
    )
    case = PaymentException.objects.create(
        kind="order_closed", dedup_key=payment.reference, account=account, order=order, payment=payment,
        amount=payment.amount,
    )  # fmt: skip
    return payment, case


def lines_of(order: Order) -> list[tuple[str, str]]:
    """What the history says after the creation: trigger and actor."""
    events = OrderEvent.objects.filter(order_id=order.pk, seq__gt=1).order_by("seq")
    return [(event.trigger, event.actor_id) for event in events]


def looking_at_once(request: Proposal) -> list[bool]:
    """Two who look at the state and then act, without a lock: what each of them sees."""
    barrier, seen = threading.Barrier(2), []

    def look() -> None:
        seen.append(type(request)._default_manager.get(pk=request.pk).is_waiting)
        barrier.wait()

    run_together(look, look)
    return seen


def deciding_at_once(kind: ApprovalKind[Any], request: Proposal) -> list[str]:
    """Two people approve at the same time through the door: the codes of those who were refused."""
    codes: list[str] = []

    def decide(user: User) -> None:
        try:
            approve(kind, request.pk, user=user, note="ok")
        except DomainError as caught:
            codes.append(caught.code)

    run_together(*[partial(decide, person(name)) for name in ("wang", "zhao")])
    return codes
