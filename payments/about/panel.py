"""The payments of an order for the order API and the order page: plain data, a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.models import Order, ProposalStatus
from ordersite.lib.durations import time_until
from ordersite.lib.money import display_amount, format_amount
from ordersite.lib.panels import Item, Panel
from payments.about.labels import TONES, answer_label, provider_label
from payments.models import (
    MoneyProposal,
    Payment,
    PaymentException,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    RevivalRequest,
    SettlementRequest,
)
from payments.provider_calls.throttle import Wait, waits_of
from payments.refunds import labels as refund_labels


def parts(orders: Sequence[Order]) -> dict[int, list[dict[str, Any]]]:
    """The `payments` field of the order API, by order id, oldest first. One query."""
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
    """The panel of an order: open cases, waiting proposals, refund requests and attempts, each newest first."""
    attempts = list(order.payments.select_related("account").order_by("-pk"))
    cases = PaymentException.objects.open().filter(order_id=order.pk).order_by("-pk")
    waits = waits_of([payment.account_id for payment in attempts if payment.close_wanted_at])
    requests = RefundRequest.objects.filter(order_id=order.pk).order_by("-pk")
    items = [_case_item(case) for case in cases]
    items += [_proposal_item(proposal) for proposal in _waiting_proposals(order)]
    items += [_request_item(request) for request in requests]
    items += [_item(payment, waits.get(payment.account_id)) for payment in attempts]
    return Panel(_("Payments"), items, empty=_("Nobody has tried to pay yet."))


def _waiting_proposals(order: Order) -> list[MoneyProposal]:
    settlements = SettlementRequest.objects.waiting().filter(order_id=order.pk)
    revivals = RevivalRequest.objects.waiting().filter(order_id=order.pk)
    return [*settlements, *revivals]


def _proposal_item(proposal: MoneyProposal) -> Item:
    return Item(
        title=str(proposal),
        facts=[
            (_("amount"), display_amount(proposal.amount)),
            (_("since"), _moment(proposal.proposed_at)),
        ],
        state=str(ProposalStatus(proposal.status).label),
        tone="waiting",
        url_name=f"payments_{proposal._meta.model_name}_change",
        url_id=proposal.pk,
    )


def _item(payment: Payment, wait: Wait | None) -> Item:
    facts = [
        (_("amount"), display_amount(payment.amount)),
        (_("merchant reference"), payment.reference),
        (_("provider's reference"), payment.provider_reference),
        (_("paid at"), _moment(payment.paid_at)),
        (_("closed at"), _moment(payment.closed_at)),
        (_("refunded"), display_amount(payment.refunded_amount) if payment.refunded_amount else ""),
        (_("last query"), _last_answer(payment)),
        (_("closing"), _closing_label(payment, wait) if payment.close_wanted_at else ""),
        (_("next query"), _moment(payment.next_query_at)),
    ]
    return Item(
        title=f"{provider_label(payment.account.provider)} {payment.account.slug}",
        facts=[(name, value) for name, value in facts if value],
        state=str(PaymentStatus(payment.status).label),
        tone=TONES[payment.status],
        url_name="payments_payment_change",
        url_id=payment.pk,
    )


def _last_answer(payment: Payment) -> str:
    if payment.last_query_at is None:
        return ""
    label = answer_label(payment.last_answer) if payment.last_answer else ""
    return f"{_moment(payment.last_query_at)} {label}".strip()


def _closing_label(payment: Payment, wait: Wait | None) -> str:
    """How long the account's queue will take, or why no query goes out at the moment."""
    if wait is None:
        return _("waits to be closed at the provider")
    if wait.open_until:
        return _("circuit open: the provider does not answer; tried again in %(time)s") % {
            "time": time_until(wait.open_until)
        }
    if payment.next_query_at and payment.next_query_at > timezone.now():
        return _("waits to be closed at the provider; tried again in %(time)s") % {
            "time": time_until(payment.next_query_at)
        }
    text = ngettext(
        "is being closed at the provider: %(waiting)d in the queue, about %(seconds)d s",
        "is being closed at the provider: %(waiting)d in the queue, about %(seconds)d s",
        wait.waiting,
    )
    return text % {"waiting": wait.waiting, "seconds": wait.seconds}


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
        (_("waits for"), refund_labels.waits_for(request)),
        (_("last answer"), refund_labels.answer_label(request.last_answer) if request.last_answer else ""),
        (_("ended at"), _moment(request.ended_at)),
    ]
    return Item(
        title=_("Refund request %(amount)s") % {"amount": display_amount(request.amount)},
        facts=[(name, value) for name, value in facts if value],
        state=str(RefundStatus(request.status).label),
        tone=refund_labels.TONES[request.status],
        url_name="payments_refundrequest_change",
        url_id=request.pk,
    )


def _moment(at: datetime | None) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S") if at else ""
