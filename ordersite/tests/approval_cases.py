"""A case for each kind of request that two persons decide: how one is proposed, and what an approval leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from orders.approvals import limit_changes, switches
from orders.approvals.kinds import ApprovalKind
from orders.approvals.limit_changes import LIMIT
from orders.approvals.switches import SWITCHES
from orders.models import ChangeRequest, Merchant, MoneyLimit, Order, OrderEvent
from orders.tests.builders import build_merchant, build_order
from ordersite.automation.models import ReleaseRequest
from ordersite.automation.releases import RELEASE, propose_release
from ordersite.queue.models import AuditEntry
from payments.accounts import change_kind
from payments.accounts.change_kind import ACCOUNT
from payments.manual import revive, settle
from payments.manual.revive import REVIVAL
from payments.manual.settle import SETTLEMENT
from payments.manual.tests.proposals import late_payment, unpaid, wish_for
from payments.models import (
    Payment,
    PaymentAccount,
    PaymentException,
    RefundRequest,
    RevivalRequest,
    SettlementRequest,
    Statement,
)
from payments.reconciliation.approval import STATEMENT
from payments.reconciliation.settle import settle_statements
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.shop import account_at, attempt, row_of, take
from payments.refunds.approval import REFUND
from payments.refunds.tests.builders import paid_payment, requested_refund
from payments.tests.builders import build_webhook

ROTATED = "whsec_" + "bmV3" * 8


@dataclass(frozen=True, slots=True)
class ApprovalCase:
    """`build` makes what a request is about, `propose` a request of this person that waits; `effects` counts what
    approvals of the request have done. `is_of_a_shop`: the shop's single-operator rule counts."""

    build: Callable[[], Any]
    propose: Callable[[Any, User], Any]
    effects: Callable[[Any], int]
    is_of_a_shop: bool = True


def propose_settlement(subject: tuple[Order, PaymentAccount], user: User) -> SettlementRequest:
    return settle.propose(wish_for(*subject), user=user)


def propose_revival(subject: tuple[Payment, PaymentException], user: User) -> RevivalRequest:
    payment, case = subject
    return revive.propose(payment.pk, user=user, reason="x", stock_confirmed=True, case_id=case.pk)


def propose_refund(payment: Payment, user: User) -> RefundRequest:
    return requested_refund(payment, "60.00", user=user)


def unsettled() -> Payment:
    return attempt(account_at("wechatpay"))


def propose_statement(payment: Payment, user: User) -> Statement:
    return take(payment.account, bills.wechat_csv([row_of(payment)]), user=user)


def times_paid(_request: Any) -> int:
    return OrderEvent.objects.filter(to_status="paid").count()


def times_refunded(request: RefundRequest) -> int:
    return OrderEvent.objects.filter(order_id=request.order_id, trigger__startswith="refund_approved").count()


def times_settled(_request: Statement) -> int:
    settle_statements()
    return OrderEvent.objects.filter(to_status="paid", trigger="statement").count()


def propose_switches(merchant: Merchant, user: User) -> ChangeRequest:
    wanted = replace(switches.switches_of(merchant), late_payments="refund")
    return switches.propose(merchant.pk, wanted, user=user, reason="x")


def propose_limit(role: Group, user: User) -> ChangeRequest:
    action = MoneyLimit.LimitedAction.APPROVE_REFUND
    return limit_changes.propose(role, action, Decimal("50.00"), user=user, reason="x")


def propose_keys(account: PaymentAccount, user: User) -> ChangeRequest:
    return change_kind.propose_keys(account.pk, {"secret": ROTATED}, user=user, reason="x")


def held() -> Order:
    order = build_order()
    Order.objects.filter(pk=order.pk).update(held=True, hold_reason="manual")
    return order


def propose_release_of(order: Order, user: User) -> ReleaseRequest:
    return propose_release(order.pk, user=user, reason="x")


def times_released(request: ReleaseRequest) -> int:
    return OrderEvent.objects.filter(order_id=request.order_id, kind=OrderEvent.EventKind.RELEASE).count()


def times_changed(request: ChangeRequest) -> int:
    """Both persons stand in the audit entry of an applied change."""
    persons = AuditEntry.objects.filter(database_user__startswith="staff: ")
    return persons.filter(column_name__in={*request.changes} - {"keys_fingerprint"}).count()


CASES: Mapping[str, ApprovalCase] = {
    SETTLEMENT.key: ApprovalCase(unpaid, propose_settlement, times_paid),
    REVIVAL.key: ApprovalCase(late_payment, propose_revival, times_paid),
    REFUND.key: ApprovalCase(paid_payment, propose_refund, times_refunded),
    STATEMENT.key: ApprovalCase(unsettled, propose_statement, times_settled),
    SWITCHES.key: ApprovalCase(build_merchant, propose_switches, times_changed),
    ACCOUNT.key: ApprovalCase(build_webhook, propose_keys, times_changed),
    RELEASE.key: ApprovalCase(held, propose_release_of, times_released),
    LIMIT.key: ApprovalCase(
        lambda: Group.objects.get(name="agent"), propose_limit, times_changed, is_of_a_shop=False
    ),
}


def staff_with(name: str, *rights: str) -> User:
    """A member of staff with these permissions, an address, and a role of their own for limits."""
    user = User.objects.create_user(name, is_staff=True, email=f"{name}@shop.test")
    user.groups.add(Group.objects.create(name=f"role of {name}"))
    for right in rights:
        app, codename = right.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return User.objects.get(pk=user.pk)


def set_limit(user: User, action: MoneyLimit.LimitedAction, amount: Decimal) -> None:
    MoneyLimit.objects.update_or_create(role=user.groups.get(), action=action, defaults={"amount": amount})


def world() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as it stands."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.managed
    }


def let_one_decide(kind: ApprovalKind[Any], request: Any, *, minutes_ago: int) -> None:
    """Make the shop one that lets a single operator decide after 30 minutes, and the request that old."""
    Merchant.objects.update(allows_single_operator=True, single_operator_wait_minutes=30)
    at = timezone.now() - timedelta(minutes=minutes_ago)
    kind.model._default_manager.filter(pk=request.pk).update(**{kind.since_column: at})
