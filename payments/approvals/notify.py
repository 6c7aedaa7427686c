"""Telling those who may decide that somebody waits for them: by e-mail, with an order number and an amount, no more.

Nothing is sent here: handlers run inside the relay's transaction, so they write rows, and `payments.approvals.mail` sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from ordersite.lib.money import format_amount
from ordersite.queue.relay import Answer, Delivered
from payments.approvals import mail as staff_mail
from payments.approvals.workflow import REVIVAL, SETTLEMENT, Kind
from payments.models import Proposal, RefundRequest, RevivalRequest, SettlementRequest, StaffMail
from payments.refunds.deciding import REFUND

Asked = Proposal | RefundRequest


def deciders(kind: Kind) -> list[User]:
    """Active people with the right to decide and an e-mail address."""
    allowed = User.objects.with_perm(kind.may_decide, backend="django.contrib.auth.backends.ModelBackend")
    return list(allowed.exclude(email="").order_by("pk"))


def tell_approvers(
    kind: Kind,
    model: type[SettlementRequest] | type[RevivalRequest] | type[RefundRequest],
    events: Sequence[Delivered],
) -> Sequence[Answer]:
    """Queue a mail to each of them, but the proposer, about what still waits."""
    rows = model._default_manager.filter(pk__in=[event.subject_id for event in events])
    waiting = {row.pk: row for row in rows.select_related("order") if row.is_waiting}
    told = deciders(kind) if waiting else []
    staff_mail.queue(
        mail
        for event in events
        if (proposal := waiting.get(event.subject_id))
        for mail in _mails(event, proposal, told)
    )
    return [None] * len(events)


def _mails(event: Delivered, proposal: Asked, people: Sequence[User]) -> Iterator[StaffMail]:
    subject, body = _words(proposal)
    for user in people:
        if user.pk != proposal.proposer_id:
            yield StaffMail(
                event=event.name,
                subject_id=event.subject_id,
                address=user.email,
                subject=subject,
                body=body,
            )


def _words(proposal: Asked) -> tuple[str, str]:
    """Subject and body in the language of the installation: who reads it has no page open that could say another."""
    with translation.override(settings.LANGUAGE_CODE):
        page = reverse(f"admin:payments_{proposal._meta.model_name}_change", args=[proposal.pk])
        words = {
            "kind": proposal._meta.verbose_name,
            "number": proposal.order.number,
            "amount": format_amount(proposal.amount),
            "url": settings.PUBLIC_BASE_URL + page,
        }
        return (
            _("To review: %(kind)s, order %(number)s, ¥%(amount)s") % words,
            _("A %(kind)s for order %(number)s (¥%(amount)s) waits for your review:\n%(url)s\n") % words,
        )


tell_of_settlement = partial(tell_approvers, SETTLEMENT, SettlementRequest)
tell_of_revival = partial(tell_approvers, REVIVAL, RevivalRequest)
tell_of_refund = partial(tell_approvers, REFUND, RefundRequest)
