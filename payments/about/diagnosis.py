"""The payment part of an order's chain: attempt → notification → signature → checks → applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import Order, OrderStatus
from ordersite.lib.panels import Link
from payments.models import (
    Payment,
    PaymentException,
    PaymentNotification,
)
from payments.providers.errors import REJECTIONS
from payments.providers.types import UpdateKind

Outcome = PaymentNotification.Outcome
# Drainers need well under a second; after so long nobody is draining.
QUEUE_PATIENCE = timedelta(minutes=1)
# Calls with a bad signature are many when somebody plays with the address: so many of the latest are looked through.
_MOST_REJECTED = 50
_FINE = frozenset(
    {Outcome.APPLIED, Outcome.DUPLICATE, Outcome.REFUND_APPLIED, Outcome.NOTED, Outcome.CLOSED_NOTED}
)


_ANSWERS = {
    "pending": gettext_lazy("not paid yet"),
    "not_found": gettext_lazy("not known there yet"),
    "paid": gettext_lazy("paid"),
    "closed": gettext_lazy("closed"),
    "refunded": gettext_lazy("refunded"),
    "unknown": gettext_lazy("a state that is new to us"),
    "not_applicable": gettext_lazy("this account cannot be asked"),
}


def answer_words(last_answer: str) -> str:
    """What the provider last said of an attempt, in the reader's language; an error keeps its own words."""
    return str(_ANSWERS.get(last_answer, last_answer)) or "–"


def explain_attempts(order: Order) -> list[Link]:
    """The chain of the attempt that matters: the settled one, else the latest. Four queries."""
    attempts = list(order.payments.select_related("account").order_by("-pk"))
    payment = next((one for one in attempts if one.is_settled), attempts[0])
    calls = list(PaymentNotification.objects.filter(reference=payment.reference).order_by("pk"))
    calls = calls or _rejected(payment)
    verified = [call for call in calls if call.is_verified and call.kind == UpdateKind.PAYMENT]
    cases = list(PaymentException.objects.open().filter(order_id=order.pk).order_by("pk"))
    return [
        _attempt(payment),
        _received(payment, calls),
        _signature(payment, calls),
        _checks(payment, verified, cases),
        _applied(payment, verified),
    ]


def _rejected(payment: Payment) -> list[PaymentNotification]:
    """What a rejected call says is not believed, so its row names no reference; its body shows what it was about."""
    if payment.is_settled:
        return []
    rows = PaymentNotification.objects.rejected().filter(
        account_id=payment.account_id, received_at__gte=payment.created_at
    )
    latest = rows.select_related("raw").order_by("-received_at")[:_MOST_REJECTED]
    return [row for row in latest if payment.reference.encode() in bytes(row.raw.body)][::-1]


def _attempt(payment: Payment) -> Link:
    name = f"{payment.account.slug} {payment.reference}"
    if payment.close_wanted_at and not payment.is_settled:
        cause = _("The attempt is being closed at the provider; its last answer: %(answer)s")
        return Link(
            "payment_attempt", "waiting", payment.created_at, name,
            cause_code="closing_at_provider", cause=cause % {"answer": answer_words(payment.last_answer)},
        )  # fmt: skip
    return Link("payment_attempt", "good", payment.created_at, name)


def _received(payment: Payment, calls: Sequence[PaymentNotification]) -> Link:
    if calls:
        return Link("notification", "good", calls[0].received_at, f"#{calls[0].pk}")
    if payment.is_settled:
        return Link("notification", "not_applicable", evidence=_("the provider was asked"))
    if payment.is_closed:
        return Link("notification", "not_applicable")
    return Link(
        "notification",
        "waiting",
        cause_code="no_notification",
        cause=_("The provider has sent no notification; its last answer: %(answer)s")
        % {"answer": answer_words(payment.last_answer)},
    )


def _signature(payment: Payment, calls: Sequence[PaymentNotification]) -> Link:
    good = next((call for call in calls if call.is_verified), None)
    if good is not None:
        return Link("signature", "good", good.received_at, f"#{good.pk}")
    if not calls or payment.is_settled:
        return Link("signature", "not_applicable")
    last = calls[-1]
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
    wrong = next((call for call in verified if not call.is_waiting and call.outcome not in _FINE), None)
    if wrong is not None and not payment.is_settled:
        cause = str(Outcome(wrong.outcome).label)
        return Link("business_checks", "broken", wrong.received_at, f"#{wrong.pk}", wrong.outcome, cause)
    state = "good" if payment.is_settled else "not_applicable"
    return Link("business_checks", state, payment.paid_at)


def _applied(payment: Payment, verified: Sequence[PaymentNotification]) -> Link:
    if payment.is_settled:
        return Link("applied", "good", payment.paid_at, payment.provider_reference)
    queued = next((call for call in verified if call.is_waiting), None)
    if queued is None:
        return Link("applied", "not_applicable")
    stuck = timezone.now() - queued.received_at > QUEUE_PATIENCE
    return Link(
        "applied", "broken" if stuck else "waiting", queued.received_at, f"#{queued.pk}",
        cause_code="queued", cause=queued.last_error or _("The notification waits in the queue."),
    )  # fmt: skip


def explain(order: Order) -> list[Link]:
    """Attempt → notification → signature → business checks → applied; the first broken link names the cause."""
    if not order.payments.exists():
        state = "waiting" if order.status == OrderStatus.PENDING else "not_applicable"
        return [
            Link("payment_attempt", state, cause_code="no_attempt", cause=_("Nobody has tried to pay yet."))
        ]
    return explain_attempts(order)
