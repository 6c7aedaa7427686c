"""The payment entries of an order's timeline: attempts, queries, notifications, cases and refunds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.labels import note_label
from orders.models import Order
from ordersite.lib.money import display_amount
from ordersite.lib.panels import Entry
from payments.about.labels import answer_label, error_label, provider_label
from payments.models import (
    Payment,
    PaymentException,
    PaymentNotification,
    PaymentQuery,
    RefundRequest,
    RefundStatus,
)
from payments.providers.errors import REJECTIONS
from payments.providers.types import TradeState
from payments.refunds import labels as refund_labels

Outcome = PaymentNotification.Outcome
_BAD = frozenset(
    {
        Outcome.UNKNOWN_ORDER, Outcome.AMOUNT_MISMATCH, Outcome.WRONG_ACCOUNT, Outcome.ALREADY_PAID,
        Outcome.ORDER_CLOSED, Outcome.REFUND_EVENT, Outcome.REFERENCE_CONFLICT, Outcome.POISON,
        Outcome.ORDER_REFUSED, Outcome.REVERSED, Outcome.REFUND_TROUBLE, Outcome.UNCLEAR,
    }
)  # fmt: skip


def timeline(order: Order) -> list[Entry]:
    """Entries of attempts, queries, notifications, cases and refunds, oldest first; transitions are `orders.about`'s."""
    attempts = list(order.payments.select_related("account"))
    references = [payment.reference for payment in attempts]
    notifications = PaymentNotification.objects.filter(reference__in=references).select_related("account")
    cases = PaymentException.objects.filter(order_id=order.pk).select_related("resolved_by")
    entries = [entry for payment in attempts for entry in _attempt_entries(payment)]
    by_id = {payment.pk: payment for payment in attempts}
    queries = PaymentQuery.objects.filter(payment_id__in=sorted(by_id)).order_by("pk")
    entries += [_query_entry(row, by_id[row.payment_id]) for row in queries]
    entries += [_notification_entry(row) for row in notifications.order_by("pk")]
    entries += [entry for case in cases for entry in _case_entries(case)]
    requests = RefundRequest.objects.filter(order_id=order.pk, ordered_at__isnull=False)
    entries += [_order_entry(request) for request in requests]
    return sorted(entries, key=lambda entry: entry.at)


def _attempt_entries(payment: Payment) -> list[Entry]:
    name = f"{provider_label(payment.account.provider)} {payment.account.slug}"
    moments = [(payment.created_at, _("Payment attempt made"), "plain")]
    if payment.close_wanted_at:
        moments.append((payment.close_wanted_at, _("Closing the attempt at the provider"), "waiting"))
    if payment.closed_at:
        moments.append((payment.closed_at, _("Payment attempt closed"), "plain"))
    return [
        Entry(
            at=at,
            topic="payment",
            title=title,
            detail=f"{name} {display_amount(payment.amount)}",
            tone=tone,
            evidence=payment.reference,
            url_name="payments_payment_change",
            url_id=payment.pk,
        )
        for at, title, tone in moments
    ]


def _query_entry(row: PaymentQuery, payment: Payment) -> Entry:
    """One entry for queries that had the same answer one after another, at the time of the last of them."""
    provider = provider_label(payment.account.provider)
    title = _("Query: %(provider)s %(answer)s") % {"provider": provider, "answer": _answer_words(row)}
    problem = error_label(row.error_code, row.error) if row.is_failure else ""
    tone = "bad" if row.is_failure else "good" if row.answer == TradeState.PAID else "plain"
    return Entry(
        at=row.last_at,
        topic="payment",
        title=title,
        detail=" · ".join(filter(None, [payment.account.slug, _times(row), problem])),
        tone=tone,
        evidence=payment.reference,
        url_name="payments_payment_change",
        url_id=payment.pk,
    )


def _answer_words(row: PaymentQuery) -> str:
    if not row.is_failure:
        return _("answers: %(answer)s") % {"answer": answer_label(row.answer)}
    return _("refuses the query") if row.is_refusal else _("does not answer")


def _times(row: PaymentQuery) -> str:
    if row.times == 1:
        return ""
    words = ngettext("%(times)d times since %(at)s", "%(times)d times since %(at)s", row.times)
    return words % {"times": row.times, "at": f"{timezone.localtime(row.first_at):%H:%M:%S}"}


def _notification_entry(row: PaymentNotification) -> Entry:
    check = PaymentNotification.CheckResult(row.check_result).label
    rejected = REJECTIONS.get(row.reject_code, row.reject_code)
    outcome = rejected or PaymentNotification.Outcome(row.outcome).label
    bad = row.is_rejected or row.outcome in _BAD
    return Entry(
        at=row.received_at,
        topic="payment",
        title=_("Payment notification: %(result)s") % {"result": check},
        detail=" · ".join(filter(None, [row.account.slug, row.provider_state, str(outcome)])),
        tone="bad" if bad else "waiting" if row.is_waiting else "good",
        evidence=f"#{row.pk}",
        url_name="payments_paymentnotification_change",
        url_id=row.pk,
    )


def _order_entry(request: RefundRequest) -> Entry:
    """The moment at which a refund was ordered at the provider; the order's history has the request and its end."""
    return Entry(
        at=request.ordered_at or request.created_at,
        topic="payment",
        title=_("Refund ordered at the provider"),
        detail=f"{display_amount(request.amount)} · {RefundStatus(request.status).label}",
        tone=refund_labels.TONES[request.status],
        evidence=request.reference,
        url_name="payments_refundrequest_change",
        url_id=request.pk,
    )


def _case_entries(case: PaymentException) -> list[Entry]:
    opened = _case_entry(case, case.created_at, case.get_kind_display())
    if case.resolved_at is None:
        return [opened]
    title = _("Resolved: %(kind)s") % {"kind": case.get_kind_display()}
    by = f"{case.resolved_by}: " if case.resolved_by else ""
    resolved = _case_entry(case, case.resolved_at, title)
    return [opened, replace(resolved, topic="people", tone="good", detail=by + note_label(case.resolution))]


def _case_entry(case: PaymentException, at: datetime, title: str) -> Entry:
    return Entry(
        at=at,
        topic="payment",
        title=title,
        tone="bad",
        evidence=f"#{case.pk}",
        url_name="payments_paymentexception_change",
        url_id=case.pk,
    )
