"""Explains why an order is not paid: attempt → notification → signature → checks → applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import Order, OrderStatus
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.panels import Link
from payments.about.labels import answer_label
from payments.models import (
    Payment,
    PaymentException,
    PaymentNotification,
)
from payments.providers.errors import REJECTIONS
from payments.providers.types import UpdateKind

Outcome = PaymentNotification.Outcome
# Workers need well under a second; a notification that waited so long has no worker.
QUEUE_PATIENCE = timedelta(minutes=1)
# Forged calls can be many: only so many of the latest rejected notifications are searched.
_REJECTED_SEARCHED = 50
_PAYING = (UpdateKind.PAYMENT, UpdateKind.PAID_REFUNDED)
_FINE = frozenset(
    {Outcome.APPLIED, Outcome.DUPLICATE, Outcome.REFUND_APPLIED, Outcome.NOTED, Outcome.CLOSED_NOTED}
)


def explain_attempts(order: Order) -> list[Link]:
    """The chain of the settled attempt, else of the latest one. Four queries."""
    attempts = list(order.payments.select_related("account").order_by("-pk"))
    payment = next((one for one in attempts if one.is_settled), attempts[0])
    notifications = list(PaymentNotification.objects.filter(reference=payment.reference).order_by("pk"))
    notifications = notifications or _rejected(payment)
    verified = [row for row in notifications if row.is_verified and row.kind in _PAYING]
    cases = list(PaymentException.objects.open().filter(order_id=order.pk).order_by("pk"))
    return [
        _attempt(payment),
        _received(payment, notifications),
        _signature(payment, notifications),
        _checks(payment, verified, cases),
        _applied(payment, verified),
    ]


def _rejected(payment: Payment) -> list[PaymentNotification]:
    """Rejected notifications about this attempt. Their rows carry no reference, so their bodies are searched for it."""
    if payment.is_settled:
        return []
    rows = PaymentNotification.objects.rejected().filter(
        account_id=payment.account_id, received_at__gte=payment.created_at
    )
    latest = rows.select_related("raw").order_by("-received_at")[:_REJECTED_SEARCHED]
    return [row for row in latest if payment.reference.encode() in _body(row)][::-1]


def _body(row: PaymentNotification) -> bytes:
    """The raw body; empty where it is deleted or cannot be opened."""
    try:
        return row.raw_call.body if row.raw_call else b""
    except CannotDecrypt:
        return b""


def _attempt(payment: Payment) -> Link:
    name = f"{payment.account.slug} {payment.reference}"
    if payment.close_wanted_at and not payment.is_settled:
        cause = _("The attempt is being closed at the provider; its last answer: %(answer)s")
        return Link(
            "payment_attempt", "waiting", payment.created_at, name,
            cause_code="closing_at_provider", cause=cause % {"answer": answer_label(payment.last_answer)},
        )  # fmt: skip
    return Link("payment_attempt", "good", payment.created_at, name)


def _received(payment: Payment, notifications: Sequence[PaymentNotification]) -> Link:
    if notifications:
        return Link("notification", "good", notifications[0].received_at, f"#{notifications[0].pk}")
    if payment.is_settled:
        return Link("notification", "not_applicable", evidence=_("the provider was queried"))
    if payment.is_closed:
        return Link("notification", "not_applicable")
    return Link(
        "notification",
        "waiting",
        cause_code="no_notification",
        cause=_("The provider has sent no notification; its last answer: %(answer)s")
        % {"answer": answer_label(payment.last_answer)},
    )


def _signature(payment: Payment, notifications: Sequence[PaymentNotification]) -> Link:
    good = next((row for row in notifications if row.is_verified), None)
    if good is not None:
        return Link("signature", "good", good.received_at, f"#{good.pk}")
    if not notifications or payment.is_settled:
        return Link("signature", "not_applicable")
    last = notifications[-1]
    cause = str(REJECTIONS.get(last.reject_code, last.reject_code))
    return Link(
        "signature", "broken", last.received_at, f"#{last.pk}", cause_code="bad_signature", cause=cause
    )


def _checks(
    payment: Payment, verified: Sequence[PaymentNotification], cases: Sequence[PaymentException]
) -> Link:
    if cases:
        case = cases[0]
        return Link(
            "business_checks", "broken", case.created_at, f"#{case.pk}",
            cause_code=case.kind, cause=str(case.get_kind_display()),
        )  # fmt: skip
    wrong = next((row for row in verified if not row.is_waiting and row.outcome not in _FINE), None)
    if wrong is not None and not payment.is_settled:
        cause = str(Outcome(wrong.outcome).label)
        return Link("business_checks", "broken", wrong.received_at, f"#{wrong.pk}", wrong.outcome, cause)
    state = "good" if payment.is_settled else "not_applicable"
    return Link("business_checks", state, payment.paid_at)


def _applied(payment: Payment, verified: Sequence[PaymentNotification]) -> Link:
    if payment.is_settled:
        return Link("applied", "good", payment.paid_at, payment.provider_reference)
    queued = next((row for row in verified if row.is_waiting), None)
    if queued is None:
        return Link("applied", "not_applicable")
    stuck = timezone.now() - queued.received_at > QUEUE_PATIENCE
    return Link(
        "applied", "broken" if stuck else "waiting", queued.received_at, f"#{queued.pk}",
        cause_code="queued", cause=queued.last_error or _("The notification waits in the queue."),
    )  # fmt: skip


def explain(order: Order) -> list[Link]:
    """The links attempt, notification, signature, business checks, applied; the first broken one names the cause."""
    if not order.payments.exists():
        state = "waiting" if order.status == OrderStatus.PENDING else "not_applicable"
        return [
            Link("payment_attempt", state, cause_code="no_attempt", cause=_("Nobody has tried to pay yet."))
        ]
    return explain_attempts(order)
