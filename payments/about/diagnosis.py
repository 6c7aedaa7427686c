"""Explains why an order is not paid: attempt → notification → signature → checks → applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import Order, OrderStatus
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import stored_code
from ordersite.lib.panels import Link
from payments.about.labels import answer_label, provider_label
from payments.about.silence import is_silent
from payments.cases.remedies import what_to_do
from payments.models import (
    DeadCall,
    Payment,
    PaymentException,
    PaymentNotification,
    PaymentQuery,
    SettlementRequest,
    StatementLine,
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
# The cause that a case or an outcome is, where its name differs.
_CODES = {
    "unknown_order": "unknown_reference",
    "order_closed": "paid_after_close",
    "order_refused": "trigger_off",
    "bad_signatures": "notification_rejected",
    "rejected": "notification_rejected",
    "provider_silent": "provider_unreachable",
    "poison": "notification_parked",
}
# A query that ended so cannot succeed before somebody has put the account right.
_UNUSABLE = frozenset({"provider_misconfigured", "account_unusable", "cannot_open", "cannot_decrypt"})


def explain_attempts(order: Order) -> list[Link]:
    """The chain of the settled attempt, else of the latest one. At most seven queries."""
    attempts = list(order.payments.select_related("account").order_by("-pk"))
    payment = next((one for one in attempts if one.is_settled), attempts[0])
    notifications = list(PaymentNotification.objects.filter(reference=payment.reference).order_by("pk"))
    notifications = notifications or _rejected(payment)
    verified = [row for row in notifications if row.is_verified and row.kind in _PAYING]
    cases = list(PaymentException.objects.open().filter(order_id=order.pk).order_by("pk"))
    for case in cases:
        case.order = order  # its advice looks at the order's state
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
    return _silence(payment) or _lost(payment) or _unpaid(payment)


def _silence(payment: Payment) -> Link | None:
    """Where the provider cannot be asked, nobody knows whether the buyer has paid."""
    answer = next(iter(PaymentQuery.objects.latest_of({payment.pk: payment})), None)
    if not is_silent(payment, answer):
        return None
    code = answer.error_code if answer and answer.is_failure else stored_code(payment.last_answer)
    provider = {"provider": provider_label(payment.account.provider)}
    if code in _UNUSABLE or (answer and answer.is_refusal):
        return Link(
            "notification", "broken", evidence=payment.account.slug, cause_code="provider_account_unusable",
            cause=_("The account at %(provider)s is not set up correctly: it cannot be queried.") % provider,
            advice=_("Put the account's keys right and try its connection, then query the payment."),
        )  # fmt: skip
    return Link(
        "notification", "broken", evidence=payment.account.slug, cause_code="provider_unreachable",
        cause=_("No payment notification has arrived, and %(provider)s does not answer.") % provider,
        advice=_("Do not let the buyer pay again. It is queried by itself; look at the provider's own page meanwhile."),
    )  # fmt: skip


def _lost(payment: Payment) -> Link | None:
    """A call of this account that ended at the proxy since the attempt began: it may have been about this attempt."""
    slug = payment.account.slug
    calls = DeadCall.objects.filter(at__gte=payment.created_at, provider=payment.account.provider)
    lost = calls.filter(account_slug=slug, upstream_status=0).order_by("-at").first()
    if lost is None:
        return None
    cause = _("A call of the provider for this account ended at the proxy with %(status)s: its body is lost.")
    return Link(
        "notification", "broken", lost.at, f"{lost.status} {lost.path}", "notification_died_at_proxy",
        cause % {"status": lost.status},
        advice=_("Query the provider: its answer counts as much. Tell operations why the proxy refused the call."),
    )  # fmt: skip


def _unpaid(payment: Payment) -> Link:
    cause = _("The provider has sent no notification; its last answer: %(answer)s")
    return Link(
        "notification", "waiting", cause_code="buyer_has_not_paid",
        cause=cause % {"answer": answer_label(payment.last_answer)},
        advice=_("Query the provider to be sure. If it knows of no payment, let the buyer pay."),
    )  # fmt: skip


def _signature(payment: Payment, notifications: Sequence[PaymentNotification]) -> Link:
    good = next((row for row in notifications if row.is_verified), None)
    if good is not None:
        return Link("signature", "good", good.received_at, f"#{good.pk}")
    if not notifications or payment.is_settled:
        return Link("signature", "not_applicable")
    last = notifications[-1]
    cause = str(REJECTIONS.get(last.reject_code, last.reject_code)) or _("The call was refused.")
    advice = _(
        "Compare the account's keys with the provider's page. Once they are right, replay the notification."
    )
    return Link(
        "signature", "broken", last.received_at, f"#{last.pk}", "notification_rejected", cause, advice=advice
    )


def _checks(
    payment: Payment, verified: Sequence[PaymentNotification], cases: Sequence[PaymentException]
) -> Link:
    if cases:
        case = cases[0]
        return Link(
            "business_checks", "broken", case.created_at, f"#{case.pk}",
            cause_code=code_of(case), cause=str(case.get_kind_display()), advice=str(what_to_do(case)),
        )  # fmt: skip
    wrong = next((row for row in verified if not row.is_waiting and row.outcome not in _FINE), None)
    if wrong is not None and not payment.is_settled:
        cause = str(Outcome(wrong.outcome).label)
        code = _CODES.get(wrong.outcome, wrong.outcome)
        return Link("business_checks", "broken", wrong.received_at, f"#{wrong.pk}", code, cause)
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
        cause_code="notification_waiting", cause=queued.last_error or _("The notification waits in the queue."),
        advice=_("Nothing works on the queue: tell operations, who see on the home page which process is missing.")
        if stuck else "",
    )  # fmt: skip


def code_of(case: PaymentException) -> str:
    """The cause that an open case is, by its stable code."""
    if case.kind == PaymentException.Kind.STATEMENT_DIFFERENCE:
        is_missing_here = case.detail.get("difference") == StatementLine.Result.MISSING_HERE
        return "statement_shows_money" if is_missing_here else case.kind
    return _CODES.get(case.kind, case.kind)


def _settlement(order: Order) -> list[Link]:
    """A settlement that waits for the second person; none where nobody proposed one."""
    waiting = SettlementRequest.objects.waiting().filter(order_id=order.pk).order_by("pk").first()
    if waiting is None:
        return []
    cause = _("A manual settlement of the order waits for the approval of a second person.")
    advice = _("Ask somebody with the right to approve settlements.")
    return [
        Link(
            "settlement",
            "waiting",
            waiting.proposed_at,
            f"#{waiting.pk}",
            "settlement_waits",
            cause,
            advice=advice,
        )
    ]


def explain(order: Order) -> list[Link]:
    """The links attempt, notification, signature, business checks, applied, and a settlement that waits."""
    if not order.payments.exists():
        state = "waiting" if order.status == OrderStatus.PENDING else "not_applicable"
        return [
            *_settlement(order),
            Link(
                "payment_attempt",
                state,
                cause_code="no_payment_attempt",
                cause=_("Nobody has tried to pay yet."),
            ),
        ]
    return [*_settlement(order), *explain_attempts(order)]
