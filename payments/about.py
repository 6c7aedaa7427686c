"""What payments tell the rooms that compose an order's page: plain, readable data, a fixed number of queries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.models import Order, OrderStatus
from ordersite.lib.composing import Entry, Item, Link, Panel
from ordersite.lib.money import format_amount
from payments import lane
from payments.explaining import answer_words, explain_attempts
from payments.models import (
    Payment,
    PaymentException,
    PaymentNotification,
    PaymentStatus,
    Proposal,
    ProposalStatus,
    RefundRequest,
    RefundStatus,
    RevivalRequest,
    SettlementRequest,
)
from payments.providers.base import REJECTIONS
from payments.providers.registry import PROVIDERS
from payments.refunds import words as refund_words

MOST_FOUND = 50
# Our own numbers and the providers' (up to 64 letters, digits, - and _).
_SHAPE = re.compile(r"[0-9A-Za-z_-]{6,64}", re.ASCII)
_TONES = {
    PaymentStatus.CREATED: "waiting",
    PaymentStatus.OPEN: "waiting",
    PaymentStatus.PAID: "good",
    PaymentStatus.CLOSED: "plain",
    PaymentStatus.REFUNDED: "bad",
}
Outcome = PaymentNotification.Outcome
_BAD = frozenset(
    {
        Outcome.UNKNOWN_ORDER, Outcome.AMOUNT_MISMATCH, Outcome.WRONG_ACCOUNT, Outcome.ALREADY_PAID,
        Outcome.ORDER_CLOSED, Outcome.REFUND_EVENT, Outcome.REFERENCE_CONFLICT, Outcome.POISON,
        Outcome.ORDER_REFUSED, Outcome.REVERSED, Outcome.REFUND_TROUBLE,
    }
)  # fmt: skip


def find(term: str, *, merchant_id: int | None = None) -> list[int]:
    """Orders by the reference of a payment or refund or the provider's number, whole; indexed, at most 50.

    Of one merchant, if given.
    """
    text = term.strip()
    if not _SHAPE.fullmatch(text):
        return []
    orders = Payment.objects.order_by().values_list("order_id", flat=True)
    if merchant_id is not None:
        orders = orders.filter(order__merchant_id=merchant_id)
    ours = list(orders.filter(reference=text.upper()))
    ours = ours or list(orders.filter(refund_requests__reference=text.upper()))
    return ours or list(dict.fromkeys(orders.filter(provider_reference=text)[:MOST_FOUND]))


def parts(orders: Sequence[Order]) -> dict[int, list[dict[str, Any]]]:
    """The `payments` of the order API, by order id, oldest first; one query."""
    found: dict[int, list[dict[str, Any]]] = {order.pk: [] for order in orders}
    attempts = (
        Payment.objects.filter(order_id__in=list(found)).select_related("account").order_by("order_id", "pk")
    )
    for payment in attempts:
        found[payment.order_id].append(_part(payment))
    return found


def _part(payment: Payment) -> dict[str, Any]:
    return {
        "reference": payment.reference,
        "provider": payment.account.provider,
        "account": payment.account.slug,
        "provider_reference": payment.provider_reference,
        "amount": format_amount(payment.amount),
        "status": str(payment.status),
        "paid_at": payment.paid_at,
    }


def panel(order: Order) -> Panel:
    """The open cases, what is or was asked back, and the attempts with their money; newest first."""
    attempts = list(order.payments.select_related("account").order_by("-pk"))
    cases = PaymentException.objects.filter(order_id=order.pk, resolved_at__isnull=True).order_by("-pk")
    waits = lane.waits([payment.account_id for payment in attempts if payment.close_wanted_at])
    requests = RefundRequest.objects.filter(order_id=order.pk).order_by("-pk")
    items = [_case_item(case) for case in cases]
    items += [_proposal_item(proposal) for proposal in _waiting_proposals(order)]
    items += [_request_item(request) for request in requests]
    items += [_item(payment, waits.get(payment.account_id)) for payment in attempts]
    return Panel(_("Payments"), items, empty=_("Nobody has tried to pay yet."))


def _waiting_proposals(order: Order) -> list[Proposal]:
    waiting = {"order_id": order.pk, "status": ProposalStatus.PROPOSED}
    return [*SettlementRequest.objects.filter(**waiting), *RevivalRequest.objects.filter(**waiting)]


def _proposal_item(proposal: Proposal) -> Item:
    return Item(
        title=str(proposal),
        facts=[
            (_("amount"), f"¥{format_amount(proposal.amount)}"),
            (_("since"), _moment(proposal.proposed_at)),
        ],
        state=str(ProposalStatus(proposal.status).label),
        tone="waiting",
        url_name=f"payments_{proposal._meta.model_name}_change",
        url_id=proposal.pk,
    )


def _item(payment: Payment, wait: lane.Wait | None) -> Item:
    facts = [
        (_("amount"), f"¥{format_amount(payment.amount)}"),
        (_("merchant reference"), payment.reference),
        (_("provider's reference"), payment.provider_reference),
        (_("paid at"), _moment(payment.paid_at)),
        (_("closed at"), _moment(payment.closed_at)),
        (_("refunded"), f"¥{format_amount(payment.refunded_amount)}" if payment.refunded_amount else ""),
        (_("last asked"), _last_answer(payment)),
        (_("closing"), _closing_words(payment, wait) if payment.close_wanted_at else ""),
        (_("asked next"), _moment(payment.next_query_at)),
    ]
    return Item(
        title=f"{_provider_label(payment.account.provider)} {payment.account.slug}",
        facts=[(name, value) for name, value in facts if value],
        state=str(PaymentStatus(payment.status).label),
        tone=_TONES[PaymentStatus(payment.status)],
        url_name="payments_payment_change",
        url_id=payment.pk,
    )


def _last_answer(payment: Payment) -> str:
    if payment.last_asked_at is None:
        return ""
    words = answer_words(payment.last_answer) if payment.last_answer else ""
    return f"{_moment(payment.last_asked_at)} {words}".strip()


def _closing_words(payment: Payment, wait: lane.Wait | None) -> str:
    """How long the lane will take, or why nobody asks at the moment."""
    if wait is None:
        return _("waits to be closed at the provider")
    if wait.resting_until:
        return _("the provider does not answer; tried again in %(time)s") % {
            "time": timeuntil(wait.resting_until)
        }
    if payment.next_query_at and payment.next_query_at > timezone.now():
        return _("waits to be closed at the provider; tried again in %(time)s") % {
            "time": timeuntil(payment.next_query_at)
        }
    words = ngettext(
        "is being closed at the provider: %(waiting)d in the lane, about %(seconds)d s",
        "is being closed at the provider: %(waiting)d in the lane, about %(seconds)d s",
        wait.waiting,
    )
    return words % {"waiting": wait.waiting, "seconds": wait.seconds}


def _case_item(case: PaymentException) -> Item:
    return Item(
        title=case.get_kind_display(),
        facts=[(_("since"), _moment(case.created_at))],
        state=_("needs a person"),
        tone="bad",
        url_name="payments_paymentexception_change",
        url_id=case.pk,
    )


def _request_item(request: RefundRequest) -> Item:
    facts = [
        (_("refund reference"), request.reference),
        (_("reason"), request.reason),
        (_("proposed at"), _moment(request.created_at)),
        (_("waits for"), refund_words.waits_for(request)),
        (_("last answer"), refund_words.answer_words(request.last_answer) if request.last_answer else ""),
        (_("ended at"), _moment(request.ended_at)),
    ]
    return Item(
        title=_("Refund request ¥%(amount)s") % {"amount": format_amount(request.amount)},
        facts=[(name, value) for name, value in facts if value],
        state=str(RefundStatus(request.status).label),
        tone=refund_words.TONES[request.status],
        url_name="payments_refundrequest_change",
        url_id=request.pk,
    )


def _provider_label(name: str) -> str:
    provider = PROVIDERS.get(name)
    return str(provider.label) if provider else name


def _moment(at: datetime | None) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def timeline(order: Order) -> list[Entry]:
    """Attempts, notifications and cases as they came; the order's own transitions are told by orders."""
    attempts = list(order.payments.select_related("account"))
    references = [payment.reference for payment in attempts]
    notifications = PaymentNotification.objects.filter(reference__in=references).select_related("account")
    cases = PaymentException.objects.filter(order_id=order.pk).select_related("resolved_by")
    entries = [entry for payment in attempts for entry in _attempt_entries(payment)]
    entries += [_notification_entry(row) for row in notifications.order_by("pk")]
    entries += [entry for case in cases for entry in _case_entries(case)]
    requests = RefundRequest.objects.filter(order_id=order.pk, ordered_at__isnull=False)
    entries += [_order_entry(request) for request in requests]
    return sorted(entries, key=lambda entry: entry.at)


def _attempt_entries(payment: Payment) -> list[Entry]:
    name = f"{_provider_label(payment.account.provider)} {payment.account.slug}"
    told = [(payment.created_at, _("Payment attempt made"), "plain")]
    if payment.close_wanted_at:
        told.append((payment.close_wanted_at, _("Closing the attempt at the provider"), "waiting"))
    if payment.closed_at:
        told.append((payment.closed_at, _("Payment attempt closed"), "plain"))
    return [
        Entry(
            at=at,
            lane="payment",
            title=title,
            detail=f"{name} ¥{format_amount(payment.amount)}",
            tone=tone,
            evidence=payment.reference,
            url_name="payments_payment_change",
            url_id=payment.pk,
        )
        for at, title, tone in told
    ]


def _notification_entry(row: PaymentNotification) -> Entry:
    verdict = PaymentNotification.Verdict(row.verdict).label
    rejected = REJECTIONS.get(row.reject_code, row.reject_code)
    outcome = rejected or PaymentNotification.Outcome(row.outcome).label
    bad = row.verdict == PaymentNotification.Verdict.REJECTED or row.outcome in _BAD
    return Entry(
        at=row.received_at,
        lane="payment",
        title=_("Payment notification: %(verdict)s") % {"verdict": verdict},
        detail=" · ".join(filter(None, [row.account.slug, row.provider_state, str(outcome)])),
        tone="bad" if bad else "waiting" if row.done_at is None else "good",
        evidence=f"#{row.pk}",
        url_name="payments_paymentnotification_change",
        url_id=row.pk,
    )


def _order_entry(request: RefundRequest) -> Entry:
    """When the provider was told; the asking, the approval and the end stand in the order's own history."""
    return Entry(
        at=request.ordered_at or request.created_at,
        lane="payment",
        title=_("Refund ordered at the provider"),
        detail=f"¥{format_amount(request.amount)} · {RefundStatus(request.status).label}",
        tone=refund_words.TONES[request.status],
        evidence=request.reference,
        url_name="payments_refundrequest_change",
        url_id=request.pk,
    )


def _case_entries(case: PaymentException) -> list[Entry]:
    raised = _case_entry(case, case.created_at, case.get_kind_display())
    if not case.resolved_at:
        return [raised]
    title = _("Resolved: %(kind)s") % {"kind": case.get_kind_display()}
    by = f"{case.resolved_by}: " if case.resolved_by else ""
    resolved = _case_entry(case, case.resolved_at, title)
    return [raised, replace(resolved, lane="people", tone="good", detail=by + case.resolution)]


def _case_entry(case: PaymentException, at: datetime, title: str) -> Entry:
    return Entry(
        at=at,
        lane="payment",
        title=title,
        tone="bad",
        evidence=f"#{case.pk}",
        url_name="payments_paymentexception_change",
        url_id=case.pk,
    )


def explain(order: Order) -> list[Link]:
    """Attempt → notification → signature → business checks → applied; the first broken link names the cause."""
    if not order.payments.exists():
        state = "waiting" if order.status == OrderStatus.PENDING else "not_applicable"
        return [
            Link("payment_attempt", state, cause_code="no_attempt", cause=_("Nobody has tried to pay yet."))
        ]
    return explain_attempts(order)
